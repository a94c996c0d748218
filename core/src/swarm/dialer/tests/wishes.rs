//! Who waits, who leaves, and who is refused.

use super::*;
use crate::swarm::AccessDenied;

fn finished(dial: u64, error: DialError) -> DialerOutput {
    DialerOutput::Finished { dial: DialId(dial), result: Err(error) }
}

#[test]
fn wishes_that_need_no_dial_are_answered_at_once() {
    let config = DialerConfig { max_dials: 2, ..DialerConfig::default() };
    let mut world = World::new(config);
    world.dial(0, at(peer(1), [near(1)]));
    world.take_outputs();
    let condition = |condition| DialOptions { condition, ..DialOptions::default() };
    for (dial, target, options, expected) in [
        (1, DialTarget::from(local()), DialOptions::default(), DialError::SelfDial),
        (1, peer(2).into(), DialOptions::default(), DialError::IdReused),
        (2, peer(1).into(), condition(PeerCondition::NotDialing), DialError::AlreadyDialing),
        (3, DialTarget { peer: None, addresses: vec![] }, DialOptions::default(), DialError::NoAddresses),
    ] {
        world.dial_with(dial, target, options);
        assert_eq!(world.take_outputs(), [finished(dial, expected)]);
    }
    world.dial(4, at(peer(2), [near(2)]));
    world.take_outputs();
    world.dial(5, peer(3));
    assert_eq!(world.take_outputs(), [finished(5, DialError::TooMany(2))]);
    let connected = |dial, condition| DialerInput::Dial {
        dial: DialId(dial),
        target: peer(1).into(),
        options: DialOptions { condition, ..DialOptions::default() },
        connected: Some(ConnectionId(9)),
    };
    for (dial, condition) in [(6, PeerCondition::Disconnected), (7, PeerCondition::NotDialing)] {
        world.input(connected(dial, condition));
        let expected = DialerOutput::Finished { dial: DialId(dial), result: Ok(ConnectionId(9)) };
        assert_eq!(world.take_outputs(), [expected]);
    }
    world.input(connected(8, PeerCondition::Always));
    assert_eq!(world.take_outputs(), [finished(8, DialError::TooMany(2))]);
}

#[test]
fn wishes_share_a_dial_and_leave_it_alone() {
    let mut world = World::new(DialerConfig::default());
    world.dial(0, at(peer(1), [near(1)]));
    world.dial_with(
        1,
        at(peer(1), [near(1), near(2)]),
        DialOptions { timeout: Some(secs(1)), ..DialOptions::default() },
    );
    world.dial(2, peer(1));
    world.run_until(millis(500));
    assert_eq!(world.take_starts(), [(millis(0), near(1)), (millis(30), near(2))]);
    world.input(DialerInput::Cancel { dial: DialId(0) });
    world.input(DialerInput::Cancel { dial: DialId(0) });
    assert_eq!(world.take_outputs(), [finished(0, DialError::Cancelled)]);
    world.run_until(secs(1));
    let silent = |port| (near(port), AttemptError::Timeout);
    assert_eq!(world.take_outputs(), [finished(1, DialError::Timeout(vec![silent(1), silent(2)]))]);
    world.input(DialerInput::Cancel { dial: DialId(2) });
    let cancelled = |attempt| DialerOutput::CancelAttempt { attempt: AttemptId(attempt) };
    let stop = DialerOutput::StopFinding { peer: peer(1), source: AddressSource::Book };
    assert_eq!(world.take_outputs(), [finished(2, DialError::Cancelled), stop, cancelled(0), cancelled(1)]);
    world.expect_quiet();
    // Late results change nothing.
    world.input(DialerInput::Succeeded { attempt: AttemptId(0), connection: ConnectionId(0), peer: peer(1) });
    world.input(DialerInput::Failed { attempt: AttemptId(1), error: AttemptError::Timeout });
    world.input(DialerInput::Addresses {
        peer: peer(1),
        source: AddressSource::Book,
        addresses: vec![near(3)],
    });
    assert_eq!(world.take_outputs(), []);
}

