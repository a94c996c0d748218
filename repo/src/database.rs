//! The peer file: a redb database.

use crate::RepoError;
use crate::private_file;
use peerwork_core::identity::PeerId;
use peerwork_core::peer_book::{PeerChange, StoredPeer};
use redb::backends::{FileBackend, InMemoryBackend};
use redb::{
    Builder, ReadTransaction, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition, TableError,
    WriteTransaction,
};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// The version of the tables below. Raised when an older program could no longer make sense of them.
const VERSION: u64 = 1;

/// One row: [`VERSION`].
const VERSION_TABLE: TableDefinition<'_, (), u64> = TableDefinition::new("version");

/// At most one row: the peer id of the node whose repo it is.
const OWNER_TABLE: TableDefinition<'_, (), &[u8]> = TableDefinition::new("owner");

/// By peer id, in the form of [`StoredPeer::encode`].
const PEERS_TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("peers");

/// How much of the file redb keeps in memory.
const CACHE_BYTES: usize = 4 * 1024 * 1024;

/// The largest file that is looked at without being opened for writing, since that is done in memory.
const MAX_READ_BYTES: u64 = 1 << 30;

/// How often a file is read that seems to be damaged: its node may be writing at the moment.
const READ_ATTEMPTS: usize = 5;

/// The peer file, or a copy of it, open.
#[derive(Debug)]
pub(crate) struct Database {
    path: PathBuf,
    database: redb::Database,
}

impl Database {
    /// Opens the file, or makes it, and checks all of it. Nothing is written into a file that is damaged.
    pub(crate) fn open(path: &Path) -> Result<Self, RepoError> {
        let file = private_file::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|error| RepoError::write(path, error))?;
        let open = || Ok(builder().create_with_backend(FileBackend::new(file)?)?);
        let database = Self { path: path.to_owned(), database: guard(path, open)? };
        if !database.check_version()? {
            database.make_tables()?;
        }
        Ok(database)
    }

    /// Checks and opens a copy of a file that is there, which a node may be using.
    pub(crate) fn open_copy(path: &Path) -> Result<Self, RepoError> {
        let mut attempts = 1;
        let database = loop {
            let bytes = contents(path)?;
            match guard(path, || Ok(builder().create_with_backend(in_memory(&bytes)?)?)) {
                Err(RepoError::Damaged { .. }) if attempts < READ_ATTEMPTS => attempts += 1,
                result => break result?,
            }
        };
        let database = Self { path: path.to_owned(), database };
        database.check_version()?;
        Ok(database)
    }

    /// Whose repo it is.
    pub(crate) fn owner(&self) -> Result<Option<PeerId>, RepoError> {
        let bytes = self.read(|read| {
            let Some(table) = existing(read.open_table(OWNER_TABLE))? else { return Ok(None) };
            Ok(table.get(())?.map(|bytes| bytes.value().to_vec()))
        })?;
        let decode = |bytes: Vec<u8>| PeerId::from_bytes(&bytes).map_err(|error| self.damaged(error));
        bytes.map(decode).transpose()
    }

    /// Says whose repo it is.
    pub(crate) fn set_owner(&self, peer: PeerId) -> Result<(), RepoError> {
        self.write(|write| {
            write.open_table(OWNER_TABLE)?.insert((), peer.as_bytes())?;
            Ok(())
        })
    }

    /// All peers.
    pub(crate) fn peers(&self) -> Result<Vec<StoredPeer>, RepoError> {
        let rows = self.read(|read| {
            let Some(table) = existing(read.open_table(PEERS_TABLE))? else { return Ok(Vec::new()) };
            let row = |row: Result<(_, redb::AccessGuard<'_, &[u8]>), _>| Ok(row?.1.value().to_vec());
            table.iter()?.map(row).collect()
        })?;
        rows.iter().map(|row| StoredPeer::decode(row).map_err(|error| self.damaged(error))).collect()
    }

    /// Stores all changes, or none.
    pub(crate) fn save<'a>(
        &self,
        changes: impl IntoIterator<Item = &'a PeerChange>,
    ) -> Result<(), RepoError> {
        self.write(|write| {
            let mut table = write.open_table(PEERS_TABLE)?;
            for PeerChange { peer, entry } in changes {
                match entry {
                    Some(stored) => drop(table.insert(peer.as_bytes(), stored.encode().as_slice())?),
                    None => drop(table.remove(peer.as_bytes())?),
                }
            }
            Ok(())
        })
    }

    /// Whether it has tables that are known here; if not, it is empty.
    fn check_version(&self) -> Result<bool, RepoError> {
        let (version, is_empty) = self.read(|read| {
            let version = match existing(read.open_table(VERSION_TABLE)) {
                Ok(Some(table)) => table.get(())?.map(|version| version.value()),
                Ok(None) | Err(redb::Error::TableTypeMismatch { .. }) => None,
                Err(error) => return Err(error),
            };
            Ok((version, read.list_tables()?.next().is_none()))
        })?;
        match version {
            Some(VERSION) => Ok(true),
            Some(found) if found > VERSION => {
                Err(RepoError::NewerVersion { path: self.path.clone(), found, known: VERSION })
            }
            None if is_empty => Ok(false),
            _ => Err(RepoError::OtherDatabase { path: self.path.clone() }),
        }
    }

    fn make_tables(&self) -> Result<(), RepoError> {
        self.write(|write| {
            write.open_table(VERSION_TABLE)?.insert((), VERSION)?;
            write.open_table(OWNER_TABLE)?;
            write.open_table(PEERS_TABLE)?;
            Ok(())
        })
    }

    fn read<R>(&self, read: impl FnOnce(&ReadTransaction) -> Result<R, redb::Error>) -> Result<R, RepoError> {
        guard(&self.path, || read(&self.database.begin_read()?))
    }

    fn write(
        &self,
        write: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<(), RepoError> {
        guard(&self.path, || {
            let mut transaction = self.database.begin_write()?;
            // Otherwise a damaged file could pass for one that was being written when its node was killed.
            transaction.set_two_phase_commit(true);
            write(&transaction)?;
            Ok(transaction.commit()?)
        })
    }

    fn damaged(&self, reason: impl ToString) -> RepoError {
        RepoError::Damaged { path: self.path.clone(), reason: reason.to_string() }
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

fn contents(path: &Path) -> Result<Vec<u8>, RepoError> {
    let damaged = |reason: &str| RepoError::Damaged { path: path.to_owned(), reason: reason.to_owned() };
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_READ_BYTES + 1).read_to_end(&mut bytes));
    match read {
        Err(error) => Err(RepoError::Read { path: path.to_owned(), error }),
        // redb would take it for a new one.
        Ok(0) => Err(damaged("it is empty")),
        Ok(len) if len as u64 > MAX_READ_BYTES => Err(damaged("it is larger than any peer book")),
        Ok(_) => Ok(bytes),
    }
}

