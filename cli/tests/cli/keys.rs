//! Key files.

use crate::program::{Listener, folder, json, node, peerwork};
use std::fs;
use std::path::Path;

#[track_caller]
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("the path is text")
}

/// Writes a file as the program would: for its owner only.
pub(crate) fn write_private(path: &Path, contents: &[u8]) {
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
        "the key file {}: it exists already and is not overwritten; choose another name",
        text(&path)
    );
    assert_eq!(again.failure(), expected);
    assert_eq!(fs::read(&path).expect("the file is still there"), before);
}

#[test]
#[cfg_attr(not(feature = "aws-lc"), ignore = "the program has no fast crypto provider")]
fn keys_of_every_type() {
    let folder = folder("keys_of_every_type");
    let cases = [("ed25519", "12D3KooW"), ("secp256k1", "16Uiu2HA"), ("ecdsa", "Qm"), ("rsa", "Qm")];
    for (key_type, start_of_id) in cases {
        let path = folder.join(key_type);
        let keygen = ["--json", "keygen", "--type", key_type, "--out", text(&path)];
        let key = json(peerwork(&keygen).success().trim_end());
        assert_eq!(key["type"], key_type);
        assert!(key["peer"].as_str().is_some_and(|peer| peer.starts_with(start_of_id)), "{key}");
        // The only provider that signs with RSA keys is the fast one.
        for crypto in
            ["portable", "fast"].into_iter().filter(|crypto| (key_type, *crypto) != ("rsa", "portable"))
        {
            let listener = Listener::start(&["--key-file", text(&path), "--crypto", crypto]);
            assert_eq!(key["peer"], listener.peer());
            node(&["ping", &listener.address, "1", "--key", key_type, "--crypto", crypto]).success();
            node(&["ping", &listener.address, "1", "--crypto", "portable"]).success();
        }
    }
}

#[test]
#[cfg_attr(not(feature = "aws-lc"), ignore = "the program has no fast crypto provider")]
fn the_portable_provider_refuses_an_rsa_key_at_the_start() {
    let expected = "the portable crypto provider does not sign with RSA keys; use --crypto fast, or a key of another type";
    assert_eq!(peerwork(&["listen", "--key", "rsa", "--crypto", "portable"]).failure(), expected);
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
fn no_key_file() {
    let folder = folder("no_key_file");
    let path = folder.join("missing");
    let expected = format!("the key file {}: there is no such file; peerwork keygen makes one", text(&path));
    assert_eq!(peerwork(&["demo", "--key-file", text(&path)]).failure(), expected);
    for no_file in [text(&folder), "/dev/null"] {
        let expected =
            format!("the key file {no_file}: it is no ordinary file; use a file that peerwork keygen made");
        assert_eq!(peerwork(&["demo", "--key-file", no_file]).failure(), expected);
    }
    let run = peerwork(&["keygen", "--out", text(&folder.join("missing/node.key"))]);
    assert!(run.failure().contains(": it cannot be written: "), "{run:?}");
}

#[test]
fn a_node_does_not_dial_itself() {
    let path = folder("a_node_does_not_dial_itself").join("node.key");
    peerwork(&["keygen", "--out", text(&path)]).success();
    let listener = Listener::start(&["--key-file", text(&path)]);
    for (address, what) in [
        (listener.address.as_str(), "this is the node itself"),
        (listener.transport_address(), "this address leads back to this node itself"),
    ] {
        let expected =
            format!("cannot connect to {address}: {what}; use another address, or another key file");
        assert_eq!(node(&["ping", address, "--key-file", text(&path)]).failure(), expected);
    }
}
