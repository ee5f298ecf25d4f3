//! Holds an attached program at its interface, possibly beyond the life of the agent.

use std::path::PathBuf;

use aya::programs::SchedClassifier;
use aya::programs::links::{FdLink, LinkType, PinnedLink};
use aya::programs::tc::SchedClassifierLink;
use gdoi_wire::record::{PROGRAM_TC, PROGRAM_XDP};

use super::attach::{Attachment, Direction};
use super::error::XdpError;
use super::interface::Interface;
use super::netlink::{self, NetworkLink};
use super::pins::{PinDir, unpin};

/// An attached program. Dropping it detaches the program, unless it is pinned.
#[derive(Debug)]
pub(super) struct AttachedProgram {
    pub(super) link: AttachmentLink,
    pub(super) pin: Option<PathBuf>,
}

/// What holds it.
#[derive(Debug)]
pub(super) enum AttachmentLink {
    /// A filter, which has no link: it cannot be pinned.
    Clsact(SchedClassifierLink),
    Tcx(FdLink),
    Xdp(FdLink),
}

impl AttachedProgram {
    pub(super) const fn at(link: AttachmentLink) -> Self {
        Self { link, pin: None }
    }

    /// The program pinned at `pin_dir`, if it is attached to this very interface.
    pub(super) fn pinned(
        pin_dir: &PinDir,
        interface: &Interface,
        direction: Direction,
    ) -> Result<Option<(Self, Attachment)>, XdpError> {
        let pin = pin_dir.link();
        if !pin.exists() {
            return Ok(None);
        }
        let link = FdLink::from(PinnedLink::from_pin(&pin).map_err(XdpError::Link)?);
        let info = link.info().map_err(XdpError::Link)?;
        let attachment = match info.link_type().map_err(XdpError::Link)? {
            LinkType::Xdp => at_xdp(interface, info.program_id())?,
            LinkType::Tcx => at_tcx(interface, direction, info.program_id()),
            _ => None,
        };
        let Some(attachment) = attachment else {
            // The interface that it was attached to is gone.
            unpin(&pin);
            return Ok(None);
        };
        let link = if attachment.is_at_tc() {
            AttachmentLink::Tcx(link)
        } else {
            AttachmentLink::Xdp(link)
        };
        let program = Self { link, pin: Some(pin) };
        Ok(Some((program, attachment)))
    }

    /// Keeps it attached beyond the agent.
    pub(super) fn pin(self, pin_dir: &PinDir) -> Result<Self, XdpError> {
        let pin = pin_dir.link();
        let link = match self.link {
            AttachmentLink::Xdp(link) => AttachmentLink::Xdp(link.pin(&pin).map_err(XdpError::Pin)?.into()),
            AttachmentLink::Tcx(link) => AttachmentLink::Tcx(link.pin(&pin).map_err(XdpError::Pin)?.into()),
            AttachmentLink::Clsact(link) => {
                tracing::warn!(
                    pin_dir = pin_dir.name(),
                    "clsact filters cannot be pinned (Linux 6.6 or newer uses TCX)"
                );
                return Ok(Self::at(AttachmentLink::Clsact(link)));
            }
        };
        Ok(Self { link, pin: Some(pin) })
    }

    /// Whether it stays attached beyond the agent.
    pub(super) const fn is_pinned(&self) -> bool {
        self.pin.is_some()
    }

    /// Whether the program with number `program` is still at the interface: somebody may have detached or replaced
    /// it. If the kernel cannot be asked, it counts as attached.
    pub(super) fn holds(&self, program: u32, link: &NetworkLink, direction: Direction) -> bool {
        match self.link {
            AttachmentLink::Xdp(_) => link.xdp_program == Some(program),
            AttachmentLink::Tcx(_) => SchedClassifier::query_tcx(&link.name, direction.at_tc())
                .map_or(true, |(_, programs)| {
                    programs.iter().any(|there| there.id() == program)
                }),
            AttachmentLink::Clsact(_) => true,
        }
    }

    /// The name of the program that is held: the one at XDP, or the one at traffic control.
    pub(super) const fn program(&self) -> &'static str {
        match self.link {
            AttachmentLink::Xdp(_) => PROGRAM_XDP,
            AttachmentLink::Clsact(_) | AttachmentLink::Tcx(_) => PROGRAM_TC,
        }
    }

    /// The program's number in the kernel. A filter has no link to ask.
    pub(super) fn id(&self) -> Option<u32> {
        match &self.link {
            AttachmentLink::Xdp(link) | AttachmentLink::Tcx(link) => {
                link.info().ok().map(|info| info.program_id())
            }
            AttachmentLink::Clsact(_) => None,
        }
    }

    /// Detaches it, pinned or not.
    pub(super) fn detach(self) {
        let Self { link, pin } = self;
        if let Some(pin) = pin {
            unpin(&pin);
        }
        drop(link);
    }
}

/// Where the program is attached at XDP of the interface, if it is.
fn at_xdp(interface: &Interface, program: u32) -> Result<Option<Attachment>, XdpError> {
    let links = netlink::links().map_err(XdpError::Interfaces)?;
    let link = links.iter().find(|link| link.interface() == *interface);
    let there = link.filter(|link| link.xdp_program == Some(program));
    Ok(there.map(|link| {
        if link.is_xdp_generic {
            Attachment::Generic
        } else {
            Attachment::Native
        }
    }))
}

/// Whether the program is at TCX of the interface.
fn at_tcx(interface: &Interface, direction: Direction, program: u32) -> Option<Attachment> {
    // A kernel that cannot be queried has no TCX.
    let (_, programs) = SchedClassifier::query_tcx(&interface.name, direction.at_tc()).ok()?;
    programs
        .iter()
        .any(|there| there.id() == program)
        .then_some(Attachment::Tcx)
}