fn in_memory(bytes: &[u8]) -> Result<InMemoryBackend, io::Error> {
    let backend = InMemoryBackend::new();
    backend.set_len(bytes.len() as u64)?;
    backend.write(0, bytes)?;
    Ok(backend)
}

/// `None` if there is no such table, as in a file that is just being made.
fn existing<T>(table: Result<T, TableError>) -> Result<Option<T>, redb::Error> {
    match table {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Says what redb's errors mean for a repo. It may panic over a file that is damaged after it was checked.
fn guard<R>(path: &Path, call: impl FnOnce() -> Result<R, redb::Error>) -> Result<R, RepoError> {
    let damaged = |reason| RepoError::Damaged { path: path.to_owned(), reason };
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch)) => {
            Err(RepoError::Locked { path: path.to_owned() })
        }
        Ok(Err(redb::Error::Io(error))) => match error.kind() {
            ErrorKind::InvalidData => Err(damaged("it is no redb database".to_owned())),
            ErrorKind::UnexpectedEof | ErrorKind::InvalidInput => Err(damaged("it is cut off".to_owned())),
            _ => Err(RepoError::write(path, error)),
        },
        Ok(Err(redb::Error::Corrupted(reason))) => Err(damaged(reason)),
        Ok(Err(error)) => Err(damaged(error.to_string())),
        Err(_) => Err(damaged("its parts contradict each other".to_owned())),
    }
}

#[cfg(test)]
mod tests;
