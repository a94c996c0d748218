//! Pairs of programs over TCP on loopback: `peerwork` with nodes of other implementations. See `README.md`.

mod pairs;
mod peers;
mod program;

use pairs::{Case, dial, introduce, listen, refuse};

/// What a peer of the past must be able to do.
const OLD: [Case; 6] = [
    Case::new("secio and mplex", "secio", "mplex").with_echoes(),
    Case::new("noise and mplex", "noise", "mplex").with_echoes().only("fast"),
    Case::new("a security protocol that only the peer has", "secio", "mplex")
        .they_speak("noise,secio", "mplex")
        .only("fast"),
    Case::new("secp256k1 identities", "secio", "mplex").both("--key secp256k1"),
    Case::new("RSA identities", "secio", "mplex").both("--key rsa").only("fast"),
    Case::new("the peer's identity is RSA, with which the portable provider does not sign", "secio", "mplex")
        .theirs("--key rsa")
        .only("portable"),
];

/// The same on the other runtimes of `peerwork`.
const OLD_ELSEWHERE: [Case; 2] = [
    Case::new("on smol", "secio", "mplex").ours("--runtime smol").with_echoes().only("fast"),
    Case::new("on async-std", "secio", "mplex").ours("--runtime async-std").with_echoes().only("fast"),
];

/// What else rust-old can do.
const RUST_OLD: [Case; 7] = [
    Case::new("noise and yamux", "noise", "yamux").with_echoes().only("fast"),
    Case::new("lazy, secio and mplex", "secio", "mplex").theirs("--lazy").with_echoes(),
    Case::new("lazy, noise and mplex", "noise", "mplex").theirs("--lazy").with_echoes().only("fast"),
    Case::new("lazy, noise and yamux", "noise", "yamux").theirs("--lazy").with_echoes().only("fast"),
    Case::new("lazy, the second proposal", "secio", "mplex")
        .they_speak("noise,secio", "yamux,mplex")
        .theirs("--lazy"),
    Case::new("P-384", "secio", "mplex").theirs("--exchanges p384"),
    Case::new("AES-256 and SHA-512", "secio", "mplex").theirs("--ciphers aes256 --digests sha512"),
];

/// What a peer of today must be able to do.
const NEW: [Case; 10] = [
    Case::new("noise and yamux", "noise", "yamux").with_echoes(),
    Case::new("noise and mplex", "noise", "mplex").with_echoes().only("fast"),
    Case::new("TLS and yamux", "tls", "yamux").with_echoes(),
    Case::new("TLS and mplex", "tls", "mplex").only("fast"),
    Case::new("plaintext and yamux", "plaintext", "yamux").only("portable"),
    Case::new("secp256k1 identities, noise", "noise", "yamux").both("--key secp256k1").only("portable"),
    Case::new("secp256k1 identities, TLS", "tls", "yamux").both("--key secp256k1").only("fast"),
    Case::new("the dialer's preferred security protocol", "tls,noise", "yamux")
        .they_speak("noise,tls", "yamux")
        .only("fast"),
    Case::new("the dialer's preferred muxer", "tls", "mplex,yamux")
        .they_speak("tls", "yamux,mplex")
        .only("fast"),
    Case::new("protocols that only one of them has", "secio,tls", "mplex")
        .they_speak("noise,tls", "yamux,mplex")
        .only("fast"),
];

/// The same on the other runtimes of `peerwork`.
const NEW_ELSEWHERE: [Case; 4] = [
    Case::new("noise on smol", "noise", "yamux").ours("--runtime smol").with_echoes().only("portable"),
    Case::new("TLS on smol", "tls", "yamux").ours("--runtime smol").with_echoes().only("fast"),
    Case::new("noise on async-std", "noise", "yamux")
        .ours("--runtime async-std")
        .with_echoes()
        .only("portable"),
    Case::new("TLS on async-std", "tls", "yamux").ours("--runtime async-std").with_echoes().only("fast"),
];

/// What else js-new can do.
const JS_NEW: [Case; 4] = [
    Case::new("RSA identities, noise", "noise", "yamux").both("--key rsa").only("fast"),
    Case::new("RSA identities, TLS", "tls", "yamux").both("--key rsa").only("fast"),
    Case::new("the peer's identity is RSA, noise", "noise", "yamux").theirs("--key rsa").only("portable"),
    Case::new("the peer's identity is RSA, TLS", "tls", "yamux").theirs("--key rsa").only("portable"),
];

