//! What follows from what: one module a subject.

pub(crate) mod coop;
pub(crate) mod data_plane;
pub(crate) mod kek;
pub(crate) mod registration;
pub(crate) mod rekey;
mod snapshot;
