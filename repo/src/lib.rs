//! A *repo* in libp2p's sense: a directory in which a node keeps its key and its peer book from one run to the next.
//!
//! ```text
//! PATH/node.key      the private key, as `peerwork keygen` writes it: it can be used elsewhere with --key-file
//! PATH/peers.redb    the peers that are worth remembering, in a redb database
//! ```
//!
//! Both are made on first use, for their owner's eyes only. One process at a time can use a repo; others can look at its peers meanwhile
//! ([`RepoReader`]). What is damaged is reported and never overwritten.
//!
//! All calls block, for as long as the disk takes.
//!
//! # On tokio
//!
//! A [`Repo`] is the [`PeerStore`] of a node, which takes care of everything from then on: what was stored is restored, and what changes is
//! saved, every 30 seconds and when the node stops.
//!
//! ```
//! use peerwork_repo::Repo;
//! use peerwork_tokio::NodeBuilder;
//! use peerwork_tokio::core::{identity::Keypair, seed::Seed};
//! use std::error::Error;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn Error>> {
//!     # let path = std::env::temp_dir().join(format!("peerwork-repo-tokio-{}", std::process::id()));
//!     let mut repo = Repo::open(&path)?;
//!     let keypair = repo.keypair(|| -> Result<_, Box<dyn Error>> {
//!         let mut entropy = [0; 32];
//!         getrandom::fill(&mut entropy)?;
//!         Ok(Keypair::generate_ed25519(&mut Seed::from_entropy(entropy)))
//!     })?;
//!     let node = NodeBuilder::new().identity(keypair).peer_store(repo).start().await?;
//!     println!("{} knows {} peers", node.local_peer(), node.known_peers().await?.len());
//!     node.shutdown().await; // everything is saved, and another process can use the repo
//!     # std::fs::remove_dir_all(path)?;
//!     Ok(())
//! }
//! ```
//!
//! # In an event loop of your own
//!
//! Make the calls where they hold nothing up.
//!
//! ```
//! use peerwork_core::node::NodeBuilder;
//! use peerwork_core::{identity::Keypair, seed::Seed, time::Instant};
//! use peerwork_repo::{Repo, RepoError};
//! use std::time::Duration;
//!
//! # let path = std::env::temp_dir().join(format!("peerwork-repo-{}", std::process::id()));
//! let (since_1970, now) = (Duration::from_secs(1_800_000_000), Instant::ORIGIN); // your clocks
//! let mut seed = Seed::reproducible(1); // your entropy
//! let mut repo = Repo::open(&path)?;
//! let keypair = repo.keypair(|| Ok::<_, RepoError>(Keypair::generate_ed25519(&mut seed)))?;
//! let mut node = NodeBuilder::new().identity(keypair).build_local(seed, now)?;
//! for stored in repo.peers()? {
//!     node.peer_book_mut().restore(&stored, since_1970, now);
//! }
//!
//! // Now and then, and before the end:
//! let book = node.peer_book_mut();
//! let changes: Vec<_> = std::iter::from_fn(|| book.take_change(since_1970, now)).collect();
//! if let Err(error) = repo.save(&changes) {
//!     changes.iter().for_each(|change| book.put_back(change.peer));
//!     eprintln!("{error}");
//! }
//! # drop(repo);
//! # std::fs::remove_dir_all(path)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod database;
mod error;
pub mod private_file;

pub use error::RepoError;

use database::Database;
use peerwork_core::identity::{Keypair, PeerId};
use peerwork_core::peer_book::{PeerChange, PeerStore, PeerStoreError, StoredPeer};
use private_file::PrivateFileError;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The file with the node's private key.
pub const KEY_FILE: &str = "node.key";

/// The file with the peers.
pub const PEERS_FILE: &str = "peers.redb";

/// A repo in use: no other process can use it as long as this value lives. See the [crate's documentation](self).
#[derive(Debug)]
pub struct Repo {
    path: PathBuf,
    /// `None` after it could not be written: redb wants it opened anew.
    database: Option<Database>,
}

