//! The peers of a repo.

use crate::keys::text;
use crate::program::{folder, json, peerwork};
use peerwork_repo::{Repo, RepoError};
use peerwork_tokio::core::identity::{Keypair, PeerId};
use peerwork_tokio::core::peer_book::{Origin, PeerChange, StoredAddress, StoredPeer};
use peerwork_tokio::core::seed::Seed;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn keypair(number: u64) -> Keypair {
    Keypair::generate_ed25519(&mut Seed::reproducible(number))
}

fn peer(number: u64) -> PeerId {
    keypair(number).public().to_peer_id()
}

fn stored(number: u64) -> StoredPeer {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let seconds = |seconds| Duration::from_secs(now.as_secs() + seconds);
    let address = |text: &str, origin, expires, reached| {
        let address = text.parse().expect("an address");
        StoredAddress { address, origin, expires, reached }
    };
    StoredPeer {
        peer: peer(number),
        addresses: vec![
            address(
                "/ip4/192.0.2.1/tcp/4001",
                Origin::Record,
                Some(seconds(7_300)),
                Some(now - Duration::from_secs(310)),
            ),
            address("/dns4/example.com/tcp/4001", Origin::User, None, None),
            address("/ip4/192.0.2.1/tcp/1", Origin::Dialed, Some(now - Duration::from_secs(1)), None),
        ],
        record_sequence: Some(7),
        agent_version: Some(format!("node/{number}")),
        protocols: vec!["/a/1".parse().expect("a protocol")],
    }
}

/// A repo of node 0 with the peers 1 and 2.
fn repo(test: &str) -> (PathBuf, Repo) {
    let path = folder(test).join("repo");
    let mut repo = Repo::open(&path).expect("a new repo");
    repo.keypair(|| Ok::<_, RepoError>(keypair(0))).expect("a new key");
    let changes = [1, 2].map(|number| PeerChange { peer: peer(number), entry: Some(stored(number)) });
    repo.save(&changes).expect("there is room");
    (path, repo)
}

fn peers(path: &Path, more: &[&str]) -> crate::program::Finished {
    peerwork(&[&["peers", "--repo", text(path)], more].concat())
}

#[test]
fn people_see_who_is_remembered_and_where() {
    let (path, _in_use) = repo("peers_text");
    let run = peers(&path, &[]).success();
    for number in [1, 2] {
        let rows = format!(
            "{}  node/{number}
  /ip4/192.0.2.1/tcp/4001     signed record  reached 5 min ago  kept for 2 h
  /dns4/example.com/tcp/4001  user           never reached      kept
  /ip4/192.0.2.1/tcp/1        dialled        never reached      expired
",
            peer(number)
        );
        assert!(run.contains(&rows), "{run}");
    }
    assert!(run.ends_with(&format!("2 peers in the repo of {}\n", peer(0))), "{run}");

    let one = peers(&path, &[&peer(2).to_string()]).success();
    assert!(one.contains("  speaks /a/1\n") && one.contains("node/2") && !one.contains("node/1"), "{one}");
    assert!(one.ends_with(&format!("1 peer in the repo of {}\n", peer(0))), "{one}");
}

#[test]
fn programs_get_all_of_it() {
    let (path, _in_use) = repo("peers_json");
    let lines = peers(&path, &["--json"]).json();
    assert_eq!(lines.len(), 3);
    let one = lines.iter().find(|line| line["peer"] == peer(1).to_string()).expect("it is there");
    assert_eq!((&one["event"], &one["agentVersion"]), (&"peer".into(), &"node/1".into()));
    assert_eq!((&one["recordSequence"], &one["protocols"][0]), (&7.into(), &"/a/1".into()));
    let [first, second, _] = &one["addrs"].as_array().expect("a list")[..] else { panic!("{one}") };
    assert_eq!(
        (&first["addr"], &first["origin"]),
        (&"/ip4/192.0.2.1/tcp/4001".into(), &"signed record".into())
    );
    assert!(first["expires"].is_u64() && first["reached"].is_u64());
    assert!(second["expires"].is_null() && second["reached"].is_null());
    let last = &lines[2];
    assert_eq!((&last["ok"], &last["command"], &last["peers"]), (&true.into(), &"peers".into(), &2.into()));
    assert_eq!((&last["repo"], &last["node"]), (&text(&path).into(), &peer(0).to_string().into()));
}

#[test]
fn what_cannot_be_shown() {
    let (path, in_use) = repo("peers_errors");
    drop(in_use);
    let folder = path.parent().expect("it has one");
    let nowhere = folder.join("nowhere");
    let file = path.join("node.key");
    let nobody = peer(9).to_string();
    let cases = [
        (
            &nowhere,
            None,
            format!("there is no repo at {0}; peerwork listen --repo {0} makes one", nowhere.display()),
        ),
        (&file, None, format!("{} is no directory, as a repo is; choose another place", file.display())),
        (&path, Some("12D3KooW"), "'12D3KooW': the multihash of the peer id has a wrong length".to_owned()),
        (
            &path,
            Some("me"),
            "'me': a peer id starts with 12D3KooW, 16Uiu2 or Qm, or is a CID that starts with b, k, z or f"
                .to_owned(),
        ),
        (
            &path,
            Some(nobody.as_str()),
            format!("{nobody} is not in the repo; peerwork peers --repo {} lists who is", path.display()),
        ),
    ];
    for (path, peer, expected) in cases {
        assert_eq!(peers(path, peer.as_slice()).failure(), expected);
    }
    let damaged = path.join("peers.redb");
    fs::write(&damaged, "cats").expect("it can be written");
    let run = peers(&path, &["--json"]);
    assert_eq!(run.status, Some(1));
    let error = json(run.stdout.trim_end())["error"].as_str().map(str::to_owned);
    let expected = format!(
        "{} is damaged (it is no redb database) and was left as it is; put a copy of it back, or move it away to start with an empty peer book",
        damaged.display()
    );
    assert_eq!(error, Some(expected));
}
