//! Completions and manual page, generated from the command line.

use std::io;

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;

use crate::cli::{Cli, Completions};
use crate::exit::Exit;

/// Prints the completions of a shell.
pub fn completions(arguments: &Completions) -> Result<Exit> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, name, &mut script);
    print(&script)
}

/// Prints the manual page: the command, then each subcommand.
pub fn man() -> Result<Exit> {
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut page)
        .context("make the manual page")?;
    for subcommand in command.get_subcommands().filter(|one| one.get_name() != "help") {
        let man = clap_mangen::Man::new(subcommand.clone());
        page.extend(format!(".SH {}\n", subcommand.get_name().to_uppercase()).into_bytes());
        man.render_description_section(&mut page)
            .and_then(|()| man.render_options_section(&mut page))
            .context("make the manual page")?;
    }
    print(&page)
}

fn print(text: &[u8]) -> Result<Exit> {
    io::Write::write_all(&mut io::stdout().lock(), text).context("write to standard output")?;
    Ok(Exit::Fine)
}
