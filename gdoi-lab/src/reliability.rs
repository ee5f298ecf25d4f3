//! `docs/reliability.md`: results of laboratory commands, each in its own section.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use xtask::workspace::Workspace;

/// Its path in the checkout.
pub fn document(workspace: &Workspace) -> PathBuf {
    workspace.root.join("docs/reliability.md")
}

const TITLE: &str = "# Reliability\n\nEach section is written by the command that measures it: `cargo xtask endure` (`soak`; \
    with `--days`, the months), `faults` (`kills`), `flood` (`floods`), `fuzz`, `mutants`.\n";

/// Replaces the section `name` of the document at `path` with `text`. A new section is added at the end.
pub fn write(path: &Path, name: &str, text: &str) -> Result<()> {
    let before = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => TITLE.to_owned(),
        Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
    };
    fs::write(path, with_section(&before, name, text)?).with_context(|| format!("write {}", path.display()))
}

fn with_section(document: &str, name: &str, text: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->\n"));
    let section = format!("{begin}{}\n{end}", text.trim_end());
    let Some((before, rest)) = document.split_once(&begin) else {
        let gap = if document.is_empty() { "" } else { "\n" };
        return Ok(format!("{document}{gap}{section}"));
    };
    let Some((_, tail)) = rest.split_once(&end) else {
        bail!("the section {name} does not end");
    };
    Ok(format!("{before}{section}{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_takes_the_place_of_what_was_there() {
        let one = with_section("# Title\n", "floods", "a\n").unwrap();
        assert_eq!(one, "# Title\n\n<!-- floods -->\na\n<!-- /floods -->\n");
        let two = with_section(&one, "soak", "b").unwrap();
        let again = with_section(&two, "floods", "c").unwrap();
        assert_eq!(
            again,
            "# Title\n\n<!-- floods -->\nc\n<!-- /floods -->\n\n<!-- soak -->\nb\n<!-- /soak -->\n"
        );
        assert!(with_section("<!-- floods -->\n", "floods", "c").is_err());
    }
}