#[test]
fn a_peer_without_addresses_is_looked_for() {
    let find = |source| DialerOutput::FindAddresses { peer: peer(1), source };
    let (book, routing) = (AddressSource::Book, AddressSource::Routing);
    let mut world = World::new(DialerConfig::default());
    world.dial(0, peer(1));
    assert_eq!(world.take_outputs(), [find(book)]);
    // Not asked, so not heard.
    world.input(DialerInput::Exhausted { peer: peer(1), source: routing });
    assert_eq!(world.take_outputs(), []);
    world.input(DialerInput::Exhausted { peer: peer(1), source: book });
    assert_eq!(world.take_outputs(), [find(routing)]);
    world.input(DialerInput::Addresses { peer: peer(1), source: routing, addresses: vec![near(1)] });
    assert_eq!(world.take_starts(), [(millis(0), near(1))]);
    world.input(DialerInput::Failed {
        attempt: AttemptId(0),
        error: AttemptError::Blocked(AccessDenied::BlockedPeer),
    });
    assert_eq!(world.take_outputs(), []);
    world.input(DialerInput::Exhausted { peer: peer(1), source: routing });
    assert_eq!(
        world.take_outputs(),
        [finished(0, DialError::Failed(vec![(near(1), AttemptError::Blocked(AccessDenied::BlockedPeer))]))]
    );
    world.dial(1, peer(1));
    world.input(DialerInput::Exhausted { peer: peer(1), source: book });
    world.input(DialerInput::Exhausted { peer: peer(1), source: routing });
    assert_eq!(world.take_outputs(), [find(book), find(routing), finished(1, DialError::NoAddresses)]);
    world.expect_quiet();
}

#[test]
fn shutting_down_ends_everything_and_starts_nothing() {
    let config = DialerConfig { max_descriptors: 1, ..DialerConfig::default() };
    let mut world = World::new(config);
    world.dial(0, at(peer(1), [near(1), near(2)]));
    world.dial(1, at(peer(2), [near(3), address("/dns4/example.com/tcp/4")]));
    world.dial(2, peer(3));
    world.run_until(millis(30));
    world.take_outputs();
    world.input(DialerInput::ShutDown);
    let outputs = world.take_outputs();
    assert!(!outputs.iter().any(|output| matches!(output, DialerOutput::Start { .. })), "{outputs:?}");
    for wanted in [
        DialerOutput::CancelAttempt { attempt: AttemptId(0) },
        DialerOutput::CancelLookup { lookup: LookupId(0) },
        DialerOutput::StopFinding { peer: peer(3), source: AddressSource::Book },
        finished(0, DialError::ShuttingDown),
        finished(1, DialError::ShuttingDown),
        finished(2, DialError::ShuttingDown),
    ] {
        assert!(outputs.contains(&wanted), "{wanted:?} is not in {outputs:?}");
    }
    assert_eq!(outputs.len(), 6);
    world.expect_quiet();
    world.dial(3, peer(1));
    assert_eq!(world.take_outputs(), [finished(3, DialError::ShuttingDown)]);
    world.input(DialerInput::ShutDown);
    assert_eq!(world.take_outputs(), []);
}

fn lookups(outputs: Vec<DialerOutput>) -> Vec<(u64, String, RecordKind)> {
    let lookup = |output| match output {
        DialerOutput::Lookup { lookup, name, kind } => Some((lookup.0, name, kind)),
        _ => None,
    };
    outputs.into_iter().filter_map(lookup).collect()
}

fn answer(world: &mut World, lookup: u64, records: Records) {
    world.input(DialerInput::LookedUp { lookup: LookupId(lookup), result: Ok(records) });
}

fn texts(texts: &[&str]) -> Records {
    Records::Texts(texts.iter().map(|text| format!("dnsaddr={text}")).collect())
}

