//! Error positions in scenario files, and suggestions.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::ScenarioError;

/// The similarity that clap requires for a suggestion.
const LIKE: f64 = 0.7;

/// A position in a scenario: a table, its index, a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    pub(super) table: &'static str,
    pub(super) index: usize,
    pub(super) key: &'static str,
}

impl Position {
    /// From the name in errors: `duration`, `network.delay`, `group.tek_lifetime`.
    pub(super) fn of(name: &'static str, index: usize) -> Self {
        let (table, key) = name.split_once('.').unwrap_or(("", name));
        let key = key.split('.').next().unwrap_or_default();
        Self { table, index, key }
    }
}

/// The parser's error in our words, with its line.
pub(super) fn from_toml(error: &toml::de::Error, text: &str) -> ScenarioError {
    let message = error.message();
    let unknown = message.starts_with("unknown field") || message.starts_with("unknown variant");
    let what = if unknown {
        // "unknown field `x`, expected one of `a`, `b`": every second piece is between backticks.
        let mut quoted = message.split('`').skip(1).step_by(2).map(str::to_owned);
        let word = quoted.next().unwrap_or_default();
        let known: Vec<String> = quoted.collect();
        let nearest = known
            .iter()
            .map(|known| (strsim::jaro_winkler(&word, known), known))
            .filter(|(likeness, _)| *likeness > LIKE)
            .max_by(|(one, _), (other, _)| one.total_cmp(other))
            .map(|(_, known)| known.clone());
        ScenarioError::UnknownKey { word, nearest, known }
    } else {
        ScenarioError::File(message.replace('\n', ", "))
    };
    match error.span() {
        Some(span) => on_line(what, text, span.start),
        None => what,
    }
}

/// An error at this position in a text, with its line if the text has the position.
pub(super) fn locate(error: ScenarioError, position: Position, text: &str) -> ScenarioError {
    match DeTable::parse(text)
        .ok()
        .and_then(|root| offset(root.get_ref(), position))
    {
        Some(offset) => on_line(error, text, offset),
        None => error,
    }
}

/// The offset of the key, or of its table if the key is left out.
fn offset(root: &DeTable<'_>, position: Position) -> Option<usize> {
    let Position { table, index, key } = position;
    let key_in = |table: &DeTable<'_>| {
        let found = table.iter().find(|(name, _)| name.get_ref() == key);
        found.map(|(name, _)| name.span().start)
    };
    if table.is_empty() {
        return key_in(root);
    }
    let value = root.get(table)?;
    let value: &Spanned<DeValue<'_>> = match value.get_ref() {
        DeValue::Array(values) => values.get(index)?,
        _ => value,
    };
    let keys = value.get_ref().as_table()?;
    key_in(keys).or(Some(value.span().start))
}

fn on_line(what: ScenarioError, text: &str, offset: usize) -> ScenarioError {
    let before = text.get(..offset).unwrap_or(text);
    ScenarioError::OnLine {
        line: 1 + before.matches('\n').count(),
        what: Box::new(what),
    }
}
