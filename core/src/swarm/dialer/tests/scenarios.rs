//! Whole dials.

use super::*;

fn ports(ports: impl IntoIterator<Item = u16>) -> impl Iterator<Item = Multiaddr> {
    ports.into_iter().map(near)
}

#[test]
fn nine_refuse_and_one_is_good() {
    let refuse = ports(1..=9).map(|address| (address, Host::Refuses(millis(1))));
    let good = (near(10), Host::Peer(peer(1), millis(1)));
    let mut world = World::with(refuse.chain([good]));
    // Told twice, it is dialled once.
    world.dial(0, at(peer(1), ports(1..=10).chain(ports(1..=10))));
    world.run();
    assert_eq!(world.dialer.counters().attempts_started, 10);
    // The first at once, and when it has failed all others at once, as far as there are tokens: 8, then the last.
    assert_eq!(world.take_answers(), [(millis(3), 0, Ok(ConnectionId(0)))]);
    world.expect_quiet();
}

#[test]
fn nine_are_silent_and_one_is_good() {
    for (host, good_port, expected) in [
        // Among the first eight: after the delay of its rank.
        (near as fn(u16) -> Multiaddr, 3, millis(30) + millis(1)),
        (far, 3, millis(250) + millis(1)),
        // The last of ten: it gets the token of the second attempt that times out, 5 or 15 s after its delay.
        (near, 10, secs(5) + millis(30) + millis(1)),
        (far, 10, secs(15) + millis(250) + millis(1)),
    ] {
        let mut world = World::with([(host(good_port), Host::Peer(peer(1), millis(1)))]);
        world.dial(0, at(peer(1), (1..=10).map(host)));
        world.run();
        assert_eq!(world.take_answers(), [(expected, 0, Ok(ConnectionId(0)))], "port {good_port}");
        world.expect_quiet();
    }
}

#[test]
fn five_hundred_wishes_of_a_hundred_peers_that_mostly_do_not_answer() {
    let config = DialerConfig { max_descriptors: 16, max_attempts_per_peer: 4, ..DialerConfig::default() };
    let mut world = World::new(config);
    let mut draw = Seed::reproducible(1);
    let addresses =
        |number: u8| (1..=5).map(move |port| address(&format!("/ip4/127.0.0.{number}/tcp/{port}")));
    for number in 1..=100 {
        let good = addresses(number).nth(draw.below(5) as usize).unwrap();
        world.hosts.insert(good, Host::Peer(peer(number), millis(1)));
    }
    for dial in 0..500 {
        let number = 1 + (dial % 100) as u8;
        world.dial(dial, at(peer(number), addresses(number)));
    }
    let mut most = 0;
    while world.dialer.poll_timeout().is_some() {
        world.run_until(world.now - START + millis(10));
        let counters = world.dialer.counters();
        assert!(counters.descriptors.in_use <= 16);
        let mut of_one = BTreeMap::new();
        for attempt in world.dialer.attempts().filter(|attempt| attempt.lacks.is_none()) {
            *of_one.entry(attempt.peer).or_insert(0) += 1;
        }
        assert!(of_one.values().all(|count| *count <= 4));
        most = most.max(counters.descriptors.in_use);
    }
    let answers = world.take_answers();
    assert_eq!((most, answers.len()), (16, 500));
    assert!(answers.iter().all(|(_, _, result)| result.is_ok()));
    // Each silent address that has its turn holds a descriptor for 5 s: nine rounds of them.
    assert_eq!(answers.last().unwrap().0, secs(45) + millis(12));
    world.expect_quiet();
}

#[test]
fn delays_are_kept_while_something_is_in_flight() {
    let mut world = World::with([]);
    world.dial(0, at(peer(1), [far(1), far(2), address("/ip6/2001:db8::1/tcp/9"), near(1), near(2)]));
    world.run_until(secs(1));
    let expected = [
        (millis(0), address("/ip6/2001:db8::1/tcp/9")),
        (millis(0), near(1)),
        (millis(30), near(2)),
        (millis(250), far(1)),
        (millis(500), far(2)),
    ];
    assert_eq!(world.take_starts(), expected);
}

