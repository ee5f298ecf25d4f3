//! `unsafe` is allowed in the kernel programs, and in one other file.

#![expect(clippy::string_slice, reason = "each index is after a whole character")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::{root, visit};

#[test]
fn unsafe_is_where_the_architecture_says() {
    let mut found = BTreeSet::new();
    let crates = [
        "gdoi-wire",
        "gdoi-core",
        "gdoi-sim",
        "gdoi-monitor",
        "gdoi-lab",
        "fuzz/fuzz_targets",
        "tests/all",
        "ebpf-object",
        "xtask",
    ];
    for name in crates {
        visit(&root().join(name), &mut |path, text| {
            if is_unsafe(text) {
                found.insert(path.strip_prefix(root()).unwrap().to_owned());
            }
        });
    }
    let only = PathBuf::from("gdoi-monitor/src/source/xdp/memory.rs");
    assert_eq!(found, BTreeSet::from([only]));
}

/// Whether a file has the keyword, or an attribute that allows it, outside of comments and strings.
fn is_unsafe(text: &str) -> bool {
    let code = code(text);
    let words: Vec<&str> = code
        .split(|character: char| !character.is_alphanumeric() && character != '_')
        .filter(|word| !word.is_empty())
        .collect();
    let allows = |pair: &[&str]| ["allow", "expect", "warn"].contains(&pair[0]) && pair[1] == "unsafe_code";
    words.contains(&"unsafe") || words.windows(2).any(allows)
}

/// A file without its comments and strings.
fn code(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let skipped = match character {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block(rest),
            '"' => quoted(rest),
            'r' if !code.ends_with(|last: char| last.is_alphanumeric() || last == '_') => raw(rest),
            '\'' => one_character(rest),
            _ => 0,
        };
        let next = if skipped == 0 {
            code.push(character);
            character.len_utf8()
        } else {
            code.push(' ');
            skipped
        };
        rest = &rest[next..];
    }
    code
}

/// The length of a comment, which may be nested.
fn block(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a string literal.
fn quoted(rest: &str) -> usize {
    let mut is_escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            '"' if !is_escaped => return at + 1,
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    rest.len()
}

/// The length of a raw string, `r#"..."#`; 0 if it is none.
fn raw(rest: &str) -> usize {
    let marks = rest[1..]
        .chars()
        .take_while(|character| *character == '#')
        .count();
    if !rest[1 + marks..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(marks));
    let begin = marks + 2;
    rest[begin..]
        .find(&end)
        .map_or(rest.len(), |at| begin + at + end.len())
}

/// The length of a character literal; 0 for a lifetime.
fn one_character(rest: &str) -> usize {
    let mut characters = rest.char_indices().skip(1);
    match characters.next() {
        Some((_, '\\')) => {
            let end = characters.skip(1).find(|(_, character)| *character == '\'');
            end.map_or(rest.len(), |(at, _)| at + 1)
        }
        Some(_) => match characters.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}

#[test]
fn unsafe_is_found_in_every_form_and_nowhere_else() {
    let forms = [
        "fn f() { unsafe { g() } }",
        "unsafe\n{ g() }",
        "pub unsafe fn f() {}",
        "unsafe impl Send for X {}",
        "unsafe trait T {}",
        "unsafe extern \"C\" { fn f(); }",
        "#[unsafe(no_mangle)] fn f() {}",
        "#![allow(unsafe_code)]",
        "#[expect(unsafe_code, reason = \"a\")] fn f() {}",
        "let a = '\"'; unsafe { g() }; let b = '\"';",
        "let a = '\\''; unsafe { g() }",
        "let a = \"\\\\\"; unsafe { g() }; let b = \"\";",
        "fn f<'a>() { unsafe { g::<'a>() } }",
        "/* /* */ */ unsafe { g() }",
        "let a = \"//\"; unsafe { g() }",
        "let a = r#\"\"#; unsafe { g() }",
    ];
    for form in forms {
        assert!(is_unsafe(form), "{form}");
    }
    let others = [
        "#![forbid(unsafe_code)]",
        "#![deny(unsafe_code)]",
        "// unsafe { }",
        "/* unsafe { } */",
        "let a = \"unsafe\";",
        "let a = r#\"unsafe \" fn\"#;",
        "let is_unsafe = unsafe_op;",
    ];
    for other in others {
        assert!(!is_unsafe(other), "{other}");
    }
}
