//! The agent's events about the group during a flood.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

const GROUP: &str = "G1";
/// Types of events about something missing.
const MISSING: [&str; 5] = [
    "key_server_changed",
    "member_lost",
    "registration_failed",
    "rekey_overdue",
    "rekey_unacknowledged",
];
/// From the simulated time of a rekey to the message on the wire.
const SLACK: Duration = Duration::from_millis(300);

/// The agent's events.
#[derive(Clone, Debug, Default)]
pub(super) struct Events {
    /// Start of each reported rekey of the group, since the epoch.
    pub(super) rekeys: Vec<Duration>,
    /// Reported losses.
    pub(super) blind: Vec<(Duration, Duration)>,
    /// Reports of something missing although nothing was.
    pub(super) false_claims: Vec<String>,
    /// Number of events of each type.
    pub(super) types: BTreeMap<String, usize>,
}

impl Events {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).context("read the events")?;
        let mut events = Self::default();
        for line in text.lines() {
            let event: Value = serde_json::from_str(line).context("read an event")?;
            events.take(&event)?;
        }
        Ok(events)
    }

    fn take(&mut self, event: &Value) -> Result<()> {
        let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
        let seconds = |name: &str| event.get(name).and_then(Value::as_f64).unwrap_or_default();
        let time: jiff::Timestamp = text("time").parse().context("read the time of an event")?;
        let time = Duration::try_from(time.duration_since(jiff::Timestamp::UNIX_EPOCH))
            .context("a time before 1970")?;
        let before = |name| time.saturating_sub(Duration::from_secs_f64(seconds(name)));
        *self.types.entry(text("type").to_owned()).or_default() += 1;
        match (text("type"), text("group")) {
            ("capture_loss", _) => self.blind.push((before("duration_seconds"), time)),
            ("rekey", GROUP) => self.rekeys.push(before("began_seconds_ago")),
            _ => {}
        }
        let is_missing = MISSING.contains(&text("type")) && text("group") == GROUP;
        if is_missing && text("certainty") != "uncertain" {
            self.false_claims.push(event.to_string());
        }
        Ok(())
    }

    /// The rekeys of these times, each sent with a delay of at most `late`, that were not reported.
    pub(super) fn untold(&self, truth: &[Duration], late: Duration) -> Vec<Duration> {
        // In time order: otherwise one would be taken for another if they are close together.
        let mut told = self.rekeys.clone();
        told.sort();
        let mut untold = Vec::new();
        for rekey in truth {
            match told.iter().position(|one| one.abs_diff(*rekey) < SLACK + late) {
                Some(at) => drop(told.remove(at)),
                None => untold.push(*rekey),
            }
        }
        untold
    }

    /// Whether a loss was reported at that time, or within `late` of it.
    pub(super) fn was_blind(&self, at: Duration, late: Duration) -> bool {
        let covers =
            |(from, until): &(Duration, Duration)| *from <= at + SLACK + late && at <= *until + SLACK;
        self.blind.iter().any(covers)
    }
}
