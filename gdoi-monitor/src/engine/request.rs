//! What others want of the engine.

use std::sync::Arc;

use gdoi_core::Limits;
use tokio::sync::{mpsc, oneshot};

use super::State;
use crate::source::xdp::{AttachMode, Direction, ProbeSettings, XdpError, interface};

/// Asks the engine for what it knows.
#[derive(Debug)]
pub struct Request {
    /// How much of it.
    pub detail: Detail,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Arc<State>>,
}

/// How much is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Groups and totals.
    Summary,
    /// Each member and each SPI as well, of which there can be 100,000.
    Full,
}

/// Another configuration for a running engine.
#[derive(Debug)]
pub struct ConfigChange {
    /// How to watch.
    pub plan: Plan,
    /// What is known of the groups.
    pub groups: gdoi_core::Config,
    /// How much is remembered.
    pub limits: Limits,
    /// Where is told how it went; on an error everything is as it was.
    pub reply: oneshot::Sender<Result<(), ChangeError>>,
}

/// Why an engine cannot go on with another configuration.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It takes rights that were given up.
    #[error("hot plug is off: changes to interfaces, mode, ports and sites need a restart")]
    HotPlugOff,
    /// Programs cannot be loaded.
    #[error(transparent)]
    Source(#[from] XdpError),
    /// What the tracker knows cannot be taken along.
    #[error(transparent)]
    Save(#[from] gdoi_core::SaveError),
    /// As above.
    #[error(transparent)]
    Restore(#[from] gdoi_core::RestoreError),
}

/// How the agent watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Names of interfaces, or patterns.
    pub interfaces: Vec<String>,
    /// Where programs are attached.
    pub mode: AttachMode,
    /// Which frames of an interface.
    pub directions: Vec<Direction>,
    /// Whether interfaces are watched that come later, and programs are replaced: for that the agent keeps its rights.
    pub hot_plug: bool,
    /// How programs are set up.
    pub settings: ProbeSettings,
}

impl Plan {
    /// Whether an interface of this name is to be watched.
    pub(super) fn matches(&self, name: &str) -> bool {
        self.interfaces
            .iter()
            .any(|pattern| interface::matches(pattern, name))
    }
}

/// Whether the engine at the other end still works.
pub async fn answers(engine: &mpsc::Sender<Request>) -> bool {
    let (reply, answer) = oneshot::channel();
    let request = Request {
        detail: Detail::Summary,
        reply,
    };
    engine.send(request).await.is_ok() && answer.await.is_ok()
}
