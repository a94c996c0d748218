//! What peers claim to see, with its outcome.

use super::super::observed::*;
use super::super::*;
use crate::crypto::Portable;
use crate::protocols::LocalInfo;
use crate::protocols::testing::{address, at, disconnected, key, keypair, opened, peer, tell, wake};
use crate::security::Role;
use bytes::BytesMut;
use proptest::prelude::*;
use std::collections::BTreeSet;

const LOCAL: &str = "/ip4/10.0.0.1/tcp/4001";
const EXTERNAL: &str = "/ip4/203.0.113.1/tcp/9001";

/// A node that listens on `addresses`.
fn listening(addresses: &[&str]) -> Observed {
    let mut observed = Observed::default();
    assert_eq!(listen(&mut observed, addresses), []);
    observed
}

fn listen(observed: &mut Observed, addresses: &[&str]) -> Vec<(String, ExternalState)> {
    let addresses: Vec<_> = addresses.iter().map(|text| address(text)).collect();
    readable(observed.listening(&addresses))
}

fn readable(changes: Vec<(Multiaddr, ExternalState)>) -> Vec<(String, ExternalState)> {
    changes.into_iter().map(|(address, state)| (address.to_string(), state)).collect()
}

fn confirmed(text: &str) -> (String, ExternalState) {
    (text.to_owned(), ExternalState::Confirmed)
}

fn expired(text: &str) -> (String, ExternalState) {
    (text.to_owned(), ExternalState::Expired)
}

/// The remote of a connection, in a network of its own.
fn network(number: u64) -> String {
    format!("/ip4/198.51.{}.{}/tcp/50000", number / 250, number % 250)
}

fn claim(
    observed: &mut Observed,
    connection: u64,
    local: &str,
    remote: &str,
    seen: &str,
) -> Vec<(String, ExternalState)> {
    let Some(local) = ThinWaist::of(&address(local)) else { return Vec::new() };
    readable(observed.observe(ConnectionId(connection), local, &address(remote), &address(seen)))
}

/// Peers in networks of their own, on the connections `connections`, claim the same; what they bring about.
fn agree(
    observed: &mut Observed,
    connections: std::ops::Range<u64>,
    local: &str,
    seen: &str,
) -> Vec<(String, ExternalState)> {
    connections.flat_map(|number| claim(observed, number, local, &network(number), seen)).collect()
}

fn disconnect(observed: &mut Observed, connection: u64) -> Vec<(String, ExternalState)> {
    readable(observed.disconnected(ConnectionId(connection)))
}

fn external(observed: &Observed) -> Vec<String> {
    observed.external_addresses().map(Multiaddr::to_string).collect()
}

#[test]
fn four_observers_confirm_an_address_until_one_is_gone() {
    let mut observed = listening(&[LOCAL]);
    assert_eq!(agree(&mut observed, 0..3, LOCAL, EXTERNAL), []);
    assert_eq!(agree(&mut observed, 3..4, LOCAL, EXTERNAL), [confirmed(EXTERNAL)]);
    assert_eq!(agree(&mut observed, 4..5, LOCAL, EXTERNAL), [], "a fifth is no news");
    assert_eq!(external(&observed), [EXTERNAL]);
    assert_eq!(disconnect(&mut observed, 0), []);
    assert_eq!(disconnect(&mut observed, 0), [], "twice");
    assert_eq!(disconnect(&mut observed, 4), [expired(EXTERNAL)]);
    for connection in 1..4 {
        disconnect(&mut observed, connection);
    }
    assert_eq!(observed.size(), (0, 1));
}

