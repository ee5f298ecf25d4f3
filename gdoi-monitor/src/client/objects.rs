//! What an agent tells, as far as screens show it. The objects of `state` and `event`, read back.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::Text;

/// A moment since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(pub Timestamp);

impl Date {
    /// By this machine's clock.
    pub fn now() -> Self {
        Self(Timestamp::now())
    }

    /// Seconds since an earlier moment; negative when that is later.
    pub fn since(self, earlier: Self) -> f64 {
        self.0.duration_since(earlier.0).as_secs_f64()
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map(Self)
            .map_err(|error| D::Error::custom(format!("no date: {error}")))
    }
}

/// As many digits of the second as are asked for, none by itself.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(0);
        write!(f, "{:.digits$}", self.0)
    }
}

/// One group.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "each is documented where it is written: state::Group")]
pub struct Group {
    pub name: Text,
    pub configured: bool,
    pub transport: Option<Text>,
    pub rekey_address: Option<IpAddr>,
    pub members: u64,
    pub key_servers: Vec<KeyServer>,
    pub messages: BTreeMap<Text, u64>,
    pub retransmissions: BTreeMap<Text, u64>,
    pub registration: Registration,
    pub rekey: Rekey,
    pub kek: Kek,
    pub esp: Traffic,
}

/// One key server of a group.
#[derive(Clone, Debug, Deserialize)]
#[expect(
    missing_docs,
    reason = "each is documented where it is written: state::KeyServer"
)]
pub struct KeyServer {
    pub address: IpAddr,
    pub up: Option<bool>,
    pub last_seen: Option<Date>,
    pub pushes: bool,
    pub completed: BTreeMap<Text, u64>,
    pub failed: BTreeMap<Text, u64>,
    pub failed_at: BTreeMap<Text, u64>,
    pub rekeys: BTreeMap<Text, u64>,
    pub rekey_messages: u64,
    pub behavior: Option<Text>,
}

/// Registrations of a group.
#[derive(Clone, Debug, Deserialize)]
#[expect(
    missing_docs,
    reason = "each is documented where it is written: state::Registration"
)]
pub struct Registration {
    pub duration: Spread,
    pub in_progress: u64,
    pub burst_active: bool,
    pub bursts: u64,
    pub burst_members: u64,
    pub double: u64,
}

/// Rekeys of a group.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "each is documented where it is written: state::Rekey")]
pub struct Rekey {
    pub retransmissions: u64,
    pub acknowledgements: u64,
    pub unacknowledged_members: Option<u64>,
    pub recipients: u64,
    pub duration: Spread,
    pub last: Option<Date>,
    pub next_expected: Option<Date>,
    pub overdue: bool,
}

/// The KEK of a group.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "each is documented where it is written: state::Kek")]
pub struct Kek {
    pub cookies: Option<Text>,
    pub changes: u64,
    pub start: Option<Date>,
    pub expiry: Option<Date>,
    pub lifetime_seconds: Option<f64>,
    pub lifetime_source: Option<Text>,
    pub lead_seconds: Option<f64>,
    pub over_age: bool,
    pub expired: bool,
    pub split: bool,
    pub re_registration_window: Option<Window>,
}

/// From a moment to another.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Window(pub Date, pub Date);

/// ESP of a group.
#[derive(Clone, Debug, Deserialize)]
#[expect(
    missing_docs,
    reason = "each is documented where it is written: state::DataPlane"
)]
pub struct Traffic {
    pub packets: u64,
    pub octets: u64,
    pub active: u64,
    pub changes: u64,
    pub rollover: Spread,
    pub stale_packets: u64,
    pub lagging_sites: u64,
    pub tek_lifetime_seconds: Option<f64>,
}

/// Durations: how many, and how long on average.
#[derive(Clone, Copy, Debug, Deserialize)]
#[expect(
    missing_docs,
    reason = "each is documented where it is written: state::Spread"
)]
pub struct Spread {
    pub count: u64,
    pub mean_seconds: Option<f64>,
}

/// One member.
#[derive(Clone, Debug, Deserialize)]
#[expect(
    missing_docs,
    reason = "each is documented where it is written: state::Member"
)]
pub struct Member {
    pub address: Text,
    pub group: Option<Text>,
    pub key_server: Option<IpAddr>,
    pub first_seen: Date,
    pub last_seen: Date,
    pub registered: Option<Date>,
    pub registrations: u64,
    pub failures: u64,
    pub rekeyed: Option<Date>,
    pub acknowledged: Option<Date>,
    pub unacknowledged: Option<u64>,
}

impl Member {
    /// Its address, with its port only where that is not a well-known one.
    pub fn endpoint(&self) -> &str {
        match self.address.strip_suffix(":0") {
            Some(address) => address
                .strip_prefix('[')
                .and_then(|address| address.strip_suffix(']'))
                .unwrap_or(address),
            None => &self.address,
        }
    }
}

/// One ESP SPI of one site.
#[derive(Clone, Debug, Deserialize)]
#[expect(
    missing_docs,
    reason = "each is documented where it is written: state::SpiUse"
)]
pub struct SpiUse {
    pub spi: Text,
    pub site: Option<Text>,
    pub group: Option<Text>,
    pub status: Text,
    pub replaces: Option<Text>,
    pub packets: u64,
    pub octets: u64,
    pub first_seen: Date,
    pub last_seen: Date,
}

/// One event.
#[derive(Clone, Debug, Deserialize)]
pub struct Event {
    /// When.
    pub time: Date,
    /// What happened.
    #[serde(rename = "type")]
    pub what: Text,
    /// How much attention it asks for.
    pub severity: Text,
    /// In which group.
    pub group: Option<Text>,
    /// At which key server.
    pub key_server: Option<Text>,
    /// At which member.
    pub member: Option<Text>,
    /// What the type tells besides.
    #[serde(flatten)]
    pub fields: BTreeMap<Text, Value>,
}

impl Event {
    /// What it tells besides when, what and how bad, for people: who is meant first. All is harmless.
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

/// A value as people read it; fractions of a second end where nobody looks.
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