#[test]
fn when_all_fail_each_has_its_cause() {
    let wrong = |after| Host::Refuses(millis(after));
    let mut world = World::with([(near(1), wrong(5)), (near(2), wrong(1))]);
    let listed = [near(1), address("/ip4/0.0.0.0/tcp/4"), near(3), near(2)];
    world.dial(0, at(peer(1), listed));
    world.input(DialerInput::Addresses {
        peer: peer(1),
        source: AddressSource::Peer,
        addresses: vec![
            near(3),
            address("/ip4/127.0.0.1/tcp/2/p2p/QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR"),
        ],
    });
    world.run_until(secs(6));
    let asked = |source| DialerOutput::FindAddresses { peer: peer(1), source };
    let outputs = world.take_outputs();
    assert_eq!(outputs.last(), Some(&asked(AddressSource::Book)));
    world.input(DialerInput::Exhausted { peer: peer(1), source: AddressSource::Book });
    assert_eq!(world.take_outputs(), [asked(AddressSource::Routing)]);
    world.input(DialerInput::Exhausted { peer: peer(1), source: AddressSource::Routing });
    let [(at, 0, Err(DialError::Failed(failures)))] = &world.take_answers()[..] else { panic!() };
    assert_eq!(*at, secs(6));
    let causes: Vec<_> = failures.iter().map(|(_, error)| error.to_string()).collect();
    assert_eq!(
        causes,
        [
            "connection refused: nobody listens there",
            "the unspecified address is no machine's; expected one of the remote's",
            "no answer in time",
            "connection refused: nobody listens there",
            "it is the address of another peer",
        ]
    );
    world.expect_quiet();
}

#[test]
fn two_peers_that_dial_each_other_keep_both_connections() {
    let mut world = World::with([(near(1), Host::Peer(peer(1), millis(5)))]);
    world.dial(0, at(peer(1), [near(1), near(2), near(3)]));
    let started =
        |world: &mut World| world.take_starts().into_iter().map(|(_, address)| address).collect::<Vec<_>>();
    assert_eq!(started(&mut world), [near(1)]);
    world.input(DialerInput::Connected { connection: ConnectionId(70), peer: peer(1) });
    assert_eq!(world.take_answers(), [(millis(0), 0, Ok(ConnectionId(70)))]);
    // What has started goes on, and nothing else starts.
    assert_eq!(world.dialer.counters().peer_tokens.in_use, 1);
    assert!(!world.dialer.is_dialing(peer(1)));
    world.run();
    assert_eq!(world.take_outputs(), []);
    assert_eq!(world.dialer.counters().attempts_succeeded, 1);
    world.expect_quiet();
}

#[test]
fn a_dial_after_a_lost_connection_takes_up_what_still_runs() {
    let mut world =
        World::with([(near(1), Host::Peer(peer(1), millis(50))), (near(2), Host::Refuses(millis(1)))]);
    world.dial(0, at(peer(1), [near(1), near(2)]));
    world.input(DialerInput::Connected { connection: ConnectionId(70), peer: peer(1) });
    world.take_outputs();
    world.dial(1, at(peer(1), [near(1), near(2)]));
    world.run();
    let outputs = world.take_outputs();
    // The address that never had its turn has it now; the other one is not attempted twice.
    assert!(matches!(&outputs[0], DialerOutput::Start { address, .. } if *address == near(2)), "{outputs:?}");
    assert_eq!(outputs[1], DialerOutput::Finished { dial: DialId(1), result: Ok(ConnectionId(0)) });
    assert_eq!(outputs.len(), 2);
    world.expect_quiet();
}

#[test]
fn what_is_refused_is_refused_again_after_a_connection_was_lost() {
    let mut world = World::with([(near(1), Host::Peer(peer(1), millis(50)))]);
    let others = address(&format!("/ip4/127.0.0.1/tcp/2/p2p/{}", peer(2)));
    world.dial(0, at(peer(1), [near(1), others.clone()]));
    world.input(DialerInput::Connected { connection: ConnectionId(70), peer: peer(1) });
    world.dial(1, at(peer(1), [others]));
    world.run();
    assert_eq!(world.take_starts(), [(millis(0), near(1))]);
    world.expect_quiet();
}

#[test]
fn a_flood_of_addresses_is_cut_off() {
    let mut world = World::with([]);
    world.dial(0, at(peer(1), (1..=500).map(far)));
    let refused = |output| match output {
        DialerOutput::Progress(DialProgress { address, state: AttemptState::Failed { error }, .. }) => {
            Some((address, error))
        }
        _ => None,
    };
    assert_eq!(world.take(refused), [(millis(0), (far(101), AttemptError::TooMany))]);
    let flood = (1000..=60_000).map(far).collect();
    world.input(DialerInput::Addresses { peer: peer(1), source: AddressSource::Routing, addresses: flood });
    assert_eq!(world.take_outputs(), []);
    world.run();
    let [(at, 0, Err(DialError::Timeout(failures)))] = &world.take_answers()[..] else { panic!() };
    assert_eq!((*at, failures.len()), (secs(60), 101));
    world.expect_quiet();
}

