//! The current failure of a sink: pages show it, and the log notes its beginning and end.

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Why a sink cannot write; shared by the writing thread and readers.
#[derive(Clone, Debug, Default)]
pub(super) struct Trouble(Arc<Mutex<Option<String>>>);

impl Trouble {
    /// Notes a failure. Returns whether to log it: it is new, or has another reason.
    pub(super) fn begin(&self, why: &impl Display) -> bool {
        let why = why.to_string();
        let mut now = self.get();
        let is_new = now.as_ref() != Some(&why);
        *now = Some(why);
        is_new
    }

    /// Notes a success. Returns whether it had failed before.
    pub(super) fn end(&self) -> bool {
        self.get().take().is_some()
    }

    /// Why the last attempt failed; `None` if it did not.
    pub(super) fn why(&self) -> Option<String> {
        self.get().clone()
    }

    fn get(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
