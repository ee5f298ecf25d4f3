//! What holds an attached program at its interface, and may hold it longer than the agent lives.

use std::path::PathBuf;

use aya::programs::SchedClassifier;
use aya::programs::links::{FdLink, LinkType, PinnedLink};
use aya::programs::tc::SchedClassifierLink;
use gdoi_wire::record::{PROGRAM_TC, PROGRAM_XDP};

use super::attach::{Attachment, Direction};
use super::error::Error;
use super::interface::Interface;
use super::netlink::{self, Link};
use super::pins::{Spot, unpin};

/// An attached program. When this is dropped it is detached, unless it is pinned.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) held: Held,
    pub(super) pin: Option<PathBuf>,
}

/// By what it is held.
#[derive(Debug)]
pub(super) enum Held {
    /// A filter, which has no link: it cannot be pinned.
    Clsact(SchedClassifierLink),
    Tcx(FdLink),
    Xdp(FdLink),
}

impl Place {
    pub(super) const fn at(held: Held) -> Self {
        Self { held, pin: None }
    }

    /// The program that is pinned at `spot`, if it is attached to this very interface.
    pub(super) fn pinned(
        spot: &Spot,
        interface: &Interface,
        direction: Direction,
    ) -> Result<Option<(Self, Attachment)>, Error> {
        let pin = spot.link();
        if !pin.exists() {
            return Ok(None);
        }
        let link = FdLink::from(PinnedLink::from_pin(&pin).map_err(Error::Link)?);
        let info = link.info().map_err(Error::Link)?;
        let attachment = match info.link_type().map_err(Error::Link)? {
            LinkType::Xdp => at_xdp(interface, info.program_id())?,
            LinkType::Tcx => at_tcx(interface, direction, info.program_id()),
            _ => None,
        };
        let Some(attachment) = attachment else {
            // The interface that it was attached to is gone.
            unpin(&pin);
            return Ok(None);
        };
        let held = if attachment.is_at_tc() {
            Held::Tcx(link)
        } else {
            Held::Xdp(link)
        };
        let place = Self { held, pin: Some(pin) };
        Ok(Some((place, attachment)))
    }

    /// Keeps it attached after the agent.
    pub(super) fn pin(self, spot: &Spot) -> Result<Self, Error> {
        let pin = spot.link();
        let held = match self.held {
            Held::Xdp(link) => Held::Xdp(link.pin(&pin).map_err(Error::Pin)?.into()),
            Held::Tcx(link) => Held::Tcx(link.pin(&pin).map_err(Error::Pin)?.into()),
            Held::Clsact(link) => {
                tracing::warn!(
                    spot = spot.name(),
                    "what is attached at clsact cannot be pinned (before Linux 6.6)"
                );
                return Ok(Self::at(Held::Clsact(link)));
            }
        };
        Ok(Self { held, pin: Some(pin) })
    }

    /// Whether it stays attached after the agent.
    pub(super) const fn is_pinned(&self) -> bool {
        self.pin.is_some()
    }

    /// Whether the program, whose number is `program`, is still at the interface: somebody may have detached it, or put
    /// another in its place. What cannot be asked is taken as still there.
    pub(super) fn holds(&self, program: u32, link: &Link, direction: Direction) -> bool {
        match self.held {
            Held::Xdp(_) => link.xdp_program == Some(program),
            Held::Tcx(_) => SchedClassifier::query_tcx(&link.name, direction.at_tc())
                .map_or(true, |(_, programs)| {
                    programs.iter().any(|there| there.id() == program)
                }),
            Held::Clsact(_) => true,
        }
    }

    /// The program that is held: that at XDP, or that at traffic control.
    pub(super) const fn program(&self) -> &'static str {
        match self.held {
            Held::Xdp(_) => PROGRAM_XDP,
            Held::Clsact(_) | Held::Tcx(_) => PROGRAM_TC,
        }
    }

    /// Detaches it, pinned or not.
    pub(super) fn detach(self) {
        let Self { held, pin } = self;
        if let Some(pin) = pin {
            unpin(&pin);
        }
        drop(held);
    }
}

/// Where the program is at XDP of the interface, if it is there.
fn at_xdp(interface: &Interface, program: u32) -> Result<Option<Attachment>, Error> {
    let links = netlink::links().map_err(Error::Interfaces)?;
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
    // A kernel that cannot be asked has no such place.
    let (_, programs) = SchedClassifier::query_tcx(&interface.name, direction.at_tc()).ok()?;
    programs
        .iter()
        .any(|there| there.id() == program)
        .then_some(Attachment::Tcx)
}
