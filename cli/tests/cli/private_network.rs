//! Private networks: their key files, and who can talk to whom.

use crate::keys::{text, write_private};
use crate::program::{Listener, Running, SECIO_MPLEX, folder, json, node, peerwork};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Makes a key file and gives its path and fingerprint.
#[track_caller]
fn keygen(folder: &Path, name: &str) -> (PathBuf, String) {
    let path = folder.join(name);
    let run = peerwork(&["--json", "keygen", "--private-network", text(&path)]);
    let made = json(run.success().trim_end());
    assert_eq!((made["ok"].as_bool(), &made["file"]), (Some(true), &text(&path).into()));
    let fingerprint = made["fingerprint"].as_str().expect("a fingerprint").to_owned();
    (path, fingerprint)
}

#[test]
fn members_talk_and_others_do_not() {
    let folder = folder("private_network");
    let (ours, fingerprint) = keygen(&folder, "swarm.key");
    let (other, other_fingerprint) = keygen(&folder, "other.key");
    assert_ne!(fingerprint, other_fingerprint);
    let contents = fs::read_to_string(&ours).expect("the file is there");
    assert!(contents.starts_with("/key/swarm/psk/1.0.0/\n/base16/\n"));
    let again = peerwork(&["keygen", "--private-network", text(&ours)]);
    assert!(again.failure().ends_with("it exists already and is not overwritten; choose another name"));

    let listener = Listener::start(&["--private-network", text(&ours)]);
    let address = listener.address.as_str();
    node(&["ping", address, "1", "--private-network", text(&ours)]).success();
    let echo = node(&["--json", "echo", address, "3000000", "--private-network", text(&ours)]).json();
    assert_eq!(echo.last().expect("a result")["ok"], true);

    let stranger = node(&["ping", address, "--private-network", text(&other)]);
    let advice = "in a private network that is what a peer without the same pre-shared key looks like; see whether the \
                  peer uses the same --private-network file";
    assert!(stranger.failure().ends_with(advice), "{stranger:?}");
    let unprotected = node(&["ping", address]);
    assert!(unprotected.failure().contains("no agreement on a security protocol"), "{unprotected:?}");

    let public = Listener::start(&[]);
    let member = node(&["ping", &public.address, "--private-network", text(&ours)]);
    assert!(member.failure().ends_with(advice), "{member:?}");
}

#[test]
fn bad_key_files() {
    let folder = folder("bad_private_network");
    let cases: [(&str, &[u8], &str); 4] = [
        (
            "empty",
            b"",
            "it is empty; the key file of a private network starts with the line /key/swarm/psk/1.0.0/",
        ),
        (
            "pem",
            b"-----BEGIN",
            "it is no key file of a private network: such a file starts with the line /key/swarm/psk/1.0.0/",
        ),
        (
            "no encoding",
            b"/key/swarm/psk/1.0.0/\n00\n",
            "its second line must say how the key is written: /base16/, /base64/ or /bin/",
        ),
        (
            "short",
            b"/key/swarm/psk/1.0.0/\n/base16/\n0011\n",
            "the key behind /base16/ must be 64 characters long and the last thing in the file; there are 4",
        ),
    ];
    for (name, contents, expected) in cases {
        let path = folder.join(name);
        write_private(&path, contents);
        let run = node(&["listen", "--private-network", text(&path)]);
        let advice = "(peerwork keygen --private-network FILE makes one)";
        assert_eq!(run.failure(), format!("the key file {}: {expected} {advice}", text(&path)));
    }
    for (path, expected) in [
        (folder.join("nowhere"), "there is no such file; peerwork keygen --private-network FILE makes one"),
        (
            folder.clone(),
            "it is no ordinary file; use a file that peerwork keygen --private-network FILE made",
        ),
    ] {
        let run = node(&["ping", "/ip4/127.0.0.1/tcp/1", "--private-network", text(&path)]);
        assert_eq!(run.failure(), format!("the key file {}: {expected}", text(&path)));
    }
}

#[test]
fn the_environment_can_forbid_public_nodes() {
    let run = |forced: &str, options: &[&str]| {
        let arguments = [&["ping", "/ip4/127.0.0.1/tcp/1"], options, &SECIO_MPLEX].concat();
        let environment = [("LIBP2P_FORCE_PNET", forced)];
        Running::start_in(&environment, &arguments, Stdio::piped(), Stdio::piped()).finish()
    };
    let expected = "LIBP2P_FORCE_PNET=1 forbids a node outside of a private network; say with --private-network FILE \
                    which key to use";
    assert_eq!(run("1", &[]).failure(), expected);
    let (key, _) = keygen(&folder("forced"), "swarm.key");
    for allowed in [run("1", &["--private-network", text(&key)]), run("0", &[])] {
        assert!(allowed.failure().contains("connection refused"), "{allowed:?}");
    }
}
