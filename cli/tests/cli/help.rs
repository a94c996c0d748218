//! Help, and wrong usage.

use crate::program::peerwork;

const COMMANDS: [&str; 9] = ["demo", "listen", "dial", "ping", "identify", "echo", "perf", "peers", "keygen"];

#[test]
fn help_names_every_command() {
    let help = peerwork(&["--help"]).success();
    for name in COMMANDS {
        assert!(help.contains(&format!("\n  {name} ")), "{name}: {help}");
    }
    assert!(help.contains("--json") && help.contains("--verbose"), "{help}");
}

#[test]
fn a_command_that_runs_a_node_has_the_options_of_nodes() {
    let options = [
        "security",
        "muxer",
        "key",
        "key-file",
        "repo",
        "runtime",
        "crypto",
        "secio-secret",
        "timeout",
        "json",
    ];
    for name in COMMANDS {
        let help = peerwork(&[name, "--help"]).success();
        for option in options {
            let is_expected = match name {
                "peers" => ["repo", "json"].contains(&option),
                "keygen" => option == "json",
                _ => true,
            };
            let is_there = help.contains(&format!("\n      --{option}"));
            assert_eq!(is_there, is_expected, "{name} {option}: {help}");
        }
    }
    let help = peerwork(&["ping", "--help"]).success();
    assert!(help.contains("--security <LIST>") && help.contains("[default: 20]"), "{help}");
}

#[test]
fn every_command_has_an_example() {
    for name in COMMANDS {
        for help in [peerwork(&[name, "--help"]), peerwork(&["help", name])] {
            let help = help.success();
            assert!(
                help.contains("Example") && help.contains(&format!("\n  peerwork {name}")),
                "{name}: {help}"
            );
        }
    }
}

#[test]
fn the_bare_program_prints_help() {
    let bare = peerwork(&[]);
    assert_eq!(bare.status, Some(2));
    assert!(bare.stderr.contains("Usage: peerwork") && bare.stderr.contains("peerwork demo"), "{bare:?}");
}

#[test]
fn the_version_is_the_package_version() {
    assert_eq!(peerwork(&["--version"]).success(), concat!("peerwork ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
#[cfg_attr(not(feature = "aws-lc"), ignore = "the program has no fast crypto provider")]
fn wrong_usage_exits_with_status_2() {
    let cases: [(&[&str], &str); 29] = [
        (&["dance"], "unrecognized subcommand 'dance'"),
        (&["ping"], "<ADDRESS>"),
        (&["ping", "/ip4/127.0.0.1/tcp/1", "0"], "invalid value '0' for '[COUNT]'"),
        (&["echo", "/ip4/127.0.0.1/tcp/1", "many"], "invalid value 'many' for '[BYTES]'"),
        (&["echo", "/ip4/127.0.0.1/tcp/1", "1", "2"], "unexpected argument '2'"),
        (&["listen", "--security", "tls1"], "[possible values: tls, noise, secio, plaintext]"),
        (&["listen", "--security", "secio,"], "[possible values: tls, noise, secio, plaintext]"),
        (&["listen", "--muxer", "spdy"], "[possible values: yamux, mplex]"),
        (&["listen", "--key", "dsa"], "[possible values: ed25519, secp256k1, ecdsa, rsa]"),
        (&["keygen", "--type", "dsa"], "[possible values: ed25519, secp256k1, ecdsa, rsa]"),
        (&["listen", "--runtime", "none"], "[possible values: tokio, smol, async-std]"),
        (&["listen", "--crypto", "slow"], "[possible values: fast, portable]"),
        (&["listen", "--secio-secret", "half"], "[possible values: full, stripped]"),
        (&["listen", "--key", "ed25519", "--key-file", "x"], "cannot be used with '--key-file <FILE>'"),
        (&["listen", "--repo", "x", "--key-file", "y"], "cannot be used with '--key-file <FILE>'"),
        (&["--key", "ed25519", "listen", "--key-file", "x"], "'listen --key' exists"),
        (&["--security", "secio", "listen"], "'listen --security' exists"),
        (&["peers"], "--repo <PATH>"),
        (&["keygen", "--key-file", "x"], "unexpected argument '--key-file'"),
        (&["keygen", "--security", "secio"], "unexpected argument '--security'"),
        (&["keygen", "--timeout", "1"], "unexpected argument '--timeout'"),
        (
            &["listen", "--block", "localhost"],
            "neither a range of addresses, such as 192.0.2.0/24, nor a peer id",
        ),
        (
            &["listen", "--allow", "10.0.0.0/33"],
            "the length of the prefix, behind the '/', is a number from 0 to 32 here",
        ),
        (&["listen", "--allow", "10.0.0.1/8"], "the range is 10.0.0.0/8, and a single address has no '/'"),
        (&["listen", "--block", "/ip4/10.0.0.1"], "expected one such as 192.0.2.0/24 or 2001:db8::/32"),
        (&["listen", "--max-connections", "-1"], "unexpected argument '-1'"),
        (&["listen", "--high-water", "9"], "--low-water <COUNT>"),
        (&["ping", "--block", "10.0.0.1"], "unexpected argument '--block'"),
        (&["listen", "--timeout", "0"], "a number of seconds from 0.001 to 86400"),
    ];
    for (arguments, expected) in cases {
        let run = peerwork(arguments);
        assert_eq!(run.status, Some(2), "{run:?}");
        assert!(run.stderr.contains(expected), "{arguments:?}: {}", run.stderr);
        assert_eq!(run.stdout, "", "{arguments:?}");
    }
}
