//! Positions of events: a lane for each subject, a column for each interval.

use std::time::Duration;

use gdoi_core::transition::Severity;

use crate::client::{Event, Moment};

/// Maps time to columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    pub(super) now: Moment,
    /// Seconds of the past that are shown.
    pub(super) length: f64,
    pub(super) columns: usize,
}

impl Axis {
    /// The column of the present: the last fifth is for the future.
    pub(super) fn now_column(&self) -> usize {
        self.columns * 4 / 5
    }

    /// The beginning of the visible interval.
    pub(super) fn beginning(&self) -> Moment {
        let length = Duration::try_from_secs_f64(self.length).unwrap_or_default();
        Moment(self.now.0.before(length))
    }

    /// The column of a time `seconds` from now, negative in the past; `None` if it is not visible.
    fn column(&self, seconds: f64) -> Option<usize> {
        let here = self.now_column();
        #[expect(clippy::cast_precision_loss, reason = "columns of a terminal")]
        let place = (here as f64 + seconds / self.length * here as f64).round();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "what is negative or too large was left out"
        )]
        let column = (0.0..1e6).contains(&place).then_some(place as usize)?;
        (column < self.columns).then_some(column)
    }
}

/// The content of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LaneMark {
    pub(super) sign: char,
    pub(super) severity: Severity,
}

/// One line of marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lane {
    pub(super) label: &'static str,
    pub(super) marks: Vec<Option<LaneMark>>,
}

/// Past events.
pub(super) fn past(axis: &Axis, events: &[&Event]) -> Vec<Lane> {
    LANES
        .iter()
        .map(|(label, signs)| {
            let marked = events.iter().filter_map(|event| {
                let sign = sign(event, signs)?;
                let severity = severity(&event.severity);
                let column = axis.column(-axis.now.since(event.time) - began(event))?;
                Some((column, LaneMark { sign, severity }))
            });
            lane(axis, label, marked)
        })
        .collect()
}

/// What is due.
pub(super) fn ahead(axis: &Axis, due: &[(Moment, char)]) -> Lane {
    let severity = Severity::Info;
    let marked = due.iter().filter_map(|(date, sign)| {
        let column = axis.column(date.since(axis.now))?;
        Some((
            column,
            LaneMark {
                sign: *sign,
                severity,
            },
        ))
    });
    lane(axis, "due", marked)
}

/// Puts marks into their columns; several in one column become their number and the worst severity.
fn lane(axis: &Axis, label: &'static str, marked: impl Iterator<Item = (usize, LaneMark)>) -> Lane {
    let mut columns: Vec<(u32, Option<LaneMark>)> = vec![(0, None); axis.columns];
    for (column, mark) in marked {
        if let Some((count, kept)) = columns.get_mut(column) {
            *count += 1;
            let severity = kept.map_or(mark.severity, |kept| kept.severity.max(mark.severity));
            let sign = match *count {
                1 => mark.sign,
                count => char::from_digit(count, 10).unwrap_or('+'),
            };
            *kept = Some(LaneMark { sign, severity });
        }
    }
    Lane {
        label,
        marks: columns.into_iter().map(|(_, mark)| mark).collect(),
    }
}

fn sign(event: &Event, signs: &[(&str, char)]) -> Option<char> {
    let (_, sign) = signs.iter().find(|(what, _)| *what == &*event.what)?;
    if &*event.what != "rekey" {
        return Some(*sign);
    }
    let kind = event.fields.get("kind").and_then(|kind| kind.as_str());
    Some(match kind {
        Some("tek") => 'T',
        Some("kek") => 'K',
        Some("delete") => 'D',
        Some(_) | None => *sign,
    })
}

/// A rekey is reported at its end; it began this many seconds earlier.
fn began(event: &Event) -> f64 {
    let began = event.fields.get("began_seconds_ago");
    began.and_then(serde_json::Value::as_f64).unwrap_or(0.0)
}

fn severity(word: &str) -> Severity {
    match word {
        "critical" => Severity::Critical,
        "warning" => Severity::Warning,
        _ => Severity::Info,
    }
}

/// The events of each lane, with their signs.
const LANES: [(&str, &[(&str, char)]); 5] = [
    ("rekeys", &[("rekey", '?')]),
    (
        "not reached",
        &[
            ("rekey_retransmitted", 'r'),
            ("rekey_unacknowledged", 'u'),
            ("rekey_overdue", 'o'),
            ("member_lost", 'l'),
        ],
    ),
    (
        "members",
        &[
            ("registration_completed", '|'),
            ("registration_failed", 'x'),
            ("double_reregistration", 'd'),
            ("registration_burst_started", 'B'),
        ],
    ),
    (
        "keys",
        &[
            ("kek_changed", 'C'),
            ("kek_expired", 'E'),
            ("kek_over_age", 'A'),
            ("kek_split", 'S'),
            ("spi_changed", 's'),
            ("spi_stale", 'z'),
        ],
    ),
    (
        "servers",
        &[
            ("key_server_changed", 'P'),
            ("coop_silent", 'q'),
            ("capture_loss", '!'),
            ("malformed", 'm'),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::{Axis, past};
    use crate::client::Event;
    use crate::client::samples::{EVENTS, NOW};

    fn check(length: f64, columns: usize, shown: &[&str]) {
        let events: Vec<Event> = serde_json::from_str(EVENTS).unwrap();
        let events: Vec<_> = events.iter().collect();
        let now = NOW.parse().unwrap();
        let axis = Axis { now, length, columns };
        let lanes: Vec<_> = past(&axis, &events)
            .iter()
            .map(|lane| {
                let marks = lane.marks.iter();
                marks
                    .map(|mark| mark.map_or('.', |mark| mark.sign))
                    .collect::<String>()
            })
            .collect();
        assert_eq!(lanes, shown);
    }

    #[test]
    fn events_stand_where_they_happened() {
        // Twelve minutes in 24 columns: half a minute each, and six for what is due.
        check(
            720.0,
            30,
            &[
                "K......................T......",
                "..............................",
                "..............x...............",
                ".......................E......",
                "..............................",
            ],
        );
    }

    #[test]
    fn several_in_one_column_are_counted_and_none_is_out_of_it() {
        check(7_200.0, 5, &["....2", ".....", "....x", "....E", "....."]);
        check(1.0, 5, &["....."; 5]);
        check(1.0, 0, &[""; 5]);
    }
}
