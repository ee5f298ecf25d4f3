//! What really happened: the simulator's own log.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use gdoi_core::Timestamp;
use serde::{Serialize, Serializer};

/// Everything that happened so far, in time order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Truth(Vec<Happened>);

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Happened {
    /// When.
    #[serde(rename = "time", serialize_with = "moment")]
    pub at: Timestamp,
    /// Its group.
    pub group: String,
    /// Its key server, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_server: Option<IpAddr>,
    /// Its member, if any, as the key server sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<SocketAddr>,
    /// What happened.
    #[serde(flatten)]
    pub kind: Kind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Kind {
    /// A member started to register.
    RegistrationStarted {
        /// Why.
        reason: Reason,
    },
    /// A member received the policy of the group.
    RegistrationCompleted {
        /// Why it registered.
        reason: Reason,
        /// From its first message to its last.
        #[serde(serialize_with = "seconds")]
        duration: Duration,
        /// Whether it got the KEK that it already had.
        same_kek: bool,
        /// Its KEK now.
        #[serde(serialize_with = "hex")]
        cookies: [u8; 16],
    },
    /// A member gave up.
    RegistrationFailed {
        /// The round trip in which it waited, from 0.
        trip: u8,
    },
    /// A member registered before and after its KEK expired, because the key server renews the KEK at expiry.
    DoubleReregistration,
    /// A key server sent a rekey.
    Rekey {
        /// Whether it delivered a KEK.
        delivers_kek: bool,
        /// Whether an operator or a merge caused it.
        forced: bool,
        /// Its sequence number.
        sequence: u32,
        /// Number of recipients.
        recipients: u32,
        /// The KEK it was sent under.
        #[serde(serialize_with = "hex")]
        cookies: [u8; 16],
        /// The KEK after it.
        #[serde(serialize_with = "hex")]
        next_cookies: [u8; 16],
        /// How long before the expiry of the KEK, in seconds; negative after it. `None` if it did not deliver one.
        lead_seconds: Option<f64>,
        /// The next SPI of ESP.
        spi: u32,
    },
    /// A member accepted a rekey.
    RekeyReceived {
        /// Its sequence number.
        sequence: u32,
    },
    /// A member was sent a rekey and did not accept it.
    RekeyMissed {
        /// Its sequence number.
        sequence: u32,
        /// Whether it delivered a KEK.
        delivers_kek: bool,
    },
    /// A key server repeated a rekey for the first time.
    RekeyRepeated {
        /// The KEK it was sent under.
        #[serde(serialize_with = "hex")]
        cookies: [u8; 16],
    },
    /// A key server got no acknowledgement of a rekey, whether or not the member accepted it.
    RekeyUnacknowledged {
        /// The KEK it was sent under.
        #[serde(serialize_with = "hex")]
        cookies: [u8; 16],
    },
    /// A key server sends no more rekeys to a member.
    MemberDropped,
    /// A member's KEK expired and was deleted.
    KekDeleted,
    /// A key server used a KEK beyond its lifetime.
    KekOverAge,
    /// The lifetime of the KEK ended while its key server was silent.
    KekExpired,
    /// The TEK ended and no rekey had replaced it.
    RekeyOverdue,
    /// A member sends with an SPI whose TEK ended.
    SpiStale {
        /// The SPI.
        spi: u32,
        /// Its site, named as in [`crate::Scenario::config`].
        site: String,
    },
    /// A member sends with another SPI.
    SpiRolled {
        /// The SPI before; 0 for none.
        from: u32,
        /// The new SPI.
        to: u32,
    },
    /// A member's last SPI expired.
    TekExpired,
    /// A member lost power.
    PowerLost,
    /// A key server stopped.
    ServerDown,
    /// A key server started again.
    ServerUp,
    /// Another key server became primary.
    Failover {
        /// The previous primary.
        from: IpAddr,
    },
    /// The key servers lost contact.
    Split,
    /// The key servers regained contact.
    Merged,
    /// A datagram path was closed.
    Blocked,
    /// The gateway saw nothing.
    Blind,
}

/// Why a member registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It started.
    Boot,
    /// Its key server deleted its keys.
    Forced,
    /// Its KEK is about to expire, or expired.
    Kek,
    /// Its TEK is about to expire, or expired.
    Tek,
}

impl Truth {
    pub(crate) fn add(&mut self, happened: Happened) {
        self.0.push(happened);
    }

    /// Takes the log so far.
    pub(crate) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// The log, in time order.
    pub fn happened(&self) -> &[Happened] {
        &self.0
    }

    /// One JSON object per line.
    pub fn to_jsonl(&self) -> Result<String, serde_json::Error> {
        let mut lines = String::new();
        for happened in &self.0 {
            lines.push_str(&serde_json::to_string(happened)?);
            lines.push('\n');
        }
        Ok(lines)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn moment<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    match jiff::Timestamp::from_nanosecond(i128::from(at.as_nanos())) {
        Ok(moment) => serializer.collect_str(&moment),
        Err(error) => Err(serde::ser::Error::custom(error)),
    }
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

fn hex<S: Serializer>(octets: &[u8; 16], serializer: S) -> Result<S::Ok, S::Error> {
    let mut text = String::with_capacity(32);
    for octet in octets {
        write!(text, "{octet:02x}").map_err(serde::ser::Error::custom)?;
    }
    serializer.serialize_str(&text)
}
