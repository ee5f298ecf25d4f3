//! The inverse of the dissector: frames for tests and simulation.