#[test]
fn a_claim_is_reduced_to_the_thin_waist_and_counts_if_it_can_be_true() {
    const QUIC: &str = "/ip4/10.0.0.1/udp/4001/quic-v1";
    const SIX: &str = "/ip6/fd00::1/tcp/4001";
    let relayed = format!("{EXTERNAL}/p2p/12D3KooWGtoysdmLukjAPdpiFqXFhCANstEAqGbV6uWvLNqoAqwq/p2p-circuit");
    let peer_id = format!("{EXTERNAL}/p2p/12D3KooWGtoysdmLukjAPdpiFqXFhCANstEAqGbV6uWvLNqoAqwq");
    let table: &[(&str, &str, &[&str])] = &[
        // The local end, what four peers claim, what follows.
        (LOCAL, EXTERNAL, &[EXTERNAL]),
        (LOCAL, LOCAL, &[LOCAL]),
        (LOCAL, "/ip4/203.0.113.1/tcp/9001/ws", &[EXTERNAL]),
        (LOCAL, &peer_id, &[EXTERNAL]),
        (LOCAL, "/ip6/::ffff:203.0.113.1/tcp/9001", &[EXTERNAL]),
        ("/ip4/10.0.0.1/tcp/4001/ws", EXTERNAL, &[EXTERNAL]),
        (
            QUIC,
            "/ip4/203.0.113.1/udp/9001/quic-v1",
            &["/ip4/203.0.113.1/udp/9001/webrtc-direct", "/ip4/203.0.113.1/udp/9001/quic-v1"],
        ),
        (SIX, "/ip6/2001:db8::1/tcp/9001", &["/ip6/2001:db8::1/tcp/9001"]),
        // Another local end.
        ("/ip4/10.0.0.1/tcp/4002", EXTERNAL, &[]),
        ("/ip4/10.0.0.2/tcp/4001", EXTERNAL, &[]),
        ("/ip4/10.0.0.1/tcp/4001/p2p-circuit", EXTERNAL, &[]),
        ("/memory/1", EXTERNAL, &[]),
        // Another IP version or transport.
        (LOCAL, "/ip4/203.0.113.1/udp/9001", &[]),
        (QUIC, EXTERNAL, &[]),
        (LOCAL, "/ip6/2001:db8::1/tcp/9001", &[]),
        (SIX, EXTERNAL, &[]),
        // No thin waist.
        (LOCAL, "/ip4/203.0.113.1", &[]),
        (LOCAL, "/ip4/203.0.113.1/sctp/9001", &[]),
        (LOCAL, "/dns4/example.org/tcp/9001", &[]),
        (LOCAL, "/memory/1", &[]),
        (LOCAL, "/tcp/9001", &[]),
        // Nowhere.
        (LOCAL, "/ip4/203.0.113.1/tcp/0", &[]),
        (LOCAL, "/ip4/127.0.0.1/tcp/9001", &[]),
        (LOCAL, "/ip4/0.0.0.0/tcp/9001", &[]),
        (LOCAL, "/ip4/169.254.1.1/tcp/9001", &[]),
        (LOCAL, "/ip4/224.0.0.1/tcp/9001", &[]),
        (LOCAL, "/ip4/255.255.255.255/tcp/9001", &[]),
        (LOCAL, "/ip6/::ffff:127.0.0.1/tcp/9001", &[]),
        (SIX, "/ip6/::1/tcp/9001", &[]),
        (SIX, "/ip6/::/tcp/9001", &[]),
        (SIX, "/ip6/fe80::1/tcp/9001", &[]),
        (SIX, "/ip6zone/eth0/ip6/fe80::1/tcp/9001", &[]),
        (SIX, "/ip6/ff02::1/tcp/9001", &[]),
        (SIX, "/ip6/64:ff9b::cb00:7101/tcp/9001", &[]),
        (SIX, "/ip6/64:ff9b:1::cb00:7101/tcp/9001", &[]),
        (LOCAL, &relayed, &[]),
    ];
    for (local, seen, external_addresses) in table {
        let mut observed =
            listening(&[LOCAL, QUIC, "/ip4/10.0.0.1/udp/4001/webrtc-direct", SIX, "/memory/1"]);
        agree(&mut observed, 0..4, local, seen);
        assert_eq!(external(&observed), *external_addresses, "{seen} claimed of {local}");
    }
}

#[test]
fn a_network_has_one_voice_however_many_peers_it_has() {
    let table = [
        // Two remotes, and how many observers they are.
        (["/ip4/192.0.2.1/tcp/1", "/ip4/192.0.2.1/tcp/2"], 1),
        (["/ip4/192.0.2.1/tcp/1", "/ip4/192.0.2.2/tcp/1"], 2),
        (["/ip4/192.0.2.1/tcp/1", "/ip6/::ffff:192.0.2.1/tcp/1"], 1),
        (["/ip6/2001:db8:0:100::1/tcp/1", "/ip6/2001:db8:0:1ff:ffff:ffff:ffff:ffff/tcp/1"], 1),
        (["/ip6/2001:db8:0:100::1/tcp/1", "/ip6/2001:db8:0:200::1/tcp/1"], 2),
        // Here, without an IP address, over a relay.
        (["/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1"], 0),
        (["/memory/1", "/dns4/example.org/tcp/1"], 0),
        (["/ip4/192.0.2.1/tcp/1/p2p-circuit", "/ip4/192.0.2.2/tcp/1/p2p-circuit"], 0),
    ];
    for (remotes, observers) in table {
        let mut observed = listening(&[LOCAL]);
        for (number, remote) in remotes.into_iter().enumerate() {
            claim(&mut observed, number as u64, LOCAL, remote, EXTERNAL);
        }
        assert_eq!(observed.size().0, observers, "{remotes:?}");
    }
}

