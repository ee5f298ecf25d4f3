//! How a command ends.

use std::process::ExitCode;

/// How a command ended, as the exit code tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It did all it was asked to.
    Fine = 0,
    /// It ran, and failed in part or altogether.
    Failed = 1,
    /// It was called wrongly, or its configuration is wrong.
    Usage = 2,
    /// It found what it was told to fail on.
    Found = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
