//! One event of the API.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::Text;
use crate::time::Moment;

/// One event.
#[derive(Clone, Debug, Deserialize)]
pub struct Event {
    /// When.
    pub time: Moment,
    /// Its type.
    #[serde(rename = "type")]
    pub what: Text,
    /// Its severity.
    pub severity: Text,
    /// Its group.
    pub group: Option<Text>,
    /// Its key server.
    pub key_server: Option<Text>,
    /// Its member.
    pub member: Option<Text>,
    /// Further fields of its type.
    #[serde(flatten)]
    pub fields: BTreeMap<Text, Value>,
}

impl Event {
    /// Its fields except time, type and severity, for people: the subject first. All text is harmless.
    pub fn words(&self) -> impl Iterator<Item = (&str, String)> {
        let who = [
            ("group", &self.group),
            ("key_server", &self.key_server),
            ("member", &self.member),
        ];
        let who = who
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_deref()?.to_owned())));
        let fields = self
            .fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (&**name, words(value)));
        who.chain(fields)
    }
}

/// A value for people; fractions of a second are shortened.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => Text::new(text).to_string(),
        Value::Number(number) if number.is_f64() => {
            let rounded = format!("{:.3}", number.as_f64().unwrap_or_default());
            rounded.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        other => Text::new(&other.to_string()).to_string(),
    }
}
