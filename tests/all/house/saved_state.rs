//! A changed layout of the saved state requires a new version.
//!
//! The layout is every field, in order, of the state and of all types in it. `tests/data/saved_state_layouts.txt` and
//! `saved_diagnosis_layouts.txt` have one line for each version: the version, and a digest of the layout.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use quote::ToTokens as _;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, Fields, Item, ItemConst, Lit};

use super::modules::modules;
use super::root;

#[test]
fn a_saved_state_that_changed_has_another_version() {
    check("State", "VERSION", "saved_state");
}

#[test]
fn a_saved_diagnosis_that_changed_has_another_version() {
    check("DiagnosisState", "DIAGNOSIS_LAYOUT", "saved_diagnosis");
}

/// The layout of this type belongs to the version in this constant, as `tests/data/NAME_layouts.txt` says.
fn check(of: &str, constant: &str, name: &str) {
    let source = Source::new(["gdoi-wire/src", "gdoi-core/src"].map(modules));
    let file = format!("tests/data/{name}_layouts.txt");
    let known = versions(&fs::read_to_string(root().join(&file)).unwrap());
    assert!(known.windows(2).all(|pair| pair[0].0 < pair[1].0), "{known:?}");
    let layout = source.layout(of);
    assert!(layout.contains(&format!("{of}: ")), "it is not there:\n{layout}");
    let now = (source.version(constant), digest(&layout));
    assert!(
        known.last() == Some(&now),
        "The layout of {of} is not that of its version. Raise {constant} and add `{} {:016x}` to {file}. Where fields \
         were only renamed, replace the last digest instead.\n{layout}",
        now.0,
        now.1
    );
}

#[test]
fn every_change_of_a_layout_is_seen() {
    let layout = |text: &str| {
        let file = syn::parse_file(text).unwrap();
        Source::new([[(Vec::new(), file)].into()]).layout("A")
    };
    let before = layout(
        "struct A { a: u8, b: [u16; N], #[serde(skip)] c: u8 } const N: usize = B::ALL.len(); enum B { C, D(E) } struct E(u8);",
    );
    let changes = [
        "struct A { b: [u16; N], a: u8, #[serde(skip)] c: u8 } const N: usize = B::ALL.len(); enum B { C, D(E) } struct E(u8);",
        "struct A { a: u8, b: [u16; N], c: u8 } const N: usize = B::ALL.len(); enum B { C, D(E) } struct E(u8);",
        "struct A { a: u8, b: [u16; N], #[serde(skip)] c: u8 } const N: usize = B::ALL.len() + 1; enum B { C, D(E) } struct E(u8);",
        "struct A { a: u8, b: [u16; N], #[serde(skip)] c: u8 } const N: usize = B::ALL.len(); enum B { C, D(E), F } struct E(u8);",
        "struct A { a: u8, b: [u16; N], #[serde(skip)] c: u8 } const N: usize = B::ALL.len(); enum B { C, D(E) } struct E(u16);",
        "struct A { a: u8, b: [u16; N], #[serde(skip)] c: u8 } const N: usize = B::ALL.len(); enum B { C, D(E) } struct E(u8); impl Serialize for E { fn f() {} }",
    ];
    for change in changes {
        assert_ne!(layout(change), before, "{change}");
    }
    let same = "struct X; /// New.\nstruct A { a: u8, b: [u16; N], #[serde(skip)] d: u16 } const N: usize = B::ALL.len(); enum B { C, D(E) } struct E(u8);";
    assert_eq!(layout(same), before);
}

/// The versions and the digest of each.
fn versions(text: &str) -> Vec<(u64, u64)> {
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines
        .map(|(version, digest)| (version.parse().unwrap(), u64::from_str_radix(digest, 16).unwrap()))
        .collect()
}

