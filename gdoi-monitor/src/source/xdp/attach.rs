//! Attaches programs: at the best hook that an interface offers, never displacing another program.

use aya::Ebpf;
use aya::programs::links::FdLink;
use aya::programs::tc::{NlOptions, TcAttachOptions, qdisc_add_clsact, qdisc_detach_program};
use aya::programs::xdp::XdpMode;
use aya::programs::{LinkOrder, ProgramError, SchedClassifier, TcAttachType, Xdp};
use gdoi_wire::record::{PROGRAM_TC, PROGRAM_XDP};
use serde::{Deserialize, Serialize};

use super::attached_program::{AttachedProgram, AttachmentLink};
use super::error::{XdpError, errno, not_at_xdp, refused, unattached};
use super::holder::Holder;
use super::interface::Interface;
use super::pins::{PinDir, is_unloaded_soon};

/// The attach mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachMode {
    /// In the driver if it supports that and no other program is there, else at traffic control.
    Auto,
    /// In the driver (native XDP).
    Native,
    /// Before the network stack (generic XDP), at a cost per packet that native mode does not have.
    Generic,
    /// At traffic control, which several programs can share.
    Tc,
}

/// The direction of monitored frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Direction {
    /// Frames that the interface receives.
    Ingress,
    /// Frames of this host that the interface sends.
    Egress,
}

impl Direction {
    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Egress => "egress",
            Self::Ingress => "ingress",
        }
    }

    pub(super) const fn at_tc(self) -> TcAttachType {
        match self {
            Self::Egress => TcAttachType::Egress,
            Self::Ingress => TcAttachType::Ingress,
        }
    }
}

/// Where a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// At the classic hook of traffic control, through a `clsact` queueing discipline.
    Clsact,
    /// Before the network stack.
    Generic,
    /// In the driver.
    Native,
    /// At the newer hook of traffic control (since v6.6).
    Tcx,
}

impl Attachment {
    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clsact => "clsact",
            Self::Generic => "xdp-generic",
            Self::Native => "xdp",
            Self::Tcx => "tcx",
        }
    }

    /// Whether it is at traffic control, after XDP and receive offload.
    pub const fn is_at_tc(self) -> bool {
        matches!(self, Self::Clsact | Self::Tcx)
    }
}

/// Why a program is not in the driver although that was preferred.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PassedOver {
    /// The driver has no native XDP, or not with its current settings.
    #[error("the driver has no native XDP")]
    Driver,
    /// Another program is there.
    #[error("{0} is attached at XDP")]
    Taken(Holder),
}

/// The result of attaching.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Where the program is attached.
    pub attachment: Attachment,
    /// Why it is not in the driver.
    pub passed_over: Option<PassedOver>,
    /// Whether it replaced an attached program, so that no packet was missed.
    pub taken_over: bool,
}

/// Attaches atomically: from here on either every packet is seen, or none. With a `pin_dir` it stays attached when
/// its agent ends, and replaces a program that did.
pub(super) fn attach(
    ebpf: &mut Ebpf,
    interface: &Interface,
    mode: AttachMode,
    direction: Direction,
    pin_dir: Option<&PinDir>,
) -> Result<(AttachedProgram, Attached), XdpError> {
    let Some(pin_dir) = pin_dir else {
        return attach_new(ebpf, interface, mode, direction);
    };
    if let Some((program, attachment)) = AttachedProgram::pinned(pin_dir, interface, direction)? {
        if is_wanted(mode, attachment) {
            let program = replace(ebpf, program)?;
            let passed_over = passed_over(mode, direction, attachment, interface)?;
            let attached = Attached {
                attachment,
                passed_over,
                taken_over: true,
            };
            return Ok((program, attached));
        }
        let old = program.id();
        program.detach();
        // The next program needs its place.
        if let Some(old) = old
            && !is_unloaded_soon(old)
        {
            tracing::warn!(program = old, "the program of the previous agent is still loaded");
        }
    }
    let (program, attached) = attach_new(ebpf, interface, mode, direction)?;
    Ok((program.pin(pin_dir)?, attached))
}

/// Whether an attached program is where the mode wants it.
const fn is_wanted(mode: AttachMode, attachment: Attachment) -> bool {
    match mode {
        AttachMode::Auto => matches!(attachment, Attachment::Native | Attachment::Tcx),
        AttachMode::Native => matches!(attachment, Attachment::Native),
        AttachMode::Generic => matches!(attachment, Attachment::Generic),
        AttachMode::Tc => attachment.is_at_tc(),
    }
}

/// Why a program that was taken over is not in the driver.
fn passed_over(
    mode: AttachMode,
    direction: Direction,
    attachment: Attachment,
    interface: &Interface,
) -> Result<Option<PassedOver>, XdpError> {
    if mode != AttachMode::Auto || direction == Direction::Egress || !attachment.is_at_tc() {
        return Ok(None);
    }
    Ok(Some(match Holder::of(interface)? {
        Some(holder) => PassedOver::Taken(holder),
        None => PassedOver::Driver,
    }))
}

fn attach_new(
    ebpf: &mut Ebpf,
    interface: &Interface,
    mode: AttachMode,
    direction: Direction,
) -> Result<(AttachedProgram, Attached), XdpError> {
    // XDP does not see egress.
    if direction == Direction::Egress {
        return at_tc(ebpf, interface, direction, None);
    }
    match mode {
        AttachMode::Native => at_xdp(ebpf, interface, XdpMode::Driver),
        AttachMode::Generic => at_xdp(ebpf, interface, XdpMode::Skb),
        AttachMode::Tc => at_tc(ebpf, interface, direction, None),
        AttachMode::Auto => match at_xdp(ebpf, interface, XdpMode::Driver) {
            Err(XdpError::NoNative { .. }) => at_tc(ebpf, interface, direction, Some(PassedOver::Driver)),
            Err(XdpError::Busy { holder, .. }) => {
                at_tc(ebpf, interface, direction, Some(PassedOver::Taken(holder)))
            }
            other => other,
        },
    }
}

