//! Words that a reader would have to decode are in no source and no document.

use std::fs;
use std::path::Path;

use super::root;

/// Each with what it becomes.
const WORDS: [(&str, &str); 7] = [
    ("anew", "again"),
    ("at the most", "at most"),
    ("fast way", "fast path"),
    ("in vain", "without an answer"),
    ("slow way", "slow path"),
    ("so many times", "the number of times"),
    ("whoever", "a client, a reader, an attacker"),
];
const ENDINGS: [&str; 6] = ["html", "js", "md", "rs", "toml", "yml"];
/// The list itself, and what is downloaded or built.
const EXCEPT: [&str; 4] = ["language.rs", "node_modules", "target", ".git"];

#[test]
fn texts_use_plain_words() {
    let mut faults = Vec::new();
    check_folder(&root(), &mut faults);
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn words_to_avoid_are_found() {
    assert_eq!(word_in("/// Built anew for each scrape.").unwrap().0, "anew");
    assert_eq!(
        word_in("Whoever asks"),
        Some(("whoever", "a client, a reader, an attacker"))
    );
    assert_eq!(word_in("a renewal, sinews, manewvre"), None);
}

fn check_folder(folder: &Path, faults: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if EXCEPT.contains(&&*name) {
            continue;
        }
        let ending = path.extension().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            check_folder(&path, faults);
        } else if ENDINGS.contains(&&*ending) {
            let text = fs::read_to_string(&path).unwrap();
            for (number, line) in text.lines().enumerate() {
                if let Some((word, better)) = word_in(line) {
                    let number = number + 1;
                    faults.push(format!("{}:{number}: {word} -> {better}", path.display()));
                }
            }
        }
    }
}

/// The first word to avoid in a line, and what it becomes.
fn word_in(line: &str) -> Option<(&'static str, &'static str)> {
    let line = line.to_lowercase();
    let is_letter = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
    let is_whole = |at: usize, word: &str| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|after| after.chars().next());
        !is_letter(before) && !is_letter(after)
    };
    WORDS
        .into_iter()
        .find(|(word, _)| line.match_indices(word).any(|(at, _)| is_whole(at, word)))
}
