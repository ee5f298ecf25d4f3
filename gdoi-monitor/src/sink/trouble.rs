//! Why something cannot be written, as long as it cannot: the pages show it, and the log says when it begins and ends.

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What keeps a sink from writing; shared by the thread that writes and those that ask.
#[derive(Clone, Debug, Default)]
pub(super) struct Trouble(Arc<Mutex<Option<String>>>);

impl Trouble {
    /// It failed. Whether that is new, or for another reason than before: then it is worth a line in the log.
    pub(super) fn begin(&self, why: &impl Display) -> bool {
        let why = why.to_string();
        let mut now = self.get();
        let is_new = now.as_ref() != Some(&why);
        *now = Some(why);
        is_new
    }

    /// It succeeded. Whether it had failed before.
    pub(super) fn end(&self) -> bool {
        self.get().take().is_some()
    }

    /// Why the last attempt failed; `None` when it did not.
    pub(super) fn why(&self) -> Option<String> {
        self.get().clone()
    }

    fn get(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
