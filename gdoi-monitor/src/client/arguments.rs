//! Options that select the agent to query.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;

use super::{Address, Client, ClientError};

/// The agent to query.
#[derive(Clone, Debug, Args)]
pub struct AgentArgs {
    /// URL of the agent; may have https, USER:PASSWORD (better in --auth-file) and a path
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:11848")]
    url: Address,
    /// CA certificates in PEM for the agent's certificate [default: those of the system]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// File with USER:PASSWORD on its first line
    #[arg(long, value_name = "FILE")]
    auth_file: Option<PathBuf>,
    /// Timeout of a request, like 500ms or 1m
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = limit)]
    timeout: Duration,
}

impl AgentArgs {
    /// A client of that agent.
    pub fn client(&self) -> Result<Client, ClientError> {
        Client::new(
            self.url.clone(),
            self.ca_file.as_deref(),
            self.auth_file.as_deref(),
            self.timeout,
        )
    }
}

fn limit(typed: &str) -> Result<Duration, &'static str> {
    typed
        .parse::<SignedDuration>()
        .ok()
        .and_then(|limit| Duration::try_from(limit).ok())
        .filter(|limit| !limit.is_zero())
        .ok_or("write it like 10s, 500ms or 1m")
}
