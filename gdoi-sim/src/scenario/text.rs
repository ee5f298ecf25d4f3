//! Writes a scenario as a file: only values that differ from the defaults.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::{Group, Scenario, ScriptedEvent};
use crate::scenario::{Action, Foreign, Network, Vantage};

impl Scenario {
    /// The text that [`Self::parse`] turns into this scenario.
    pub fn to_toml(&self) -> Result<String, serde_json::Error> {
        let mut text = String::new();
        let whole = object(serde_json::to_value(self)?);
        let title = whole.get("title");
        for (name, value) in title.map(|title| ("title", title)).into_iter().chain(
            ["seed", "start", "duration", "vlan"]
                .into_iter()
                .filter_map(|name| Some((name, whole.get(name)?))),
        ) {
            line(&mut text, name, value);
        }
        section(&mut text, "[network]", &self.network, &Network::default())?;
        section(&mut text, "[vantage]", &self.vantage, &Vantage::default())?;
        section(&mut text, "[foreign]", &self.foreign, &Foreign::default())?;
        for group in &self.groups {
            let plain = Group {
                members: 0,
                ..Group::plain(String::new())
            };
            section(&mut text, "[[group]]", group, &plain)?;
        }
        for event in &self.events {
            let mut plain = ScriptedEvent::plain(std::time::Duration::MAX, Action::Blind);
            // The action is always written.
            if event.action == Action::Blind {
                plain.action = Action::Clear;
            }
            section(&mut text, "[[event]]", event, &plain)?;
        }
        Ok(text)
    }
}

/// The values that differ from the defaults, under a heading; nothing if there are none.
fn section<T: serde::Serialize>(
    text: &mut String,
    heading: &str,
    one: &T,
    plain: &T,
) -> Result<(), serde_json::Error> {
    let (one, plain) = (
        object(serde_json::to_value(one)?),
        object(serde_json::to_value(plain)?),
    );
    let mut lines = String::new();
    for (name, value) in &one {
        if plain.get(name) != Some(value) && !value.is_null() {
            line(&mut lines, name, value);
        }
    }
    if !lines.is_empty() {
        // Writing to a string cannot fail.
        let _ok = write!(text, "\n{heading}\n{lines}");
    }
    Ok(())
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn line(text: &mut String, name: &str, value: &Value) {
    let _ok = writeln!(text, "{name} = {}", inline(value));
}

/// A value as inline TOML: like JSON, except for tables.
fn inline(value: &Value) -> String {
    match value {
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(inline).collect();
            format!("[{}]", values.join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| format!("{name} = {}", inline(value)))
                .collect();
            format!("{{ {} }}", fields.join(", "))
        }
        other => other.to_string(),
    }
}
