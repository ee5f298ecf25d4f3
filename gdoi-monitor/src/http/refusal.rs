//! Refused requests: counters, and the answers to the clients.

use std::sync::atomic::{AtomicU64, Ordering};

use hyper::StatusCode;
use hyper::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};

use super::Refusal;
use super::answer::{self, Answer};

const NO_LIFECYCLE: &str =
    "the lifecycle API is not enabled; start the agent with --web.enable-lifecycle, or send it SIGHUP\n";
const UNKNOWN_HOST: &str = "this agent does not know the host name in the URL; use an IP address, or start it with \
    --web.external-url=http://NAME:PORT\n";

/// A counter for each reason.
#[derive(Debug, Default)]
pub(super) struct RefusalCounters([AtomicU64; Refusal::ALL.len()]);

impl RefusalCounters {
    pub(super) fn add(&self, refusal: Refusal) {
        if let Some(count) = self.0.get(refusal as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a refused request, and returns the answer that says why.
    pub(super) fn refuse(&self, why: Refusal) -> Answer {
        self.add(why);
        match why {
            Refusal::Credentials => {
                let mut answer = answer::text(StatusCode::UNAUTHORIZED, "authentication required\n");
                let scheme = HeaderValue::from_static("Basic realm=\"gdoi-monitor\", charset=\"UTF-8\"");
                answer.headers_mut().insert(WWW_AUTHENTICATE, scheme);
                answer
            }
            Refusal::CrossSite => answer::text(
                StatusCode::FORBIDDEN,
                "refused: a page of another site asked for it\n",
            ),
            Refusal::Host => answer::text(StatusCode::FORBIDDEN, UNKNOWN_HOST),
            Refusal::Lifecycle => answer::text(StatusCode::FORBIDDEN, NO_LIFECYCLE),
            Refusal::Rate => later(StatusCode::TOO_MANY_REQUESTS),
            _ => later(StatusCode::SERVICE_UNAVAILABLE),
        }
    }

    pub(super) fn all(&self) -> Vec<(Refusal, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        Refusal::ALL.into_iter().zip(counts).collect()
    }
}

fn later(status: StatusCode) -> Answer {
    let mut answer = answer::text(status, "too many requests; retry later\n");
    answer
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}
