//! Reloads the configuration file of a running agent.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, oneshot, watch};

use crate::cli::Run;
use crate::config::Config;
use crate::engine::ConfigChange;
use crate::run;
use crate::status::Reload;

/// Requests reloads, and holds the last result.
#[derive(Debug)]
pub(crate) struct Reloads {
    ask: mpsc::Sender<Ask>,
    last: Mutex<Reload>,
}

/// Receives the result of a reload.
type Ask = oneshot::Sender<Result<(), String>>;

impl Reloads {
    /// After a first load just now. The receiver is for [`keep_up`].
    pub(crate) fn new() -> (Self, mpsc::Receiver<Ask>) {
        let (ask, asked) = mpsc::channel(1);
        let last = Mutex::new(Reload::good_now());
        (Self { ask, last }, asked)
    }

    /// Reloads the file. The error says why the old configuration stays in force.
    pub(crate) async fn ask(&self) -> Result<(), String> {
        let stopping = || "the agent is shutting down".to_owned();
        let (reply, answer) = oneshot::channel();
        self.ask.send(reply).await.map_err(|_closed| stopping())?;
        answer.await.map_err(|_closed| stopping())?
    }

    /// The last result.
    pub(crate) fn last(&self) -> Reload {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, is_good: bool) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if is_good {
            *last = Reload::good_now();
        } else {
            last.is_good = false;
        }
    }
}

/// What is needed to reload the configuration.
pub(crate) struct ConfigReader {
    /// The command line takes precedence over the file.
    pub(crate) arguments: Run,
    /// The configuration in force.
    pub(crate) config: Config,
    /// Whether the agent has kept the capabilities for changes.
    pub(crate) hot_plug: bool,
    /// To the engine.
    pub(crate) engine: mpsc::Sender<ConfigChange>,
}

/// Reloads the file at each SIGHUP, and on request, until `stop` changes.
pub(crate) async fn keep_up(
    reloads: Arc<Reloads>,
    mut asked: mpsc::Receiver<Ask>,
    mut hangup: Signal,
    mut reader: ConfigReader,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let reply = tokio::select! {
            Some(()) = hangup.recv() => None,
            Some(reply) = asked.recv() => Some(reply),
            _ = stop.changed() => return,
        };
        crate::notify::reloading();
        let outcome = reader.read_again().await;
        crate::notify::ready();
        match &outcome {
            Ok(()) => tracing::info!("reloaded the configuration"),
            Err(error) => tracing::error!(
                error,
                "the new configuration was rejected; the old one stays in force"
            ),
        }
        reloads.note(outcome.is_ok());
        if let Some(reply) = reply {
            // The requester may be gone.
            drop(reply.send(outcome));
        }
    }
}

impl ConfigReader {
    async fn read_again(&mut self) -> Result<(), String> {
        let Some(path) = &self.arguments.config else {
            return Err("the agent was started without --config".to_owned());
        };
        let mut config = Config::load(path).map_err(|error| error.to_string())?;
        config.limits.hash_seed = self.config.limits.hash_seed;
        let mut plan = run::plan(&self.arguments, &config).map_err(|error| format!("{error:#}"))?;
        if plan.hot_plug != self.hot_plug {
            tracing::warn!(hot_plug = plan.hot_plug, "a change of hot_plug needs a restart");
            plan.hot_plug = self.hot_plug;
        }
        let (reply, answer) = oneshot::channel();
        let change = ConfigChange {
            plan,
            groups: config.groups.clone(),
            limits: config.limits,
            reply,
        };
        self.engine
            .send(change)
            .await
            .map_err(|_closed| "the agent is shutting down".to_owned())?;
        answer
            .await
            .map_err(|_closed| "the agent is shutting down".to_owned())?
            .map_err(|error| error.to_string())?;
        if config.listen != self.config.listen && self.arguments.listen.is_empty() {
            tracing::warn!(listen = %config.listen, "a change of the listen address needs a restart");
        }
        self.config = config;
        Ok(())
    }
}