/// js-libp2p #2673: whatever was claimed was kept without a limit, and believed from the first one on.
#[test]
fn js_2673_sybils_of_one_network_neither_confirm_an_address_nor_fill_the_memory() {
    let mut observed = listening(&[LOCAL]);
    agree(&mut observed, 0..4, LOCAL, EXTERNAL);
    for sybil in 4..10_000 {
        let remote = format!("/ip6/2001:db8:0:7700::{sybil:x}/tcp/50000");
        let seen = format!("/ip4/203.0.113.{}/tcp/{sybil}", sybil % 7);
        assert_eq!(claim(&mut observed, sybil, LOCAL, &remote, &seen), []);
        assert_eq!(claim(&mut observed, sybil, LOCAL, &remote, "/ip4/192.0.2.66/tcp/66"), []);
    }
    assert_eq!(observed.size(), (5, 1));
    assert_eq!(external(&observed), [EXTERNAL]);
}

/// Nor do those who come from everywhere.
#[test]
fn js_2673_a_flood_from_many_networks_stops_at_the_limit_and_displaces_nobody() {
    let mut observed = listening(&[LOCAL]);
    agree(&mut observed, 0..4, LOCAL, EXTERNAL);
    for connection in 4..2_000 {
        let seen = format!("/ip4/203.0.113.2/tcp/{connection}");
        assert_eq!(agree(&mut observed, connection..connection + 1, LOCAL, &seen), []);
    }
    assert_eq!(observed.size(), (MAX_OBSERVERS, 1));
    assert_eq!(external(&observed), [EXTERNAL]);
    disconnect(&mut observed, 100);
    agree(&mut observed, 3_000..3_002, LOCAL, EXTERNAL);
    assert_eq!(observed.size(), (MAX_OBSERVERS, 1), "a place is free for one");
}

#[test]
fn a_later_claim_on_a_connection_replaces_the_earlier_one() {
    let mut observed = listening(&[LOCAL]);
    agree(&mut observed, 0..4, LOCAL, EXTERNAL);
    assert_eq!(agree(&mut observed, 0..1, LOCAL, EXTERNAL), [], "the same again");
    assert_eq!(agree(&mut observed, 0..1, LOCAL, "/ip4/203.0.113.1/tcp/9002"), [expired(EXTERNAL)]);
    assert_eq!(agree(&mut observed, 0..1, LOCAL, EXTERNAL), [confirmed(EXTERNAL)]);
    assert_eq!(agree(&mut observed, 0..1, LOCAL, "/ip4/127.0.0.1/tcp/9002"), [expired(EXTERNAL)]);
    assert_eq!(observed.size(), (3, 1));
}

#[test]
fn the_first_connection_speaks_for_its_network_as_long_as_it_lasts() {
    let mut observed = listening(&[LOCAL]);
    agree(&mut observed, 0..4, LOCAL, EXTERNAL);
    assert_eq!(claim(&mut observed, 10, LOCAL, &network(0), "/ip4/203.0.113.9/tcp/9"), []);
    assert_eq!(disconnect(&mut observed, 10), []);
    assert_eq!(disconnect(&mut observed, 0), [expired(EXTERNAL)]);
    assert_eq!(claim(&mut observed, 11, LOCAL, &network(0), EXTERNAL), [confirmed(EXTERNAL)]);
}

/// Most observers first, then bytewise.
#[test]
fn at_most_three_external_addresses_are_kept_of_a_local_one() {
    let seen = [1, 2, 3, 4].map(|last| format!("/ip4/203.0.113.{last}/tcp/9001"));
    let [first, second, third, fourth] = [0, 1, 2, 3].map(|index| seen[index].as_str());
    let mut observed = listening(&[LOCAL]);
    assert_eq!(agree(&mut observed, 0..4, LOCAL, fourth), [confirmed(fourth)]);
    assert_eq!(agree(&mut observed, 10..14, LOCAL, third), [confirmed(third)]);
    assert_eq!(agree(&mut observed, 20..24, LOCAL, second), [confirmed(second)]);
    assert_eq!(agree(&mut observed, 30..34, LOCAL, first), [expired(fourth), confirmed(first)]);
    assert_eq!(external(&observed), [first, second, third]);
    assert_eq!(agree(&mut observed, 4..5, LOCAL, fourth), [expired(third), confirmed(fourth)]);
    assert_eq!(disconnect(&mut observed, 30), [expired(first), confirmed(third)]);
}

