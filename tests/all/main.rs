//! What crosses crates: capture oracles, kernel parity, network namespaces, replay, the command line.