#[test]
fn others_leave_room_for_the_caller() {
    let at_port = |port| address(&format!("/ip4/9.9.9.9/tcp/{port}"));
    for (max_addresses, of_others, of_caller) in
        [(100, 75, 25), (8, 6, 2), (4, 3, 1), (3, 3, 0), (1, 1, 0), (0, 1, 0)]
    {
        let mut world = World::new(DialerConfig { max_addresses, ..DialerConfig::default() });
        world.dial(0, peer(1));
        for source in [AddressSource::Book, AddressSource::Routing, AddressSource::Peer] {
            let flood = (1..=500).map(far).collect();
            world.input(DialerInput::Addresses { peer: peer(1), source, addresses: flood });
        }
        let queued = |output| match output {
            DialerOutput::Progress(DialProgress { state: AttemptState::Queued { source, .. }, .. }) => {
                Some(source)
            }
            _ => None,
        };
        let is_callers = |(_, source): &(Duration, AddressSource)| *source == AddressSource::Caller;
        let before = world.take(queued);
        assert_eq!((before.len(), before.iter().any(is_callers)), (of_others, false), "{max_addresses}");
        world.dial(1, at(peer(1), (1..=500).map(at_port)));
        let after = world.take(queued);
        assert_eq!((after.len(), after.iter().all(is_callers)), (of_caller, true), "{max_addresses}");
    }
}

#[test]
fn what_is_next_waits_for_an_upgrade() {
    let refuses = |after| Host::Refuses(millis(after));
    for (hosts, upgrading, expected) in [
        // The next one is due after 250 ms.
        (vec![], (far(1), 100), vec![(0, far(1)), (350, far(2))]),
        (vec![], (far(1), 10), vec![(0, far(1)), (260, far(2))]),
        // It fails meanwhile.
        (vec![(far(1), refuses(300))], (far(1), 100), vec![(0, far(1)), (300, far(2))]),
        // Private ones are not waited for.
        (vec![], (near(1), 10), vec![(0, near(1)), (30, near(2))]),
    ] {
        let mut world = World::with(hosts);
        let next = if upgrading.0 == far(1) { far(2) } else { near(2) };
        world.dial(0, at(peer(1), [upgrading.0.clone(), next]));
        world.run_until(millis(upgrading.1));
        world.input(DialerInput::Upgrading { attempt: AttemptId(0) });
        // Of none, or of one that was not started.
        world.input(DialerInput::Upgrading { attempt: AttemptId(7) });
        world.run_until(secs(2));
        let expected: Vec<_> =
            expected.into_iter().map(|(after, address)| (millis(after), address)).collect();
        assert_eq!(world.take_starts(), expected, "{upgrading:?}");
    }
}

#[test]
fn the_first_success_cancels_the_losers_and_hands_their_tokens_on() {
    let config = DialerConfig { max_descriptors: 3, ..DialerConfig::default() };
    let mut world = World::new(config);
    world.hosts.insert(near(2), Host::Peer(peer(1), millis(5)));
    world.dial(0, at(peer(1), [near(1), near(2), near(3)]));
    world.dial(1, at(peer(2), [near(11), near(12)]));
    world.run_until(millis(31));
    assert_eq!(world.dialer.counters().descriptors, TokenCount { in_use: 3, waiting: 2 });
    world.take_outputs();
    world.run_until(millis(35));
    let outputs = world.take_outputs();
    assert!(
        matches!(
            &outputs[..],
            [
                DialerOutput::CancelAttempt { attempt: AttemptId(0) },
                DialerOutput::Finished { dial: DialId(0), result: Ok(_) },
                DialerOutput::Start { attempt: AttemptId(4), .. },
            ]
        ),
        "{outputs:?}"
    );
}