#[test]
fn claims_end_with_their_listener() {
    const OTHER: &str = "/ip4/10.0.0.1/tcp/4002";
    const SEEN_OF_OTHER: &str = "/ip4/203.0.113.1/tcp/9002";
    let mut observed = listening(&[LOCAL, OTHER]);
    agree(&mut observed, 0..4, LOCAL, EXTERNAL);
    agree(&mut observed, 10..14, OTHER, SEEN_OF_OTHER);
    assert_eq!(listen(&mut observed, &[OTHER]), [expired(EXTERNAL)]);
    assert_eq!(observed.size(), (4, 1));
    assert_eq!(listen(&mut observed, &[OTHER, LOCAL]), [], "it starts anew");
    assert_eq!(disconnect(&mut observed, 0), []);
    assert_eq!(external(&observed), [SEEN_OF_OTHER]);
}

#[test]
fn a_transport_that_joins_on_the_same_port_is_inferred() {
    const QUIC: &str = "/ip4/10.0.0.1/udp/4001/quic-v1";
    const WEBRTC: &str = "/ip4/10.0.0.1/udp/4001/webrtc-direct";
    const RELAYED: &str = "/ip4/10.0.0.1/udp/4001/quic-v1/p2p-circuit";
    let mut observed = listening(&[QUIC]);
    agree(&mut observed, 0..4, QUIC, "/ip4/203.0.113.1/udp/9001");
    let inferred = "/ip4/203.0.113.1/udp/9001/webrtc-direct";
    assert_eq!(listen(&mut observed, &[QUIC, WEBRTC, RELAYED]), [confirmed(inferred)]);
    assert_eq!(listen(&mut observed, &[QUIC]), [expired(inferred)]);
}

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    Listen(BTreeSet<u16>),
    Claim { connection: u64, local: u16, remote: [u8; 2], seen: u16 },
    Disconnect(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ports = proptest::collection::btree_set(1..40_u16, 0..40);
    let claim = (0..600_u64, 1..4_u16, any::<[u8; 2]>(), 1..6_u16);
    let step = prop_oneof![
        1 => ports.prop_map(Step::Listen),
        300 => claim.prop_map(|(connection, local, remote, seen)| Step::Claim { connection, local, remote, seen }),
        20 => (0..600_u64).prop_map(Step::Disconnect),
    ];
    proptest::collection::vec(step, 0..1_500)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// And what is reported adds up to what there is.
    #[test]
    fn nothing_exceeds_its_limit_whoever_claims_what(steps in steps()) {
        let mut observed = listening(&["/ip4/10.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/2"]);
        let mut reported = BTreeSet::new();
        for step in steps {
            let changes = match step {
                Step::Listen(ports) => {
                    let listen = ports.iter().map(|port| address(&format!("/ip4/10.0.0.1/tcp/{port}")));
                    observed.listening(&listen.collect::<Vec<_>>())
                }
                Step::Claim { connection, local, remote: [third, last], seen } => observed.observe(
                    ConnectionId(connection),
                    ThinWaist::of(&address(&format!("/ip4/10.0.0.1/tcp/{local}"))).unwrap(),
                    &address(&format!("/ip4/198.51.{third}.{last}/tcp/1")),
                    &address(&format!("/ip4/203.0.113.1/tcp/{seen}")),
                ),
                Step::Disconnect(connection) => observed.disconnected(ConnectionId(connection)),
            };
            for (address, state) in changes {
                match state {
                    ExternalState::Confirmed => prop_assert!(reported.insert(address)),
                    ExternalState::Expired => prop_assert!(reported.remove(&address)),
                }
            }
            prop_assert!(observed.external_addresses().eq(&reported));
            let (claims, listen_addresses) = observed.size();
            prop_assert!(listen_addresses <= MAX_LISTEN_ADDRESSES);
            prop_assert!(claims <= listen_addresses * MAX_OBSERVERS);
            prop_assert!(reported.len() <= listen_addresses * MAX_EXTERNAL_ADDRESSES);
        }
    }
}

