//! Acknowledgements: GROUPKEY-PUSH-ACK in clear (RFC 8263), and those of other types that answer a rekey.

use alloc::vec::Vec;

use gdoi_wire::Exchange;

use crate::observation::host;
use crate::peer::Peer;
use crate::table::Id;
use crate::tracker::{Booking, Seen, Tracker};
use crate::transition::{Anomaly, Cookies, Transition};

impl Tracker {
    /// An acknowledgement by its type. `None` when it acknowledges nothing that was seen.
    pub(crate) fn acknowledged(&mut self, seen: Seen<'_>, out: &mut Vec<Transition>) -> Option<Booking> {
        let cookies = Cookies::from(seen.header());
        if cookies == Cookies::default() {
            self.anomaly(seen, Anomaly::CookiesZero, out);
            return None;
        }
        let kek = self.keks.find(&cookies)?;
        self.acknowledge(seen, kek)
    }

    /// A message of a type without meaning of its own: an acknowledgement when a member that was just sent a rekey
    /// sends it back to that key server under the same cookies, or, encrypted and of an unregistered type, under cookies
    /// that nobody has used: Cisco's members use the keys that the rekey delivered.
    pub(crate) fn unassociated(&mut self, seen: Seen<'_>, _out: &mut Vec<Transition>) -> Option<Booking> {
        let member = self.members.find(&Peer::new(seen.message.source))?;
        let member = self.members.get(member)?;
        let unregistered = matches!(seen.exchange, Exchange::Unregistered34 | Exchange::Unknown(_));
        let delivered = (unregistered && seen.header().is_encrypted())
            .then_some(member.kek)
            .flatten();
        let kek = self.keks.find(&Cookies::from(seen.header())).or(delivered)?;
        let rekeyed = member.rekeyed?;
        let group = self.keks.get(kek)?.group;
        if seen.now.since(rekeyed) > self.window(group) {
            return None;
        }
        self.acknowledge(seen, kek)
    }

    fn acknowledge(&mut self, seen: Seen<'_>, id: Id) -> Option<Booking> {
        let kek = self.keks.get_mut(id)?;
        let group = kek.group.known()?;
        let server = kek.server?;
        let event = kek.events.last_mut()?;
        if self.servers.address(server) != Some(host(seen.message.destination)) {
            return None;
        }
        let number = event.number;
        let kek_group = group;
        let member = self.admit_member(seen.now, Peer::new(seen.message.source));
        let state = self.members.get_mut(member)?;
        state.last_seen = seen.now;
        state.group = kek_group;
        let again = state.acknowledged_rekey == number;
        state.acknowledged_rekey = number;
        state.acknowledged = Some(seen.now);
        state.unacknowledged = 0;
        state.lost = false;
        if let Some(event) = self.keks.get_mut(id).and_then(|kek| kek.events.last_mut())
            && !again
        {
            event.acknowledged = event.acknowledged.saturating_add(1);
        }
        if let Some(group) = self.groups.get_mut(group) {
            group.rekeys.acknowledgements = group.rekeys.acknowledgements.saturating_add(1);
            group.rekeys.unacknowledged = group.rekeys.unacknowledged.saturating_sub(u64::from(!again));
        }
        Some(Booking { group, server })
    }
}
