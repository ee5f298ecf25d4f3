//! Acknowledgements: GROUPKEY-PUSH-ACK in clear (RFC 8263), and those of other types that answer a rekey.

use alloc::vec::Vec;

use gdoi_wire::Exchange;

use crate::observation::host;
use crate::state::peer::Peer;
use crate::state::table::Id;
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

    /// A message that belongs to no IKE SA: an acknowledgement when a member that was just sent a rekey sends it to that
    /// key server, under the cookies of the rekey or under new ones: those of the KEK it has just received.
    pub(crate) fn unassociated(&mut self, seen: Seen<'_>, _out: &mut Vec<Transition>) -> Option<Booking> {
        if matches!(
            seen.exchange,
            Exchange::MainMode | Exchange::Aggressive | Exchange::IkeSaInit
        ) {
            return None;
        }
        let member = self.members.find(&Peer::new(seen.message.source))?;
        let state = self.members.get(member)?;
        let (rekeyed, last) = (state.rekeyed?, state.kek?);
        let kek = self.keks.find(&Cookies::from(seen.header())).unwrap_or(last);
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
        state.join(kek_group);
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
