//! Help texts of all commands, without building anything. They come from the page of commands, which a test compares
//! with the programs' own help.

use std::ffi::OsString;
use std::fmt::Write as _;

use crate::error::Result;
use crate::pass_on::{PassedOn, VERBS};

/// The page of commands.
pub const DOCUMENT: &str = "docs/commands.md";

const PAGES: &str = include_str!("../../docs/commands.md");
const HEADING: &str = "## cargo xtask ";

/// Commands of xtask itself.
const OWN: [(&str, &str); 8] = [
    (
        "check",
        "Check a commit apart from its tests: the committed object matches the source, format, lints\n\n\
         Usage: cargo xtask check\n",
    ),
    (
        "demo",
        "Demonstrate the whole path: a capture of six branches over a veth pair, through the XDP program, to metrics\n\nUsage: cargo xtask demo\n",
    ),
    (
        "dist",
        "Build a static program and the Debian package around it\n\n\
         Usage: cargo xtask dist [OPTIONS]\n\nOptions:\n      \
         --out <DIR>       Folder for the package; default target/dist\n      \
         --program <FILE>  Package this program instead of building one\n      \
         --reproduce       Build twice in two folders, and fail unless both programs are identical\n",
    ),
    (
        "docs",
        "Write the documents that are generated from the code\n\nUsage: cargo xtask docs\n",
    ),
    (
        "doctor",
        "Print the version of every requirement, and how to install what is missing\n\nUsage: cargo xtask doctor\n",
    ),
    (
        "ebpf",
        "Build the XDP program and replace the committed object\n\n\
         Usage: cargo xtask ebpf [--check]\n\nOptions:\n      \
         --check  Replace nothing; fail if the committed object does not match the source\n",
    ),
    (
        "setup",
        "Install everything needed to build and test\n\nUsage: cargo xtask setup\n",
    ),
    (
        "test",
        "Install what is missing, then build and test everything\n\nUsage: cargo xtask test\n",
    ),
];

/// Commands with sub-commands.
const MORE: [Page; 3] = [
    Page {
        words: "bench fleet",
        program: PassedOn::Lab,
    },
    Page {
        words: "bench offline",
        program: PassedOn::Lab,
    },
    Page {
        words: "bench profile",
        program: PassedOn::Lab,
    },
];

/// A command of another program, as typed after `cargo xtask`.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Its words, such as `bench offline`.
    pub words: &'static str,
    program: PassedOn,
}

impl Page {
    /// Every page of another program.
    pub fn all() -> impl Iterator<Item = Self> {
        let pages = VERBS.iter().map(|verb| Self {
            words: verb.name,
            program: verb.program,
        });
        pages.chain(MORE)
    }

    /// The program that has it.
    pub const fn program(&self) -> &'static str {
        match self.program {
            PassedOn::Lab => "gdoi-lab",
            PassedOn::Sim => "gdoi-sim",
        }
    }
}

/// The requested help page, if help is requested.
pub(crate) fn wanted(arguments: &[OsString]) -> Option<String> {
    let words: Vec<&str> = arguments.iter().map_while(|word| word.to_str()).collect();
    let before = words.split(|word| *word == "--").next().unwrap_or_default();
    let is_flag = |word: &&str| ["-h", "--help"].contains(word);
    match before {
        [] if arguments.is_empty() => Some(overview()),
        ["help"] => Some(overview()),
        ["help", rest @ ..] => page(rest),
        _ if before.iter().any(is_flag) => {
            let command: Vec<&str> = before.iter().copied().take_while(|word| !is_flag(word)).collect();
            match &*command {
                [] | ["lab" | "sim"] => Some(overview()),
                ["lab" | "sim", rest @ ..] => page(rest),
                words => page(words),
            }
        }
        _ => None,
    }
}

/// The page of a command. The longest match wins, because commands have sub-commands.
fn page(words: &[&str]) -> Option<String> {
    (1..=words.len().min(2)).rev().find_map(|count| {
        let name = words.get(..count)?.join(" ");
        let text = section(PAGES, &name)?;
        Some(text.to_owned())
    })
}

/// All commands, each with its first line.
fn overview() -> String {
    let mut text = String::from(
        "Sets up, builds, tests and packages; simulates, replays, measures\n\nUsage: cargo xtask COMMAND [...]\n\n",
    );
    for page in PAGES.split(HEADING).skip(1) {
        let name = page.lines().next().unwrap_or_default();
        let about = section(PAGES, name).and_then(|page| page.lines().next());
        if !name.contains(' ') {
            // Writing to a string cannot fail.
            writeln!(text, "  {name:<12} {}", about.unwrap_or_default()).unwrap_or_default();
        }
    }
    text + "\ncargo xtask COMMAND --help shows the options of a command.\n"
}

/// The text below a heading.
fn section<'a>(document: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = document.split_once(&format!("{HEADING}{name}\n"))?;
    let (_, text) = rest.split_once("```text\n")?;
    text.split_once("```\n").map(|(text, _)| text)
}

/// The page of commands: xtask's own, and the `--help` of the other programs.
pub fn document(answer: impl Fn(&Page) -> Result<String>) -> Result<String> {
    let mut pages: Vec<(&str, String)> = OWN.map(|(name, text)| (name, text.to_owned())).into();
    for page in Page::all() {
        pages.push((page.words, answer(&page)?));
    }
    pages.sort();
    let mut text = String::from(
        "# Commands of the repository\n\nGenerated by `cargo xtask docs` from the programs themselves; a test compares the two, and \
         `cargo xtask COMMAND --help` reads it.\n",
    );
    for (name, page) in pages {
        let lines: Vec<&str> = page.trim_end().lines().map(str::trim_end).collect();
        write!(text, "\n{HEADING}{name}\n\n```text\n{}\n```\n", lines.join("\n"))?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(typed: &str) -> Option<String> {
        let words: Vec<OsString> = typed.split_whitespace().map(OsString::from).collect();
        wanted(&words)
    }

    #[test]
    fn every_command_has_its_page() {
        let own = OWN.iter().map(|(name, _)| *name);
        for name in own.chain(Page::all().map(|page| page.words)) {
            for typed in [
                format!("{name} --help"),
                format!("{name} -h"),
                format!("help {name}"),
            ] {
                let page = asked(&typed).unwrap_or_default();
                assert!(
                    page.contains(&format!("Usage: cargo xtask {name}")),
                    "{typed}: {page}"
                );
            }
            let first = name.split(' ').next().unwrap_or_default();
            assert!(overview().contains(&format!("\n  {first} ")), "{name}");
        }
    }

    #[test]
    fn our_own_pages_are_in_the_document() {
        for (name, text) in OWN {
            assert_eq!(section(PAGES, name), Some(text), "run `cargo xtask docs`");
        }
    }

    #[test]
    fn only_what_asks_for_help_gets_it() {
        assert_eq!(asked("test"), None);
        assert_eq!(asked("replay a.pcap -- --help"), None);
        assert_eq!(asked("lab bench --help"), asked("bench --help"));
        assert_eq!(asked(""), asked("--help"));
        assert_eq!(asked("nothing --help"), None);
    }
}