fn at_xdp(
    ebpf: &mut Ebpf,
    interface: &Interface,
    mode: XdpMode,
) -> Result<(AttachedProgram, Attached), XdpError> {
    // Checked first: aya falls back to an older call, which would replace another program.
    if let Some(holder) = Holder::of(interface)? {
        return Err(XdpError::Busy {
            interface: interface.name.clone(),
            holder,
        });
    }
    let program = xdp(ebpf)?;
    let link = program
        .attach_to_if_index(interface.index, mode)
        .and_then(|id| program.take_link(id))
        .map_err(|error| not_at_xdp(error, interface))?;
    let attachment = match mode {
        XdpMode::Skb => Attachment::Generic,
        XdpMode::Default | XdpMode::Driver | XdpMode::Hardware => Attachment::Native,
    };
    // Only a link ends with the process that holds it; what the older call attached would stay.
    let Ok(link) = FdLink::try_from(link) else {
        return Err(XdpError::NoNative {
            interface: interface.name.clone(),
        });
    };
    let attached = Attached {
        attachment,
        passed_over: None,
        taken_over: false,
    };
    Ok((AttachedProgram::at(AttachmentLink::Xdp(link)), attached))
}

fn at_tc(
    ebpf: &mut Ebpf,
    interface: &Interface,
    direction: Direction,
    passed_over: Option<PassedOver>,
) -> Result<(AttachedProgram, Attached), XdpError> {
    let program = tc(ebpf)?;
    // First: a program before ours could drop a packet before we see it.
    let options = TcAttachOptions::TcxOrder(LinkOrder::first());
    let tcx = program.attach_with_options(&interface.name, direction.at_tc(), options);
    let (link, attachment) = match tcx {
        // A kernel before v6.6 has no TCX.
        Err(error) if errno(&error) == Some(libc::EINVAL) => {
            (at_clsact(program, interface, direction), Attachment::Clsact)
        }
        other => (other, Attachment::Tcx),
    };
    let link = link
        .and_then(|id| program.take_link(id))
        .map_err(|error| unattached(error, interface))?;
    let link = match attachment {
        Attachment::Tcx => AttachmentLink::Tcx(FdLink::try_from(link).map_err(XdpError::Link)?),
        Attachment::Clsact | Attachment::Generic | Attachment::Native => AttachmentLink::Clsact(link),
    };
    let attached = Attached {
        attachment,
        passed_over,
        taken_over: false,
    };
    Ok((AttachedProgram::at(link), attached))
}

fn at_clsact(
    program: &mut SchedClassifier,
    interface: &Interface,
    direction: Direction,
) -> Result<aya::programs::tc::SchedClassifierLinkId, ProgramError> {
    match qdisc_add_clsact(&interface.name) {
        Ok(()) => {}
        // The qdisc may exist already, with filters of others.
        Err(error) if errno(&error) == Some(libc::EEXIST) => {}
        Err(error) => return Err(error.into()),
    }
    // Unlike a link, a filter stays when its agent is killed. This one is ours by its name.
    if qdisc_detach_program(&interface.name, direction.at_tc(), PROGRAM_TC).is_ok() {
        tracing::info!(
            interface = interface.name,
            "detached the filter of an agent that had been killed"
        );
    }
    let options = TcAttachOptions::Netlink(NlOptions::default());
    program.attach_with_options(&interface.name, direction.at_tc(), options)
}

/// Replaces the attached program atomically: no packet is missed.
pub(super) fn replace(ebpf: &mut Ebpf, program: AttachedProgram) -> Result<AttachedProgram, XdpError> {
    let AttachedProgram { link, pin } = program;
    let link = match link {
        AttachmentLink::Xdp(link) => {
            let program = xdp(ebpf)?;
            let id = program.attach_to_link(link.try_into().map_err(XdpError::Link)?)?;
            AttachmentLink::Xdp(program.take_link(id)?.try_into().map_err(XdpError::Link)?)
        }
        AttachmentLink::Tcx(link) => {
            let program = tc(ebpf)?;
            let id = program.attach_to_link(link.try_into().map_err(XdpError::Link)?)?;
            AttachmentLink::Tcx(program.take_link(id)?.try_into().map_err(XdpError::Link)?)
        }
        AttachmentLink::Clsact(link) => {
            let program = tc(ebpf)?;
            let id = program.attach_to_link(link)?;
            AttachmentLink::Clsact(program.take_link(id)?)
        }
    };
    Ok(AttachedProgram { link, pin })
}

/// The XDP program, loaded.
pub(super) fn xdp(ebpf: &mut Ebpf) -> Result<&mut Xdp, XdpError> {
    let program = ebpf
        .program_mut(PROGRAM_XDP)
        .ok_or(XdpError::Object(PROGRAM_XDP))?;
    let program: &mut Xdp = program.try_into()?;
    if program.fd().is_err() {
        program.load().map_err(refused)?;
    }
    Ok(program)
}

/// The traffic control program, loaded.
pub(super) fn tc(ebpf: &mut Ebpf) -> Result<&mut SchedClassifier, XdpError> {
    let program = ebpf.program_mut(PROGRAM_TC).ok_or(XdpError::Object(PROGRAM_TC))?;
    let program: &mut SchedClassifier = program.try_into()?;
    if program.fd().is_err() {
        program.load().map_err(refused)?;
    }
    Ok(program)
}
