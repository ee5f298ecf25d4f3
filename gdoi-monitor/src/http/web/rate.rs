//! The rate limit over all requests.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A bucket of `burst` tokens; one comes back each interval.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    interval: Duration,
    /// How far ahead of the interval a request may come.
    ahead: Duration,
    /// When the bucket is full again.
    full: Mutex<Instant>,
}

impl RateLimiter {
    pub(crate) fn new(interval: Duration, burst: u32) -> Self {
        Self {
            interval,
            ahead: interval.saturating_mul(burst.saturating_sub(1)),
            full: Mutex::new(Instant::now()),
        }
    }

    /// Takes a token, if there is one.
    pub(crate) fn takes(&self, now: Instant) -> bool {
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        let from = (*full).max(now);
        if from.duration_since(now) > self.ahead {
            return false;
        }
        *full = from + self.interval;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_one_an_interval() {
        let second = Duration::from_secs(1);
        let rate = RateLimiter::new(second, 3);
        let start = Instant::now();
        let taken = |at: Duration| (0..5).filter(|_| rate.takes(start + at)).count();
        assert_eq!(taken(Duration::ZERO), 3);
        assert_eq!(taken(second / 2), 0);
        assert_eq!(taken(second), 1);
        assert_eq!(taken(second * 3), 2);
        assert_eq!(taken(second * 60), 3);
    }
}
