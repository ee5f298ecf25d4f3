//! The agent: puts sources, engine and pages together, and takes them apart again.

use std::future::Future;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use gdoi_core::{Timestamp, Tracker};
use gdoi_wire::Class;
use gdoi_wire::record::Counters;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::cli::{KernelLog, LogFormat, Run};
use crate::config::{self, Config};
use crate::engine::{self, Engine, Plan, State};
use crate::exit::Exit;
use crate::http::web::Web;
use crate::http::{self, Limits, Server};
use crate::notify;
use crate::reload::{self, Reader, Reloads};
use crate::sink::Events;
use crate::sink::flight::Recorder;
use crate::sink::output::Output;
use crate::sink::output::file::{EventFile, Rotation};
use crate::sink::output::journal::{self, Journal};
use crate::sink::output::stream::Stream;
use crate::sink::saved::{Restored, Saved};
use crate::sites::Sites;
use crate::source::xdp::{Direction, Mode, Settings, SiteRoute};

/// Runs until SIGTERM or SIGINT.
pub fn command(arguments: &Run) -> anyhow::Result<Exit> {
    log(arguments)?;
    let mut config = match &arguments.config {
        Some(path) => Config::load(path)?,
        None => Config::default(),
    };
    let plan = plan(arguments, &config)?;
    // Nobody outside may know which forged keys would collide in the tracker's tables.
    config.limits.hash_seed = RandomState::new().hash_one(0);
    // Two: the engine, and whoever asks it.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(agent(arguments, config, plan))
}

async fn agent(arguments: &Run, config: Config, plan: Plan) -> anyhow::Result<Exit> {
    // First what can fail without having touched an interface.
    let shutdown = shutdown()?;
    let hangup = signal(SignalKind::hangup()).context("listen for SIGHUP")?;
    let addresses = if arguments.listen.is_empty() {
        vec![config.listen]
    } else {
        arguments.listen.clone()
    };
    let mut listeners = Vec::new();
    for address in addresses {
        listeners.push(http::bind(address).await?);
    }
    let web = match &arguments.web_config {
        Some(path) => Web::load(path)?,
        None => Web::plain(),
    };
    let web = Arc::new(web);
    let events = Events::to(outputs(arguments)?, engine::calendar());
    let saved = arguments.state_file.as_deref().map(Saved::at);
    let (tracker, restored) = tracker(saved.as_ref(), config.clone());
    let recorder = arguments.flight_folder.as_deref();
    let recorder = recorder.map(|folder| Recorder::new(folder, arguments.flight_size << 20));
    let engine = Engine::start(plan, tracker, restored, saved, events)?.recording(recorder);

    let (requests, asked) = mpsc::channel(REQUESTS);
    let (stop, stopping) = watch::channel(false);
    let (to_engine, changes) = mpsc::channel(1);
    let (reloads, asked_again) = Reloads::new();
    let reloads = Arc::new(reloads);
    let reader = Reader {
        arguments: arguments.clone(),
        config,
        engine: to_engine,
    };
    let mut servers = JoinSet::new();
    let alive = notify::keep_alive(requests.clone(), stopping.clone());
    servers.spawn(alive);
    let server = Server::new(requests, Arc::clone(&web), Limits::default());
    let server = Arc::new(match &arguments.config {
        Some(_) => server.with_reloads(Arc::clone(&reloads)),
        None => server,
    });
    servers.spawn(web.keep_up(stopping.clone()));
    servers.spawn(reload::keep_up(
        reloads,
        asked_again,
        hangup,
        reader,
        stopping.clone(),
    ));
    for listener in listeners {
        let address: SocketAddr = listener.local_addr().context("read the address of a listener")?;
        tracing::info!(%address, "serving");
        servers.spawn(http::serve(listener, Arc::clone(&server), stopping.clone()));
    }
    drop(server);
    notify::ready();
    let last = engine.run(asked, changes, shutdown).await;
    notify::stopping();
    farewell(&last);
    stop.send_replace(true);
    while servers.join_next().await.is_some() {}
    Ok(Exit::Fine)
}

