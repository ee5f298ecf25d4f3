//! How long before a key expires its renewal is due.

use core::time::Duration;

use crate::config::{GroupConfig, Profile};
use crate::state::id::GroupId;
use crate::tracker::Tracker;
use crate::transition::Transport;

/// Cisco renews a KEK at least this long before its end (Cisco document 116737).
const CISCO_MIN_KEK_LEAD: Duration = Duration::from_secs(200);
/// And a TEK.
const CISCO_MIN_TEK_LEAD: Duration = Duration::from_secs(90);
/// Time that Cisco allows for a batch of unicast rekeys, and the members in a batch.
const CISCO_BATCH_TIME: Duration = Duration::from_secs(5);
const CISCO_BATCH_MEMBERS: u64 = 50;
/// Juniper: four times the activation time delay of 15 s.
const JUNIPER_LEAD: Duration = Duration::from_mins(1);

impl Tracker {
    /// How long before the end of a KEK of this lifetime its renewal is due, by the group's profile.
    pub(crate) fn kek_lead(&self, id: GroupId, lifetime: Duration) -> Duration {
        self.lead(id, lifetime, CISCO_MIN_KEK_LEAD)
    }

    /// How long before the end of a TEK of this lifetime its renewal is due, by the group's profile.
    pub(crate) fn tek_lead(&self, id: GroupId, lifetime: Duration) -> Duration {
        self.lead(id, lifetime, CISCO_MIN_TEK_LEAD).min(lifetime / 2)
    }

    fn lead(&self, id: GroupId, lifetime: Duration, least: Duration) -> Duration {
        let known = self.groups.config(id, &self.config);
        match known.map(|known| known.profile).unwrap_or_default() {
            Profile::Cisco => (lifetime / 20).max(least) + self.unicast_allowance(id),
            Profile::Juniper => JUNIPER_LEAD,
            Profile::Rfc => Duration::ZERO,
        }
    }

    /// What a key server adds to be done with repeats, and with one batch of members after the other.
    pub(crate) fn unicast_allowance(&self, id: GroupId) -> Duration {
        let Some(group) = self.groups.get(id) else {
            return Duration::ZERO;
        };
        if group.transport != Some(Transport::Unicast) {
            return Duration::ZERO;
        }
        let batches = 1 + group.rekeys.recipients / CISCO_BATCH_MEMBERS;
        self.repeats(id) + CISCO_BATCH_TIME.saturating_mul(u32::try_from(batches).unwrap_or(u32::MAX))
    }

    /// How long a rekey is repeated.
    pub(crate) fn repeats(&self, id: GroupId) -> Duration {
        let known = self.groups.config(id, &self.config);
        let retransmit = known.map_or(Profile::Cisco.retransmit(), GroupConfig::retransmit);
        retransmit.interval.saturating_mul(retransmit.count)
    }
}
