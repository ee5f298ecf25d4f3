//! Runs the agent: connects sources, engine and pages, and stops them in order.

mod open;

use std::future::Future;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use gdoi_wire::Class;
use gdoi_wire::record::Counters;
use nix::sys::signal::{SigSet, Signal};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::cli::{KernelLog, LogFormat, Run};
use crate::config::{self, Config};
use crate::engine::{self, ConfigChange, Engine, Plan, State};
use crate::exit::Exit;
use crate::http::{self, Limits, Server};
use crate::lockdown::{self, Locked, Measure, Policy, lock_down};
use crate::notify;
use crate::reload::{self, ConfigReader, Reloads};
use crate::sink::EventSink;
use crate::sink::log;
use crate::sink::output::Output;
use crate::sites::Sites;
use crate::source::xdp::{AttachMode, Direction, ProbeSettings, SiteRoute, interface};
use open::Open;

/// Requests that may wait for the engine; further ones are queued by their senders.
const REQUESTS: usize = 16;

/// Runs until SIGTERM or SIGINT.
pub fn command(arguments: &Run) -> anyhow::Result<Exit> {
    start_log(arguments)?;
    let mut config = match &arguments.config {
        Some(path) => Config::load(path)?,
        None => Config::default(),
    };
    let plan = plan(arguments, &config)?;
    let hot_plug = plan.hot_plug;
    // Nobody outside may know which forged keys would collide in the tracker's tables.
    config.limits.hash_seed = RandomState::new().hash_one(0);
    // These signals would end the agent: they stay blocked until their handlers exist.
    let early = SigSet::from_iter([Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM]);
    early.thread_block().context("block signals")?;
    let open = Open::all(arguments, &config, plan)?;
    // Before there are other threads: they would keep what this one drops.
    let locked = lock(arguments, &open)?;
    log::begin().context("start the thread of the log")?;
    // Two threads: one for the engine, one for its clients.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("start the runtime")?;
    let (to_engine, changes) = mpsc::channel(1);
    let reader = ConfigReader {
        arguments: arguments.clone(),
        config,
        hot_plug,
        engine: to_engine,
    };
    let exit = runtime.block_on(agent(open, &locked.measures, early, reader, changes));
    log::finish();
    exit
}

/// Drops unneeded privileges, according to the policy.
fn lock(arguments: &Run, open: &Open) -> anyhow::Result<Locked> {
    let locked = match arguments.lock_down {
        Policy::Off => return Ok(lockdown::nothing()),
        Policy::Auto | Policy::Require => lock_down(&open.needs(arguments), &open.rights()),
    };
    for measure in locked.measures.iter().filter(|measure| measure.lacks.is_some()) {
        if arguments.lock_down == Policy::Require {
            bail!("cannot drop {measure}; --lock-down=auto continues without it");
        }
        tracing::warn!("cannot drop {measure}");
    }
    Ok(locked)
}

async fn agent(
    open: Open,
    measures: &[Measure],
    early: SigSet,
    reader: ConfigReader,
    changes: mpsc::Receiver<ConfigChange>,
) -> anyhow::Result<Exit> {
    let shutdown = shutdown()?;
    let hangup = signal(SignalKind::hangup()).context("listen for SIGHUP")?;
    early.thread_unblock().context("unblock signals")?;
    let Open {
        listeners,
        web,
        names,
        targets,
        watching,
        past,
        recorder,
        ..
    } = open;
    let web = Arc::new(web);
    let mut outputs = Vec::new();
    for (name, target) in targets {
        outputs.push(Output::start(name, target)?);
    }
    let events = EventSink::to(outputs, engine::calendar());
    let arguments = &reader.arguments;
    let engine = Engine::start(watching, past, events).recording(recorder);

    let (requests, asked) = mpsc::channel(REQUESTS);
    let (stop, stopping) = watch::channel(false);
    let (reloads, asked_again) = Reloads::new();
    let reloads = Arc::new(reloads);
    let mut servers = JoinSet::new();
    let alive = notify::keep_alive(requests.clone(), stopping.clone());
    servers.spawn(alive);
    let server = Server::new(requests, Arc::clone(&web), Limits::default())
        .with_measures(measures.to_vec())
        .with_names(names)
        .with_lifecycle(arguments.enable_lifecycle);
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
        let listener = TcpListener::from_std(listener).context("listen")?;
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

/// Logs what the programs in the kernel and the tracker counted. The two agree if nothing was lost.
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

/// What to monitor: the file, overridden by the command line.
pub(crate) fn plan(arguments: &Run, config: &Config) -> anyhow::Result<Plan> {
    let interfaces = if arguments.interface.is_empty() {
        config.capture.interfaces.clone()
    } else {
        arguments.interface.clone()
    };
    let mode = match arguments.mode.unwrap_or(config.capture.mode) {
        config::ModeName::Auto => AttachMode::Auto,
        config::ModeName::Xdp => AttachMode::Native,
        config::ModeName::XdpGeneric => AttachMode::Generic,
        config::ModeName::Tc => AttachMode::Tc,
    };
    if interfaces.is_empty() {
        return Err(Usage::NoInterface.into());
    }
    let hot_plug = config.capture.hot_plug && !arguments.no_hot_plug;
    let pattern = interfaces.iter().find(|name| interface::is_pattern(name));
    if let Some(pattern) = pattern.filter(|_| !hot_plug) {
        return Err(Usage::PatternOfNothing(pattern.clone()).into());
    }
    let mut directions = vec![Direction::Ingress];
    if arguments.egress || config.capture.egress {
        directions.push(Direction::Egress);
    }
    Ok(Plan {
        interfaces,
        mode,
        directions,
        hot_plug,
        settings: ProbeSettings {
            ports: arguments.ports.over(&config.capture.ports)?,
            sites: sites(config),
            buckets: arguments.spi_slots.div_ceil(2),
            count_runs: arguments.program_stats,
            kernel_log: match arguments.kernel_log {
                KernelLog::Off => 0,
                KernelLog::Debug => 4,
            },
            ..ProbeSettings::default()
        },
    })
}

/// A command line or configuration that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum Usage {
    /// No interface is named.
    #[error(
        "nothing to monitor: name an interface with --interface, or under [capture] in the configuration"
    )]
    NoInterface,
    /// A pattern although later interfaces are excluded.
    #[error("without hot plug each interface must be named exactly; {0:?} is a pattern")]
    PatternOfNothing(String),
}

fn sites(config: &Config) -> Vec<SiteRoute> {
    let route = |(length, octets, site)| SiteRoute {
        prefix: (length, octets),
        site,
    };
    Sites::new(&config.groups).prefixes().map(route).collect()
}

/// Completes when the agent is asked to stop.
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

/// The log goes to standard error, where systemd expects it; so do aya-log's records.
fn start_log(arguments: &Run) -> anyhow::Result<()> {
    let lines = tracing_subscriber::fmt::layer().with_writer(|| log::LogLine);
    let lines = match arguments.log_format {
        LogFormat::Json => lines.json().boxed(),
        LogFormat::Text => lines
            .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
            .boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(arguments.log_level.clone().into_targets()))
        .try_init()
        .context("start the log")
}
