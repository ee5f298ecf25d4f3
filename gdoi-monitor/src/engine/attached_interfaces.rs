//! What is attached before the engine runs: it takes rights that the engine may not have any more.

use super::{Interfaces, Plan};
use crate::source::xdp::netlink::Changes;
use crate::source::xdp::pins::Pins;
use crate::source::xdp::{Attachment, SavedTap, XdpError};

/// Interfaces that are watched, and what tells of changes.
pub struct AttachedInterfaces {
    pub(super) interfaces: Interfaces,
    pub(super) changes: Option<Changes>,
}

impl AttachedInterfaces {
    /// Attaches to every interface of the plan that is there; goes on from what another agent had `kept`, and in the
    /// place of programs that it left at `pins`.
    pub fn begin(plan: Plan, pins: Option<Pins>, kept: Vec<SavedTap>) -> Result<Self, XdpError> {
        // Before the interfaces are listed: none can come unheard in between.
        let changes = Changes::listen()
            .inspect_err(|error| tracing::warn!(%error, "cannot listen for interfaces that come and go"))
            .ok();
        Ok(Self {
            interfaces: Interfaces::attach(plan, pins, kept)?,
            changes,
        })
    }

    /// Whether a program is at the classic hook of traffic control, which keeps it until it is removed.
    pub fn has_filter(&self) -> bool {
        self.interfaces.states().iter().any(|state| {
            let attached = state.attached.as_ref();
            attached.is_some_and(|attached| attached.attachment == Attachment::Clsact)
        })
    }
}
