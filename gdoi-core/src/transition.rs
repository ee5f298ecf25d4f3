//! Everything reportable, as a closed set.

use alloc::string::String;

use crate::time::Timestamp;

/// How much attention something asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Ordinary life of a group.
    Info,
    /// Something a person should look at.
    Warning,
    /// Traffic is, or is about to be, affected.
    Critical,
}

impl Severity {
    /// The word for it in events and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// When, on the source's clock.
    pub at: Timestamp,
    /// In which group; `None` when no group is meant or none is known.
    pub group: Option<String>,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// The source was not, or not fully, watching.
    CaptureLoss(crate::observation::Loss),
}

impl What {
    /// The `type` of the event.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CaptureLoss(_) => "capture_loss",
        }
    }

    /// How much attention it asks for.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::CaptureLoss(_) => Severity::Warning,
        }
    }
}
