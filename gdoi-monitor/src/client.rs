//! Queries a running agent over HTTP, and trusts nothing in its answers.
//!
//! The agent may be of another version, be overloaded, or be no agent at all. Each answer is limited in time and
//! size, and all its text is made harmless before it reaches a terminal ([`Text`]).

mod address;
mod arguments;
mod connection;
mod error;
mod event;
mod health;
#[cfg(test)]
pub(crate) mod samples;
mod span;
mod tls;
mod window;

use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;

pub use address::{Address, AddressError};
pub use arguments::AgentArgs;
pub use error::ClientError;
pub use event::Event;
pub use health::Complaint;
pub use span::{compact, counted, seconds};
pub use window::EventWindow;
pub(crate) use window::texts;

pub use crate::state::{
    DataPlane, Group, InterfaceStatus, Kek, KeyServer, Member, Readiness, Registration, Rekey, SpiUse, Spread,
};
pub use crate::text::{Text, escape_json};
pub use crate::time::Moment;

use connection::Connection;
use tls::Trust;

/// A client of one agent. The connection stays open between requests.
#[derive(Debug)]
pub struct Client {
    address: Address,
    /// `Authorization` header, if any.
    authorization: Option<String>,
    trust: Trust,
    limit: Duration,
    connection: Option<Connection>,
}

/// An answer of the agent, and its time.
#[derive(Clone, Debug)]
pub struct ApiAnswer<T> {
    /// The agent's time, in whole seconds; the local time if it sends none.
    pub now: Moment,
    /// The body.
    pub body: T,
}

impl Client {
    /// A client of the agent at `address`. Certificates are verified against `ca_file`, or the system's if there is
    /// none. Each answer has to arrive within `limit`.
    pub fn new(
        mut address: Address,
        ca_file: Option<&Path>,
        auth_file: Option<&Path>,
        limit: Duration,
    ) -> Result<Self, ClientError> {
        let typed = address.take_credentials();
        let credentials = match auth_file {
            Some(path) => Some(address::credentials_from(path)?),
            None => typed,
        };
        Ok(Self {
            trust: Trust::new(&address, ca_file)?,
            authorization: credentials.map(|credentials| credentials.header()),
            address,
            limit,
            connection: None,
        })
    }

    /// The agent's address, without credentials.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The page at `path`, unparsed.
    pub async fn page(&mut self, path: &str) -> Result<ApiAnswer<Vec<u8>>, ClientError> {
        if let Ok(answer) = tokio::time::timeout(self.limit, self.ask(path)).await {
            return answer;
        }
        self.connection = None;
        Err(ClientError::Silent {
            address: self.address.clone(),
            limit: self.limit,
        })
    }

    /// The page at `path`, parsed.
    pub async fn read<T: DeserializeOwned>(&mut self, path: &str) -> Result<ApiAnswer<T>, ClientError> {
        let ApiAnswer { now, body } = self.page(path).await?;
        Ok(ApiAnswer {
            now,
            body: self.parse(path, &body)?,
        })
    }

    /// Parses the body of `path`.
    pub fn parse<'a, T: serde::Deserialize<'a>>(&self, path: &str, body: &'a [u8]) -> Result<T, ClientError> {
        serde_json::from_slice(body).map_err(|cause| ClientError::Nonsense {
            address: self.address.clone(),
            path: path.to_owned(),
            cause,
        })
    }

    async fn ask(&mut self, path: &str) -> Result<ApiAnswer<Vec<u8>>, ClientError> {
        let kept = self.connection.take().filter(Connection::is_open);
        let reused = kept.is_some();
        let mut connection = match kept {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let mut answer = connection
            .ask(&self.address, self.authorization.as_deref(), path)
            .await;
        // A server may close an idle connection just when it is used again.
        if reused && matches!(answer, Err(ClientError::Broken { .. })) {
            connection = self.connect().await?;
            answer = connection
                .ask(&self.address, self.authorization.as_deref(), path)
                .await;
        }
        if answer.is_ok() {
            self.connection = Some(connection);
        }
        answer
    }

    async fn connect(&self) -> Result<Connection, ClientError> {
        Connection::open(&self.address, &self.trust).await
    }
}

/// Paths for clients: they need whole lists, which an agent otherwise limits.
pub mod path {
    /// The groups.
    pub const GROUPS: &str = "/api/v1/groups?limit=100000";
    /// The members.
    pub const MEMBERS: &str = "/api/v1/members?limit=100000";
    /// The ESP SPIs.
    pub const SPIS: &str = "/api/v1/spis?limit=100000";
    /// The incidents, the worst first.
    pub const INCIDENTS: &str = "/api/v1/incidents?limit=100000";
    /// The latest events.
    pub const EVENTS: &str = "/api/v1/events";
    /// Whether every interface is monitored. 503, with the same body, if one is not.
    pub const READY: &str = "/-/ready";
}
