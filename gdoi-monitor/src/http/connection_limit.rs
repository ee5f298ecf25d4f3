//! How many clients may be connected, and which connection is closed if there is no free slot.
//!
//! A connection costs its peer nothing until it sends a request, so connections without one are closed first: the
//! oldest of the same address if that address has used its share, otherwise the oldest of all. Next come those that
//! have an answer and are idle, or read slowly. Scrapers come last, and have reserved slots: no crowd keeps a scraper
//! out.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::Refusal;

/// Number of scraper addresses: Prometheus, a second one, and two for trials.
const SCRAPERS: usize = 4;
/// Slots reserved for scrapers.
const FOR_SCRAPERS: usize = 4;
/// Longer than any scrape interval in use.
const SCRAPER_STAYS: Duration = Duration::from_mins(10);
/// Time to read an answer before another connection may get the slot.
const ANSWERED_STAYS: Duration = Duration::from_secs(2);

/// All open connections.
#[derive(Debug)]
pub(super) struct ConnectionLimit {
    size: usize,
    per_peer: usize,
    open: Mutex<OpenConnections>,
}

#[derive(Debug, Default)]
struct OpenConnections {
    /// By number, in the order of arrival.
    connections: BTreeMap<u64, OpenConnection>,
    next: u64,
    /// Addresses that received metrics, with the time of the last scrape.
    scrapers: Vec<(IpAddr, Instant)>,
}

#[derive(Debug)]
struct OpenConnection {
    peer: IpAddr,
    phase: Phase,
    closed: Arc<Notify>,
}

/// Progress of a connection's request. The first variants are closed before the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// No request yet: no TLS, or no complete header; or its request was refused.
    Opening,
    /// It received an answer at this time, and reads it or has read it.
    Answered(Instant),
    /// It waits for an answer, or for its password check: the number of these is bounded elsewhere.
    Serving,
}

/// The slot of one connection, until it is dropped.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    limit: Arc<ConnectionLimit>,
    number: u64,
    peer: IpAddr,
    closed: Arc<Notify>,
}

impl ConnectionLimit {
    pub(super) fn new(size: usize, per_peer: usize) -> Self {
        Self {
            size,
            per_peer: per_peer.min(size),
            open: Mutex::default(),
        }
    }

    /// A slot for a new connection, and the reason if another was closed for it; no slot if none can be closed.
    pub(super) fn admit(
        self: &Arc<Self>,
        peer: IpAddr,
        now: Instant,
    ) -> (Option<ConnectionSlot>, Option<Refusal>) {
        let peer = network(peer);
        let mut open = self.open();
        let of_peer = |connection: &OpenConnection| connection.peer == peer;
        let is_scraper = open.is_scraper(peer, now);
        let has = open.connections.values().filter(|one| of_peer(one)).count();
        let room = if is_scraper {
            self.size + FOR_SCRAPERS
        } else {
            self.size
        };
        let refusal = if has >= self.per_peer {
            Some(Refusal::Peer)
        } else {
            (open.connections.len() >= room).then_some(Refusal::Full)
        };
        let is_admitted = match refusal {
            None => true,
            Some(Refusal::Peer) => open.close_one(now, of_peer),
            Some(_) => open.close_one(now, |_| true),
        };
        if !is_admitted {
            return (None, refusal);
        }
        let closed = Arc::new(Notify::new());
        let number = open.next;
        open.next += 1;
        let connection = OpenConnection {
            peer,
            phase: Phase::Opening,
            closed: Arc::clone(&closed),
        };
        open.connections.insert(number, connection);
        let slot = ConnectionSlot {
            limit: Arc::clone(self),
            number,
            peer,
            closed,
        };
        (Some(slot), refusal)
    }

    /// Number of open connections.
    pub(super) fn taken(&self) -> u64 {
        self.open().connections.len() as u64
    }

    fn open(&self) -> MutexGuard<'_, OpenConnections> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenConnections {
    /// Closes the connection that comes first in this order; `false` if none may be closed.
    fn close_one(&mut self, now: Instant, candidate: impl Fn(&OpenConnection) -> bool) -> bool {
        let gives_way = |connection: &OpenConnection| match connection.phase {
            Phase::Opening => true,
            Phase::Answered(at) => now.duration_since(at) >= ANSWERED_STAYS,
            Phase::Serving => false,
        };
        let first = self
            .connections
            .iter()
            .filter(|(_, connection)| candidate(connection) && gives_way(connection))
            .min_by_key(|(number, connection)| {
                (self.is_scraper(connection.peer, now), connection.phase, **number)
            })
            .map(|(number, _)| *number);
        let closed = first.and_then(|number| self.connections.remove(&number));
        if let Some(connection) = &closed {
            connection.closed.notify_one();
        }
        closed.is_some()
    }

    fn is_scraper(&self, peer: IpAddr, now: Instant) -> bool {
        self.scrapers
            .iter()
            .any(|(address, at)| *address == peer && now.duration_since(*at) < SCRAPER_STAYS)
    }

