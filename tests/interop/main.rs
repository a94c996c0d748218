//! Pairs of programs over TCP on loopback: `peerwork` with nodes of other implementations. See `README.md`.

mod pairs;
mod peers;
mod program;

use pairs::{Case, Commands, check, pair};

/// What every peer must be able to do, and with which options.
const BASICS: [Case; 5] = [
    Case { commands: Commands::All, ..Case::named("Ed25519 identities") },
    Case {
        theirs: &["--security", "noise,secio"],
        ..Case::named("a security protocol that only the peer has")
    },
    Case { both: &["--key", "secp256k1"], ..Case::named("secp256k1 identities") },
    Case { both: &["--key", "rsa"], crypto: &["fast"], ..Case::named("RSA identities") },
    Case {
        theirs: &["--key", "rsa"],
        crypto: &["portable"],
        ..Case::named("the peer's identity is RSA, with which the portable provider does not sign")
    },
];

/// What only rust-old can be told.
const RUST_OLD: [Case; 4] = [
    Case { theirs: &["--lazy"], commands: Commands::All, ..Case::named("lazy negotiation") },
    Case {
        theirs: &["--lazy", "--security", "noise,secio", "--muxer", "yamux,mplex"],
        ..Case::named("lazy negotiation of the second proposal")
    },
    Case { theirs: &["--exchanges", "p384"], ..Case::named("P-384") },
    Case { theirs: &["--ciphers", "aes256", "--digests", "sha512"], ..Case::named("AES-256 and SHA-512") },
];

#[test]
fn peerwork_dials_js_old() {
    let Some(js_old) = peers::js_old() else { return };
    check(&BASICS, |case, crypto| pair(&case.theirs(&js_old), &case.ours(crypto), case.commands));
}

#[test]
fn js_old_dials_peerwork() {
    let Some(js_old) = peers::js_old() else { return };
    check(&BASICS, |case, crypto| pair(&case.ours(crypto), &case.theirs(&js_old), case.commands));
}

#[test]
fn peerwork_dials_rust_old() {
    let Some(rust_old) = peers::rust_old() else { return };
    let cases = [&BASICS[..], &RUST_OLD].concat();
    check(&cases, |case, crypto| pair(&case.theirs(&rust_old), &case.ours(crypto), case.commands));
}

#[test]
fn rust_old_dials_peerwork() {
    let Some(rust_old) = peers::rust_old() else { return };
    let cases = [&BASICS[..], &RUST_OLD].concat();
    check(&cases, |case, crypto| pair(&case.ours(crypto), &case.theirs(&rust_old), case.commands));
}

/// When this fails, the test bed is broken and not peerwork.
#[test]
fn the_peers_dial_each_other() {
    let (Some(js_old), Some(rust_old)) = (peers::js_old(), peers::rust_old()) else { return };
    for (listener, dialer) in [(&js_old, &rust_old), (&rust_old, &js_old)] {
        check(&BASICS[..1], |case, _| pair(&case.theirs(listener), &case.theirs(dialer), case.commands));
    }
}

#[test]
fn a_failed_command_tells_what_the_program_said() {
    for peer in [peers::js_old(), peers::rust_old()].into_iter().flatten() {
        let nobody = "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWGC4xFJuUyKaiYNmeh9JcL6kVm3BGPv3MNYVU9VtsRaoV";
        let error = peer.run(&["ping", nobody]).expect_err("nothing listens there");
        assert!(error.contains("exit status: 1") && error.contains(r#""ok":false"#), "{error}");
    }
}
