//! Commands that other programs of the workspace run; these are built when first needed.

use std::ffi::OsString;
use std::process::Command;

use crate::error::{Error, Result};
use crate::process;
use crate::workspace::Workspace;

/// Every command that is passed on.
pub(crate) const VERBS: [Verb; 13] = [
    lab("bench", Profile::Release),
    lab("boot", Profile::Development),
    sim("demonstrate"),
    lab("endure", Profile::Release),
    lab("faults", Profile::Release),
    lab("flood", Profile::Release),
    lab("fuzz", Profile::Development),
    lab("kernels", Profile::Development),
    lab("mutants", Profile::Development),
    lab("replay", Profile::Development),
    sim("score"),
    lab("scrape", Profile::Development),
    sim("simulate"),
];

/// The workspace optimises these in development for its tests; for a demonstration that takes too long.
const OPTIMISED: [&str; 3] = ["gdoi-core", "gdoi-sim", "gdoi-wire"];

/// A command of another program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verb {
    pub(crate) name: &'static str,
    pub(crate) program: PassedOn,
    /// Measured programs are built as they are shipped.
    profile: Profile,
}

/// The programs that run commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PassedOn {
    Lab,
    Sim,
}

/// How a program is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// As fast to build as possible.
    Quick,
    Development,
    Release,
}

const fn lab(name: &'static str, profile: Profile) -> Verb {
    Verb {
        name,
        program: PassedOn::Lab,
        profile,
    }
}

const fn sim(name: &'static str) -> Verb {
    Verb {
        name,
        program: PassedOn::Sim,
        profile: Profile::Development,
    }
}

/// The verb of this name with its arguments; `lab` or `sim` may precede it. `None` if no other program has the
/// command.
pub(crate) fn find(name: &str, rest: &[OsString]) -> Result<Option<(&'static Verb, Vec<OsString>)>> {
    if ["lab", "sim"].contains(&name) {
        let [verb, rest @ ..] = rest else {
            return Err(Error::new(format!("{name} takes a command")));
        };
        let verb = verb.to_string_lossy();
        return Ok(Some(
            named(&verb, rest).ok_or_else(|| Error::new(format!("{name} has no command {verb}")))?,
        ));
    }
    Ok(named(name, rest))
}

fn named(name: &str, rest: &[OsString]) -> Option<(&'static Verb, Vec<OsString>)> {
    // Metrics for Prometheus come from the agent's own page.
    let name = match name {
        "simulate" if rest.iter().any(asks_for_metrics) => "scrape",
        name => name,
    };
    let verb = VERBS.iter().find(|verb| verb.name == name)?;
    Some((verb, rest.to_vec()))
}

fn asks_for_metrics(argument: &OsString) -> bool {
    let argument = argument.to_string_lossy();
    argument == "--metrics" || argument.starts_with("--metrics=")
}

impl Verb {
    /// Builds the program and runs the command with it.
    pub(crate) fn run(&self, workspace: &Workspace, arguments: &[OsString]) -> Result<()> {
        let mut program = self.program.build(workspace, self.profile)?;
        process::run(program.arg(self.name).args(arguments))
    }
}

impl PassedOn {
    /// Builds the program and returns its path; the laboratory comes with the agent, which it expects next to itself.
    pub(crate) fn build(self, workspace: &Workspace, profile: Profile) -> Result<Command> {
        let (packages, name): (&[&str], _) = match self {
            Self::Lab => (&["gdoi-monitor", "gdoi-lab"], "gdoi-lab"),
            Self::Sim => (&["gdoi-sim"], "gdoi-sim"),
        };
        Ok(Command::new(build(workspace, packages, profile)?.join(name)))
    }
}

/// Builds packages, and returns the folder of their programs.
pub(crate) fn build(
    workspace: &Workspace,
    packages: &[&str],
    profile: Profile,
) -> Result<std::path::PathBuf> {
    let mut cargo = workspace.cargo();
    cargo.arg("build");
    for package in packages {
        cargo.args(["--package", package]);
    }
    let folder = match profile {
        Profile::Development => "debug",
        Profile::Quick => {
            for ours in OPTIMISED {
                cargo.args(["--config", &format!("profile.dev.package.{ours}.opt-level=0")]);
            }
            "debug"
        }
        Profile::Release => {
            cargo.arg("--release");
            "release"
        }
    };
    process::run(&mut cargo)?;
    Ok(workspace.target.join(folder))
}