    /// Remembers a scraper. An address stays one as long as it scrapes: a single scrape by another does not displace
    /// it.
    fn note_scrape(&mut self, peer: IpAddr, now: Instant) {
        self.scrapers
            .retain(|(address, at)| *address != peer && now.duration_since(*at) < SCRAPER_STAYS);
        if self.scrapers.len() < SCRAPERS {
            self.scrapers.push((peer, now));
        }
    }
}

impl ConnectionSlot {
    /// Ends when another connection needs the slot.
    pub(super) async fn closed(&self) {
        self.closed.notified().await;
    }

    /// A complete header has arrived.
    pub(super) fn serving(&self) {
        self.enter(Phase::Serving);
    }

    /// Its request is refused.
    pub(super) fn refused(&self) {
        self.enter(Phase::Opening);
    }

    /// It received an answer.
    pub(super) fn answered(&self, now: Instant) {
        self.enter(Phase::Answered(now));
    }

    /// It received metrics.
    pub(super) fn scraped(&self, now: Instant) {
        self.limit.open().note_scrape(self.peer, now);
    }

    /// Whether its address received metrics recently.
    pub(super) fn is_scraper(&self, now: Instant) -> bool {
        self.limit.open().is_scraper(self.peer, now)
    }

    fn enter(&self, phase: Phase) {
        if let Some(connection) = self.limit.open().connections.get_mut(&self.number) {
            connection.phase = phase;
        }
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.limit.open().connections.remove(&self.number);
    }
}

/// The network of a single machine: an IPv4 address, or a /64 of IPv6.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(limit: &Arc<ConnectionLimit>, peer: &str) -> (Option<ConnectionSlot>, Option<Refusal>) {
        limit.admit(peer.parse().unwrap(), Instant::now())
    }

    fn admitted(limit: &Arc<ConnectionLimit>, peer: &str) -> ConnectionSlot {
        let (slot, refusal) = admit(limit, peer);
        assert_eq!(refusal, None, "{peer}");
        slot.unwrap()
    }

    /// Whether another connection has got the slot.
    async fn is_closed(slot: &ConnectionSlot) -> bool {
        tokio::time::timeout(Duration::ZERO, slot.closed()).await.is_ok()
    }

    #[tokio::test]
    async fn each_has_its_share_and_gives_it_back() {
        let limit = Arc::new(ConnectionLimit::new(3, 2));
        let first = admitted(&limit, "2001:db8::1");
        let second = admitted(&limit, "2001:db8::2");
        let other = admitted(&limit, "::ffff:10.0.0.1");
        let (third, refusal) = admit(&limit, "2001:db8::3");
        assert_eq!(refusal, Some(Refusal::Peer));
        assert!(is_closed(&first).await && !is_closed(&second).await && !is_closed(&other).await);
        assert_eq!(limit.taken(), 3);
        drop((first, second, third, other));
        assert_eq!(limit.taken(), 0);
    }

    #[tokio::test]
    async fn who_asks_for_nothing_gives_way_to_who_comes() {
        let limit = Arc::new(ConnectionLimit::new(4, 4));
        let serving = admitted(&limit, "10.0.0.1");
        serving.serving();
        let refused = admitted(&limit, "10.0.0.2");
        refused.serving();
        refused.refused();
        let old = admitted(&limit, "10.0.0.3");
        let young = admitted(&limit, "10.0.0.3");
        let mut kept = Vec::new();
        for closed in [&refused, &old, &young] {
            let (slot, refusal) = admit(&limit, "10.0.0.4");
            assert_eq!(refusal, Some(Refusal::Full));
            assert!(is_closed(closed).await);
            let slot = slot.unwrap();
            slot.serving();
            kept.push(slot);
        }
        let (none, refusal) = admit(&limit, "10.0.0.6");
        assert!(none.is_none() && refusal == Some(Refusal::Full));
        assert!(!is_closed(&serving).await);
    }

    #[tokio::test]
    async fn who_was_answered_gives_way_after_a_while() {
        let limit = Arc::new(ConnectionLimit::new(1, 1));
        let idle = admitted(&limit, "10.0.0.1");
        let now = Instant::now();
        idle.answered(now);
        let peer = "10.0.0.2".parse().unwrap();
        assert!(limit.admit(peer, now).0.is_none());
        assert!(limit.admit(peer, now + ANSWERED_STAYS).0.is_some());
        assert!(is_closed(&idle).await);
    }

    #[test]
    fn a_scraper_has_places_of_its_own_as_long_as_it_scrapes() {
        let limit = Arc::new(ConnectionLimit::new(1, 1));
        let now = Instant::now();
        admitted(&limit, "10.0.0.1").scraped(now);
        for last in 0..9 {
            admitted(&limit, &format!("10.0.1.{last}")).scraped(now);
        }
        let crowd = admitted(&limit, "10.0.2.1");
        crowd.serving();
        assert!(admit(&limit, "10.0.2.2").0.is_none());
        assert!(admit(&limit, "10.0.1.8").0.is_none(), "it scraped too late");
        assert!(admit(&limit, "10.0.0.1").0.is_some());
        let later = Instant::now() + SCRAPER_STAYS;
        assert!(limit.admit("10.0.0.1".parse().unwrap(), later).0.is_none());
    }
}
