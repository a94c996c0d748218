//! Key files.

use crate::program::{Listener, folder, json, peerwork};
use std::fs;
use std::path::Path;

#[track_caller]
fn text(path: &Path) -> &str {
    path.to_str().expect("the path is text")
}

/// Writes a file as the program would: for its owner only.
fn write_private(path: &Path, contents: &[u8]) {
    fs::write(path, contents).expect("the file can be written");
    set_mode(path, 0o600);
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the mode can be set");
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) {}

#[test]
fn a_key_is_made_once_and_used_again_and_again() {
    let path = folder("a_key_is_made_once").join("node.key");
    let key =
        json(peerwork(&["--json", "keygen", "--type", "ed25519", "--out", text(&path)]).success().trim_end());
    assert_eq!(key["ok"], true);
    assert_eq!(key["command"], "keygen");
    assert_eq!(key["type"], "ed25519");
    assert_eq!(key["file"], text(&path));
    for _ in 0..2 {
        let listener = Listener::start(&["--key-file", text(&path)]);
        assert_eq!(key["peer"], listener.peer());
    }

    let before = fs::read(&path).expect("the file is there");
    let again = peerwork(&["keygen", "--out", text(&path)]);
    let expected = format!(
        "the key file {}: it exists already and is not overwritten; choose another name with --out",
        text(&path)
    );
    assert_eq!(again.failure(), expected);
    assert_eq!(fs::read(&path).expect("the file is still there"), before);
}

#[test]
fn people_are_told_the_peer_id_and_what_to_do() {
    let path = folder("people_are_told").join("node.key");
    let told = peerwork(&["keygen", "--out", text(&path)]).success();
    assert!(told.starts_with("peer id   12D3KooW"), "{told}");
    assert!(told.ends_with(&format!("  peerwork listen --key-file {}\n", text(&path))), "{told}");
}

#[cfg(unix)]
#[test]
fn a_key_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let path = folder("a_key_is_for_its_owner_only").join("node.key");
    peerwork(&["keygen", "--out", text(&path)]).success();
    let mode = fs::metadata(&path).expect("the file is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for mode in [0o640, 0o604, 0o620] {
        set_mode(&path, mode);
        let expected = format!(
            "the key file {}: others can read or change it (mode {mode:o}); make it private with chmod 600",
            text(&path)
        );
        assert_eq!(peerwork(&["listen", "--key-file", text(&path)]).failure(), expected);
    }
}

#[test]
fn wrong_key_files() {
    let folder = folder("wrong_key_files");
    let cases: [(&str, &[u8], &str); 7] = [
        ("empty", b"", "it is empty; expected a libp2p key in protobuf form (peerwork keygen makes one)"),
        (
            "pem",
            b"-----BEGIN PRIVATE KEY-----",
            "it is PEM text; expected a libp2p key in binary protobuf form (peerwork keygen makes one)",
        ),
        (
            "hex",
            b"080112406",
            "it is hex or base64 text; expected a libp2p key in binary protobuf form (peerwork keygen makes one)",
        ),
        (
            "rsa",
            b"\x08\x00\x12\x03abc",
            "the DER of the key is malformed: it has the tag 0x61 where a sequence is expected (peerwork keygen makes one)",
        ),
        (
            "cut",
            b"\x08\x01\x12\x03abc",
            "an Ed25519 private key (the secret, then the public key) has 64 bytes, not 3 (peerwork keygen makes one)",
        ),
        (
            "damaged",
            &[&b"\x08\x01\x12\x40"[..], &[7; 64]].concat(),
            "the private and the public half of the key do not belong together (peerwork keygen makes one)",
        ),
        (
            "large",
            &[0; 20_000],
            "it has more than 16384 bytes, which no key has; use a file that peerwork keygen made",
        ),
    ];
    for (name, contents, expected) in cases {
        let path = folder.join(name);
        write_private(&path, contents);
        let run = peerwork(&["listen", "--key-file", text(&path)]);
        assert_eq!(run.failure(), format!("the key file {}: {expected}", text(&path)));
    }
}

#[test]
fn no_key_file() {
    let folder = folder("no_key_file");
    let path = folder.join("missing");
    let expected =
        format!("the key file {}: there is no such file; peerwork keygen --out FILE makes one", text(&path));
    assert_eq!(peerwork(&["demo", "--key-file", text(&path)]).failure(), expected);
    let run = peerwork(&["demo", "--key-file", text(&folder)]);
    assert!(run.failure().contains("it cannot be read: is a directory"), "{run:?}");
    let run = peerwork(&["keygen", "--out", text(&folder.join("missing/node.key"))]);
    assert!(run.failure().contains(": it cannot be written: "), "{run:?}");
}

#[test]
fn a_node_does_not_dial_itself() {
    let path = folder("a_node_does_not_dial_itself").join("node.key");
    peerwork(&["keygen", "--out", text(&path)]).success();
    let listener = Listener::start(&["--key-file", text(&path)]);
    for address in [listener.address.as_str(), listener.transport_address()] {
        let expected = format!(
            "cannot connect to {address}: this address leads back to this node itself; use another address, or \
             another key file"
        );
        assert_eq!(peerwork(&["ping", address, "--key-file", text(&path)]).failure(), expected);
    }
}
