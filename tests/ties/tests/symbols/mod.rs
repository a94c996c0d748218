//! What code reaches: the sections of all object files that a program is linked from, and what they refer to.
//!
//! The compiler gives each function and each constant a section of its own. So a walk along the relocations, from a function's section on, finds
//! what the function can call, through tables of methods too, and in the end the symbols that no object file defines: what is
//! imported from the system.

use object::read::archive::ArchiveFile;
use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget, SectionKind, SymbolKind};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// The most functions that a path is shown with.
const MAX_SHOWN: usize = 8;

/// The sections of many object files.
#[derive(Default)]
pub(crate) struct Sections {
    sections: Vec<Section>,
    /// Where each global symbol is defined.
    definitions: BTreeMap<String, usize>,
}

#[derive(Default, Clone)]
struct Section {
    /// A symbol in it, mangled.
    name: String,
    refers_to: Vec<Reference>,
}

#[derive(Clone)]
enum Reference {
    Section(usize),
    Symbol(String),
}

impl Sections {
    /// Reads static libraries, Rust's own included.
    pub(crate) fn read(libraries: &[PathBuf]) -> Result<Self, Box<dyn Error>> {
        let mut all = Self::default();
        for library in libraries {
            let bytes = fs::read(library)?;
            let archive = ArchiveFile::parse(&*bytes)?;
            for member in archive.members() {
                // Among them are metadata, which are no object file of the system.
                if let Ok(file) = object::File::parse(member?.data(&*bytes)?) {
                    all.add(&file)?;
                }
            }
        }
        Ok(all)
    }

    fn add(&mut self, file: &object::File<'_>) -> object::Result<()> {
        let first = self.sections.len();
        let count = file.sections().map(|section| section.index().0 + 1).max().unwrap_or(0);
        self.sections.resize(first + count, Section::default());
        for symbol in file.symbols().filter(|symbol| symbol.kind() != SymbolKind::Section) {
            let Some(index) = symbol.section_index() else { continue };
            symbol.name()?.clone_into(&mut self.sections[first + index.0].name);
            if symbol.is_global() {
                self.definitions.insert(symbol.name()?.to_owned(), first + index.0);
            }
        }
        for section in file.sections() {
            if matches!(section.kind(), SectionKind::Debug | SectionKind::DebugString) {
                continue;
            }
            for (_, relocation) in section.relocations() {
                let RelocationTarget::Symbol(index) = relocation.target() else { continue };
                let symbol = file.symbol_by_index(index)?;
                let target = match symbol.section_index() {
                    Some(index) => Reference::Section(first + index.0),
                    None => Reference::Symbol(symbol.name()?.to_owned()),
                };
                self.sections[first + section.index().0].refers_to.push(target);
            }
        }
        Ok(())
    }

    /// What `root` imports, each with the functions through which it does. What is behind the functions `cuts` is left out.
    ///
    /// Functions are named as in the source. Fails if there is none of a name.
    pub(crate) fn imports(&self, root: &str, cuts: &[&str]) -> Result<BTreeMap<String, String>, String> {
        let root = self.find(root)?;
        let cuts = cuts.iter().map(|name| self.find(name)).collect::<Result<BTreeSet<_>, _>>()?;
        let mut imports = BTreeMap::new();
        // The section that first led to each one, on a shortest path.
        let mut came_from = BTreeMap::from([(root, root)]);
        let mut reached = vec![root];
        let mut next = 0;
        while let Some(&section) = reached.get(next) {
            next += 1;
            for reference in &self.sections[section].refers_to {
                let target = match reference {
                    Reference::Section(target) => *target,
                    Reference::Symbol(name) => match self.definitions.get(name) {
                        Some(target) => *target,
                        None => {
                            imports.entry(demangled(name)).or_insert_with(|| self.path(section, &came_from));
                            continue;
                        }
                    },
                };
                if !cuts.contains(&target) && !came_from.contains_key(&target) {
                    came_from.insert(target, section);
                    reached.push(target);
                }
            }
        }
        Ok(imports)
    }

    fn find(&self, function: &str) -> Result<usize, String> {
        let found = self.definitions.iter().find(|(name, _)| demangled(name) == function);
        found.map(|(_, section)| *section).ok_or_else(|| format!("there is no function {function}"))
    }

    fn path(&self, mut section: usize, came_from: &BTreeMap<usize, usize>) -> String {
        let mut path = Vec::new();
        while path.len() < MAX_SHOWN && came_from[&section] != section {
            path.push(demangled(&self.sections[section].name));
            section = came_from[&section];
        }
        path.join(" <- ")
    }
}

/// What a linked program imports.
pub(crate) fn imports_of(program: &Path) -> Result<BTreeSet<String>, Box<dyn Error>> {
    let bytes = fs::read(program)?;
    let file = object::File::parse(&*bytes)?;
    let undefined = file.dynamic_symbols().filter(|symbol| symbol.is_undefined());
    Ok(undefined.map(|symbol| symbol.name().map(demangled)).collect::<Result<_, _>>()?)
}

fn demangled(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}