/// A connection of the listener at [`LOCAL`] opens, and its peer tells that it sees us at [`EXTERNAL`].
fn identify_on(identify: &mut Identify, connection: u64) -> Vec<IdentifyEvent> {
    let id = ConnectionId(connection);
    let connected = FromSwarm::Connected {
        connection: id,
        peer: peer(connection as u8),
        role: Role::Listener,
        remote_address: address(&network(connection)),
        local_address: Some(address(LOCAL)),
    };
    let request = tell(identify, connected, at(0)).into_iter().find_map(|output| match output {
        ToSwarm::OpenStream { request, .. } => Some(request.0),
        _ => None,
    });
    let stream = key(connection, 0);
    tell(identify, opened(stream, PROTOCOL, request), at(0));
    let info = IdentifyInfo {
        protocols: vec![PROTOCOL, PUSH_PROTOCOL],
        observed_address: Some(address(EXTERNAL)),
        ..IdentifyInfo::default()
    };
    let mut message = BytesMut::new();
    codec::encode(&info, MAX_MESSAGE_BYTES, &mut message);
    tell(identify, FromSwarm::Message { stream, message: message.freeze(), received_at: at(0) }, at(0));
    let events = tell(identify, FromSwarm::RemoteClosed { stream }, at(0));
    external_events(events)
}

fn external_events(outputs: Vec<ToSwarm<IdentifyEvent>>) -> Vec<IdentifyEvent> {
    let is_external = |event: &IdentifyEvent| matches!(event, IdentifyEvent::ExternalAddress { .. });
    let events = outputs.into_iter().filter_map(|output| match output {
        ToSwarm::Event(event) => Some(event),
        _ => None,
    });
    events.filter(is_external).collect()
}

/// Which addresses the peer on `connection` is told when it asks.
fn told(identify: &mut Identify, connection: u64, stream: u64) -> Vec<Multiaddr> {
    let asked = opened(key(connection, stream), PROTOCOL, None);
    let answer = tell(identify, asked, at(0)).into_iter().find_map(|output| match output {
        ToSwarm::Send { message, .. } => Some(message),
        _ => None,
    });
    let mut info = IdentifyInfo::default();
    codec::merge(&answer.unwrap(), &mut info).unwrap();
    info.listen_addresses
}

#[test]
fn a_confirmed_address_is_reported_told_and_pushed_until_it_expires() {
    let mut identify = Identify::new(IdentifyConfig::default(), keypair(9).into(), Arc::new(Portable), at(0));
    let local = |addresses: &[&str]| {
        FromSwarm::Local(Arc::new(LocalInfo {
            peer: peer(9),
            public_key: keypair(9).public().clone(),
            listen_addresses: addresses.iter().map(|text| address(text)).collect(),
            protocols: vec![PROTOCOL],
        }))
    };
    let event = |state| [IdentifyEvent::ExternalAddress { address: address(EXTERNAL), state }];
    tell(&mut identify, local(&[LOCAL]), at(0));
    for connection in 0..3 {
        assert_eq!(identify_on(&mut identify, connection), []);
    }
    assert_eq!(told(&mut identify, 0, 1), [address(LOCAL)]);
    assert_eq!(identify.poll_timeout(), None, "nothing is to be pushed");
    assert_eq!(identify_on(&mut identify, 3), event(ExternalState::Confirmed));
    assert_eq!(told(&mut identify, 3, 1), [address(LOCAL), address(EXTERNAL)]);
    let pushes = wake(&mut identify, at(1_000));
    assert_eq!(pushes.len(), 3, "all but the one that has just been told: {pushes:?}");
    assert!(external_events(tell(&mut identify, local(&[LOCAL, EXTERNAL]), at(1_000))).is_empty());
    assert_eq!(told(&mut identify, 3, 2), [address(LOCAL), address(EXTERNAL)], "once");
    tell(&mut identify, local(&[LOCAL]), at(1_000));
    let disconnected = tell(&mut identify, disconnected(0, peer(0)), at(1_000));
    assert_eq!(external_events(disconnected), event(ExternalState::Expired));
    assert_eq!(told(&mut identify, 3, 3), [address(LOCAL)]);
    identify_on(&mut identify, 4);
    assert_eq!(external_events(tell(&mut identify, local(&[]), at(1_000))), event(ExternalState::Expired));
}
