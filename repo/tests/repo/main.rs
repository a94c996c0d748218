//! Repos on a real disk: what is kept, who may use it, and what is said of one that cannot be used.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod child;
mod damage;
#[cfg(unix)]
mod disk;

use peerwork_core::identity::{Keypair, PeerId};
use peerwork_core::peer_book::{Origin, PeerChange, StoredAddress, StoredPeer};
use peerwork_core::seed::Seed;
use peerwork_repo::private_file::PrivateFileError;
use peerwork_repo::{KEY_FILE, PEERS_FILE, Repo, RepoError, RepoReader};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A place for a repo that is not there yet.
fn place(test: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    drop(fs::remove_dir_all(&path));
    fs::create_dir_all(&path).unwrap();
    path.join("repo")
}

fn keypair(number: u64) -> Keypair {
    Keypair::generate_ed25519(&mut Seed::reproducible(number))
}

/// The repo's key, or this one if it has none.
fn key_or(repo: &mut Repo, number: u64) -> Result<Keypair, RepoError> {
    repo.keypair(|| Ok(keypair(number)))
}

fn stored(number: u64) -> StoredPeer {
    let address = StoredAddress {
        address: "/ip4/192.0.2.1/tcp/4001".parse().unwrap(),
        origin: Origin::Record,
        expires: Some(Duration::from_secs(2_000_000_000)),
        reached: None,
    };
    StoredPeer {
        peer: PeerId::from_public_key_protobuf(&number.to_be_bytes()),
        addresses: vec![address],
        record_sequence: Some(number),
        agent_version: Some("node/1".to_owned()),
        protocols: vec![],
    }
}

fn added(number: u64) -> PeerChange {
    let stored = stored(number);
    PeerChange { peer: stored.peer, entry: Some(stored) }
}

fn removed(number: u64) -> PeerChange {
    PeerChange { peer: stored(number).peer, entry: None }
}

/// A repo with a key and the peers 0 to `peers`, closed.
fn filled(test: &str, peers: u64) -> PathBuf {
    let path = place(test);
    let mut repo = Repo::open(&path).unwrap();
    key_or(&mut repo, 1).unwrap();
    repo.save(&(0..peers).map(added).collect::<Vec<_>>()).unwrap();
    path
}

#[track_caller]
fn assert_text(error: &RepoError, path: &Path, text: &str) {
    assert_eq!(error.to_string(), text.replace("PATH", path.to_str().unwrap()));
}

#[test]
fn what_is_saved_is_there_after_a_restart() {
    let path = place("restart");
    let mut repo = Repo::open(&path).unwrap();
    assert_eq!(repo.peers().unwrap(), []);
    let key = key_or(&mut repo, 1).unwrap();
    assert_eq!(key.public(), keypair(1).public());
    repo.save(&[added(1), added(2)]).unwrap();
    repo.save(&[removed(1), removed(9), added(3)]).unwrap();
    repo.save(&[]).unwrap();
    drop(repo);
    for _ in 0..2 {
        let mut repo = Repo::open(&path).unwrap();
        assert_eq!(repo.peers().unwrap(), [stored(2), stored(3)]);
        let again = key_or(&mut repo, 2).unwrap();
        assert_eq!(again.public(), key.public(), "the key is made once");
    }
    let changed = StoredPeer { record_sequence: None, ..stored(2) };
    let change = PeerChange { peer: changed.peer, entry: Some(changed.clone()) };
    Repo::open(&path).unwrap().save(&[change]).unwrap();
    assert_eq!(Repo::open(&path).unwrap().peers().unwrap(), [changed, stored(3)]);
}

#[test]
fn many_peers() {
    let path = filled("many", 10_000);
    assert_eq!(Repo::open(&path).unwrap().peers().unwrap().len(), 10_000);
    assert_eq!(RepoReader::open(&path).unwrap().peers().unwrap().len(), 10_000);
}