#[test]
fn backoff_grows_and_a_connection_ends_it() {
    let mut world = World::with([(near(1), Host::Refuses(millis(0)))]);
    let wait = |world: &mut World, dial| {
        world.dial(dial, at(peer(1), [near(1)]));
        world.run_until(world.now - START);
        world.input(DialerInput::Exhausted { peer: peer(1), source: AddressSource::Book });
        world.input(DialerInput::Exhausted { peer: peer(1), source: AddressSource::Routing });
        match &world.take_answers()[..] {
            [(_, _, Err(DialError::Failed(failures)))] => failures.clone(),
            other => panic!("{other:?}"),
        }
    };
    let mut dial = 0..;
    for at_least in [5, 6, 9, 14, 21].map(secs) {
        assert_eq!(wait(&mut world, dial.next().unwrap()), [refused(near(1))]);
        let failures = wait(&mut world, dial.next().unwrap());
        let [(_, AttemptError::Backoff { remaining })] = failures[..] else { panic!("{failures:?}") };
        assert!((at_least..=at_least * 11 / 10).contains(&remaining), "{remaining:?}");
        world.run_until(world.now - START + remaining - Duration::from_nanos(1));
        let failures = wait(&mut world, dial.next().unwrap());
        assert!(matches!(failures[..], [(_, AttemptError::Backoff { .. })]), "{failures:?}");
        world.run_until(world.now - START + Duration::from_nanos(1));
    }
    // Refused once more, and then the peer connects by itself.
    assert_eq!(wait(&mut world, dial.next().unwrap()), [refused(near(1))]);
    world.input(DialerInput::Connected { connection: ConnectionId(0), peer: peer(1) });
    assert_eq!(wait(&mut world, dial.next().unwrap()), [refused(near(1))]);
    // Whoever insists is not held back, not even in a dial that is under way.
    world.dial(dial.next().unwrap(), at(peer(1), [near(1), near(2)]));
    world.take_starts();
    let insisting = DialOptions { ignore_backoff: true, ..DialOptions::default() };
    world.dial_with(dial.next().unwrap(), peer(1), insisting);
    world.run_until(world.now - START + millis(30));
    assert!(world.take_starts().into_iter().any(|(_, address)| address == near(1)));
}

#[test]
fn a_wrong_peer_is_one_failed_address() {
    let mut world =
        World::with([(near(1), Host::Peer(peer(7), millis(1))), (near(2), Host::Peer(peer(1), millis(9)))]);
    world.dial(0, at(peer(1), [near(1), near(2)]));
    world.run();
    assert_eq!(world.take_answers(), [(millis(10), 0, Ok(ConnectionId(1)))]);
    world.expect_quiet();
}

#[test]
fn whoever_is_there_is_found_for_those_who_look_for_him() {
    let mut world = World::with([(near(1), Host::Peer(peer(1), millis(1)))]);
    world.dial(0, peer(1));
    world.dial(1, near(1));
    world.run_until(millis(2));
    let answers = world.take_answers();
    assert_eq!(answers, [(millis(1), 1, Ok(ConnectionId(0))), (millis(1), 0, Ok(ConnectionId(0)))]);
    world.expect_quiet();
}

#[test]
fn a_redundant_address_gives_way_unless_it_has_been_started() {
    let (plain, layered) = (far(7), address("/ip4/1.2.3.4/tcp/7/ws"));
    for (max_descriptors, told, expected, is_refused) in [
        // Together, or the better one first.
        (9, [vec![layered.clone(), plain.clone()], vec![]], vec![(0, plain.clone())], true),
        (9, [vec![plain.clone()], vec![layered.clone()]], vec![(0, plain.clone())], true),
        // The better one comes later: the time of the other one has not come, or it waits for a token, or has been started.
        (
            9,
            [vec![far(1), layered.clone()], vec![plain.clone()]],
            vec![(0, far(1)), (450, plain.clone())],
            true,
        ),
        (
            1,
            [vec![near(1), layered.clone()], vec![plain.clone()]],
            vec![(0, near(1)), (5_000, plain.clone())],
            true,
        ),
        (9, [vec![layered.clone()], vec![plain.clone()]], vec![(0, layered.clone()), (200, plain)], false),
    ] {
        let mut world = World::new(DialerConfig { max_descriptors, ..DialerConfig::default() });
        let [first, then] = told.clone();
        world.dial(0, at(peer(1), first));
        world.run_until(millis(200));
        world.input(DialerInput::Addresses { peer: peer(1), source: AddressSource::Peer, addresses: then });
        world.run_until(secs(6));
        let refused = |(_, output): &(Duration, DialerOutput)| match output {
            DialerOutput::Progress(DialProgress {
                address, state: AttemptState::Failed { error }, ..
            }) => *address == layered && *error == AttemptError::Redundant,
            _ => false,
        };
        assert_eq!(world.log.iter().any(refused), is_refused, "{told:?}");
        let expected: Vec<_> =
            expected.into_iter().map(|(after, address)| (millis(after), address)).collect();
        assert_eq!(world.take_starts(), expected, "{told:?}");
        world.input(DialerInput::Cancel { dial: DialId(0) });
        world.expect_quiet();
    }
}
