//! The sentence of an incident, with its numbers but without dates, because only the reader's wall clock has those.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::cause::Cause;
use super::incident::Incident;
use super::words::{RegistrationStage, Transport};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A duration for people: its two largest units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded = self.0.saturating_add(Duration::from_millis(500));
        let seconds = rounded.as_secs();
        let (whole, unit, part, part_unit) = match seconds {
            0 => return write!(f, "{} ms", self.0.as_millis()),
            1..120 => return write!(f, "{seconds} s"),
            120..HOUR => (seconds / MINUTE, "min", seconds % MINUTE, "s"),
            HOUR..DAY => (seconds / HOUR, "h", seconds % HOUR / MINUTE, "min"),
            _ => (seconds / DAY, "d", seconds % DAY / HOUR, "h"),
        };
        write!(f, "{whole} {unit}")?;
        if part > 0 {
            write!(f, " {part} {part_unit}")?;
        }
        Ok(())
    }
}

/// A number with its noun.
fn counted(count: u64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

/// The form of a verb for this count.
const fn verb<'a>(count: u64, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}

fn seconds(seconds: f64) -> Span {
    Span(Duration::try_from_secs_f64(seconds.abs()).unwrap_or(Duration::MAX))
}

impl Incident {
    /// What happened, in one or two sentences with numbers.
    pub fn summary(&self) -> String {
        if self.collected > 0 {
            return format!(
                "The same at more key servers or in more groups than are listed one by one: {}.",
                counted(self.collected, "event")
            );
        }
        match self.cause {
            Cause::AuthenticationRefused => self.failed_registrations(
                "reaches",
                "reach",
                "and authentication fails: phase 1 stops at its first encrypted messages",
            ),
            Cause::CaptureIncomplete => self.capture_incomplete(),
            Cause::ConfigurationContradicted => format!(
                "The configuration says {} = {}; the traffic shows {}.",
                self.measures.key, self.measures.configured, self.measures.seen
            ),
            Cause::ForcedRekey => self.forced_rekey(),
            Cause::Forgery => self.forgery(),
            Cause::KekOverAge => self.kek_over_age(),
            Cause::KeyServerDown => self.key_server_down(),
            Cause::KeyServerFailover => self.key_server_failover(),
            Cause::KeyServerSplit => self.key_server_split(),
            Cause::KeyServerUnreachable => self.key_server_unreachable(),
            Cause::LegacyKeyServer => self.legacy_key_server(),
            Cause::LifetimeChanged => self.lifetime_changed(),
            Cause::MemberDropped => {
                let after = match self.measures.rekeys {
                    0 => String::new(),
                    rekeys => format!(
                        ", after {} in a row without acknowledgement",
                        counted(u64::from(rekeys), "rekey")
                    ),
                };
                format!(
                    "{} no longer sends rekeys to {}{after}.{}",
                    capital(self.server("The key server")),
                    self.who(),
                    self.recovery("registered again")
                )
            }
            Cause::MemberGone => self.member_gone(),
            Cause::MemberReloaded => format!(
                "{} registered again although no key was about to expire: {} restarted.",
                capital(self.who()),
                verb(self.count(), "it", "they")
            ),
            Cause::MembersCleared => self.members_cleared(),
            Cause::NatRebound => format!(
                "{} moved to another address or port, and what was sent to the old one was lost.",
                capital(self.who())
            ),
            Cause::NotAuthorised => self.failed_registrations(
                "authenticates at",
                "authenticate at",
                "and the request for the keys of the group gets no answer: the key server refuses the member or does not know the group",
            ),
            Cause::PolicyRefused => self.failed_registrations(
                "receives the policy of",
                "receive the policy of",
                "and stops there: it does not accept what it is offered",
            ),
            Cause::PowerCut => self.power_cut(),
            Cause::RecoveryLoop => self.recovery_loop(),
            Cause::RekeyFragmentsDropped => self.failed_registrations(
                "talks with",
                "talk with",
                "and the first large message never arrives: small ones do, so fragments are dropped on the way",
            ),
            Cause::RekeyLost => self.rekey_lost(),
            Cause::RekeyStopped => self.rekey_stopped(),
            Cause::Scan => format!(
                "{} and perhaps others sent {} to key servers; nobody answered and nobody tried twice.",
                self.subjects("A stranger"),
                counted(self.measures.messages, "first message")
            ),
            Cause::StaleSpi => format!(
                "{} still sends with an SPI that was replaced {} before: the others will drop it when the old key ends.",
                self.sites(),
                self.measures
                    .period
                    .map_or_else(|| "some time".to_string(), |late| Span(late).to_string())
            ),
        }
    }

    /// Doubts about the cause, a sentence each.
    pub fn doubts(&self) -> impl Iterator<Item = &'static str> {
        self.against.iter().map(|one| one.meaning())
    }

    fn count(&self) -> u64 {
        u64::from(self.affected.count())
    }

    fn server(&self, otherwise: &str) -> String {
        self.key_server
            .map_or_else(|| otherwise.to_string(), |server| format!("key server {server}"))
    }

    /// `member 10.1.1.2`, `3 of 8 members`, `all 8 members`.
    fn who(&self) -> String {
        let count = self.count();
        let of = self.measures.of.map_or(0, u64::from);
        match (count, self.affected.members().next()) {
            (1, Some(member)) if of <= 1 => format!("member {}", member.ip()),
            (1, Some(member)) => format!("member {} (1 of {of})", member.ip()),
            _ if count > 1 && count == of => format!("all {of} members"),
            _ if of > count => format!("{count} of {of} members"),
            _ => counted(count, "member"),
        }
    }

    fn subjects(&self, otherwise: &str) -> String {
        let subjects = &self.measures.subjects;
        match (subjects.len(), subjects.first()) {
            (1, Some(only)) => only.clone(),
            (2.., Some(_)) => {
                let named: Vec<&str> = subjects.iter().take(4).map(String::as_str).collect();
                let more = if subjects.len() > 4 { " and others" } else { "" };
                format!("{}{more}", named.join(", "))
            }
            _ => otherwise.to_string(),
        }
    }

    fn sites(&self) -> String {
        match self.measures.subjects.len() {
            0 => "A site".to_string(),
            1 => format!("Site {}", self.subjects("")),
            _ => format!("Each of the sites {}", self.subjects("")),
        }
    }

    fn recovery(&self, how: &str) -> String {
        let (recovered, count) = (u64::from(self.affected.recovered()), self.count());
        match recovered {
            0 => String::new(),
            _ if recovered >= count => {
                format!(" {} since {how}.", if count == 1 { "It has" } else { "All have" })
            }
            _ => format!(
                " {recovered} of them {} since {how}.",
                verb(recovered, "has", "have")
            ),
        }
    }

    fn failed_registrations(&self, one: &str, many: &str, stop: &str) -> String {
        let failed = self.effect("registration_failed");
        format!(
            "{} {} {}, {stop} ({}).{}",
            capital(self.who()),
            verb(self.count(), one, many),
            self.server("the key server"),
            counted(failed, "failed registration"),
            self.recovery("registered")
        )
    }

    fn capture_incomplete(&self) -> String {
        let mut parts = Vec::new();
        if let Some(blind) = self.measures.silence {
            parts.push(format!("nothing was seen for {}", Span(blind)));
        }
        if self.measures.messages > 0 {
            parts.push(format!(
                "{} could not be read",
                counted(self.measures.messages, "message")
            ));
        }
        if let Some(step) = self.measures.period {
            parts.push(format!("the clock was set by {}", Span(step)));
        }
        if parts.is_empty() {
            parts.push("some traffic was not seen".to_string());
        }
        format!(
            "{}: what is missing from that time proves nothing.",
            capital(parts.join(", "))
        )
    }

    fn forced_rekey(&self) -> String {
        let rekeys = u64::from(self.measures.rekeys);
        let regular = self.measures.expected.map_or_else(String::new, |regular| {
            format!(" outside the schedule of one every {}", Span(regular))
        });
        format!(
            "{} sent {}{regular}: an operator forced {}, or the policy was changed.",
            capital(self.server("The key server")),
            counted(rekeys, "rekey"),
            verb(rekeys, "it", "them")
        )
    }

    fn forgery(&self) -> String {
        let overdue = if self.effect("rekey_overdue") > 0 {
            " They may hide that a rekey is overdue."
        } else {
            ""
        };
        format!(
            "{} from {} {} from neither a key server nor a member. The monitor ignores them.{overdue}",
            counted(self.measures.messages, "message"),
            self.subjects("an unknown address"),
            verb(self.measures.messages, "comes", "come"),
        )
    }

    fn kek_over_age(&self) -> String {
        let lifetime = self
            .measures
            .expected
            .map_or_else(String::new, |expected| format!(" of {}", Span(expected)));
        match (self.measures.period, self.measures.lead_seconds) {
            (Some(age), _) => format!(
                "{} still uses a KEK that is {} old, beyond its lifetime{lifetime}.",
                capital(self.server("The key server")),
                Span(age)
            ),
            (None, Some(lead)) => format!(
                "{} renews its KEK {} after the lifetime ended.",
                capital(self.server("The key server")),
                seconds(lead)
            ),
            (None, None) => format!(
                "The lifetime{lifetime} of the KEK ended and no rekey replaced it: members must register again."
            ),
        }
    }

    fn late_rekey(&self) -> String {
        let Some(period) = self.measures.expected else {
            return String::new();
        };
        let late = self
            .measures
            .period
            .map_or_else(String::new, |late| format!(", and is {} late", Span(late)));
        format!(" A rekey is due every {}{late}.", Span(period))
    }

    fn key_server_down(&self) -> String {
        let server = capital(self.server("The key server"));
        let mut text = match self.measures.silence {
            Some(silence) => {
                let members = self.count();
                let lasted = self.ended.map_or(silence, |ended| ended.since(self.began));
                format!(
                    "{server} answered nobody for {}: {} gave up.",
                    Span(lasted),
                    counted(members, "member")
                )
            }
            None => format!("{server} is silent: the rekey that was due did not come."),
        };
        match self.ended {
            None => text.push_str(&self.late_rekey()),
            Some(ended) if self.measures.silence.is_none() => {
                text.push_str(format!(" It came {} late.", Span(ended.since(self.began))).as_str());
            }
            Some(_) => text.push_str(" It answers again."),
        }
        text
    }

    fn key_server_failover(&self) -> String {
        let silent = self.measures.silence.map_or_else(String::new, |silence| {
            format!(" The former one had been silent for {}.", Span(silence))
        });
        let from = self
            .measures
            .other_server
            .map_or_else(|| "the former one".to_string(), |from| from.to_string());
        format!(
            "{} took over from {from} and sends the rekeys.{silent}",
            capital(self.server("Another key server"))
        )
    }

    fn key_server_split(&self) -> String {
        let servers = self.subjects("Two key servers");
        match self.ended {
            Some(ended) => format!(
                "Key servers {servers} used a KEK each for one group for {}; they are one again.",
                Span(ended.since(self.began))
            ),
            None => format!(
                "Key servers {servers} use a KEK each for one group: members of one cannot read those of the other."
            ),
        }
    }

    fn key_server_unreachable(&self) -> String {
        let server = self.server("the key server");
        if let (Some(peer), Some(silence)) = (self.measures.other_server, self.measures.silence) {
            return format!(
                "{} no longer announces itself to its peer {peer}, for {} so far: when that lasts, both act as primary.",
                capital(server),
                Span(silence)
            );
        }
        let failed = counted(self.effect("registration_failed"), "failed registration");
        let recovery = self.recovery("registered");
        match self.measures.stage {
            Some(RegistrationStage::Mm3) => format!(
                "The answers of {server} do not reach {} ({failed}): the path from key server to member is blocked.{recovery}",
                self.who()
            ),
            _ => format!(
                "{} {} {server} and no answer passes here ({failed}): the path to the key server, or back, is blocked.{recovery}",
                capital(self.who()),
                verb(self.count(), "asks", "ask")
            ),
        }
    }

    fn legacy_key_server(&self) -> String {
        let cycles = match self.measures.cycles {
            0 => String::new(),
            cycles => format!(" ({})", counted(u64::from(cycles), "cycle")),
        };
        let mut text = format!(
            "{} renews its KEK only when it expires{cycles}.",
            capital(self.server("The key server"))
        );
        let doubles = self.effect("double_reregistration");
        if doubles > 0 {
            text.push_str(
                format!(
                    " {} registered twice around an expiry, {}: newer members expect the new KEK earlier.",
                    capital(self.who()),
                    counted(doubles, "time")
                )
                .as_str(),
            );
        } else {
            text.push_str(" Newer members will register twice around each expiry.");
        }
        text
    }

    fn lifetime_changed(&self) -> String {
        match (self.measures.expected, self.measures.period) {
            (Some(before), Some(now)) => format!(
                "Rekeys come every {} now, and came every {} before: somebody changed a lifetime.",
                Span(now),
                Span(before)
            ),
            _ => format!(
                "The configuration says {} = {}; the traffic shows {} now.",
                self.measures.key, self.measures.configured, self.measures.seen
            ),
        }
    }

    fn member_gone(&self) -> String {
        let dropped = if self.effect("member_lost") > 0 {
            format!(
                " The key server has stopped sending to {}.",
                verb(self.count(), "it", "them")
            )
        } else {
            String::new()
        };
        format!(
            "{} {} nothing: {} in a row unacknowledged and no registration. No power, or the line is down.{dropped}{}",
            capital(self.who()),
            verb(self.count(), "sends", "send"),
            counted(u64::from(self.measures.rekeys), "rekey"),
            self.recovery("come back")
        )
    }

    fn members_cleared(&self) -> String {
        let registered = self.effect("re_registration");
        let then = if registered > 0 {
            format!(" {} followed.", counted(registered, "registration"))
        } else {
            String::new()
        };
        let server = capital(self.server("The key server"));
        match (self.count(), self.measures.of) {
            (told @ 1.., Some(of)) if told < u64::from(of) => format!(
                "A deletion of keys went to {told} of {of} members only, as if from {server}.{then}",
                server = self.server("the key server")
            ),
            _ => format!("{server} deleted the keys of the group: every member has to register.{then}"),
        }
    }

    fn power_cut(&self) -> String {
        let measures = &self.measures;
        let rate = if measures.peak_rate > 0.0 {
            format!(", up to {:.0} a second", measures.peak_rate)
        } else {
            String::new()
        };
        let registered = self.effect("re_registration");
        let failed = match self.effect("registration_failed").max(u64::from(measures.failed)) {
            0 => String::new(),
            failed => format!(" and {} failed", counted(failed, "attempt")),
        };
        let mut text = format!(
            "{} registered at once{rate}, with no expiry and no deletion to explain it: power or line came back. {} in {}{failed}.",
            capital(self.who()),
            counted(registered, "registration"),
            Span(self.lasted()),
        );
        let before = measures.of.map_or(0, u64::from);
        if let missing @ 1.. = before.saturating_sub(registered) {
            text.push_str(
                format!(
                    " {} of before {} not yet back.",
                    counted(missing, "member"),
                    verb(missing, "is", "are")
                )
                .as_str(),
            );
        }
        text
    }

    fn recovery_loop(&self) -> String {
        let period = self
            .measures
            .period
            .map_or_else(String::new, |period| format!(" every {}", Span(period)));
        format!(
            "{} {} again and again{period}, although rekeys reach {} and no key is about to expire.",
            capital(self.who()),
            verb(self.count(), "registers", "register"),
            verb(self.count(), "it", "them")
        )
    }

    fn rekey_lost(&self) -> String {
        let how = match self.measures.transport {
            Some(Transport::Multicast) => "multicast rekey",
            Some(Transport::Unicast) | None => "rekey",
        };
        let rekeys = u64::from(self.measures.rekeys.max(1));
        let fewer = match rekeys {
            1 => format!("A {how} did not reach"),
            _ => format!("{} did not reach", counted(rekeys, how)),
        };
        // Members that miss a multicast rekey register again, and miss the next one.
        let recovery = match self.measures.transport {
            Some(Transport::Multicast) => String::new(),
            Some(Transport::Unicast) | None => self.recovery("registered again"),
        };
        format!("{fewer} {}.{recovery}", self.who())
    }

    fn rekey_stopped(&self) -> String {
        format!(
            "{} completes registrations and sends no rekeys.{}",
            capital(self.server("The key server")),
            self.late_rekey()
        )
    }
}

/// Capitalises the first letter.
fn capital(text: String) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;
    use core::time::Duration;

    use super::Span;

    #[test]
    fn lengths_of_time_are_said_as_people_say_them() {
        for (seconds, expect) in [
            (0.02, "20 ms"),
            (45.2, "45 s"),
            (119.0, "119 s"),
            (485.0, "8 min 5 s"),
            (3_600.0, "1 h"),
            (3_394.99, "56 min 35 s"),
            (6_815.0, "1 h 53 min"),
            (90_000.0, "1 d 1 h"),
        ] {
            assert_eq!(Span(Duration::from_secs_f64(seconds)).to_string(), expect);
        }
    }
}
