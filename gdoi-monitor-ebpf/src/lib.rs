//! The XDP program.
