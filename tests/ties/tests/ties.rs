//! Core is tied to nothing: no clock, no thread, no lock, no socket, no file, no randomness of the system's.
//!
//! Two nodes that live through a story reach none of it: the first test walks from the story's function through all code that it can
//! call, the standard library's included, to what that imports from the system. The program that tells the story imports nothing
//! that an empty one does not. As WebAssembly it imports nothing at all, and runs.
//!
//! TLS is an exception, and an optional one: the libraries under it take locks, and let the system draw the keys of hash maps.
//!
//! What panics and what runs out of memory is left out: the standard library then prints, for which it needs much. A system call made in
//! assembly, past the system's library, would not be seen either.
//!
//! ```text
//! cargo test -p peerwork-ties -- --include-ignored
//! ```

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that panics has failed, and may say why"
)]

mod symbols;

use serde_json::Value;
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use symbols::Sections;
use wasmparser::{Parser, Payload};

/// What may be imported.
const ALLOWED: [&str; 9] = [
    // Bytes.
    "bcmp",
    "memcmp",
    "memcpy",
    "memmove",
    "memset",
    "strlen",
    // A count of references that overflows.
    "abort",
    // On the way of a panic.
    "_Unwind_Resume",
    // The text of an I/O error, which an error of multiaddr's can hold.
    "__xpg_strerror_r",
];
/// Memory, from the allocator that the program chooses.
const ALLOCATOR: &str = "__rustc::__rust_";
/// Where a panic and the lack of memory leave the program's code for the standard library's.
const CUTS: [&str; 2] = ["__rustc::rust_begin_unwind", "__rustc::__rust_alloc_error_handler"];

/// What rustls, rcgen and x509-parser are tied to: hash maps of theirs have keys from the system. They are for lookups alone, and order nothing.
const TLS_CUT: &str = "std::sys::random::linux::hashmap_random_keys";
/// Locks, for which nobody waits here, and the variable of the thread in which rustls finds the handshake that calls it.
const TLS_ALLOWED: [&str; 3] = ["syscall", "__errno_location", "__tls_get_addr"];

/// Each twin with one of the symbols that give it away.
const TWINS: [(&str, &str); 11] = [
    ("clock", "clock_gettime"),
    ("wall_clock", "clock_gettime"),
    ("sleep", "clock_nanosleep"),
    ("thread", "pthread_create"),
    ("lock", "syscall"),
    ("connection", "connect"),
    ("datagram", "sendto"),
    ("hash_map", "getrandom"),
    ("randomness", "dlsym"),
    ("file", "open64"),
    ("print", "write"),
];

const WASM: &str = "wasm32-unknown-unknown";
/// Runs a module that may import nothing, and exits as its `main` does.
const RUN_IN_NODE: &str = "\
    const module = new WebAssembly.Module(require('fs').readFileSync(process.argv[1]));\
    process.exit(new WebAssembly.Instance(module, {}).exports.main(0, 0));";

#[test]
#[ignore = "compiles core anew"]
fn the_story_reaches_nothing() {
    assert_eq!(ties(&Built::new(&[]).sections(), "story", &CUTS), BTreeMap::new());
}

#[test]
#[ignore = "compiles core anew"]
fn over_tls_it_reaches_what_its_libraries_do() {
    let sections = Built::new(&["--features=tls"]).sections();
    let mut found = ties(&sections, "story", &[CUTS[0], CUTS[1], TLS_CUT]);
    found.retain(|symbol, _| !TLS_ALLOWED.contains(&&**symbol));
    assert_eq!(found, BTreeMap::new());
}

#[test]
#[ignore = "compiles core anew"]
fn a_twin_with_a_tie_is_found() {
    let sections = Built::new(&["--features=twins"]).sections();
    for (twin, symbol) in TWINS {
        let found = ties(&sections, &format!("twins::{twin}"), &CUTS);
        assert!(found.contains_key(symbol), "{twin} reaches {symbol}, and this was found: {found:#?}");
    }
    assert_eq!(ties(&sections, "story", &CUTS), BTreeMap::new());
}