impl Repo {
    /// Opens the repo in the directory `path`, and makes what is missing of it. Its parent directories are made too.
    ///
    /// The whole peer file is checked. After a crash it is as it was when it was saved last.
    ///
    /// # Errors
    /// It is no directory, is in use, cannot be read or written, is damaged, or is of a later version: see [`RepoError`]. A damaged
    /// file is left as it was.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, RepoError> {
        let path = path.as_ref().to_owned();
        make_directory(&path)?;
        let file = path.join(PEERS_FILE);
        // redb would take an empty file for a new one.
        if path.join(KEY_FILE).exists() && fs::metadata(&file).is_ok_and(|metadata| metadata.len() == 0) {
            return Err(RepoError::Damaged { path: file, reason: "it is empty".to_owned() });
        }
        Ok(Self { database: Some(Database::open(&file)?), path })
    }

    /// The node's key. On first use it is what `new` makes, and is written.
    ///
    /// # Errors
    /// The file cannot be read or written, is not private, holds no key or that of another node, or is missing though the repo is not
    /// new. Otherwise what `new` gives.
    pub fn keypair<E: From<RepoError>>(
        &mut self,
        new: impl FnOnce() -> Result<Keypair, E>,
    ) -> Result<Keypair, E> {
        let (path, owner) = (self.path.join(KEY_FILE), self.database()?.owner()?);
        let keypair = match (read_key(&path)?, owner) {
            (Some(keypair), _) => keypair,
            (None, Some(peer)) => return Err(RepoError::MissingKey { path, peer }.into()),
            (None, None) => {
                let keypair = new()?;
                private_file::write(&path, &keypair.to_protobuf())
                    .map_err(|error| RepoError::Key { path: path.clone(), error })?;
                keypair
            }
        };
        let found = keypair.public().to_peer_id();
        match owner {
            None => self.database()?.set_owner(found)?,
            Some(expected) if expected != found => {
                return Err(RepoError::OtherKey { path, expected, found }.into());
            }
            Some(_) => {}
        }
        Ok(keypair)
    }

    /// The stored peers, in the order of their ids.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    pub fn peers(&mut self) -> Result<Vec<StoredPeer>, RepoError> {
        self.database()?.peers()
    }

    /// Stores changes: all of them, or, if there is an error, none.
    ///
    /// Once it returns they are on the disk. After an error the next call opens the file anew, so a disk that was full for a while does
    /// no lasting harm.
    ///
    /// # Errors
    /// The file cannot be written, or was damaged or taken over by another process meanwhile.
    pub fn save<'a>(&mut self, changes: impl IntoIterator<Item = &'a PeerChange>) -> Result<(), RepoError> {
        let saved = self.database()?.save(changes);
        if saved.is_err() {
            self.database = None;
        }
        saved
    }

    fn database(&mut self) -> Result<&mut Database, RepoError> {
        match &mut self.database {
            Some(database) => Ok(database),
            closed => Ok(closed.insert(Database::open(&self.path.join(PEERS_FILE))?)),
        }
    }
}

impl PeerStore for Repo {
    fn peers(&mut self) -> Result<Vec<StoredPeer>, PeerStoreError> {
        Ok(Self::peers(self)?)
    }

    fn save(&mut self, changes: &[PeerChange]) -> Result<(), PeerStoreError> {
        Ok(Self::save(self, changes)?)
    }
}

/// A look at the peers of a repo as they are at the moment, also while a node uses it. It changes nothing.
#[derive(Debug)]
pub struct RepoReader {
    database: Database,
}

impl RepoReader {
    /// Opens the repo in the directory `path`.
    ///
    /// # Errors
    /// There is none, it cannot be read, is damaged, or is of a later version: see [`RepoError`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, RepoError> {
        let path = path.as_ref();
        let file = path.join(PEERS_FILE);
        let missing = |error: io::Error| match error.kind() {
            ErrorKind::NotFound => RepoError::Missing { path: path.to_owned() },
            _ => RepoError::Read { path: path.to_owned(), error },
        };
        if !fs::metadata(path).map_err(missing)?.is_dir() {
            return Err(RepoError::NotADirectory { path: path.to_owned() });
        }
        fs::metadata(&file).map_err(missing)?;
        Ok(Self { database: Database::open_copy(&file)? })
    }

    /// Whose repo it is; `None` if its node has not started yet.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    pub fn owner(&self) -> Result<Option<PeerId>, RepoError> {
        self.database.owner()
    }

    /// The stored peers, in the order of their ids.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    pub fn peers(&self) -> Result<Vec<StoredPeer>, RepoError> {
        self.database.peers()
    }
}

/// `None` if there is no such file.
fn read_key(path: &Path) -> Result<Option<Keypair>, RepoError> {
    let bytes = match private_file::read(path) {
        Ok(bytes) => bytes,
        Err(PrivateFileError::Missing) => return Ok(None),
        Err(error) => return Err(RepoError::Key { path: path.to_owned(), error }),
    };
    let damaged = |error| RepoError::DamagedKey { path: path.to_owned(), error };
    Keypair::from_protobuf(&bytes).map(Some).map_err(damaged)
}

fn make_directory(path: &Path) -> Result<(), RepoError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Ok(()),
        Ok(_) => return Err(RepoError::NotADirectory { path: path.to_owned() }),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(RepoError::Read { path: path.to_owned(), error }),
    }
    private_directory().recursive(true).create(path).map_err(|error| match error.kind() {
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            RepoError::NotADirectory { path: path.to_owned() }
        }
        _ => RepoError::write(path, error),
    })
}

#[cfg(unix)]
fn private_directory() -> DirBuilder {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

#[cfg(not(unix))]
fn private_directory() -> DirBuilder {
    DirBuilder::new()
}