/// What else rust-new can do.
const RUST_NEW: [Case; 7] = [
    Case::new("lazy, noise and yamux", "noise", "yamux").theirs("--lazy").with_echoes().only("fast"),
    Case::new("lazy, TLS and yamux", "tls", "yamux").theirs("--lazy").only("fast"),
    Case::new("lazy, the second proposal", "noise", "mplex")
        .they_speak("tls,noise", "yamux,mplex")
        .theirs("--lazy")
        .only("fast"),
    Case::new("the dialer's preferred muxer, noise", "noise", "mplex,yamux")
        .they_speak("noise", "yamux,mplex")
        .only("fast"),
    Case::new("ECDSA identities, noise", "noise", "yamux").both("--key ecdsa").only("portable"),
    Case::new("ECDSA identities, TLS", "tls", "yamux").both("--key ecdsa").only("fast"),
    Case::new("our identity is RSA", "tls", "yamux").ours("--key rsa").only("fast"),
];

/// That the test bed works.
const BED: [Case; 1] = [Case::new("noise and mplex", "noise", "mplex").only("portable")];

/// Peers of today without a security protocol in common with `peerwork`.
const NO_SECURITY: [Case; 2] = [
    Case::new("only noise, only secio", "secio", "yamux").they_speak("noise", "yamux").only("portable"),
    Case::new("noise and TLS, plaintext", "noise,tls", "yamux")
        .they_speak("plaintext", "yamux")
        .only("portable"),
];

/// Peers of today without a muxer in common with `peerwork`.
const NO_MUXER: [Case; 3] = [
    Case::new("noise", "noise", "mplex").they_speak("noise", "yamux").only("portable"),
    Case::new("TLS", "tls", "yamux").they_speak("tls", "mplex").only("portable"),
    Case::new("plaintext", "plaintext", "mplex").they_speak("plaintext", "yamux").only("portable"),
];

#[test]
fn peerwork_dials_js_old() {
    let Some(js_old) = peers::js_old() else { return };
    dial(&js_old, &[&OLD[..], &OLD_ELSEWHERE].concat());
}

#[test]
fn js_old_dials_peerwork() {
    let Some(js_old) = peers::js_old() else { return };
    listen(&js_old, &[&OLD[..], &OLD_ELSEWHERE].concat());
}

#[test]
fn peerwork_dials_rust_old() {
    let Some(rust_old) = peers::rust_old() else { return };
    dial(&rust_old, &[&OLD[..], &RUST_OLD].concat());
}

#[test]
fn rust_old_dials_peerwork() {
    let Some(rust_old) = peers::rust_old() else { return };
    listen(&rust_old, &[&OLD[..], &RUST_OLD].concat());
}

#[test]
fn peerwork_dials_js_new() {
    let Some(js_new) = peers::js_new() else { return };
    dial(&js_new, &[&NEW[..], &NEW_ELSEWHERE, &JS_NEW].concat());
}

#[test]
fn js_new_dials_peerwork() {
    let Some(js_new) = peers::js_new() else { return };
    listen(&js_new, &[&NEW[..], &NEW_ELSEWHERE, &JS_NEW].concat());
}

#[test]
fn peerwork_dials_rust_new() {
    let Some(rust_new) = peers::rust_new() else { return };
    dial(&rust_new, &[&NEW[..], &RUST_NEW].concat());
}

#[test]
fn rust_new_dials_peerwork() {
    let Some(rust_new) = peers::rust_new() else { return };
    listen(&rust_new, &[&NEW[..], &RUST_NEW].concat());
}

#[test]
fn without_a_protocol_in_common_peerwork_says_so() {
    for peer in [peers::js_new(), peers::rust_new()].into_iter().flatten() {
        refuse(&peer, "security protocol", &NO_SECURITY);
        refuse(&peer, "muxer", &NO_MUXER);
    }
}

/// When this fails, the test bed is broken and not peerwork.
#[test]
fn the_peers_dial_each_other() {
    let past = (peers::js_old(), peers::rust_old());
    let today = (peers::js_new(), peers::rust_new());
    for pair in [past, today] {
        let (Some(js), Some(rust)) = pair else { continue };
        introduce(&js, &rust, &BED);
        introduce(&rust, &js, &BED);
    }
}

#[test]
fn a_failed_command_tells_what_the_program_said() {
    let peers = [peers::js_old(), peers::js_new(), peers::rust_old(), peers::rust_new()];
    for peer in peers.into_iter().flatten() {
        let nobody = "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWGC4xFJuUyKaiYNmeh9JcL6kVm3BGPv3MNYVU9VtsRaoV";
        let error = peer.run(&["ping", nobody]).expect_err("nothing listens there");
        assert!(error.contains("exit status: 1") && error.contains(r#""ok":false"#), "{error}");
    }
}
