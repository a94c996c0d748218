//! Limits of address ranges.

use super::limits::refusal;
use super::*;
use crate::swarm::ranges::MAX_RATED_RANGES;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn range(text: &str) -> AddressRange {
    text.parse().unwrap()
}

/// A remote connects, and perhaps its handshake succeeds; the reason if it is refused.
fn connect(
    swarm: &mut Swarm<Puppet>,
    from: IpAddr,
    is_silent: bool,
    now: Instant,
) -> Result<ConnectionId, ConnectionLimit> {
    let listener = *swarm.listeners.keys().next().unwrap();
    let connection = incoming_from(swarm, listener, from, now);
    if let Some(limit) = refusal(&drain(swarm)) {
        return Err(limit);
    }
    if !is_silent {
        say_at(swarm, connection, established(connection.0), now);
        drain(swarm);
    }
    Ok(connection)
}

fn close(swarm: &mut Swarm<Puppet>, connection: ConnectionId) {
    say(swarm, connection, ConnectionMessage::Closed(ConnectionError::Broken));
    drain(swarm);
}

/// How many remotes get in of so many that come from each address in turn, and why the others do not.
fn admitted(
    limits: Limits,
    from: &[&str],
    count: usize,
    is_silent: bool,
) -> (Vec<usize>, Vec<Option<ConnectionLimit>>) {
    let mut swarm = swarm_with(limits);
    listening(&mut swarm);
    let each = from.iter().map(|from| {
        let results: Vec<_> = (0..count).map(|_| connect(&mut swarm, ip(from), is_silent, NOW)).collect();
        let refused = results.iter().find_map(|result| result.err());
        (results.into_iter().flatten().count(), refused)
    });
    each.unzip()
}

#[test]
fn each_range_has_its_limits() {
    let pending =
        |range_text: &str, max| Some(ConnectionLimit::PendingRange { range: range(range_text), max });
    let inbound =
        |range_text: &str, max| Some(ConnectionLimit::InboundRange { range: range(range_text), max });
    let all = Limits::default();
    let rated = |rate| {
        let mut limits = all;
        limits.narrow_range.inbound_rate = rate;
        limits.wide_range.inbound_rate = rate;
        limits
    };
    let free = rated(Rate::UNLIMITED);
    let too_fast = |text: &str| Some(ConnectionLimit::Rate { range: range(text) });
    let none = rated(Rate { burst: 0, per_second: 9 });
    let single = rated(Rate { burst: 1, per_second: 0 });
    #[expect(clippy::type_complexity, reason = "a table")]
    let cases: &[(Limits, &[&str], usize, bool, &[usize], &[Option<ConnectionLimit>])] = &[
        // Silent ones: each host its share, and the network its share.
        (
            all,
            &["9.0.0.1", "9.0.0.2", "9.0.1.1"],
            300,
            true,
            &[16; 3],
            &[pending("9.0.0.1", 16), pending("9.0.0.2", 16), pending("9.0.1.1", 16)],
        ),
        (
            all,
            &["9.0.0.1", "9.0.0.2", "9.0.0.3", "9.0.0.4", "9.0.0.5", "9.0.1.1"],
            16,
            true,
            &[16, 16, 16, 16, 0, 16],
            &[None, None, None, None, pending("9.0.0.0/24", 64), None],
        ),
        // Of IPv6 the network half counts.
        (
            all,
            &["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"],
            16,
            true,
            &[16, 0, 16],
            &[None, pending("2001:db8::/64", 16), None],
        ),
        // Open ones.
        (
            free,
            &["9.0.0.1", "::ffff:9.0.0.1", "9.0.0.2"],
            65,
            false,
            &[64, 0, 64],
            &[inbound("9.0.0.1", 64), inbound("9.0.0.1", 64), inbound("9.0.0.2", 64)],
        ),
        (
            free,
            &["9.0.0.1", "9.0.0.2", "9.0.0.3", "9.0.0.4", "9.0.0.5"],
            64,
            false,
            &[64, 64, 64, 64, 0],
            &[None, None, None, None, inbound("9.0.0.0/24", 256)],
        ),
        // Too fast.
        (none, &["9.0.0.1"], 1, false, &[0], &[too_fast("9.0.0.1")]),
        (
            single,
            &["9.0.0.1", "9.0.0.2", "9.0.1.1"],
            2,
            false,
            &[1, 0, 1],
            &[too_fast("9.0.0.1"), too_fast("9.0.0.0/24"), too_fast("9.0.1.1")],
        ),
        // Within this machine only what is pending counts, each address for itself.
        (none, &["127.0.0.1", "::1", "127.9.9.9"], 500, false, &[500; 3], &[None; 3]),
        (
            all,
            &["127.0.0.1", "127.0.0.2"],
            1_100,
            true,
            &[128; 2],
            &[pending("127.0.0.1", 128), Some(ConnectionLimit::PendingInbound(256))],
        ),
        (all, &["::1"], 1_100, true, &[128], &[pending("::/64", 128)]),
    ];
    for (limits, from, count, is_silent, number, refused) in cases {
        let (got, why) = admitted(*limits, from, *count, *is_silent);
        assert_eq!((&got[..], &why[..]), (*number, *refused), "{from:?}");
    }
}

