//! Two programs that meet, as a table of cases says.

use crate::peers;
use crate::program::Program;

/// What is wrong with a pair of programs.
type Outcome = Result<(), String>;

/// What the two programs of a pair are told, and what must work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Options of both programs, beside the security protocol and the muxer.
    pub(crate) both: &'static [&'static str],
    /// Options of the other implementation.
    pub(crate) theirs: &'static [&'static str],
    /// The crypto providers of `peerwork`, each of which takes a turn.
    pub(crate) crypto: &'static [&'static str],
    pub(crate) commands: Commands,
}

/// Which commands the dialer runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Commands {
    /// ping and identify.
    Few,
    /// Echoes too.
    All,
}

impl Case {
    /// A case with nothing special.
    pub(crate) const fn named(name: &'static str) -> Self {
        Self { name, both: &[], theirs: &[], crypto: &["fast", "portable"], commands: Commands::Few }
    }

    /// `peerwork` with the options of this case.
    pub(crate) fn ours(&self, crypto: &str) -> Program {
        secio_mplex(peers::peerwork()).with_options(self.both).with_options(&["--crypto", crypto])
    }

    /// A peer with the options of this case.
    pub(crate) fn theirs(&self, peer: &Program) -> Program {
        secio_mplex(peer.clone()).with_options(self.both).with_options(self.theirs)
    }
}

fn secio_mplex(program: Program) -> Program {
    program.with_options(&["--security", "secio", "--muxer", "mplex"])
}

/// Runs all cases with each of their crypto providers.
///
/// # Panics
/// Some of them failed. The message says which, and what the programs printed.
#[track_caller]
pub(crate) fn check(cases: &[Case], run: impl Fn(&Case, &str) -> Outcome) {
    let mut failures = Vec::new();
    for case in cases {
        let has = |crypto: &&str| cfg!(feature = "aws-lc") || *crypto != "fast";
        for crypto in case.crypto.iter().copied().filter(has) {
            if let Err(failure) = run(case, crypto) {
                failures.push(format!("=== {} ({crypto})\n{failure}", case.name));
            }
        }
    }
    assert!(failures.is_empty(), "{} cases failed\n{}", failures.len(), failures.join("\n"));
}

/// Runs commands of `dialer` against one `listener`.
pub(crate) fn pair(listener: &Program, dialer: &Program, commands: Commands) -> Outcome {
    let listener = listener.listen()?;
    let run = |command: &[&str]| {
        dialer.run(command).map_err(|failure| format!("{failure}\n{}", listener.transcript()))
    };

    let ping = run(&["ping", listener.addr(), "3"])?;
    expect(ping["rtt_ms"].as_array().map(Vec::len) == Some(3), "three round trips", &ping)?;

    let identify = run(&["identify", listener.addr()])?;
    expect(identify["peer"] == listener.peer(), listener.peer(), &identify)?;
    let protocols = identify["protocols"].as_array();
    for protocol in ["/ipfs/ping/1.0.0", "/ipfs/id/1.0.0", "/echo/1.0.0"] {
        let is_known = protocols.is_some_and(|protocols| protocols.iter().any(|known| known == protocol));
        expect(is_known, protocol, &identify)?;
    }
    if commands == Commands::Few {
        return Ok(());
    }

    for bytes in [1, 3_000_000] {
        let echo = run(&["echo", listener.addr(), &bytes.to_string()])?;
        expect(echo["bytes"] == bytes, "as many bytes as were sent", &echo)?;
    }
    Ok(())
}

fn expect(is_there: bool, what: &str, answer: &serde_json::Value) -> Outcome {
    if is_there { Ok(()) } else { Err(format!("{what} expected: {answer}")) }
}
