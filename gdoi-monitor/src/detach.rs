//! `detach`: takes out of the kernel what an agent with pins left there.

use std::io::{self, Write as _};

use anyhow::{Context as _, Result};

use crate::cli::Detach;
use crate::exit::Exit;
use crate::source::xdp::pins::Pins;

/// Detaches everything that is pinned in the folder, and nothing else.
pub fn command(arguments: &Detach) -> Result<Exit> {
    let folder = &arguments.pin_folder;
    let mut spots = Vec::new();
    if folder.exists() {
        spots = Pins::open(folder)?.spots()?;
    }
    let mut said = io::stdout().lock();
    for spot in &spots {
        spot.remove();
        writeln!(said, "detached {}", spot.name()).context("write to standard output")?;
    }
    if spots.is_empty() {
        writeln!(said, "nothing is pinned in {}", folder.display()).context("write to standard output")?;
    }
    Ok(Exit::Fine)
}