#[test]
fn dials_to_one_range_are_limited() {
    let mut limits = Limits::default();
    limits.narrow_range.max_outbound_connections = 1;
    limits.wide_range.max_outbound_connections = 2;
    let mut swarm = swarm_with(limits);
    let mut dial = |to: &str| {
        swarm.dial(address(to), NOW);
        refusal(&drain(&mut swarm))
    };
    let full = |text, max| Some(ConnectionLimit::OutboundRange { range: range(text), max });
    assert_eq!(dial("/ip4/9.0.0.1/tcp/1"), None);
    assert_eq!(dial("/ip4/9.0.0.1/tcp/2"), full("9.0.0.1", 1));
    assert_eq!(dial("/ip4/9.0.0.2/tcp/1"), None);
    assert_eq!(dial("/ip4/9.0.0.3/tcp/1"), full("9.0.0.0/24", 2));
    assert_eq!([dial("/ip4/127.0.0.1/tcp/1"), dial("/ip4/127.0.0.1/tcp/2")], [None; 2]);
    assert_eq!([dial("/dns/example.com/tcp/1"), dial("/memory/1")], [None; 2], "no IP address, no range");
    // What ends makes room.
    let error = TransportError::Refused;
    swarm.handle_input(SwarmInput::DialFailed { connection: ConnectionId(0), error }, NOW);
    drain(&mut swarm);
    swarm.dial(address("/ip4/9.0.0.1/tcp/2"), NOW);
    assert_eq!(refusal(&drain(&mut swarm)), None);
}

#[test]
fn whoever_is_silent_locks_out_nobody_else() {
    for (silent, honest) in
        [("127.0.0.1", "127.0.0.2"), ("9.0.0.1", "9.0.0.2"), ("2001:db8::1", "2001:db8:0:1::1")]
    {
        let mut swarm = swarm_with(Limits::default());
        listening(&mut swarm);
        let taken = (0..1_100).filter(|_| connect(&mut swarm, ip(silent), true, NOW).is_ok()).count();
        assert!(taken < 256, "{taken} places of {silent}");
        connect(&mut swarm, ip(honest), false, NOW).unwrap();
        assert_eq!(swarm.peers().count(), 1, "{honest} is connected at once");
    }
}

#[test]
fn tokens_come_back_with_time() {
    let mut limits = Limits::default();
    limits.narrow_range.inbound_rate = Rate { burst: 3, per_second: 2 };
    let mut swarm = swarm_with(limits);
    listening(&mut swarm);
    let from = ip("9.0.0.1");
    let mut come = |millis| {
        let connection = connect(&mut swarm, from, false, NOW + Duration::from_millis(millis));
        connection.map(|connection| close(&mut swarm, connection))
    };
    let too_fast = Err(ConnectionLimit::Rate { range: range("9.0.0.1") });
    let (yes, no) = (Ok(()), too_fast);
    for (millis, expected) in [
        (0, yes),
        (0, yes),
        (0, yes),
        (0, no),
        (499, no),
        (500, yes),
        (500, no),
        (400, no),
        (1_499, yes),
        (1_500, yes),
        (1_500, no),
        (100_000, yes),
        (100_000, yes),
        (100_000, yes),
        (100_000, no),
        (u64::MAX, yes),
        (u64::MAX, yes),
    ] {
        assert_eq!(come(millis), expected, "at {millis} ms");
    }
}

#[test]
fn ranges_that_are_remembered_are_bounded_and_nobody_is_refused_for_others() {
    let mut limits = Limits::default();
    limits.narrow_range.inbound_rate = Rate { burst: 1, per_second: 1 };
    limits.wide_range.inbound_rate = Rate { burst: 1, per_second: 1 };
    let mut swarm = swarm_with(limits);
    listening(&mut swarm);
    let network = |number: usize| {
        let bits = (0x2001_0db8_u128 << 96) + ((number as u128) << 80);
        IpAddr::V6(bits.into())
    };
    let mut come = |number, now| {
        let connection = connect(&mut swarm, network(number), true, now);
        let connected = connection.map(|connection| close(&mut swarm, connection));
        (connected.is_ok(), swarm.ranges.rated())
    };
    for number in 0..MAX_RATED_RANGES {
        assert_eq!(come(number, NOW), (true, number + 1));
    }
    for number in MAX_RATED_RANGES..MAX_RATED_RANGES + 10 {
        assert_eq!(come(number, NOW), (true, MAX_RATED_RANGES), "who is not remembered may connect");
    }
    assert_eq!(come(0, NOW), (false, MAX_RATED_RANGES), "who is remembered is not forgotten for others");
    let later = NOW + Duration::from_secs(1);
    assert_eq!(come(0, later), (true, MAX_RATED_RANGES - 3), "ranges with all their tokens are forgotten");
    for number in 1..MAX_RATED_RANGES {
        come(number, later);
    }
    assert!(come(0, later + Duration::from_secs(10)).0);
}

#[test]
fn nothing_is_kept_of_ranges_without_connections() {
    let mut swarm = swarm_with(Limits::default());
    listening(&mut swarm);
    let ids: Vec<_> = (0..20)
        .map(|number| connect(&mut swarm, [9, 0, number, 1].into(), number % 2 == 0, NOW).unwrap())
        .collect();
    let (connections, pending) = swarm.ranges.counts();
    assert_eq!((connections.len(), pending.len()), (20, 10));
    for id in ids {
        close(&mut swarm, id);
    }
    assert_eq!(swarm.ranges.counts(), (&BTreeMap::new(), &BTreeMap::new()));
}
