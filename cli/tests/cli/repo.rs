//! Nodes with a repo.

use crate::keys::text;
use crate::program::{Finished, Listener, Running, SECIO_MPLEX, command, folder, json, node, peerwork};
use peerwork_repo::{Repo, RepoError, RepoReader};
use peerwork_tokio::core::identity::{Keypair, PeerId};
use peerwork_tokio::core::peer_book::{Origin, PeerChange, StoredAddress, StoredPeer};
use peerwork_tokio::core::seed::Seed;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A place for a repo that is not there yet.
fn place(test: &str) -> PathBuf {
    folder(test).join("repo")
}

fn listener(repo: &Path) -> Listener {
    Listener::start(&["--repo", text(repo)])
}

/// A listener that cannot start.
fn refused(repo: &Path) -> Finished {
    node(&["listen", "--repo", text(repo)])
}

#[cfg(unix)]
fn stop(listener: Listener) -> Finished {
    listener.running.signal("INT");
    listener.running.finish()
}

/// A repo in which somebody is remembered, reachable at `address` until `expires`.
fn filled(test: &str, address: &str, expires: Option<Duration>) -> (PathBuf, PeerId) {
    let path = place(test);
    let keypair = |number| Keypair::generate_ed25519(&mut Seed::reproducible(number));
    let mut repo = Repo::open(&path).expect("a new repo");
    repo.keypair(|| Ok::<_, RepoError>(keypair(1))).expect("a new key");
    let peer = keypair(2).public().to_peer_id();
    let (address, origin) = (address.parse().expect("an address"), Origin::Record);
    let stored = StoredPeer {
        peer,
        addresses: vec![StoredAddress { address, origin, expires, reached: None }],
        record_sequence: None,
        agent_version: None,
        protocols: Vec::new(),
    };
    repo.save(&[PeerChange { peer, entry: Some(stored) }]).expect("there is room");
    (path, peer)
}

/// A repo with a peer whose address has expired: a change to be saved.
fn outdated(test: &str) -> (PathBuf, PeerId) {
    filled(test, "/ip4/192.0.2.1/tcp/4001", Some(Duration::from_secs(1)))
}

/// Whether it is still stored.
fn is_stored((path, peer): &(PathBuf, PeerId)) -> bool {
    let peers = RepoReader::open(path).and_then(|repo| repo.peers()).expect("a repo");
    peers.iter().any(|stored| stored.peer == *peer)
}

#[test]
fn a_repo_is_made_on_first_use_and_its_key_used_again() {
    let path = place("repo_first_use");
    let first = Listener::start(&["--repo", text(&path), "--key", "secp256k1"]);
    let peer = first.peer().to_owned();
    assert!(peer.starts_with("16Uiu2"), "{peer}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        let files = ["node.key", "peers.redb"].map(|name| mode(&path.join(name)));
        assert_eq!((mode(&path), files), (0o700, [0o600; 2]));
    }
    drop(first);
    // The type of a new key does not matter any more.
    assert_eq!(listener(&path).peer(), peer);
    // Every command that runs a node can use it, and so can others use its key.
    let demo = peerwork(&["--json", "demo", "--repo", text(&path)]);
    assert_eq!(demo.json()[0]["alice"], peer);
    let elsewhere = Listener::start(&["--key-file", text(&path.join("node.key"))]);
    assert_eq!(elsewhere.peer(), peer);
}

#[test]
fn a_repo_is_used_by_one_node_at_a_time() {
    let path = place("repo_locked");
    let first = listener(&path);
    let file = path.join("peers.redb");
    let expected =
        format!("{} is in use by another node; stop that one, or use another --repo", file.display());
    assert_eq!(refused(&path).failure(), expected);
    assert_eq!(node(&["ping", "/ip4/127.0.0.1/tcp/1", "--repo", text(&path)]).failure(), expected);
    // Its peers can be looked at meanwhile.
    let looked = json(peerwork(&["--json", "peers", "--repo", text(&path)]).success().trim_end());
    assert_eq!((&looked["node"], &looked["peers"]), (&first.peer().into(), &0.into()));
    drop(first);
    drop(listener(&path));
}