/// Where events are written.
fn outputs(arguments: &Run) -> anyhow::Result<Vec<Output>> {
    let mut outputs = Vec::new();
    match arguments.event_file.as_deref() {
        Some(path) if path == Path::new("-") => outputs.push(Output::start("stdout", Stream(io::stdout()))?),
        Some(path) => {
            let rotation = Rotation {
                size: arguments.event_file_size,
                keep: arguments.event_file_keep,
            };
            let file = EventFile::open(path, rotation)
                .with_context(|| format!("cannot open the event file {}", path.display()))?;
            outputs.push(Output::start("event_file", file)?);
        }
        None => {}
    }
    if arguments.event_journal {
        let journal = Journal::open(Path::new(journal::SOCKET)).with_context(|| {
            format!(
                "cannot open the journal at {}; is this a host with systemd?",
                journal::SOCKET
            )
        })?;
        outputs.push(Output::start("journal", journal)?);
    }
    Ok(outputs)
}

/// The tracker that was saved, and when; a new one where there is none that can be taken up.
fn tracker(saved: Option<&Saved>, config: Config) -> (Tracker, Option<Timestamp>) {
    if let Some(saved) = saved {
        match saved.restore(config.groups.clone(), config.limits) {
            Ok(Some(Restored { tracker, at })) => return (tracker, Some(at)),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, path = %saved.path().display(), "the saved state is not taken up");
            }
        }
    }
    (Tracker::new(config.groups, config.limits), None)
}

/// Says what was seen: by the programs in the kernel, and by the tracker. The two agree when nothing was lost.
fn farewell(last: &State) {
    let mut counted = Counters::default();
    for capture in &last.captures {
        counted.add(&capture.counters);
    }
    let class = |class: Class| counted.packets.get(class as usize).copied().unwrap_or_default();
    tracing::info!(
        esp_counted = class(Class::Esp) + class(Class::EspUdp),
        esp_tracked = last.snapshot.esp.values().map(|total| total.packets).sum::<u64>(),
        messages_counted = class(Class::Isakmp),
        messages_tracked = last.snapshot.messages.values().sum::<u64>(),
        messages_lost = counted.lost_messages,
        "stopped"
    );
}

/// How to watch, as the file says and the command line says above it.
pub(crate) fn plan(arguments: &Run, config: &Config) -> anyhow::Result<Plan> {
    let interfaces = if arguments.interface.is_empty() {
        config.capture.interfaces.clone()
    } else {
        arguments.interface.clone()
    };
    let mode = match arguments.mode.unwrap_or(config.capture.mode) {
        config::Mode::Auto => Mode::Auto,
        config::Mode::Xdp => Mode::Native,
        config::Mode::XdpGeneric => Mode::Generic,
        config::Mode::Tc => Mode::Tc,
    };
    if interfaces.is_empty() {
        return Err(Usage::NoInterface.into());
    }
    let mut directions = vec![Direction::Ingress];
    if arguments.egress || config.capture.egress {
        directions.push(Direction::Egress);
    }
    Ok(Plan {
        interfaces,
        mode,
        directions,
        settings: Settings {
            ports: arguments.ports.over(&config.capture.ports)?,
            sites: sites(config),
            buckets: arguments.spi_slots.div_ceil(2),
            count_runs: arguments.program_stats,
            kernel_log: match arguments.kernel_log {
                KernelLog::Off => 0,
                KernelLog::Debug => 4,
            },
            ..Settings::default()
        },
    })
}

/// What was typed, or configured, and cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum Usage {
    /// There is nothing to watch.
    #[error("nothing to watch: name an interface with --interface, or in the configuration under [capture]")]
    NoInterface,
}

fn sites(config: &Config) -> Vec<SiteRoute> {
    let route = |(length, octets, site)| SiteRoute {
        prefix: (length, octets),
        site,
    };
    Sites::new(&config.groups).prefixes().map(route).collect()
}

/// Ends when the agent is asked to stop.
fn shutdown() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("stopping on SIGTERM"),
            _ = interrupt.recv() => tracing::info!("stopping on SIGINT"),
        }
    })
}

/// The log goes to standard error, where systemd expects it; aya-log's records go the same way.
fn log(arguments: &Run) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(&arguments.log_level)
        .with_context(|| format!("cannot read the log level {:?}", arguments.log_level))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    let started = match arguments.log_format {
        LogFormat::Json => builder.json().try_init(),
        LogFormat::Text => builder
            .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
            .try_init(),
    };
    started
        .map_err(anyhow::Error::from_boxed)
        .context("start the log")
}

/// Requests that may wait for the engine; who comes later waits in line.
const REQUESTS: usize = 16;
