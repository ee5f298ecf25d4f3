//! Inside a crate: no import cycles between modules, and unique type names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemUse, UseTree};

use super::{root, visit as visit_files};

/// The source folder of each crate.
const SOURCES: [&str; 8] = [
    "gdoi-wire/src",
    "gdoi-core/src",
    "gdoi-monitor-ebpf/src",
    "gdoi-sim/src",
    "gdoi-monitor/src",
    "gdoi-lab/src",
    "xtask/src",
    "tests/all",
];

#[test]
fn modules_of_the_core_import_in_one_direction() {
    let imports = imports(&modules("gdoi-core/src"));
    assert!(imports.len() > 40, "{} modules", imports.len());
    assert_eq!(circles(&imports), BTreeSet::new());
}

#[test]
fn a_circle_is_found_however_it_is_closed() {
    let check = |files: &[(&str, &str)], expected: &[&str]| {
        let modules = files
            .iter()
            .map(|&(name, text)| (path_of(name), syn::parse_file(text).unwrap()))
            .collect();
        let found: Vec<_> = circles(&imports(&modules)).into_iter().collect();
        assert_eq!(found, expected, "{files:?}");
    };
    check(&[("a.rs", "use crate::b::B;"), ("b.rs", "struct B;")], &[]);
    check(
        &[("a.rs", "use crate::b::B;"), ("b.rs", "use crate::a::A;")],
        &["a", "b"],
    );
    // Through a third module, through a parent, by a path in code, by an imported module, in a group.
    let third = [
        ("a.rs", "use crate::{b::B, c};"),
        ("b.rs", "fn b() { crate::c::d() }"),
        ("c.rs", "use super::a::A;"),
    ];
    check(&third, &["a", "b", "c"]);
    let parent = [("a.rs", "mod b; fn a() { b::c() }"), ("a/b.rs", "use super::a;")];
    check(&parent, &["a", "a::b"]);
    // A parent that only declares its child does not import it, and tests may import anything.
    let declared = [("a.rs", "mod b;"), ("a/b.rs", "use super::a;")];
    check(&declared, &[]);
    let tests = [
        ("a.rs", "#[cfg(test)] mod tests { use crate::b::B; }"),
        ("b.rs", "use crate::a::A;"),
    ];
    check(&tests, &[]);
}

#[test]
fn types_have_a_name_of_their_own_in_their_crate() {
    let mut shared = BTreeSet::new();
    for source in SOURCES {
        for (name, places) in types(&modules(source)) {
            if places.len() > 1 {
                shared.insert(format!("{source}: {name} in {}", places.join(", ")));
            }
        }
    }
    assert_eq!(shared, BTreeSet::new());
}

/// Modules by path, without those for tests.
pub(super) type Modules = BTreeMap<Vec<String>, syn::File>;

pub(super) fn modules(source: &str) -> Modules {
    let source = root().join(source);
    let mut modules = Modules::new();
    visit_files(&source, &mut |path, text| {
        let path = path.strip_prefix(&source).unwrap();
        let is_test = path.components().any(|part| {
            let name = Path::new(part.as_os_str()).file_stem();
            name.is_some_and(|name| name == "tests")
        });
        // Binaries next to a library are crates of their own.
        if !is_test && !path.starts_with("bin") {
            let file = syn::parse_file(text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            modules.insert(path_of(&path.to_string_lossy()), file);
        }
    });
    modules
}

/// `a/b.rs` and `a/b/mod.rs` are `a::b`; `lib.rs` and `main.rs` are the root.
fn path_of(file: &str) -> Vec<String> {
    let mut parts: Vec<String> = file
        .trim_end_matches(".rs")
        .split('/')
        .map(str::to_owned)
        .collect();
    if matches!(parts.last().map(String::as_str), Some("lib" | "main" | "mod")) {
        parts.pop();
    }
    parts
}

/// The imports of each module within its crate.
fn imports(modules: &Modules) -> BTreeMap<String, BTreeSet<String>> {
    let known: BTreeSet<&[String]> = modules.keys().map(Vec::as_slice).collect();
    let mut imports = BTreeMap::new();
    for (module, file) in modules {
        let mut found = Imports {
            module,
            known: &known,
            names: BTreeMap::new(),
            paths: Vec::new(),
        };
        found.visit_file(file);
        let used: BTreeSet<String> = found
            .paths
            .iter()
            .filter_map(|path| found.resolve(path))
            .filter(|used| used != module)
            .map(|used| used.join("::"))
            .collect();
        imports.insert(module.join("::"), used);
    }
    imports
}

/// The paths in a module.
struct Imports<'a> {
    module: &'a [String],
    known: &'a BTreeSet<&'a [String]>,
    /// Imported names, for paths that begin with one.
    names: BTreeMap<String, Vec<String>>,
    paths: Vec<Vec<String>>,
}