#[test]
fn the_key_file_is_one_that_can_be_used_elsewhere() {
    let path = filled("key_file", 0);
    assert_eq!(fs::read(path.join(KEY_FILE)).unwrap(), *keypair(1).to_protobuf());
}

#[cfg(unix)]
#[test]
fn all_of_it_is_its_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    let path = filled("private", 1);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&path.join(KEY_FILE)), 0o600);
    assert_eq!(mode(&path.join(PEERS_FILE)), 0o600);
}

#[test]
fn a_repo_is_used_by_one_at_a_time_and_may_be_looked_at_meanwhile() {
    const LOCKED: &str =
        "PATH/peers.redb is in use by another node; stop that one, or give this one a repo of its own";
    let path = place("locked");
    let mut repo = Repo::open(&path).unwrap();
    let key = key_or(&mut repo, 1).unwrap();
    repo.save(&[added(1)]).unwrap();
    let error = Repo::open(&path).unwrap_err();
    assert!(matches!(error, RepoError::Locked { .. }), "{error:?}");
    assert_text(&error, &path, LOCKED);
    // And by another process.
    assert_eq!(child::run("open", &path), LOCKED.replace("PATH", path.to_str().unwrap()));

    let reader = RepoReader::open(&path).unwrap();
    assert_eq!(reader.owner().unwrap(), Some(key.public().to_peer_id()));
    assert_eq!(reader.peers().unwrap(), [stored(1)]);
    assert_eq!(child::run("read", &path), "1 peers");
    repo.save(&[added(2)]).unwrap();
    assert_eq!(RepoReader::open(&path).unwrap().peers().unwrap(), [stored(1), stored(2)]);
    drop(repo);
    assert_eq!(child::run("open", &path), "2 peers");
    assert_eq!(Repo::open(&path).unwrap().peers().unwrap().len(), 2);
}

#[test]
fn a_look_at_a_busy_repo() {
    let path = filled("busy", 500);
    let mut repo = Repo::open(&path).unwrap();
    let saves = std::thread::spawn(move || {
        for round in 0..100 {
            repo.save(&(0..500).map(|number| added(round + number)).collect::<Vec<_>>()).unwrap();
        }
    });
    let mut looks = 0;
    while !saves.is_finished() {
        assert!(RepoReader::open(&path).unwrap().peers().unwrap().len() >= 500);
        looks += 1;
    }
    saves.join().unwrap();
    assert!(looks > 0);
    assert_eq!(RepoReader::open(&path).unwrap().peers().unwrap().len(), 599);
}

#[test]
fn a_process_that_is_killed_leaves_what_it_had_saved() {
    let path = filled("killed", 3);
    assert_eq!(child::run("save and abort", &path), "");
    let before = fs::read(path.join(PEERS_FILE)).unwrap();
    assert_eq!(RepoReader::open(&path).unwrap().peers().unwrap().len(), 5);
    assert!(fs::read(path.join(PEERS_FILE)).unwrap() == before, "a reader has changed the file");
    assert_eq!(Repo::open(&path).unwrap().peers().unwrap().len(), 5);
}

#[test]
fn places_that_are_no_repo() {
    let path = place("no_repo");
    for nothing in [path.clone(), path.parent().unwrap().to_owned()] {
        let error = RepoReader::open(&nothing).unwrap_err();
        assert!(matches!(error, RepoError::Missing { .. }), "{error:?}");
        assert_text(&error, &nothing, "there is no repo at PATH; a node that is started with it makes one");
        assert!(!nothing.join(PEERS_FILE).exists(), "a reader makes nothing");
    }
    fs::write(&path, "text").unwrap();
    for error in [Repo::open(&path).unwrap_err(), RepoReader::open(&path).unwrap_err()] {
        assert!(matches!(error, RepoError::NotADirectory { .. }), "{error:?}");
        assert_text(&error, &path, "PATH is no directory, as a repo is; choose another place");
    }
    let error = Repo::open(path.join("below")).unwrap_err();
    assert!(matches!(error, RepoError::Read { .. }), "{error:?}");
}

