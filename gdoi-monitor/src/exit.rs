//! Exit codes.

use std::process::ExitCode;

/// The result of a command as an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It succeeded.
    Fine = 0,
    /// It failed, in part or altogether.
    Failed = 1,
    /// Invalid usage or configuration.
    Usage = 2,
    /// It found what it was to fail on.
    Found = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
