//! Cookie pairs that nothing but one message speaks for. They have room of their own: whoever sprays them must not
//! push out the KEKs of groups.

use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::observation::host;
use crate::time::Timestamp;
use crate::tracker::{Seen, Tracker};
use crate::transition::{Cookies, Transport};

/// The first message under a cookie pair.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Unconfirmed {
    first: Timestamp,
    destination: SocketAddr,
}

impl Tracker {
    /// Since when rekeys under a cookie pair are believed to be rekeys, if they are.
    ///
    /// One unicast message from nowhere makes no group: a known key server, a second destination or a repeat does.
    pub(super) fn vouched(
        &mut self,
        seen: Seen<'_>,
        cookies: Cookies,
        transport: Transport,
    ) -> Option<Timestamp> {
        let destination = seen.message.destination;
        let before = self
            .unconfirmed
            .find(&cookies)
            .and_then(|id| self.unconfirmed.get(id));
        let is_second =
            before.is_some_and(|before| before.destination != destination || before.first < seen.now);
        let first = before.map_or(seen.now, |before| before.first);
        if is_second || transport == Transport::Multicast || self.is_proven(host(seen.message.source)) {
            return Some(first);
        }
        if before.is_none() {
            self.unconfirmed
                .insert(cookies, Unconfirmed { first, destination });
        }
        None
    }

    /// Something has confirmed it.
    pub(super) fn forget_unconfirmed(&mut self, cookies: Cookies) {
        if let Some(id) = self.unconfirmed.find(&cookies) {
            self.unconfirmed.remove(id);
        }
    }
}
