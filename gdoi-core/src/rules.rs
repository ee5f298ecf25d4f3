//! What follows from what: one module a subject.

mod coop;
mod data_plane;
mod kek;
mod proof;
mod registration;
mod rekey;
mod snapshot;