#[test]
fn names_become_addresses() {
    let mut world = World::new(DialerConfig::default());
    let told = ["/dns/example.com/tcp/1/ws", "/dnsaddr/boot.example.com", "/dns4/10.0.0.9/tcp/2"];
    world.dial(0, at(peer(1), told.map(address)));
    let literal = (millis(0), address("/ip4/10.0.0.9/tcp/2"));
    let log = world.log.clone();
    assert_eq!(world.take_starts(), [literal]);
    let expected = [
        (0, "example.com", RecordKind::Ip6),
        (1, "example.com", RecordKind::Ip4),
        (2, "_dnsaddr.boot.example.com", RecordKind::Txt),
    ];
    let asked = lookups(log.into_iter().map(|(_, output)| output).collect());
    assert_eq!(asked, expected.map(|(lookup, name, kind)| (lookup, name.to_owned(), kind)));
    answer(&mut world, 0, Records::Addresses(vec!["2001:db8::7".parse().unwrap()]));
    answer(&mut world, 1, Records::Addresses(vec!["1.2.3.4".parse().unwrap()]));
    let (own, other) = (peer(1), peer(2));
    answer(
        &mut world,
        2,
        texts(&[
            &format!("/ip4/9.9.9.9/tcp/1/p2p/{own}"),
            &format!("/ip4/9.9.9.8/tcp/1/p2p/{other}"),
            &format!("/dnsaddr/deeper.example.com/p2p/{own}"),
            "no address",
        ]),
    );
    assert_eq!(
        lookups(world.take_outputs()),
        [(3, "_dnsaddr.deeper.example.com".to_owned(), RecordKind::Txt)]
    );
    // A record that leads back to where it came from leads nowhere new.
    answer(&mut world, 3, texts(&["/dnsaddr/boot.example.com", "/ip4/9.9.9.7/tcp/1"]));
    assert_eq!(lookups(world.take_outputs()), []);
    world.run_until(secs(2));
    assert_eq!(world.dialer.counters().attempts_started, 5);
}

#[test]
fn names_that_lie_or_lead_nowhere_have_a_cause() {
    let config = DialerConfig { max_lookups: 7, max_name_depth: 2, ..DialerConfig::default() };
    let mut world = World::new(config);
    let told = [
        "/dns4/wrong-family.com/tcp/1",
        "/dns6/wrong-kind.com/tcp/1",
        "/dnsaddr/chain.com",
        "/dnsaddr/others.com",
        "/dns4/not found/tcp/1",
        "/dns/one-half.com/tcp/1",
        "/dns/one-too-many.com/tcp/1",
    ];
    world.dial(0, DialTarget { peer: Some(peer(1)), addresses: told.map(address).to_vec() });
    answer(&mut world, 0, Records::Addresses(vec!["2001:db8::7".parse().unwrap()]));
    answer(&mut world, 1, texts(&["/ip4/1.2.3.4/tcp/1"]));
    answer(&mut world, 2, texts(&["/dnsaddr/chain-2.com"]));
    answer(&mut world, 3, texts(&[&format!("/ip4/9.9.9.8/tcp/1/p2p/{}", peer(2))]));
    answer(&mut world, 4, Records::Addresses(vec![]));
    answer(&mut world, 5, Records::Addresses(vec!["0.0.0.0".parse().unwrap()]));
    answer(&mut world, 6, texts(&["/dnsaddr/chain-3.com"]));
    world.input(DialerInput::Exhausted { peer: peer(1), source: AddressSource::Book });
    world.input(DialerInput::Exhausted { peer: peer(1), source: AddressSource::Routing });
    let [(_, 0, Err(DialError::Failed(failures)))] = &world.take_answers()[..] else { panic!() };
    let causes: Vec<_> = failures.iter().map(|(_, error)| error.to_string()).collect();
    let name = |name: &str, reason: &str| format!("the name {name} is not resolved: {reason}");
    assert_eq!(
        causes,
        [
            name("wrong-family.com", "no record of it is an address that fits"),
            name("wrong-kind.com", "the answer has records that were not asked for"),
            name("others.com", "no record of it is an address that fits"),
            name(
                "not found",
                "a name has letters, digits, '-', '_' and dots; write other alphabets in punycode (xn--...)"
            ),
            name("one-too-many.com", "this dial would need more than 7 lookups"),
            "the unspecified address is no machine's; expected one of the remote's".to_owned(),
            name("chain-3.com", "more than 2 names lead to one another"),
        ]
    );
    world.expect_quiet();
}

