//! How many may be connected, and who gives way when there is no room.
//!
//! A connection costs its peer nothing until it has asked for something, so those that have not give way first: the
//! oldest of the same address when that address has its share, the oldest of all when everything is taken. Then those
//! give way that were answered and do nothing, or read slowly. Addresses that scrape come last, and have places of their
//! own: no crowd keeps a scraper out.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::Refusal;

/// Addresses that scrape: Prometheus, a second one, and two to try things.
const SCRAPERS: usize = 4;
/// Places that only they have.
const FOR_SCRAPERS: usize = 4;
/// Longer than every scrape interval that is in use.
const SCRAPER_STAYS: Duration = Duration::from_mins(10);
/// Time to read an answer before another may have the place.
const ANSWERED_STAYS: Duration = Duration::from_secs(2);

/// All that are connected.
#[derive(Debug)]
pub(super) struct ConnectionLimit {
    size: usize,
    per_peer: usize,
    open: Mutex<OpenConnections>,
}

#[derive(Debug, Default)]
struct OpenConnections {
    /// By number: in the order in which they came.
    connections: BTreeMap<u64, OpenConnection>,
    next: u64,
    /// Addresses that were given metrics, and when they last were.
    scrapers: Vec<(IpAddr, Instant)>,
}

#[derive(Debug)]
struct OpenConnection {
    peer: IpAddr,
    phase: Phase,
    closed: Arc<Notify>,
}

/// How far a connection has got with what it asks for. The first give way before the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// It has asked for nothing yet: no TLS, or no whole header; or what it asked for was refused.
    Opening,
    /// It has an answer, reads it or has read it, since then.
    Answered(Instant),
    /// It waits for an answer, or until its password is checked: as many as wait for that are bounded.
    Serving,
}

/// The place of one connection, until it is dropped.
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

    /// A place for a new connection, and why another was closed for it, if one was; no place when nobody gives way.
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

    /// Connections that are open.
    pub(super) fn taken(&self) -> u64 {
        self.open().connections.len() as u64
    }

    fn open(&self) -> MutexGuard<'_, OpenConnections> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenConnections {
    /// Closes the connection that is the first to give way; `false` when none does.
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

    /// Who scrapes stays a scraper as long as it goes on: nobody takes its place by scraping once.
    fn note_scrape(&mut self, peer: IpAddr, now: Instant) {
        self.scrapers
            .retain(|(address, at)| *address != peer && now.duration_since(*at) < SCRAPER_STAYS);
        if self.scrapers.len() < SCRAPERS {
            self.scrapers.push((peer, now));
        }
    }
}

impl ConnectionSlot {
    /// Ends when somebody else needs the place.
    pub(super) async fn closed(&self) {
        self.closed.notified().await;
    }

    /// A whole header came.
    pub(super) fn serving(&self) {
        self.enter(Phase::Serving);
    }

    /// What it asked for is refused.
    pub(super) fn refused(&self) {
        self.enter(Phase::Opening);
    }

    /// It was given an answer.
    pub(super) fn answered(&self, now: Instant) {
        self.enter(Phase::Answered(now));
    }

    /// It was given metrics.
    pub(super) fn scraped(&self, now: Instant) {
        self.limit.open().note_scrape(self.peer, now);
    }

    /// Whether its address was given metrics lately.
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

    fn admit(limit: &Arc<ConnectionLimit>, peer: &str) -> (Option<ConnectionSlot>, Option<Refusal>) {
        limit.admit(peer.parse().unwrap(), Instant::now())
    }

    fn admitted(limit: &Arc<ConnectionLimit>, peer: &str) -> ConnectionSlot {
        let (slot, refusal) = admit(limit, peer);
        assert_eq!(refusal, None, "{peer}");
        slot.unwrap()
    }

    /// Whether somebody else was given the place.
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
