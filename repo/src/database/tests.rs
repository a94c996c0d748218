//! Databases that nothing here writes.

use super::*;
use std::fs;

/// A database that `write` has filled.
fn made(test: &str, write: impl FnOnce(&redb::WriteTransaction)) -> PathBuf {
    let path = std::env::temp_dir().join(format!("peerwork-repo-{}-{test}", std::process::id()));
    drop(fs::remove_file(&path));
    let database = redb::Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    write(&transaction);
    transaction.commit().unwrap();
    path
}

/// What both kinds of access say, which is the same. Nothing is written.
#[track_caller]
fn error(path: &Path) -> RepoError {
    let before = fs::read(path).unwrap();
    let reading = Database::open_copy(path).and_then(|database| database.peers()).unwrap_err();
    let writing = Database::open(path).and_then(|database| database.peers()).unwrap_err();
    assert_eq!(reading.to_string(), writing.to_string());
    assert_eq!(fs::read(path).unwrap().len(), before.len());
    fs::remove_file(path).unwrap();
    writing
}

#[test]
fn a_later_version() {
    let path = made("later", |write| {
        write.open_table(VERSION_TABLE).unwrap().insert((), 2).unwrap();
    });
    let error = error(&path);
    assert!(matches!(error, RepoError::NewerVersion { found: 2, known: 1, .. }), "{error:?}");
    let text = format!(
        "{} has version 2, and this program knows versions up to 1; use the program that wrote it, or a newer one",
        path.display()
    );
    assert_eq!(error.to_string(), text);
}

#[test]
fn another_programs_database() {
    const OTHER: TableDefinition<'_, u64, u64> = TableDefinition::new("version");
    const MORE: TableDefinition<'_, u64, u64> = TableDefinition::new("cats");
    type Fill = fn(&redb::WriteTransaction);
    let tables: [(&str, Fill); 3] = [
        ("other", |write| drop(write.open_table(MORE).unwrap().insert(1, 1).unwrap())),
        ("version", |write| drop(write.open_table(OTHER).unwrap().insert(1, 1).unwrap())),
        ("zero", |write| drop(write.open_table(VERSION_TABLE).unwrap().insert((), 0).unwrap())),
    ];
    for (name, write) in tables {
        let path = made(name, write);
        let error = error(&path);
        assert!(matches!(error, RepoError::OtherDatabase { .. }), "{error:?}");
    }
}

#[test]
fn rows_that_are_no_peers() {
    let path = made("rows", |write| {
        write.open_table(VERSION_TABLE).unwrap().insert((), VERSION).unwrap();
        write.open_table(PEERS_TABLE).unwrap().insert(&b"x"[..], &b"\x0a"[..]).unwrap();
    });
    let error = error(&path);
    let RepoError::Damaged { reason, .. } = error else { panic!("{error:?}") };
    assert_eq!(reason, "the message ends within a field");
    let path = made("owner", |write| {
        write.open_table(VERSION_TABLE).unwrap().insert((), VERSION).unwrap();
        write.open_table(OWNER_TABLE).unwrap().insert((), &b"x"[..]).unwrap();
    });
    let error = Database::open_copy(&path).and_then(|database| database.owner()).unwrap_err();
    assert!(matches!(error, RepoError::Damaged { .. }), "{error:?}");
    fs::remove_file(&path).unwrap();
}
