//! The programs that are measured, and building them.

use crate::rows::{Figure, Row};
use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::{Message, MetadataCommand};
use clap::ValueEnum;
use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A program that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Program {
    Floor,
    RustLibp2p,
    Litep2p,
    Minip2p,
    /// The last of rust-libp2p that had secio.
    Libp2pSecio,
    /// On tokio, in one thread.
    Peerwork,
    TokioMt,
    Smol,
    SmolLocal,
    AsyncStd,
    /// Without a runtime: the example's loop.
    Mio,
}

impl Program {
    /// The folder of its package, below the benchmarks'.
    fn folder(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::RustLibp2p => "peers/rust-libp2p",
            Self::Litep2p => "peers/litep2p",
            Self::Minip2p => "peers/minip2p",
            Self::Libp2pSecio => "peers/libp2p-secio",
            Self::Peerwork | Self::TokioMt | Self::Smol | Self::SmolLocal | Self::AsyncStd | Self::Mio => {
                "peerwork"
            }
        }
    }

    fn binary(self, counts_allocations: bool) -> String {
        let name = self.folder().trim_start_matches("peers/");
        if counts_allocations { format!("bench-{name}-allocations") } else { format!("bench-{name}") }
    }

    /// What the table calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::RustLibp2p => "rust-libp2p",
            Self::Litep2p => "litep2p",
            Self::Minip2p => "minip2p",
            Self::Libp2pSecio => "libp2p-secio",
            Self::Peerwork => "peerwork",
            Self::TokioMt => "tokio-mt",
            Self::Smol => "smol",
            Self::SmolLocal => "smol-local",
            Self::AsyncStd => "async-std",
            Self::Mio => "mio",
        }
    }

    /// Its flags, whatever the work.
    pub(crate) fn flags(self) -> Vec<&'static str> {
        match self {
            Self::TokioMt | Self::Smol | Self::SmolLocal | Self::AsyncStd | Self::Mio => {
                vec!["--runtime", self.name()]
            }
            _ => Vec::new(),
        }
    }

    pub(crate) fn is_peer(self) -> bool {
        self.folder().starts_with("peers/")
    }
}

/// A program, and whether it counts allocations: then it is a binary of its own.
type Binary = (Program, bool);

/// The programs, built.
#[derive(Debug, Default)]
pub(crate) struct Programs {
    paths: BTreeMap<Binary, PathBuf>,
    /// Why a peer is not there.
    missing: BTreeMap<Program, String>,
}

impl Programs {
    /// Builds what the rows need. A peer that cannot be built is left out.
    pub(crate) fn build(rows: &[Row], with_floor: bool) -> Result<Self> {
        let mut wanted: BTreeSet<Binary> = BTreeSet::new();
        for row in rows {
            let counts = row.figure == Figure::Allocations;
            wanted.extend(row.programs.iter().map(|program| (*program, counts)));
            if row.floor.is_some() && with_floor {
                wanted.insert((Program::Floor, false));
            }
        }
        let mut programs = Self::default();
        for (program, counts_allocations) in wanted {
            match build(program, counts_allocations) {
                Ok(path) => drop(programs.paths.insert((program, counts_allocations), path)),
                Err(error) if program.is_peer() => {
                    eprintln!("{} is left out: {error:#}", program.name());
                    programs.missing.insert(program, format!("{error:#}"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(programs)
    }

    /// Where a program is, if it could be built and is wanted.
    pub(crate) fn path(&self, program: Program, figure: Figure) -> Option<&Path> {
        self.paths.get(&(program, figure == Figure::Allocations)).map(PathBuf::as_path)
    }

    /// Why peers are not there.
    pub(crate) fn missing(&self) -> &BTreeMap<Program, String> {
        &self.missing
    }
}

/// Builds a program, and returns where it is.
pub(crate) fn build(program: Program, counts_allocations: bool) -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the runner has no folder above it")?;
    let folder = here.join(program.folder());
    ensure!(
        folder.is_dir(),
        "{} is not there; was the repository moved? build this program again",
        folder.display()
    );
    if program == Program::Litep2p {
        needs_protoc()?;
    }
    let binary = program.binary(counts_allocations);
    eprintln!("building {binary}");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args([
        "build",
        "--release",
        "--locked",
        "--message-format",
        "json-render-diagnostics",
        "--bin",
        &binary,
    ]);
    if program.is_peer() {
        // They share what they have in common.
        let target = MetadataCommand::new().current_dir(here).no_deps().exec()?.target_directory;
        cargo.arg("--target-dir").arg(target.join("peers"));
    }
    let mut cargo =
        cargo.current_dir(folder).stdout(Stdio::piped()).spawn().context("cargo cannot be started")?;
    let output = cargo.stdout.take().context("cargo has no output")?;
    let mut path = None;
    for message in Message::parse_stream(BufReader::new(output)) {
        if let Message::CompilerArtifact(artifact) = message?
            && artifact.target.name == binary
            && let Some(executable) = artifact.executable
        {
            path = Some(executable.into_std_path_buf());
        }
    }
    ensure!(cargo.wait()?.success(), "{binary} cannot be built; what cargo says is above");
    path.with_context(|| format!("cargo does not say where {binary} is"))
}

fn needs_protoc() -> Result<()> {
    let protoc = std::env::var_os("PROTOC").unwrap_or_else(|| "protoc".into());
    let found = Command::new(&protoc).arg("--version").stdout(Stdio::null()).status();
    if !found.is_ok_and(|status| status.success()) {
        bail!(
            "litep2p needs protoc, the compiler of protocol buffers, and {} is not to be had: install it (Debian: \
             apt-get install protobuf-compiler), or say in PROTOC where it is",
            protoc.display()
        );
    }
    Ok(())
}
