//! Which line of a scenario file is wrong, and what was probably meant there.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::ScenarioError;

/// As alike as clap wants it before it suggests an argument.
const LIKE: f64 = 0.7;

/// Where something stands in a scenario: a table, which of several, a key of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    pub(super) table: &'static str,
    pub(super) index: usize,
    pub(super) key: &'static str,
}

impl Position {
    /// By the name that errors use: `duration`, `network.delay`, `group.tek_lifetime`.
    pub(super) fn of(name: &'static str, index: usize) -> Self {
        let (table, key) = name.split_once('.').unwrap_or(("", name));
        let key = key.split('.').next().unwrap_or_default();
        Self { table, index, key }
    }
}

/// What the parser says, in our words, with its line.
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

/// An error of this position in a text, with its line; without one when the text does not say it.
pub(super) fn locate(error: ScenarioError, position: Position, text: &str) -> ScenarioError {
    match DeTable::parse(text)
        .ok()
        .and_then(|root| offset(root.get_ref(), position))
    {
        Some(offset) => on_line(error, text, offset),
        None => error,
    }
}

/// Where the key stands; else where its table does, which leaves it out.
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
