//! Entry points of hostile input, one function each: the targets of `fuzz/`, whose corpus a test replays. Each takes
//! any octets and must return.

mod files;
mod kernel;
mod pages;
mod wire;

pub use files::{capture, config, scenario, state, takes_up_what_it_kept, web};
pub use kernel::kernel;
pub use pages::{client, pages};
pub use wire::{dissect, layers, payloads, records};

/// A target: takes any octets, and panics if they reveal a fault.
pub type Target = fn(&[u8]);

/// Every target by its name in `fuzz/`.
pub const TARGETS: [(&str, Target); 13] = [
    ("capture", capture),
    ("client", client),
    ("config", config),
    ("dissect", dissect),
    ("kernel", kernel),
    ("layers", layers),
    ("pages", pages),
    ("payloads", payloads),
    ("records", records),
    ("scenario", scenario),
    ("state", state),
    ("tracker", tracker),
    ("web", web),
];

/// Traffic and its observation: compares the tracker with the reference model.
///
/// # Panics
///
/// If they disagree.
pub fn tracker(octets: &[u8]) {
    gdoi_sim::reference::check(octets);
}
