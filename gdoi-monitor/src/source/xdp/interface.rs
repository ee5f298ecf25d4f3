//! Interfaces by name or by pattern.

/// An interface of this host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its index.
    pub index: u32,
}

/// Whether this may match any number of names.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Whether `name` matches: `*` matches any characters, `?` matches one.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    // Row by row over the pattern: reach[n] says whether the pattern so far matches the first n characters.
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
