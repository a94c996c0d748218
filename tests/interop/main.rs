//! Pairs of programs over TCP on loopback: `peerwork` with nodes of other implementations. See `README.md`.

mod peers;
mod program;

use program::Program;

const SECIO_MPLEX: [&str; 4] = ["--security", "secio", "--muxer", "mplex"];

/// Runs every command of `dialer` against one `listener`.
fn pair(listener: &Program, dialer: &Program, options: &[&str]) {
    let listener = listener.listen(options).unwrap_or_else(|error| panic!("{error}"));
    let run = |command: &[&str]| dialer.run(command, options).unwrap_or_else(|error| panic!("{error}"));

    let ping = run(&["ping", listener.addr(), "3"]);
    assert_eq!(ping["rtt_ms"].as_array().map(Vec::len), Some(3), "{ping}");

    let identify = run(&["identify", listener.addr()]);
    assert_eq!(identify["peer"], listener.peer(), "{identify}");
    let protocols = identify["protocols"].as_array().expect("identify lists protocols");
    for protocol in ["/ipfs/ping/1.0.0", "/ipfs/id/1.0.0", "/echo/1.0.0"] {
        assert!(protocols.iter().any(|known| known == protocol), "{protocol} is missing: {identify}");
    }

    for bytes in [1, 3_000_000] {
        let echo = run(&["echo", listener.addr(), &bytes.to_string()]);
        assert_eq!(echo["bytes"], bytes, "{echo}");
    }
}

#[test]
fn peerwork_dials_js_old() {
    let Some(js_old) = peers::js_old() else { return };
    pair(&js_old, &peers::peerwork(), &SECIO_MPLEX);
}

#[test]
fn js_old_dials_peerwork() {
    let Some(js_old) = peers::js_old() else { return };
    pair(&peers::peerwork(), &js_old, &SECIO_MPLEX);
}

/// When this fails, the test bed is broken and not peerwork.
#[test]
fn js_old_dials_js_old() {
    let Some(js_old) = peers::js_old() else { return };
    pair(&js_old, &js_old, &SECIO_MPLEX);
}

#[test]
fn a_failed_command_tells_what_the_program_said() {
    let Some(js_old) = peers::js_old() else { return };
    let error =
        js_old.run(&["ping", "/ip4/127.0.0.1/tcp/1"], &SECIO_MPLEX).expect_err("nothing listens there");
    assert!(error.contains("exit status: 1") && error.contains(r#""ok":false"#), "{error}");
}