impl Imports<'_> {
    /// The module of a path: its longest prefix that is one.
    fn resolve(&self, path: &[String]) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        let mut whole = match first.as_str() {
            "crate" => Vec::new(),
            "self" => self.module.to_vec(),
            "super" => self.module.split_last()?.1.to_vec(),
            name => {
                let child = [self.module, &[name.to_owned()]].concat();
                if self.known.contains(child.as_slice()) {
                    child
                } else {
                    let imported = self.names.get(name).filter(|imported| imported[0] != *name)?;
                    return self.resolve(&[imported.as_slice(), rest].concat());
                }
            }
        };
        for part in rest {
            if part == "super" {
                whole.pop()?;
            } else if part != "self" {
                whole.push(part.clone());
            }
        }
        while !whole.is_empty() && !self.known.contains(whole.as_slice()) {
            whole.pop();
        }
        Some(whole)
    }

    fn add_use(&mut self, mut before: Vec<String>, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.add_use(before, &path.tree);
            }
            UseTree::Group(group) => group
                .items
                .iter()
                .for_each(|tree| self.add_use(before.clone(), tree)),
            UseTree::Glob(_) => self.paths.push(before),
            UseTree::Name(_) | UseTree::Rename(_) => {
                let (ident, name) = match tree {
                    UseTree::Rename(renamed) => (renamed.ident.to_string(), renamed.rename.to_string()),
                    UseTree::Name(name) => (name.ident.to_string(), name.ident.to_string()),
                    _ => return,
                };
                let name = if ident == "self" {
                    before.last().cloned().unwrap_or_default()
                } else {
                    before.push(ident);
                    name
                };
                self.names.insert(name, before.clone());
                self.paths.push(before);
            }
        }
    }
}

impl<'ast> Visit<'ast> for Imports<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(item) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.add_use(Vec::new(), &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let parts = path.segments.iter().map(|part| part.ident.to_string());
            self.paths.push(parts.collect());
        }
        visit::visit_path(self, path);
    }
}

/// Modules that import themselves, directly or indirectly.
fn circles(imports: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let reaches_itself = |module: &&String| {
        let mut reached = BTreeSet::new();
        let mut open = vec![*module];
        while let Some(next) = open.pop() {
            open.extend(imports[next].iter().filter(|used| reached.insert(*used)));
        }
        reached.contains(*module)
    };
    imports.keys().filter(reaches_itself).cloned().collect()
}

/// The types of a crate, and the modules that define each.
fn types(modules: &Modules) -> BTreeMap<String, Vec<String>> {
    let mut types = BTreeMap::new();
    for (module, file) in modules {
        let mut found = Types(Vec::new());
        found.visit_file(file);
        for name in found.0 {
            types.entry(name).or_insert_with(Vec::new).push(module.join("::"));
        }
    }
    types
}

struct Types(Vec<String>);

impl<'ast> Visit<'ast> for Types {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_for_tests(item) {
            return;
        }
        self.0.extend(match item {
            Item::Struct(item) => Some(item.ident.to_string()),
            Item::Enum(item) => Some(item.ident.to_string()),
            Item::Union(item) => Some(item.ident.to_string()),
            Item::Trait(item) => Some(item.ident.to_string()),
            Item::Type(item) => Some(item.ident.to_string()),
            _ => None,
        });
        visit::visit_item(self, item);
    }
}

/// Whether an item exists in tests only.
fn is_for_tests(item: &Item) -> bool {
    let attributes: &[Attribute] = match item {
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => return false,
    };
    let is_test = |attribute: &Attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Path>()
                .is_ok_and(|path| path.is_ident("test"))
    };
    attributes.iter().any(is_test)
}