#[test]
fn what_is_damaged_is_left_as_it_is() {
    type Damage = fn(&mut Vec<u8>);
    let cases: [(&str, Damage, &str); 5] = [
        ("peers.redb", |bytes| bytes.truncate(100), "is damaged (it is cut off) and was left as it is"),
        ("peers.redb", |bytes| bytes[0] ^= 1, "is damaged (it is no redb database) and was left as it is"),
        ("peers.redb", Vec::clear, "is damaged (it is empty) and was left as it is"),
        (
            "node.key",
            Vec::clear,
            "it is empty; expected a libp2p key in protobuf form; put a copy of it back",
        ),
        (
            "node.key",
            |bytes| bytes[10] ^= 1,
            "the private and the public half of the key do not belong together; put a copy of it back",
        ),
    ];
    for (number, (name, damage, expected)) in cases.into_iter().enumerate() {
        let path = place(&format!("repo_damaged_{number}"));
        drop(listener(&path));
        let file = path.join(name);
        let mut bytes = fs::read(&file).expect("it is there");
        damage(&mut bytes);
        fs::write(&file, &bytes).expect("it can be written");
        let run = refused(&path);
        let failure = run.failure();
        assert!(failure.contains(text(&file)) && failure.contains(expected), "{failure}");
        assert!(fs::read(&file).expect("it is still there") == bytes, "{name} was changed");
        assert_eq!(run.stdout, "");
    }
}

#[test]
fn places_that_are_no_repo() {
    let file = folder("repo_no_directory").join("file");
    fs::write(&file, "text").expect("it can be written");
    let expected = format!("{} is no directory, as a repo is; choose another place", file.display());
    assert_eq!(refused(&file).failure(), expected);
    // A command that does not get as far as a node makes none.
    let path = place("repo_not_made");
    node(&["ping", "nowhere", "--repo", text(&path)]).failure();
    assert!(!path.exists());
}

#[cfg(unix)]
#[test]
fn directories_that_cannot_be_written() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    /// As root, who may write everywhere, the program runs as this user.
    const NOBODY: u32 = 65_534;
    let path = place("repo_read_only");
    drop(listener(&path));
    let parent = path.parent().expect("it has one").to_owned();
    let set = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the mode can be set");
    };
    set(&path.join("peers.redb"), 0o444);
    set(&path, 0o555);
    set(&parent, 0o555);
    let fresh = parent.join("fresh");
    for (repo, file) in [(&path, path.join("peers.redb")), (&fresh, fresh.clone())] {
        let mut command = command(&["listen", "--repo", text(repo)]);
        if fs::File::create(parent.join("probe")).is_ok() {
            command.uid(NOBODY).gid(NOBODY);
        }
        // Where that user cannot reach the program there is nothing to see.
        if let Ok(output) = command.output() {
            let expected = format!(
                "error: {} cannot be written: Permission denied (os error 13); a repo needs a directory that can be written\n",
                file.display()
            );
            assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
        }
    }
    set(&path, 0o700);
    set(&parent, 0o700);
}

#[test]
fn a_later_version() {
    use redb::{Database, TableDefinition};
    let path = place("repo_later_version");
    drop(listener(&path));
    let file = path.join("peers.redb");
    let database = Database::open(&file).expect("a database");
    let write = database.begin_write().expect("it can be written");
    let table: TableDefinition<'_, (), u64> = TableDefinition::new("version");
    write.open_table(table).expect("it is there").insert((), 9).expect("it can be written");
    write.commit().expect("it can be written");
    drop(database);
    let expected = format!(
        "{} has version 9, and this program knows versions up to 1; use the program that wrote it, or a newer one",
        file.display()
    );
    assert_eq!(refused(&path).failure(), expected);
}

