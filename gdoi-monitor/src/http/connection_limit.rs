//! How many may be connected, all together and each.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places for connections.
#[derive(Debug)]
pub(super) struct ConnectionLimit {
    size: usize,
    free: Arc<Semaphore>,
    per_peer: usize,
    /// As many entries as connections, at most.
    by_peer: Mutex<BTreeMap<IpAddr, usize>>,
}

/// A place that nobody has yet.
pub(super) struct FreeSlot {
    room: Arc<ConnectionLimit>,
    permit: OwnedSemaphorePermit,
}

/// A place that somebody has until this is dropped.
pub(super) struct ConnectionSlot {
    room: Arc<ConnectionLimit>,
    peer: IpAddr,
    _permit: OwnedSemaphorePermit,
}

impl ConnectionLimit {
    pub(super) fn new(size: usize, per_peer: usize) -> Self {
        Self {
            size,
            free: Arc::new(Semaphore::new(size)),
            per_peer,
            by_peer: Mutex::new(BTreeMap::new()),
        }
    }

    /// Waits for a place.
    pub(super) async fn place(room: &Arc<Self>) -> Option<FreeSlot> {
        let permit = Arc::clone(&room.free).acquire_owned().await.ok()?;
        Some(FreeSlot {
            room: Arc::clone(room),
            permit,
        })
    }

    /// Places that somebody has.
    pub(super) fn taken(&self) -> u64 {
        let by_peer = self.by_peer.lock().unwrap_or_else(PoisonError::into_inner);
        by_peer.values().sum::<usize>() as u64
    }
}

impl FreeSlot {
    /// Gives it to a peer; `None` when that has enough already.
    pub(super) fn of(self, peer: IpAddr) -> Option<ConnectionSlot> {
        let Self { room, permit } = self;
        let peer = network(peer);
        {
            let mut by_peer = room.by_peer.lock().unwrap_or_else(PoisonError::into_inner);
            let has = by_peer.entry(peer).or_default();
            if *has >= room.per_peer.min(room.size) {
                return None;
            }
            *has += 1;
        }
        Some(ConnectionSlot {
            room,
            peer,
            _permit: permit,
        })
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut by_peer = self.room.by_peer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(has) = by_peer.get_mut(&self.peer) {
            *has -= 1;
            if *has == 0 {
                by_peer.remove(&self.peer);
            }
        }
    }
}

/// What one machine surely has for itself: an IPv4 address, a /64 of IPv6.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_has_its_share_and_gives_it_back() {
        let room = Arc::new(ConnectionLimit::new(3, 2));
        let take = async |peer: &str| {
            ConnectionLimit::place(&room)
                .await
                .unwrap()
                .of(peer.parse().unwrap())
        };
        let first = take("2001:db8::1").await;
        let second = take("2001:db8::2").await;
        assert!(first.is_some() && second.is_some());
        assert!(take("2001:db8::3").await.is_none());
        let other = take("::ffff:10.0.0.1").await;
        assert!(other.is_some());
        assert_eq!((room.taken(), room.free.available_permits()), (3, 0));
        drop((first, other));
        assert_eq!(room.taken(), 1);
        assert!(take("2001:db8::3").await.is_some());
        drop(second);
        assert_eq!((room.taken(), room.free.available_permits()), (0, 3));
        assert!(room.by_peer.lock().unwrap().is_empty());
    }
}
