//! Two programs that meet, as a table of cases says.

use crate::peers;
use crate::program::{Listener, Program};
use serde_json::Value;

/// What is wrong with a pair of programs.
type Outcome = Result<(), String>;

/// What the two programs of a pair are told, and what must work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    name: &'static str,
    our_stack: Stack,
    their_stack: Stack,
    /// Further options of both programs, separated by spaces.
    both: &'static str,
    /// Further options of `peerwork`.
    ours: &'static str,
    /// Further options of the other implementation.
    theirs: &'static str,
    /// The crypto providers of `peerwork`, each of which takes a turn.
    crypto: &'static str,
    has_echoes: bool,
}

/// Protocols, separated by commas, in order of preference.
#[derive(Debug, Clone, Copy)]
struct Stack {
    security: &'static str,
    muxers: &'static str,
}

impl Case {
    /// A case with nothing special: ping and identify, with both crypto providers.
    pub(crate) const fn new(name: &'static str, security: &'static str, muxers: &'static str) -> Self {
        let stack = Stack { security, muxers };
        Self {
            name,
            our_stack: stack,
            their_stack: stack,
            both: "",
            ours: "",
            theirs: "",
            crypto: "fast portable",
            has_echoes: false,
        }
    }

    /// Other protocols for the other implementation.
    pub(crate) const fn they_speak(mut self, security: &'static str, muxers: &'static str) -> Self {
        self.their_stack = Stack { security, muxers };
        self
    }

    /// Options of both programs.
    pub(crate) const fn both(mut self, options: &'static str) -> Self {
        self.both = options;
        self
    }

    /// Options of `peerwork`.
    pub(crate) const fn ours(mut self, options: &'static str) -> Self {
        self.ours = options;
        self
    }

    /// Options of the other implementation.
    pub(crate) const fn theirs(mut self, options: &'static str) -> Self {
        self.theirs = options;
        self
    }

    /// With this crypto provider only.
    pub(crate) const fn only(mut self, crypto: &'static str) -> Self {
        self.crypto = crypto;
        self
    }

    /// With echoes, short and long.
    pub(crate) const fn with_echoes(mut self) -> Self {
        self.has_echoes = true;
        self
    }

    fn our_program(&self, crypto: &str) -> Program {
        let program = self.our_stack.of(peers::peerwork()).with_options(self.both).with_options(self.ours);
        program.with_options(&format!("--crypto {crypto}"))
    }

    fn their_program(&self, peer: &Program) -> Program {
        self.their_stack.of(peer.clone()).with_options(self.both).with_options(self.theirs)
    }
}

impl Stack {
    fn of(self, program: Program) -> Program {
        program.with_options(&format!("--security {} --muxer {}", self.security, self.muxers))
    }

    /// What a dialer that prefers `self` and a `listener` agree on.
    fn with(self, listener: Self) -> Agreed {
        Agreed {
            security: protocol_id(first_common(self.security, listener.security)),
            muxer: protocol_id(first_common(self.muxers, listener.muxers)),
        }
    }
}

/// The protocols of a connection, as programs report them.
#[derive(Debug, PartialEq, Eq)]
struct Agreed {
    security: &'static str,
    muxer: &'static str,
}

fn first_common(dialer: &'static str, listener: &str) -> &'static str {
    let mut wanted = dialer.split(',');
    let common = wanted.find(|wanted| listener.split(',').any(|known| known == *wanted));
    common.expect("the two have a protocol in common")
}

fn protocol_id(name: &str) -> &'static str {
    match name {
        "noise" => "/noise",
        "tls" => "/tls/1.0.0",
        "secio" => "/secio/1.0.0",
        "plaintext" => "/plaintext/2.0.0",
        "yamux" => "/yamux/1.0.0",
        "mplex" => "/mplex/6.7.0",
        _ => panic!("no protocol is called {name}"),
    }
}

/// Runs all cases, with `peer` as the listener and `peerwork` as the dialer.
///
/// # Panics
/// Some of them failed. The message says which, and what the programs printed.
#[track_caller]
pub(crate) fn dial(peer: &Program, cases: &[Case]) {
    check(cases, |case, crypto| {
        let agreed = case.our_stack.with(case.their_stack);
        meet(&case.their_program(peer), &case.our_program(crypto), &agreed, case.has_echoes)
    });
}

