//! `check-config`: checks a configuration file.

use std::fmt;
use std::io::{self, Write as _};

use super::Config;
use crate::cli;
use crate::exit::Exit;

/// Runs the command.
pub fn command(arguments: &cli::CheckConfig) -> anyhow::Result<Exit> {
    let Config { groups, .. } = Config::load(&arguments.file)?;
    let sites = groups.groups.iter().map(|group| group.sites.len()).sum();
    let (groups, sites) = (Count(groups.groups.len(), "group"), Count(sites, "site"));
    writeln!(
        io::stdout(),
        "{}: fine, {groups}, {sites}",
        arguments.file.display()
    )?;
    Ok(Exit::Fine)
}

/// A number with its noun.
struct Count(usize, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, what) = self;
        write!(f, "{count} {what}{}", if *count == 1 { "" } else { "s" })
    }
}
