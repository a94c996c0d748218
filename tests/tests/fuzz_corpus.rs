//! Replays the committed corpus of each fuzz target, and holds the targets, their programs and their corpora together.

use peerwork_tests::fuzz::TARGETS;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

/// The names of what is in a folder, without their extensions.
fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let name = |path: PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    entries.filter_map(|entry| name(entry.ok()?.path())).collect()
}

#[test]
fn every_input_of_the_corpus_holds() {
    let mut inputs = 0;
    for (target, body) in TARGETS {
        let corpus = fuzz_folder().join("corpus").join(target);
        for name in names_in(&corpus) {
            let path = corpus.join(name);
            println!("{}", path.display());
            body(&fs::read(&path).unwrap());
            inputs += 1;
        }
    }
    println!("{inputs} inputs replayed");
}

#[test]
fn every_target_has_a_program_and_a_corpus() {
    let targets: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names_in(&fuzz_folder().join("fuzz_targets")), targets);
    assert_eq!(names_in(&fuzz_folder().join("corpus")), targets);
    let manifest = fs::read_to_string(fuzz_folder().join("Cargo.toml")).unwrap();
    for target in targets {
        assert!(manifest.contains(&format!("name = \"{target}\"")), "{target} is not in fuzz/Cargo.toml");
        assert!(!names_in(&fuzz_folder().join("corpus").join(&target)).is_empty(), "{target} has no corpus");
    }
}
