//! Interfaces by name or by pattern.

use std::path::Path;
use std::{fs, io};

/// An interface of this host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its index.
    pub index: u32,
}

/// Every interface of this network namespace, by name.
pub fn all() -> io::Result<Vec<Interface>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(SYS_CLASS_NET)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        // Gone between the two readings, or a file like bonding_masters: not an interface.
        let Some(index) = index_of(&path) else { continue };
        found.push(Interface {
            name: name.to_owned(),
            index,
        });
    }
    found.sort();
    Ok(found)
}

fn index_of(path: &Path) -> Option<u32> {
    fs::read_to_string(path.join("ifindex")).ok()?.trim().parse().ok()
}

/// Whether `pattern` is not a plain name.
pub fn is_pattern(pattern: &str) -> bool {
    pattern.contains(['*', '?'])
}

/// Whether `name` matches: `*` stands for any characters, `?` for one.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    // Row by row over the pattern: reach[n] is whether the pattern so far matches the first n characters.
    let mut reach = vec![false; name.len() + 1];
    if let Some(start) = reach.first_mut() {
        *start = true;
    }
    for wanted in pattern {
        let mut before = false;
        for (position, reached) in reach.iter_mut().enumerate() {
            let here = *reached;
            let fits = position
                .checked_sub(1)
                .and_then(|at| name.get(at))
                .is_some_and(|have| wanted == '?' || wanted == *have);
            *reached = if wanted == '*' {
                here || before
            } else {
                fits && before
            };
            before = if wanted == '*' { *reached } else { here };
        }
    }
    reach.last().copied().unwrap_or(false)
}

const SYS_CLASS_NET: &str = "/sys/class/net";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, name: &str, expect: bool) {
        assert_eq!(matches(pattern, name), expect, "{pattern} against {name}");
    }

    #[test]
    fn patterns_are_those_of_a_shell() {
        check("eth0", "eth0", true);
        check("eth0", "eth01", false);
        check("eth*", "eth0", true);
        check("eth*", "eth", true);
        check("*", "", true);
        check("*0", "eth0", true);
        check("*0", "eth1", false);
        check("w?n*1", "wan0.1", true);
        check("w?n*1", "wn0.1", false);
        check("**a**", "bab", true);
        check("?", "", false);
        check("", "a", false);
        check("a*b*c", "aXbYbZc", true);
    }
}
