//! Everything that the agent opens before its lock-down because it needs privileges or can fail. Starts no thread.

use std::io;
use std::net::TcpListener;
use std::path::Path;

use anyhow::Context as _;
use gdoi_core::Tracker;

use crate::cli::{ListenAddress, Run};
use crate::config::Config;
use crate::engine::{AttachedInterfaces, Plan, Resume};
use crate::http::web::Web;
use crate::http::{self, HostNames};
use crate::lockdown::{Needs, Rights};
use crate::sink::flight::Recorder;
use crate::sink::output::Target;
use crate::sink::output::file::{EventFile, Rotation};
use crate::sink::output::journal::{self, Journal};
use crate::sink::output::stream::StreamTarget;
use crate::sink::state_file::StateFile;
use crate::source::xdp::SavedTap;
use crate::source::xdp::pins::Pins;

/// Opened resources.
pub(super) struct Open {
    pub(super) listeners: Vec<TcpListener>,
    pub(super) web: Web,
    pub(super) names: HostNames,
    /// Event outputs, with their names.
    pub(super) targets: Vec<(&'static str, Box<dyn Target>)>,
    pub(super) watching: AttachedInterfaces,
    pub(super) past: Resume,
    pub(super) recorder: Option<Recorder>,
    hot_plug: bool,
}

impl Open {
    /// First whatever can fail without having touched an interface.
    pub(super) fn all(arguments: &Run, config: &Config, plan: Plan) -> anyhow::Result<Self> {
        let addresses = if arguments.listen.is_empty() {
            vec![config.listen]
        } else {
            let typed = arguments.listen.iter();
            typed.flat_map(ListenAddress::addresses).copied().collect()
        };
        let listeners = addresses.into_iter().map(http::bind).collect::<Result<_, _>>()?;
        let web = match &arguments.web_config {
            Some(path) => Web::load(path)?,
            None => Web::plain(),
        };
        let targets = targets(arguments)?;
        let (past, kept) = past(arguments, config)?;
        // Errors appear now, and not when evidence has to be written.
        let recorder = arguments.flight_folder.as_deref().map(|folder| {
            Recorder::open(folder, arguments.flight_size << 20)
                .with_context(|| format!("cannot write captures into {}", folder.display()))
        });
        let pins = arguments.pin_folder.as_deref().map(Pins::open).transpose()?;
        Ok(Self {
            listeners,
            web,
            names: HostNames::new(&arguments.external_url),
            targets,
            hot_plug: plan.hot_plug,
            watching: AttachedInterfaces::begin(plan, pins, kept)?,
            past,
            recorder: recorder.transpose()?,
        })
    }

    /// The files that the agent needs from here on. This is the only list of what it writes.
    pub(super) fn needs(&self, arguments: &Run) -> Needs {
        let mut needs = Needs::kernel();
        for file in [&arguments.event_file, &arguments.state_file] {
            if let Some(file) = file.as_deref().filter(|file| *file != Path::new("-")) {
                needs = needs.writing(file);
            }
        }
        if let Some(folder) = &arguments.flight_folder {
            needs = needs.writing_in(folder);
        }
        if let Some(folder) = &arguments.pin_folder {
            needs = needs.pinning_in(folder);
        }
        if let Some(file) = &arguments.config {
            needs = needs.reading(file);
        }
        for file in self.web.files() {
            needs = needs.reading(&file);
        }
        match std::env::var("NOTIFY_SOCKET") {
            Ok(socket) => needs.telling(&socket),
            Err(_) => needs,
        }
    }

    /// The capabilities that the agent needs from here on.
    pub(super) fn rights(&self) -> Rights {
        if self.hot_plug {
            Rights::to_attach()
        } else {
            Rights::to_read(self.watching.has_filter())
        }
    }
}

/// What earlier agents left, and the reading positions of their interfaces; a new tracker if there is no usable
/// state.
fn past(arguments: &Run, config: &Config) -> anyhow::Result<(Resume, Vec<SavedTap>)> {
    let saved = arguments.state_file.as_deref().map(|path| {
        StateFile::open(path).with_context(|| format!("cannot keep a state in {}", path.display()))
    });
    let saved = saved.transpose()?;
    let (groups, limits) = (config.groups.clone(), config.limits);
    let restored = match saved.as_ref().map(|saved| saved.restore(groups.clone(), limits)) {
        Some(Ok(restored)) => restored,
        Some(Err(error)) => {
            tracing::warn!(%error, "starting with an empty state: the saved state was rejected");
            None
        }
        None => None,
    };
    let (past, kept) = Resume::of(restored, || Tracker::new(groups, limits));
    Ok((past.kept_in(saved), kept))
}

/// The configured event outputs.
fn targets(arguments: &Run) -> anyhow::Result<Vec<(&'static str, Box<dyn Target>)>> {
    let mut targets: Vec<(_, Box<dyn Target>)> = Vec::new();
    match arguments.event_file.as_deref() {
        Some(path) if path == Path::new("-") => {
            targets.push(("stdout", Box::new(StreamTarget(io::stdout()))));
        }
        Some(path) => {
            let rotation = Rotation {
                size: arguments.event_file_size,
                keep: arguments.event_file_keep,
            };
            let file = EventFile::open(path, rotation)
                .with_context(|| format!("cannot open the event file {}", path.display()))?;
            targets.push(("event_file", Box::new(file)));
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
        targets.push(("journal", Box::new(journal)));
    }
    Ok(targets)
}
