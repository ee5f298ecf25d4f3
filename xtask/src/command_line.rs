//! The command line of `cargo xtask`.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::dist::Dist;
use crate::error::{Error, Result, fail};
use crate::workspace::Workspace;
use crate::{check, demo, dist, docs, doctor, ebpf, help, pass_on, setup, test};

/// Runs a command: exit code 0 on success, 1 on failure, 2 for an invalid command line.
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

/// A valid command line.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    Check,
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
        let verb = words.next().ok_or_else(|| Error::new("no command"))?;
        let rest: Vec<OsString> = words.collect();
        let name = verb.to_string_lossy();
        if let Some((verb, arguments)) = pass_on::find(&name, &rest)? {
            return Ok(Self::PassOn { verb, arguments });
        }
        let mut options = Options(rest);
        let command = match &*name {
            "check" => Self::Check,
            "demo" => Self::Demo,
            "dist" => Self::Dist(Dist {
                out: options.value("--out")?.map(Into::into),
                program: options.value("--program")?.map(Into::into),
                reproduce: options.flag("--reproduce"),
            }),
            "docs" => Self::Docs,
            "doctor" => Self::Doctor,
            "ebpf" => Self::Ebpf {
                check: options.flag("--check"),
            },
            "setup" => Self::Setup,
            "test" => Self::Test,
            _ => return fail(format!("there is no command {name}")),
        };
        options.end()?;
        match command {
            Self::Dist(Dist {
                program: Some(_),
                reproduce: true,
                ..
            }) => fail("--reproduce builds the program, --program supplies one"),
            command => Ok(command),
        }
    }

    fn run(&self, workspace: &Workspace) -> Result<()> {
        match self {
            Self::Check => check::run(workspace),
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

/// Arguments of a command of xtask itself; each is taken once.
struct Options(Vec<OsString>);

impl Options {
    /// Whether a flag is there.
    fn flag(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|word| word != name);
        self.0.len() < before
    }

    /// The value of an option, which follows it, or is joined to it by an equals sign.
    fn value(&mut self, name: &str) -> Result<Option<OsString>> {
        let joined = format!("{name}=");
        let is_it = |word: &OsString| word == name || word.to_string_lossy().starts_with(&joined);
        let Some(place) = self.0.iter().position(is_it) else {
            return Ok(None);
        };
        let word = self.0.remove(place);
        if let Some(value) = word.to_str().and_then(|word| word.strip_prefix(&joined)) {
            return Ok(Some(value.into()));
        }
        if place == self.0.len() {
            return fail(format!("{name} takes a value"));
        }
        Ok(Some(self.0.remove(place)))
    }

    /// Fails if an argument is left.
    fn end(&self) -> Result<()> {
        match self.0.first() {
            Some(word) => fail(format!("unexpected argument {}", word.to_string_lossy())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(typed: &str) -> Result<Command> {
        Command::parse(typed.split_whitespace().map(OsString::from).collect())
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
            ("test --fast", "unexpected argument --fast"),
            ("demo now", "unexpected argument now"),
            ("dist --out", "--out takes a value"),
            (
                "dist --reproduce --program a",
                "--reproduce builds the program, --program supplies one",
            ),
            ("lab", "lab takes a command"),
        ] {
            assert_eq!(parse(typed), fail(error), "{typed}");
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
        // Metrics come from the agent, and only the laboratory has an agent.
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
