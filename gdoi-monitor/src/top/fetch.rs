//! Polls the agent.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use crate::client::{Client, ClientError, Event, Group, Member, Moment, path};

/// How often the agent is polled.
const EVERY: Duration = Duration::from_secs(1);

/// The agent's state at one time.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    /// The agent's time.
    pub(super) now: Moment,
    pub(super) groups: Vec<Group>,
    pub(super) members: Vec<Member>,
    /// Latest first.
    pub(super) events: Vec<Event>,
    /// When it answered, on the monotonic clock.
    pub(super) at: Instant,
}

/// The result of one poll.
#[derive(Clone, Debug)]
pub(super) enum FetchResult {
    /// An answer.
    Answer(Box<Snapshot>),
    /// No answer, and why.
    Nothing(String),
}

/// Polls once.
pub(super) async fn fetch(client: &mut Client) -> Result<Snapshot, ClientError> {
    let groups = client.read(path::GROUPS).await?;
    let members = client.read(path::MEMBERS).await?;
    let mut events: Vec<Event> = client.read(path::EVENTS).await?.body;
    events.reverse();
    Ok(Snapshot {
        now: groups.now,
        groups: groups.body,
        members: members.body,
        events,
        at: Instant::now(),
    })
}

/// Polls until the receiver is dropped. Failures are retried.
pub(super) async fn keep_fetching(mut client: Client, to: mpsc::Sender<FetchResult>) {
    let mut clock = tokio::time::interval(EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first answer is there already.
    clock.tick().await;
    loop {
        clock.tick().await;
        let news = match fetch(&mut client).await {
            Ok(seen) => FetchResult::Answer(Box::new(seen)),
            Err(error) => FetchResult::Nothing(error.to_string()),
        };
        if to.send(news).await.is_err() {
            return;
        }
    }
}
