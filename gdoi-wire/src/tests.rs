//! One file per subject. A test is data plus one call.

mod generator;

use crate::{Capture, Ports, Seen, dissect};

/// What the whole frame is at the default ports.
fn seen(frame: &[u8]) -> Seen {
    dissect(&Capture::whole(frame), &Ports::DEFAULT)
}