#[test]
fn ip4_addresses_wait_a_moment_for_ip6_addresses() {
    let [ip4, ip6] = ["/ip4/1.2.3.4/tcp/1", "/ip6/2001:db8::7/tcp/1"].map(address);
    let addresses = |ip: &str| Records::Addresses(vec![ip.parse().unwrap()]);
    let (a, aaaa) = ((1, addresses("1.2.3.4")), (0, addresses("2001:db8::7")));
    let (none, late) = ((0, Records::Addresses(vec![])), (1, Records::Addresses(vec![])));
    let both = vec![(0, ip6.clone()), (250, ip4.clone())];
    let after = |start: u64, starts: Vec<(u64, Multiaddr)>| -> Vec<(Duration, Multiaddr)> {
        starts.into_iter().map(|(at, address)| (millis(start + at), address)).collect()
    };
    for (resolution_delay, told, answers, expected) in [
        // IPv6 in time, or too late, or never.
        (50, "/dns/a.com/tcp/1", [(0, a.clone()), (49, aaaa.clone())], after(49, both.clone())),
        (
            50,
            "/dns/a.com/tcp/1",
            [(0, a.clone()), (300, aaaa.clone())],
            after(50, vec![(0, ip4.clone()), (250, ip6.clone())]),
        ),
        (50, "/dns/a.com/tcp/1", [(0, a.clone()), (20, none.clone())], after(20, vec![(0, ip4.clone())])),
        (50, "/dns/a.com/tcp/1", [(5, a.clone()), (900, none.clone())], after(55, vec![(0, ip4.clone())])),
        // IPv6 first, or nothing of IPv4.
        (50, "/dns/a.com/tcp/1", [(0, aaaa.clone()), (0, a.clone())], after(0, both)),
        (50, "/dns/a.com/tcp/1", [(0, late), (10, aaaa.clone())], after(10, vec![(0, ip6.clone())])),
        // No wait is wanted, or nothing to wait for.
        (0, "/dns/a.com/tcp/1", [(0, a.clone()), (10, aaaa)], after(0, vec![(0, ip4.clone()), (10, ip6)])),
        (50, "/dns4/a.com/tcp/1", [(0, (0, a.1)), (1, none)], after(0, vec![(0, ip4)])),
    ] {
        let mut world = World::new(DialerConfig {
            resolution_delay: millis(resolution_delay),
            ..DialerConfig::default()
        });
        world.dial(0, at(peer(1), [address(told)]));
        for (at, (lookup, records)) in answers.clone() {
            world.run_until(millis(at));
            answer(&mut world, lookup, records);
        }
        world.run_until(secs(2));
        assert_eq!(world.take_starts(), expected, "{told}: {answers:?}");
        world.input(DialerInput::Cancel { dial: DialId(0) });
        world.expect_quiet();
    }
}

#[test]
fn nothing_is_left_of_addresses_that_wait_when_the_dial_ends() {
    let mut world = World::new(DialerConfig { max_addresses: 8, ..DialerConfig::default() });
    world.dial(0, at(peer(1), [address("/dns/a.com/tcp/1")]));
    let many = (1..=255).map(|last| std::net::IpAddr::from([1, 2, 3, last])).collect();
    answer(&mut world, 1, Records::Addresses(many));
    world.run_until(millis(49));
    assert_eq!(world.take_starts(), []);
    world.run_until(millis(50));
    assert_eq!(world.take_starts().len(), 1);
    world.dial(1, at(peer(2), [address("/dns/a.com/tcp/1")]));
    answer(&mut world, 3, Records::Addresses(vec!["1.2.3.4".parse().unwrap()]));
    world.input(DialerInput::Cancel { dial: DialId(0) });
    world.input(DialerInput::Cancel { dial: DialId(1) });
    world.expect_quiet();
}