#[test]
#[ignore = "compiles core anew"]
fn the_program_imports_what_an_empty_one_does() {
    let built = Built::new(&[]);
    let [program, empty] = ["peerwork-ties", "empty"].map(|name| &built.programs[name]);
    let by_any = symbols::imports_of(empty).unwrap();
    let mut ties = symbols::imports_of(program).unwrap();
    ties.retain(|symbol| !by_any.contains(symbol) && !ALLOWED.contains(&&**symbol));
    assert!(ties.is_empty(), "{ties:?}");
    assert!(Command::new(program).status().unwrap().success());
}

#[test]
#[ignore = "compiles core anew"]
fn as_webassembly_it_imports_nothing() {
    assert!(
        target_libraries(&["--target", WASM]).is_dir(),
        "the standard library for {WASM} is not installed: rustup target add {WASM}"
    );
    let built = Built::new(&["--target", WASM]);
    let module = &built.programs["peerwork-ties"];
    assert_eq!(module_imports(&fs::read(module).unwrap()), Vec::<String>::new());
    // There the standard library has no clock and no threads: who asks for them is ended.
    match Command::new("node").arg("--eval").arg(RUN_IN_NODE).arg(module).status() {
        Ok(status) => assert!(status.success()),
        Err(error) if error.kind() == ErrorKind::NotFound => eprintln!("NOT RUN: node is not installed"),
        Err(error) => panic!("node: {error}"),
    }
}

#[test]
fn a_module_that_imports_is_found() {
    let header = b"\0asm\x01\0\0\0";
    let imports = b"\x02\x0b\x01\x03env\x03now\0\0";
    assert_eq!(module_imports(&[&header[..], imports].concat()), ["env now"]);
}

/// What a module of WebAssembly imports.
fn module_imports(module: &[u8]) -> Vec<String> {
    let mut imports = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        let Payload::ImportSection(section) = payload.unwrap() else { continue };
        for import in section.into_imports() {
            let import = import.unwrap();
            imports.push(format!("{} {}", import.module, import.name));
        }
    }
    imports
}

/// What a function of the crate imports and is not allowed, with the way there.
fn ties(sections: &Sections, function: &str, cuts: &[&str]) -> BTreeMap<String, String> {
    let mut imports = sections.imports(&format!("peerwork_ties::{function}"), cuts).unwrap();
    imports.retain(|symbol, _| !ALLOWED.contains(&&**symbol) && !symbol.starts_with(ALLOCATOR));
    imports
}

/// The crate as cargo builds it by itself, so with no other feature of core than asked for.
struct Built {
    /// The crate, all that it depends on and the standard library.
    libraries: Vec<PathBuf>,
    programs: BTreeMap<String, PathBuf>,
    /// The next build replaces what this one built.
    _turn: MutexGuard<'static, ()>,
}

impl Built {
    fn new(arguments: &[&str]) -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["build", "--package", env!("CARGO_PKG_NAME"), "--message-format=json-render-diagnostics"])
            .args(arguments);
        let messages = output(&mut cargo);
        let mut built = Self { libraries: Vec::new(), programs: BTreeMap::new(), _turn: turn };
        for message in messages.lines() {
            let message: Value = serde_json::from_str(message).unwrap();
            let files = message["filenames"].as_array().into_iter().flatten().filter_map(Value::as_str);
            built.libraries.extend(files.filter(|file| file.ends_with(".rlib")).map(PathBuf::from));
            if let Some(program) = message["executable"].as_str() {
                let name = message["target"]["name"].as_str().unwrap();
                built.programs.insert(name.to_owned(), program.into());
            }
        }
        built
    }

    fn sections(&self) -> Sections {
        let standard = target_libraries(&[]).read_dir().unwrap().map(|entry| entry.unwrap().path());
        let standard = standard.filter(|path| path.extension().is_some_and(|extension| extension == "rlib"));
        Sections::read(&self.libraries.iter().cloned().chain(standard).collect::<Vec<_>>()).unwrap()
    }
}

/// Where the standard library is.
fn target_libraries(arguments: &[&str]) -> PathBuf {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    output(Command::new(rustc).args(["--print", "target-libdir"]).args(arguments)).trim_end().into()
}

fn output(command: &mut Command) -> String {
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}
