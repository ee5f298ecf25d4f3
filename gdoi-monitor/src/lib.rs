//! The tokio agent and its commands.