#[test]
fn whom_a_node_has_met_the_next_one_finds_by_the_peer_id_alone() {
    let (path, other) = (place("repo_met"), Listener::start(&[]));
    let repo = ["--repo", text(&path)];
    node(&[&["ping", &other.address, "1"], &repo[..]].concat()).success();
    let known = peerwork(&["--json", "peers", repo[0], repo[1], other.peer()]).json();
    assert_eq!(known[0]["peer"], other.peer());
    assert_eq!(known[0]["addrs"][0]["addr"], other.transport_address());
    assert!(known[0]["addrs"][0]["reached"].is_u64(), "{known:?}");
    assert_eq!(known[0]["agentVersion"], concat!("peerwork/", env!("CARGO_PKG_VERSION")));
    let target = format!("/p2p/{}", other.peer());
    for arguments in [&["ping", other.peer(), "1"][..], &["ping", &target, "1"], &["dial", other.peer()]] {
        node(&[arguments, &repo].concat()).success();
    }
}

#[cfg(unix)]
#[test]
fn changes_are_saved_at_the_end() {
    let outdated_peer = outdated("repo_saved");
    let listener = listener(&outdated_peer.0);
    assert!(is_stored(&outdated_peer), "not yet");
    let ended = stop(listener);
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    assert!(!is_stored(&outdated_peer));

    // Also by a command that fails, or is interrupted while its peer hangs.
    let outdated_peer = outdated("repo_saved_by_ping");
    node(&["ping", "/ip4/127.0.0.1/tcp/1", "--repo", text(&outdated_peer.0)]).failure();
    assert!(!is_stored(&outdated_peer));

    let (outdated_peer, other) = (outdated("repo_saved_when_interrupted"), Listener::start(&[]));
    let ping = ["--json", "ping", &other.address, "4000000000", "--repo", text(&outdated_peer.0)];
    let running = Running::start(&[&ping[..], &SECIO_MPLEX].concat());
    assert_eq!(json(&running.line())["event"], "connected");
    other.running.signal("STOP");
    running.signal("INT");
    let last = running.finish().json().pop().expect("an outcome");
    assert_eq!((&last["ok"], &last["error"]), (&false.into(), &"interrupted".into()));
    assert!(!is_stored(&outdated_peer));
}

/// A node whose files may not grow any more sees what a full disk looks like.
#[cfg(unix)]
#[test]
fn a_disk_that_becomes_full_stops_no_node() {
    let outdated_peer = outdated("repo_full");
    let path = &outdated_peer.0;
    let program = command(&[&["--json", "listen", "--repo", text(path)][..], &SECIO_MPLEX].concat());
    // Without the signal, the system answers with an error.
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]).arg(program.get_program()).args(program.get_args());
    shell.stdin(std::process::Stdio::null());
    shell.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let running = Running::spawn(shell);
    let address = json(&running.line())["addr"].as_str().expect("an address").to_owned();
    let id = running.id().try_into().expect("a process id");
    rlimit::prlimit(id, rlimit::Resource::FSIZE, Some((0, 0)), None).expect("it is ours");
    node(&["ping", &address, "1"]).success();
    running.signal("INT");
    let ended = running.finish();
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let expected = format!(
        "new peers cannot be saved for now error={} cannot be written: File too large (os error 27); make some room on the disk\n",
        path.join("peers.redb").display()
    );
    assert!(ended.stderr.ends_with(&expected) && ended.stderr.lines().count() == 1, "{ended:?}");
    assert!(is_stored(&outdated_peer));
}

#[test]
fn a_peer_id_alone_needs_an_address_in_the_repo() {
    let (path, _) = filled("repo_known", "/ip4/127.0.0.1/tcp/1", None);
    let nobody = "12D3KooWGC4xFJuUyKaiYNmeh9JcL6kVm3BGPv3MNYVU9VtsRaoV";
    let expected = format!(
        "cannot connect to /p2p/{nobody}: no address of this peer is known; say one, or use the --repo of a node that has met it"
    );
    for target in [nobody, &format!("/p2p/{nobody}")] {
        for command in ["ping", "identify", "echo", "perf"] {
            let run = node(&[command, target, "--repo", text(&path)]);
            assert_eq!(run.failure(), expected, "{command}");
        }
    }
}
