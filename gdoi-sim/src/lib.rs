//! Key servers and members in a box: GDOI behaviours as a deterministic simulation that emits real frames.
#![forbid(unsafe_code)]