#[test]
fn parents_are_made_too() {
    let path = place("parents").join("a/b");
    drop(Repo::open(&path).unwrap());
    assert_eq!(RepoReader::open(&path).unwrap().owner().unwrap(), None, "its node has not started");
}

/// What is done to the key file of a repo that was used, and the error.
#[test]
fn damaged_keys() {
    type Damage = fn(&Path);
    let table: [(&str, Damage, &str); 6] = [
        (
            "missing",
            |key| fs::remove_file(key).unwrap(),
            "the key file PATH of OWNER is missing; put a copy of it back, or use another repo for a new node",
        ),
        (
            "empty",
            |key| fs::write(key, "").unwrap(),
            "the key file PATH: it is empty; expected a libp2p key in protobuf form; put a copy of it back, or use another \
             repo for a new node",
        ),
        (
            "cut",
            |key| fs::write(key, &fs::read(key).unwrap()[..40]).unwrap(),
            "the key file PATH: it is not a libp2p key in protobuf form: the message ends within a field; put a copy of it \
             back, or use another repo for a new node",
        ),
        (
            "long",
            |key| fs::write(key, [0; 20_000]).unwrap(),
            "the key file PATH: it has more than 16384 bytes, which no key has",
        ),
        (
            "folder",
            |key| {
                fs::remove_file(key).unwrap();
                fs::create_dir(key).unwrap();
            },
            "the key file PATH: it is no ordinary file",
        ),
        (
            "other",
            |key| fs::write(key, &*keypair(2).to_protobuf()).unwrap(),
            "the key file PATH is that of OTHER, but the repo is that of OWNER; put its key back, or use another repo",
        ),
    ];
    let [owner, other] = [1, 2].map(|number| keypair(number).public().to_peer_id().to_string());
    for (name, damage, text) in table {
        let path = filled(&format!("damaged_key_{name}"), 1);
        let key = path.join(KEY_FILE);
        damage(&key);
        let before = fs::read(&key).ok();
        let mut repo = Repo::open(&path).unwrap();
        let error = repo.keypair(|| -> Result<_, RepoError> { panic!("no new key is made") }).unwrap_err();
        let text = text.replace("OWNER", &owner).replace("OTHER", &other);
        assert_text(&error, &key, &text);
        assert_eq!(fs::read(&key).ok(), before, "{name}");
        assert_eq!(repo.peers().unwrap().len(), 1, "{name}");
    }
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let path = filled("open_key", 0);
    fs::set_permissions(path.join(KEY_FILE), fs::Permissions::from_mode(0o644)).unwrap();
    let error = key_or(&mut Repo::open(&path).unwrap(), 1).unwrap_err();
    let RepoError::Key { error, .. } = error else { panic!("{error:?}") };
    assert!(matches!(error, PrivateFileError::NotPrivate { mode: 0o644 }), "{error:?}");
}

/// As the error about a damaged peer file says: it can be moved away.
#[test]
fn a_key_alone_is_the_start_of_a_repo() {
    let path = filled("key_alone", 3);
    fs::remove_file(path.join(PEERS_FILE)).unwrap();
    let mut repo = Repo::open(&path).unwrap();
    assert_eq!(key_or(&mut repo, 2).unwrap().public(), keypair(1).public());
    assert_eq!(repo.peers().unwrap(), []);
}

#[test]
fn a_new_key_that_cannot_be_made_is_none() {
    let path = place("no_key");
    let mut repo = Repo::open(&path).unwrap();
    let error = repo.keypair(|| Err(RepoError::Missing { path: PathBuf::new() })).unwrap_err();
    assert!(matches!(error, RepoError::Missing { .. }));
    assert!(!path.join(KEY_FILE).exists());
    assert_eq!(key_or(&mut repo, 3).unwrap().public(), keypair(3).public());
}
