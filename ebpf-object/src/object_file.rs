//! BPF objects: stripped of what only a debugger reads, and as a loader reads them.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use object::build::elf::{self, Builder, SectionData};
use object::elf::SHT_STRTAB;
use object::{
    Object as _, ObjectSection as _, ObjectSymbol as _, RelocationFlags, RelocationTarget, SectionKind,
    SymbolKind, SymbolSection,
};

/// The object without DWARF; the kernel's type information stays.
pub(crate) fn without_debug(octets: &[u8]) -> Result<Vec<u8>> {
    let mut builder = Builder::read(octets)?;
    for section in &mut builder.sections {
        section.delete = is_for_debuggers(&section.name);
    }
    // LLVM keeps section names and symbol names in one table; the builder wants one for each.
    let has_names = |section: &elf::Section<'_>| matches!(section.data, SectionData::SectionString);
    if !builder.sections.iter().any(has_names) {
        let names = builder.sections.add();
        names.name = ".shstrtab".into();
        names.sh_type = SHT_STRTAB;
        names.data = SectionData::SectionString;
    }
    builder.delete_orphans();
    let mut stripped = Vec::new();
    builder.write(&mut stripped)?;
    Ok(stripped)
}

/// Relocations of BTF serve linkers only: loaders find everything by name.
fn is_for_debuggers(section: &[u8]) -> bool {
    let plain = section.strip_prefix(b".rel").unwrap_or(section);
    plain.starts_with(b".debug") || (plain != section && plain.starts_with(b".BTF"))
}

/// What a loader reads from an object: sections by name.
pub(crate) struct Object {
    pub(crate) sections: BTreeMap<String, Section>,
}

/// One section, with all references into it and out of it.
#[derive(Default)]
pub(crate) struct Section {
    pub(crate) octets: Vec<u8>,
    pub(crate) symbols: Vec<Symbol>,
    pub(crate) relocations: Vec<Relocation>,
}

/// An offset in a section, which may have a name.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Symbol {
    pub(crate) at: u64,
    pub(crate) size: u64,
    pub(crate) name: String,
    /// Internal to the compiler, with a hash or a serial number in it; loaders use the names of programs, maps and
    /// constants.
    pub(crate) is_private: bool,
}

/// Octets that the loader fills in.
#[derive(Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Relocation {
    pub(crate) at: u64,
    kind: u32,
    section: String,
    target: u64,
}

impl Object {
    /// Reads an ELF file.
    pub(crate) fn read(octets: &[u8]) -> Result<Self> {
        let file = object::File::parse(octets)?;
        let mut sections = BTreeMap::new();
        for section in file.sections() {
            let is_table = matches!(section.kind(), SectionKind::Metadata);
            let name = section.name()?.to_owned();
            if is_table || is_for_debuggers(name.as_bytes()) {
                continue;
            }
            let read = Section {
                octets: section.data()?.to_vec(),
                symbols: symbols_in(&file, &section)?,
                relocations: relocations_of(&file, &section)?,
            };
            sections.insert(name, read);
        }
        Ok(Self { sections })
    }
}

fn symbols_in(file: &object::File<'_>, section: &object::Section<'_, '_>) -> Result<Vec<Symbol>> {
    let mut symbols = Vec::new();
    for symbol in file.symbols() {
        let is_named = !matches!(symbol.kind(), SymbolKind::Section | SymbolKind::File);
        if is_named && symbol.section() == SymbolSection::Section(section.index()) {
            symbols.push(Symbol {
                at: symbol.address(),
                size: symbol.size(),
                name: symbol.name()?.to_owned(),
                is_private: is_private(section.name()?, symbol.name()?),
            });
        }
    }
    symbols.sort();
    Ok(symbols)
}

fn is_private(section: &str, symbol: &str) -> bool {
    let in_private_section = section == ".text" || section.starts_with(".rodata.cst");
    in_private_section || symbol.starts_with(".L") || symbol.starts_with("anon.")
}

fn relocations_of(file: &object::File<'_>, section: &object::Section<'_, '_>) -> Result<Vec<Relocation>> {
    let mut relocations = Vec::new();
    for (at, relocation) in section.relocations() {
        let RelocationTarget::Symbol(index) = relocation.target() else {
            anyhow::bail!("a relocation at {at:#x} without a symbol");
        };
        let RelocationFlags::Elf { r_type } = relocation.flags() else {
            anyhow::bail!("a relocation at {at:#x} that is not ELF's");
        };
        let symbol = file.symbol_by_index(index)?;
        let (section, target) = match symbol.section_index() {
            Some(index) => (file.section_by_index(index)?.name()?, symbol.address()),
            // Not defined here: only its name is known.
            None => (symbol.name().context("name an undefined symbol")?, 0),
        };
        relocations.push(Relocation {
            at,
            kind: r_type,
            section: section.to_owned(),
            target,
        });
    }
    relocations.sort();
    Ok(relocations)
}