/// Runs all cases, with `peerwork` as the listener and `peer` as the dialer.
///
/// # Panics
/// As [`dial`].
#[track_caller]
pub(crate) fn listen(peer: &Program, cases: &[Case]) {
    check(cases, |case, crypto| {
        let agreed = case.their_stack.with(case.our_stack);
        meet(&case.our_program(crypto), &case.their_program(peer), &agreed, case.has_echoes)
    });
}

/// Runs all cases with two other implementations.
///
/// # Panics
/// As [`dial`].
#[track_caller]
pub(crate) fn introduce(listener: &Program, dialer: &Program, cases: &[Case]) {
    check(cases, |case, _| {
        let agreed = case.their_stack.with(case.their_stack);
        meet(&case.their_program(listener), &case.their_program(dialer), &agreed, case.has_echoes)
    });
}

/// Runs all cases in both directions. None may succeed, and `peerwork` must say that there is no agreement, on what, and why.
///
/// # Panics
/// As [`dial`].
#[track_caller]
pub(crate) fn refuse(peer: &Program, what: &str, cases: &[Case]) {
    check(cases, |case, crypto| {
        let (ours, theirs) = (case.our_program(crypto), case.their_program(peer));
        let why = format!("no agreement on a {what}: ");
        must_fail(&ours, &theirs.listen()?, &why)?;

        let mut listener = ours.listen()?;
        must_fail(&theirs, &listener, "")?;
        let failed = listener.next("incoming-failed")?;
        expect(failed["error"].as_str().is_some_and(|error| error.contains(&why)), &why, &failed)
    });
}

#[track_caller]
fn check(cases: &[Case], run: impl Fn(&Case, &str) -> Outcome) {
    let mut failures = Vec::new();
    for case in cases {
        let is_built = |crypto: &&str| cfg!(feature = "aws-lc") || *crypto != "fast";
        for crypto in case.crypto.split(' ').filter(is_built) {
            if let Err(failure) = run(case, crypto) {
                failures.push(format!("=== {} ({crypto})\n{failure}", case.name));
            }
        }
    }
    assert!(failures.is_empty(), "{} cases failed\n{}", failures.len(), failures.join("\n"));
}

/// Runs commands of `dialer` against one `listener`. Every connection must speak what is `agreed`.
fn meet(listener: &Program, dialer: &Program, agreed: &Agreed, has_echoes: bool) -> Outcome {
    let listener = listener.listen()?;
    let mut reports = Vec::new();
    let mut run = |command: &[&str]| {
        let lines = dialer.run(command);
        let mut lines = lines.map_err(|failure| format!("{failure}\n{}", listener.transcript()))?;
        let answer = lines.pop().unwrap_or_default();
        reports.append(&mut lines);
        Ok::<_, String>(answer)
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

    let echoes: &[u32] = if has_echoes { &[1, 3_000_000] } else { &[] };
    for &bytes in echoes {
        let echo = run(&["echo", listener.addr(), &bytes.to_string()])?;
        expect(echo["bytes"] == bytes, "as many bytes as were sent", &echo)?;
    }

    reports.extend(listener.new_lines());
    speak(&reports, agreed)
}

/// Not every program reports what its connections speak; one of the two must.
fn speak(reports: &[Value], agreed: &Agreed) -> Outcome {
    let connections: Vec<_> = reports.iter().filter(|line| line["encryption"].is_string()).collect();
    if connections.is_empty() {
        return Err("neither program says what a connection speaks".to_owned());
    }
    for connection in connections {
        let is_agreed = connection["encryption"] == agreed.security && connection["muxer"] == agreed.muxer;
        expect(is_agreed, &format!("{agreed:?}"), connection)?;
    }
    Ok(())
}

/// `dialer` must not get through to the `listener`, and must say `why`.
fn must_fail(dialer: &Program, listener: &Listener, why: &str) -> Outcome {
    match dialer.run(&["ping", listener.addr()]) {
        Ok(_) => Err(format!("they should not understand each other\n{}", listener.transcript())),
        Err(failure) if failure.contains(r#""ok":false"#) && failure.contains(why) => Ok(()),
        Err(failure) => Err(format!("{why:?} expected: {failure}\n{}", listener.transcript())),
    }
}

fn expect(is_there: bool, what: &str, answer: &Value) -> Outcome {
    if is_there { Ok(()) } else { Err(format!("{what} expected: {answer}")) }
}
