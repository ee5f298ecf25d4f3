//! Requests to the engine.

use std::sync::Arc;

use gdoi_core::Limits;
use tokio::sync::{mpsc, oneshot};

use super::State;
use crate::source::xdp::{AttachMode, Direction, ProbeSettings, XdpError, interface};

/// Requests the engine's state.
#[derive(Debug)]
pub struct Request {
    /// How much of it.
    pub detail: Detail,
    /// Receives the answer.
    pub reply: oneshot::Sender<Arc<State>>,
}

/// How much is requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Groups and totals.
    Summary,
    /// Each member and each SPI as well, of which there can be 100,000.
    Full,
}

/// A new configuration for a running engine.
#[derive(Debug)]
pub struct ConfigChange {
    /// What to monitor.
    pub plan: Plan,
    /// The configured groups.
    pub groups: gdoi_core::Config,
    /// Sizes of the tables.
    pub limits: Limits,
    /// Receives the result; on an error nothing has changed.
    pub reply: oneshot::Sender<Result<(), ChangeError>>,
}

/// Why an engine cannot change its configuration.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It needs capabilities that were dropped.
    #[error("hot plug is off: changes to interfaces, mode, ports and sites need a restart")]
    HotPlugOff,
    /// Programs cannot be loaded.
    #[error(transparent)]
    Source(#[from] XdpError),
    /// The tracker's state does not fit the new limits.
    #[error(transparent)]
    Save(#[from] gdoi_core::SaveError),
    /// The interfaces cannot be listed.
    #[error(transparent)]
    Restore(#[from] gdoi_core::RestoreError),
}

/// What the agent monitors, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Names of interfaces, or patterns.
    pub interfaces: Vec<String>,
    /// Where programs are attached.
    pub mode: AttachMode,
    /// Which frames of an interface.
    pub directions: Vec<Direction>,
    /// Whether later interfaces are monitored, and programs replaced: for that the agent keeps its capabilities.
    pub hot_plug: bool,
    /// Settings of the programs.
    pub settings: ProbeSettings,
}

impl Plan {
    /// Whether the plan includes an interface of this name.
    pub(super) fn matches(&self, name: &str) -> bool {
        self.interfaces
            .iter()
            .any(|pattern| interface::matches(pattern, name))
    }
}

/// Whether the engine at the other end still answers.
pub async fn answers(engine: &mpsc::Sender<Request>) -> bool {
    let (reply, answer) = oneshot::channel();
    let request = Request {
        detail: Detail::Summary,
        reply,
    };
    engine.send(request).await.is_ok() && answer.await.is_ok()
}
