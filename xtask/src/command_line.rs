//! What is typed behind `cargo xtask`.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use lexopt::prelude::*;

use crate::dist::Dist;
use crate::workspace::Workspace;
use crate::{demo, dist, docs, doctor, ebpf, help, pass_on, setup, test};

/// Does what is asked: 0 when that went well, 1 when it failed, 2 when it was not understood.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    if let Some(page) = help::wanted(&arguments) {
        print!("{page}");
        return ExitCode::SUCCESS;
    }
    let command = match Command::parse(arguments) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("error: {error:#}; see cargo xtask --help");
            return ExitCode::from(2);
        }
    };
    match Workspace::find().and_then(|workspace| command.run(&workspace)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A command line that is understood.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    Demo,
    Dist(Dist),
    Docs,
    Doctor,
    Ebpf {
        check: bool,
    },
    /// For the laboratory or the simulator.
    PassOn {
        verb: &'static pass_on::Verb,
        arguments: Vec<OsString>,
    },
    Setup,
    Test,
}

impl Command {
    fn parse(arguments: Vec<OsString>) -> Result<Self> {
        let mut words = arguments.into_iter();
        let verb = words.next().ok_or_else(|| anyhow!("no command"))?;
        let rest: Vec<OsString> = words.collect();
        let name = verb.to_string_lossy();
        if let Some((verb, arguments)) = pass_on::find(&name, &rest)? {
            return Ok(Self::PassOn { verb, arguments });
        }
        let mut parser = lexopt::Parser::from_args(rest);
        let command = match &*name {
            "demo" => Self::Demo,
            "dist" => Self::Dist(parse_dist(&mut parser)?),
            "docs" => Self::Docs,
            "doctor" => Self::Doctor,
            "ebpf" => Self::Ebpf {
                check: parse_check(&mut parser)?,
            },
            "setup" => Self::Setup,
            "test" => Self::Test,
            _ => return Err(anyhow!("there is no command {name}")),
        };
        match parser.next()? {
            Some(argument) => Err(argument.unexpected().into()),
            None => Ok(command),
        }
    }

    fn run(&self, workspace: &Workspace) -> Result<()> {
        match self {
            Self::Demo => demo::run(workspace),
            Self::Dist(arguments) => dist::run(workspace, arguments),
            Self::Docs => docs::run(workspace),
            Self::Doctor => doctor::run(workspace),
            Self::Ebpf { check } => ebpf::run(workspace, *check),
            Self::PassOn { verb, arguments } => verb.run(workspace, arguments),
            Self::Setup => setup::run(workspace),
            Self::Test => test::run(workspace),
        }
    }
}

fn parse_dist(parser: &mut lexopt::Parser) -> Result<Dist> {
    let mut dist = Dist::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("out") => dist.out = Some(parser.value()?.into()),
            Long("program") => dist.program = Some(parser.value()?.into()),
            Long("reproduce") => dist.reproduce = true,
            other => return Err(other.unexpected().into()),
        }
    }
    if dist.reproduce && dist.program.is_some() {
        return Err(anyhow!(
            "--reproduce builds the program, and --program brings one"
        ));
    }
    Ok(dist)
}

fn parse_check(parser: &mut lexopt::Parser) -> Result<bool> {
    match parser.next()? {
        None => Ok(false),
        Some(Long("check")) => Ok(true),
        Some(other) => Err(other.unexpected().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(typed: &str) -> Result<Command, String> {
        let words = typed.split_whitespace().map(OsString::from).collect();
        Command::parse(words).map_err(|error| error.to_string())
    }

    fn is_passed_on(typed: &str, name: &str, arguments: &[&str]) {
        let Ok(Command::PassOn {
            verb,
            arguments: found,
        }) = parse(typed)
        else {
            panic!("{typed} is passed on");
        };
        assert_eq!(
            (verb.name, found),
            (name, arguments.iter().map(OsString::from).collect()),
            "{typed}"
        );
    }

    #[test]
    fn own_commands_are_understood() {
        assert_eq!(parse("test"), Ok(Command::Test));
        assert_eq!(parse("ebpf --check"), Ok(Command::Ebpf { check: true }));
        let dist = Dist {
            out: Some("a".into()),
            program: Some("b".into()),
            reproduce: false,
        };
        assert_eq!(parse("dist --out a --program=b"), Ok(Command::Dist(dist)));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (typed, error) in [
            ("", "no command"),
            ("tests", "there is no command tests"),
            ("test --fast", "invalid option '--fast'"),
            ("demo now", "unexpected argument \"now\""),
            (
                "dist --reproduce --program a",
                "--reproduce builds the program, and --program brings one",
            ),
            ("lab", "lab takes a command"),
        ] {
            assert_eq!(parse(typed), Err(error.to_owned()), "{typed}");
        }
    }

    #[test]
    fn commands_of_others_are_passed_on_untouched() {
        is_passed_on("score --seeds 3 demo", "score", &["--seeds", "3", "demo"]);
        is_passed_on(
            "replay a.pcap -- --config x",
            "replay",
            &["a.pcap", "--", "--config", "x"],
        );
        is_passed_on("lab bench offline", "bench", &["offline"]);
        is_passed_on("sim score", "score", &[]);
        // The metrics are the agent's own: the laboratory has an agent.
        is_passed_on(
            "simulate demo --metrics day.om",
            "scrape",
            &["demo", "--metrics", "day.om"],
        );
        is_passed_on(
            "simulate demo --out day.pcap",
            "simulate",
            &["demo", "--out", "day.pcap"],
        );
    }
}
