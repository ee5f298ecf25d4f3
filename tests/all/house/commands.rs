//! The page of commands, which `cargo xtask COMMAND --help` reads, equals the programs' help.

use std::process::Command;

use xtask::help::{self, Page};

use super::root;
use crate::program;

#[test]
fn the_page_of_commands_is_what_the_programs_say() {
    let name = "the_page_of_commands_is_what_the_programs_say";
    let programs = ["gdoi-lab", "gdoi-sim"].map(|program| program::named(name, program));
    if programs.iter().any(Option::is_none) {
        return;
    }
    let answer = |page: &Page| {
        let program = program::named(name, page.program()).unwrap();
        let output = Command::new(program)
            .args(page.words.split(' '))
            .arg("--help")
            .output()?;
        assert!(output.status.success(), "{page:?}");
        Ok(String::from_utf8(output.stdout).unwrap())
    };
    let written = std::fs::read_to_string(root().join(help::DOCUMENT)).unwrap();
    assert_eq!(written, help::document(answer).unwrap(), "run `cargo xtask docs`");
}
