//! The agent and its commands: sources, the engine behind them, and what shows its findings.

pub mod cli;
pub mod config;
pub mod decode;
pub mod exit;
mod hex;
pub mod source;
pub mod time;
