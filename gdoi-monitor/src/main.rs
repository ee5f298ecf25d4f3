//! Monitors GDOI groups from packet headers.
#![forbid(unsafe_code)]

use std::io;
use std::process::ExitCode;

use clap::Parser as _;
use gdoi_monitor::cli::{Cli, Command};
use gdoi_monitor::exit::Exit;
use gdoi_monitor::source::xdp;
use gdoi_monitor::{analyze, config, decode, detach, doctor, http, manual, run, show, text, top};

fn main() -> ExitCode {
    let outcome = match Cli::try_parse() {
        Ok(Cli { command, .. }) => match command {
            Command::Analyze(arguments) => analyze::command(&arguments),
            Command::CheckConfig(arguments) => config::command(&arguments),
            Command::Completions(arguments) => manual::completions(&arguments),
            Command::Decode(arguments) => decode::command(&arguments),
            Command::Detach(arguments) => detach::command(&arguments),
            Command::Doctor(arguments) => doctor::command(&arguments),
            Command::Man => manual::man(),
            Command::Run(arguments) => run::command(&arguments),
            Command::Show(arguments) => show::command(&arguments),
            Command::Top(arguments) => top::command(&arguments),
        },
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(error) => report(&error),
    }
}

/// Prints the error, and returns the exit code.
fn report(error: &anyhow::Error) -> ExitCode {
    if let Some(usage) = error.downcast_ref::<clap::Error>() {
        // Help and version arrive here too, and go to standard output. A failure to print cannot be reported.
        return match usage.print() {
            Ok(()) | Err(_) => ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(Exit::Usage as u8)),
        };
    }
    // The reader has seen enough: `decode FILE | head`.
    if error.chain().any(is_broken_pipe) {
        return Exit::Fine.into();
    }
    let exit = if is_usage(error) {
        Exit::Usage
    } else {
        Exit::Failed
    };
    match text::complain(format_args!("{error:#}")) {
        Ok(()) | Err(_) => exit.into(),
    }
}

/// Whether the command line or the configuration is invalid.
fn is_usage(error: &anyhow::Error) -> bool {
    error.is::<config::ConfigError>()
        || error.is::<http::web::WebConfigError>()
        || error.is::<run::Usage>()
        || matches!(error.downcast_ref(), Some(xdp::XdpError::UnknownInterface { .. }))
}

fn is_broken_pipe(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
