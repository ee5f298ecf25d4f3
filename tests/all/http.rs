//! The HTTP server of the agent, tested with real clients.

mod access;
mod agent;
mod hostile;
mod limits;
mod metrics;
mod other_sites;
pub(crate) mod pages;
mod secrets;
pub(crate) mod server;
mod tls;