fn digest(layout: &str) -> u64 {
    let mut digest = 0xcbf2_9ce4_8422_2325_u64;
    for octet in layout.bytes() {
        digest = (digest ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
    }
    digest
}

/// The types and constants of some crates, by name; for equal names the later crate wins.
#[derive(Default)]
struct Source {
    items: BTreeMap<String, Vec<Item>>,
}

impl Source {
    fn new<const N: usize>(crates: [BTreeMap<Vec<String>, syn::File>; N]) -> Self {
        let mut source = Self::default();
        for modules in crates {
            let mut items = Self::default();
            for file in modules.into_values() {
                items.visit_file(&file);
            }
            source.items.extend(items.items);
        }
        source
    }

    fn add(&mut self, name: String, item: Item) {
        self.items.entry(name).or_default().push(item);
    }

    /// Every type and constant that a type consists of, one per line.
    fn layout(&self, of: &str) -> String {
        let mut lines = BTreeMap::new();
        let mut open = vec![of.to_owned()];
        while let Some(name) = open.pop() {
            let Some(items) = self.items.get(&name).filter(|_| !lines.contains_key(&name)) else {
                continue;
            };
            // A type with its own implementation: its fields do not matter.
            let own: Vec<&Item> = items
                .iter()
                .filter(|item| matches!(item, Item::Impl(_)))
                .collect();
            let items = if own.is_empty() {
                items.iter().collect()
            } else {
                own
            };
            let parts: Vec<Part> = items.into_iter().map(part).collect();
            open.extend(parts.iter().flat_map(|part| part.names.iter().cloned()));
            let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
            lines.insert(name, texts.join(" | "));
        }
        let lines = lines.iter().map(|(name, text)| format!("{name}: {text}\n"));
        lines.collect()
    }

    fn version(&self, constant: &str) -> u64 {
        let [Item::Const(ItemConst { expr, .. })] = self.items[constant].as_slice() else {
            panic!("{constant} is not there once");
        };
        match &**expr {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Int(number) => number.base10_parse().unwrap(),
                _ => panic!("{constant} is no number"),
            },
            _ => panic!("{constant} is no number"),
        }
    }
}

impl<'ast> Visit<'ast> for Source {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Struct(found) => self.add(found.ident.to_string(), item.clone()),
            Item::Enum(found) => self.add(found.ident.to_string(), item.clone()),
            Item::Type(found) => self.add(found.ident.to_string(), item.clone()),
            Item::Const(found) => self.add(found.ident.to_string(), item.clone()),
            Item::Impl(found) => {
                let is_serialize = found.trait_.as_ref().is_some_and(|(_, path, _)| {
                    path.segments.last().is_some_and(|last| last.ident == "Serialize")
                });
                if let (true, syn::Type::Path(of)) = (is_serialize, &*found.self_ty)
                    && let Some(last) = of.path.segments.last()
                {
                    let mut saving = found.clone();
                    saving.attrs.clear();
                    self.add(last.ident.to_string(), Item::Impl(saving));
                }
            }
            _ => {}
        }
        visit::visit_item(self, item);
    }
}

/// One item of a layout, and the names in it.
#[derive(Default)]
struct Part {
    text: String,
    names: BTreeSet<String>,
}

fn part(item: &Item) -> Part {
    let mut part = Part::default();
    match item {
        Item::Struct(item) => {
            part.add_conversion(&item.attrs);
            part.add_fields(&item.fields);
        }
        Item::Enum(item) => {
            part.add_conversion(&item.attrs);
            for variant in &item.variants {
                part.text.extend([variant.ident.to_string().as_str(), " "]);
                part.add_fields(&variant.fields);
            }
        }
        Item::Type(item) => part.add_type(&item.ty),
        Item::Const(item) => {
            part.text = item.expr.to_token_stream().to_string();
            part.visit_expr(&item.expr);
        }
        Item::Impl(item) => {
            part.text = item.to_token_stream().to_string();
            part.visit_item_impl(item);
        }
        _ => {}
    }
    part
}

impl Part {
    /// Adds the type to which a type is converted for saving.
    fn add_conversion(&mut self, attributes: &[Attribute]) {
        for attribute in attributes
            .iter()
            .filter(|attribute| attribute.path().is_ident("serde"))
        {
            self.text.push_str(&attribute.to_token_stream().to_string());
        }
    }

    fn add_fields(&mut self, fields: &Fields) {
        for field in fields {
            let is_serde = |attribute: &&Attribute| attribute.path().is_ident("serde");
            let texts = field
                .attrs
                .iter()
                .filter(is_serde)
                .map(|attribute| attribute.to_token_stream().to_string());
            let texts: Vec<String> = texts.collect();
            if texts.iter().any(|text| text.contains("(skip)")) {
                continue;
            }
            let name = field.ident.as_ref().map(ToString::to_string);
            self.text
                .extend([texts.concat(), name.unwrap_or_default(), ": ".to_owned()]);
            self.add_type(&field.ty);
            self.text.push_str(", ");
        }
    }

    fn add_type(&mut self, of: &syn::Type) {
        self.text.push_str(&of.to_token_stream().to_string());
        self.visit_type(of);
    }
}

impl<'ast> Visit<'ast> for Part {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.names
            .extend(path.segments.iter().map(|segment| segment.ident.to_string()));
        visit::visit_path(self, path);
    }
}
