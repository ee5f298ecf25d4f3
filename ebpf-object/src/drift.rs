//! Whether two objects are the same to a kernel, section by section.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};

use crate::object_file::{Object, Section, Symbol};

/// Comparison of two objects.
pub(crate) struct Comparison {
    rows: Vec<SectionRow>,
}

struct SectionRow {
    section: String,
    committed: Option<usize>,
    built: Option<usize>,
    verdict: Verdict,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Same,
    /// Names or debug information: kernels ignore it.
    Tolerated(&'static str),
    Drift(String),
}

impl Comparison {
    /// Compares the committed object with the one just built.
    pub(crate) fn of(committed: &Object, built: &Object) -> Self {
        let names: BTreeSet<&String> = committed.sections.keys().chain(built.sections.keys()).collect();
        // The sizes of maps defined by BTF are only there.
        let btf_is_loaded = names.iter().any(|name| *name == ".maps");
        let rows = names
            .into_iter()
            .map(|name| {
                let (committed, built) = (committed.sections.get(name), built.sections.get(name));
                SectionRow {
                    section: name.clone(),
                    committed: committed.map(|section| section.octets.len()),
                    built: built.map(|section| section.octets.len()),
                    verdict: verdict(name, btf_is_loaded, committed, built),
                }
            })
            .collect();
        Self { rows }
    }

    /// Whether a kernel would get different code or data.
    pub(crate) fn has_drift(&self) -> bool {
        self.rows
            .iter()
            .any(|row| matches!(row.verdict, Verdict::Drift(_)))
    }

    /// Whether anything differs at all.
    pub(crate) fn has_differences(&self) -> bool {
        self.rows.iter().any(|row| row.verdict != Verdict::Same)
    }
}

fn verdict(name: &str, btf_is_loaded: bool, committed: Option<&Section>, built: Option<&Section>) -> Verdict {
    let (committed, built) = match (committed, built) {
        (Some(committed), Some(built)) => (committed, built),
        (Some(_), None) => return Verdict::Drift("not in the source".to_owned()),
        (None, _) => return Verdict::Drift("not in the committed object".to_owned()),
    };
    let Section {
        octets,
        symbols,
        relocations,
    } = committed;
    if matches!(name, ".BTF" | ".BTF.ext") && !btf_is_loaded {
        return if *octets == built.octets {
            Verdict::Same
        } else {
            Verdict::Tolerated("debug information differs")
        };
    }
    if let Some(at) = first_difference(octets, &built.octets) {
        return Verdict::Drift(format!("octets differ from {at:#x}"));
    }
    if *relocations != built.relocations {
        return Verdict::Drift("relocations differ".to_owned());
    }
    if meaning(symbols) != meaning(&built.symbols) {
        return Verdict::Drift("symbols differ".to_owned());
    }
    if *symbols != built.symbols {
        return Verdict::Tolerated("private names differ");
    }
    Verdict::Same
}

fn first_difference(one: &[u8], other: &[u8]) -> Option<usize> {
    let differs = one.iter().zip(other).position(|(one, other)| one != other);
    let shorter = one.len().min(other.len());
    differs.or((one.len() != other.len()).then_some(shorter))
}

/// The part of symbols that a loader uses: offset, length, and the name if it is not private.
fn meaning(symbols: &[Symbol]) -> Vec<(u64, u64, &str)> {
    symbols
        .iter()
        .map(|symbol| {
            let Symbol {
                at,
                size,
                name,
                is_private,
            } = symbol;
            (*at, *size, if *is_private { "" } else { name.as_str() })
        })
        .collect()
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { rows } = self;
        writeln!(f, "{:<16}{:>10}{:>10}", "section", "committed", "built")?;
        let octets = |size: Option<usize>| size.map_or("-".to_owned(), |size| size.to_string());
        for row in rows {
            let SectionRow {
                section,
                committed,
                built,
                verdict,
            } = row;
            let said = match verdict {
                Verdict::Same => "same",
                Verdict::Tolerated(why) => why,
                Verdict::Drift(why) => &format!("DRIFT: {why}"),
            };
            writeln!(
                f,
                "{section:<16}{:>10}{:>10}  {said}",
                octets(*committed),
                octets(*built)
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::object_file::{Relocation, without_debug};

    fn section(octets: &[u8], symbol: &str) -> Section {
        Section {
            octets: octets.to_vec(),
            symbols: vec![Symbol {
                at: 0,
                size: 1,
                name: symbol.to_owned(),
                is_private: symbol.starts_with('_'),
            }],
            relocations: vec![Relocation::default()],
        }
    }

    fn object(name: &str, section: Section) -> Object {
        Object {
            sections: BTreeMap::from([(name.to_owned(), section)]),
        }
    }

    #[derive(Debug, PartialEq)]
    enum Seen {
        Same,
        Differences,
        Drift,
    }

    fn check(name: &str, committed: Section, built: Section, expect: &Seen) {
        let comparison = Comparison::of(&object(name, committed), &object(name, built));
        let seen = match (comparison.has_drift(), comparison.has_differences()) {
            (true, _) => Seen::Drift,
            (false, true) => Seen::Differences,
            (false, false) => Seen::Same,
        };
        assert_eq!(seen, *expect, "{comparison}");
    }

    #[test]
    fn whatever_is_loaded_is_drift_and_nothing_else() {
        let one = || section(&[1, 2], "MAP");
        check("maps", one(), one(), &Seen::Same);
        check("maps", one(), section(&[1, 3], "MAP"), &Seen::Drift);
        check("maps", one(), section(&[1, 2, 0], "MAP"), &Seen::Drift);
        check("maps", one(), section(&[1, 2], "PAM"), &Seen::Drift);
        check(
            ".text",
            section(&[1], "_a"),
            section(&[1], "_b"),
            &Seen::Differences,
        );
        check(".BTF", one(), section(&[1, 3], "MAP"), &Seen::Differences);
        let mut unrelocated = one();
        unrelocated.relocations.clear();
        check("xdp", one(), unrelocated, &Seen::Drift);
    }

    #[test]
    fn a_section_on_one_side_is_drift() {
        let only = |name| object(name, section(&[1], "a"));
        assert!(Comparison::of(&only("xdp"), &only("maps")).has_drift());
    }

    #[test]
    fn btf_is_loaded_where_maps_are_defined_by_it() {
        let object = |octets: &[u8]| {
            let mut object = object(".BTF", section(octets, "a"));
            object.sections.insert(".maps".to_owned(), section(&[1], "a"));
            object
        };
        assert!(Comparison::of(&object(&[1]), &object(&[2])).has_drift());
        assert!(!Comparison::of(&object(&[1]), &object(&[1])).has_drift());
    }

    #[test]
    fn stripping_what_is_stripped_changes_nothing() {
        let path = "../gdoi-monitor/ebpf/gdoi-monitor.bpf.o";
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let octets = std::fs::read(path).unwrap();
        let committed = Object::read(&octets).unwrap();
        let stripped = Object::read(&without_debug(&octets).unwrap()).unwrap();
        let comparison = Comparison::of(&committed, &stripped);
        assert!(!comparison.has_differences(), "{comparison}");
        assert!(committed.sections.contains_key("xdp.frags"), "{comparison}");
    }
}
