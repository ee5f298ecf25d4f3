//! `cargo xtask docs`: writes the documents that are generated from the code.

use std::process::Command;

use crate::error::{Context as _, Result};
use crate::help::{self, Page};
use crate::pass_on::{PassedOn, Profile};
use crate::process;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut lab = PassedOn::Lab.build(workspace, Profile::Quick)?;
    PassedOn::Sim.build(workspace, Profile::Quick)?;
    process::run(lab.arg("docs").arg(workspace.root.join("docs")))?;
    let answer = |page: &Page| {
        let mut program = Command::new(workspace.target.join("debug").join(page.program()));
        process::output(program.args(page.words.split(' ')).arg("--help"))
    };
    let path = workspace.root.join(help::DOCUMENT);
    std::fs::write(&path, help::document(answer)?).with_context(|| format!("write {}", path.display()))?;
    println!("{}", path.display());
    Ok(())
}
