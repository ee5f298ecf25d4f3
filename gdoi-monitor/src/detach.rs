//! `detach`: removes from the kernel what an agent with pins left there.

use std::io::{self, Write as _};

use anyhow::{Context as _, Result, bail};

use crate::cli::Detach;
use crate::exit::Exit;
use crate::source::xdp::pins::Pins;

/// Detaches everything that is pinned in the folder, and nothing else.
pub fn command(arguments: &Detach) -> Result<Exit> {
    let folder = &arguments.pin_folder;
    let mut pin_dirs = Vec::new();
    if folder.exists() {
        pin_dirs = Pins::open(folder)?.pin_dirs()?;
    }
    let mut said = io::stdout().lock();
    for pin_dir in &pin_dirs {
        if !pin_dir.detach() {
            bail!(
                "{} is still attached: another process holds its link",
                pin_dir.name()
            );
        }
        writeln!(said, "detached {}", pin_dir.name()).context("write to standard output")?;
    }
    if pin_dirs.is_empty() {
        writeln!(said, "nothing is pinned in {}", folder.display()).context("write to standard output")?;
    }
    Ok(Exit::Fine)
}
