mod codec;
mod limits;
mod model;
mod storing;

use super::*;
use crate::address::parse;
use crate::identity::PeerRecord;

const NOW: Instant = Instant::from_nanos(1_000);
const SECOND: Duration = Duration::from_secs(1);
const TCP: &str = "/ip4/192.0.2.1/tcp/4001";
const DNS: &str = "/dns4/example.com/tcp/4001";

fn peer(number: u64) -> PeerId {
    PeerId::from_public_key_protobuf(&number.to_be_bytes())
}

fn address(text: &str) -> Multiaddr {
    parse(text).unwrap()
}

fn port(number: u16) -> Multiaddr {
    address(&format!("/ip4/192.0.2.1/tcp/{number}"))
}

fn ports(numbers: impl IntoIterator<Item = u16>) -> Vec<Multiaddr> {
    numbers.into_iter().map(port).collect()
}

fn info(addresses: Vec<Multiaddr>) -> IdentifyInfo {
    IdentifyInfo { listen_addresses: addresses, ..IdentifyInfo::default() }
}

fn signed_info(of: PeerId, sequence: u64, addresses: Vec<Multiaddr>) -> IdentifyInfo {
    let certified = Some(PeerRecord { peer: of, sequence, addresses: addresses.clone() });
    IdentifyInfo { certified, ..info(addresses) }
}

fn book() -> PeerBook {
    PeerBook::new(PeerBookConfig::default())
}

/// Its addresses and from where they are known, in the order of the texts.
fn origins(book: &PeerBook, of: PeerId, now: Instant) -> Vec<(String, Origin)> {
    let known = book.get(of, now).map(|known| known.addresses).unwrap_or_default();
    let mut origins: Vec<_> =
        known.into_iter().map(|known| (known.address.to_string(), known.origin)).collect();
    origins.sort();
    origins
}

/// How an address becomes known, and how long it lives: after it was told, and after the peer's connection was closed.
#[test]
fn addresses_live_as_long_as_their_origin_says() {
    type Tell = fn(&mut PeerBook);
    let table: [(Tell, Origin, Option<Duration>, bool); 6] = [
        (|book| book.routed(peer(1), &[port(1)], NOW), Origin::Routing, Some(ROUTING_TTL), false),
        (|book| book.identified(peer(1), &info(ports([1])), NOW), Origin::Identify, Some(IDENTIFY_TTL), true),
        (
            |book| book.identified(peer(1), &signed_info(peer(1), 1, ports([1])), NOW),
            Origin::Record,
            Some(RECORD_TTL),
            true,
        ),
        (
            |book| {
                book.connected(peer(1), Some(&port(1)), NOW);
                book.disconnected(peer(1), NOW);
            },
            Origin::Dialed,
            Some(REACHED_TTL),
            true,
        ),
        (
            |book| {
                book.routed(peer(1), &[port(1)], NOW);
                book.connected(peer(1), Some(&port(1)), NOW);
                book.disconnected(peer(1), NOW);
            },
            Origin::Routing,
            Some(REACHED_TTL),
            true,
        ),
        (|book| book.add(peer(1), &port(1), NOW).unwrap(), Origin::User, None, true),
    ];
    let never = NOW + Duration::from_secs(1_000_000_000);
    for (tell, origin, ttl, outlives_connection) in table {
        let mut book = book();
        tell(&mut book);
        let known = book.get(peer(1), NOW).unwrap();
        assert_eq!((known.addresses[0].origin, known.addresses[0].remaining), (origin, ttl));
        let Some(ttl) = ttl else {
            assert_eq!(book.addresses(peer(1), never), [port(1)]);
            continue;
        };
        assert_eq!(book.addresses(peer(1), NOW + (ttl - SECOND)), [port(1)], "{origin:?}");
        assert_eq!(book.addresses(peer(1), NOW + ttl), [], "{origin:?}");

        book.connected(peer(1), None, NOW);
        let closed = NOW + Duration::from_secs(1_000_000);
        let kept = if outlives_connection { ports([1]) } else { Vec::new() };
        assert_eq!(book.addresses(peer(1), closed), kept, "{origin:?}");
        book.disconnected(peer(1), closed);
        assert_eq!(book.addresses(peer(1), closed + (ttl - SECOND)), kept, "{origin:?}");
        assert_eq!(book.addresses(peer(1), closed + ttl), [], "{origin:?}");
        book.forget(peer(9), closed + ttl);
        assert!(book.is_empty(), "{origin:?}");
    }
}

#[test]
fn the_most_trusted_origin_counts() {
    let mut book = book();
    book.routed(peer(1), &ports([1, 2, 3]), NOW);
    book.identified(peer(1), &signed_info(peer(1), 5, ports([1, 2])), NOW);
    book.add(peer(1), &port(1), NOW).unwrap();
    let expected = [
        ("/ip4/192.0.2.1/tcp/1".to_owned(), Origin::User),
        ("/ip4/192.0.2.1/tcp/2".to_owned(), Origin::Record),
        ("/ip4/192.0.2.1/tcp/3".to_owned(), Origin::Routing),
    ];
    assert_eq!(origins(&book, peer(1), NOW), expected);
    // Who is trusted less changes nothing, not even the time.
    let later = NOW + (RECORD_TTL - SECOND);
    book.identified(peer(1), &info(ports([1, 2])), later);
    book.routed(peer(1), &ports([1, 2]), later);
    assert_eq!(origins(&book, peer(1), later), expected[..2]);
    assert_eq!(book.addresses(peer(1), NOW + RECORD_TTL), [port(1)]);
}

#[test]
fn a_list_of_identify_replaces_the_list_before() {
    let mut book = book();
    book.routed(peer(1), &[port(9)], NOW);
    book.identified(peer(1), &info(ports([1, 2])), NOW);
    book.identified(peer(1), &info(ports([2, 3])), NOW);
    assert_eq!(book.addresses(peer(1), NOW), ports([9, 2, 3]));
    // A push without addresses is none about addresses.
    book.identified(peer(1), &info(Vec::new()), NOW);
    assert_eq!(book.addresses(peer(1), NOW), ports([9, 2, 3]));
}

#[test]
fn only_a_newer_record_replaces_what_a_peer_has_signed() {
    let told = |numbers: &[u16]| ports(numbers.iter().copied());
    // Which record follows number 5 with the ports 1 and 2, and what is known then.
    let table: [(u64, &[u16], &[u16], u64); 6] = [
        (6, &[2, 3], &[2, 3], 6),
        (6, &[], &[], 6),
        (5, &[2], &[1, 2], 5),
        (5, &[3], &[1, 2, 3], 5),
        (4, &[3], &[1, 2], 5),
        (0, &[], &[1, 2], 5),
    ];
    for (sequence, addresses, expected, number) in table {
        let mut book = book();
        book.connected(peer(1), None, NOW);
        book.identified(peer(1), &info(ports([8])), NOW);
        book.identified(peer(1), &signed_info(peer(1), 5, ports([1, 2])), NOW);
        book.identified(peer(1), &signed_info(peer(1), sequence, told(addresses)), NOW);
        let known = book.get(peer(1), NOW).unwrap();
        assert_eq!(known.record_sequence, Some(number));
        let mut addresses = book.addresses(peer(1), NOW);
        addresses.sort();
        assert_eq!(addresses, told(expected), "{sequence}");
        // What is not signed is kept beside it, behind it.
        book.identified(peer(1), &info(ports([7])), NOW + SECOND);
        assert_eq!(book.addresses(peer(1), NOW).last(), Some(&port(7)));
    }
}

#[test]
fn a_newer_record_takes_back_neither_the_users_word_nor_what_was_only_dialled() {
    let mut book = book();
    book.identified(peer(1), &signed_info(peer(1), 1, ports([1, 2])), NOW);
    book.add(peer(1), &port(1), NOW).unwrap();
    book.connected(peer(1), Some(&address(DNS)), NOW);
    book.identified(peer(1), &signed_info(peer(1), 2, ports([3])), NOW);
    let expected = [
        (DNS.to_owned(), Origin::Dialed),
        ("/ip4/192.0.2.1/tcp/1".to_owned(), Origin::User),
        ("/ip4/192.0.2.1/tcp/3".to_owned(), Origin::Record),
    ];
    assert_eq!(origins(&book, peer(1), NOW), expected);
}

#[test]
fn signed_records_that_somebody_passes_on() {
    let keypair = crate::identity::Keypair::ed25519_from_secret(&[1; 32]);
    let of = keypair.public().to_peer_id();
    let sign = |sequence, numbers: [u16; 1]| {
        SignedPeerRecord::sign(&keypair, sequence, ports(numbers), &crate::crypto::Portable).unwrap()
    };
    let mut book = book();
    assert!(book.certified(&sign(2, [1]), NOW));
    assert!(!book.certified(&sign(2, [1]), NOW));
    assert!(!book.certified(&sign(1, [2]), NOW));
    assert_eq!(book.addresses(of, NOW), ports([1]));
    assert!(book.certified(&sign(3, [2]), NOW));
    assert_eq!(book.addresses(of, NOW), ports([2]));
    // A record of somebody else in an identify message certifies nothing.
    book.identified(peer(1), &signed_info(of, 9, ports([3])), NOW);
    assert_eq!(origins(&book, peer(1), NOW), [("/ip4/192.0.2.1/tcp/3".to_owned(), Origin::Identify)]);
    assert_eq!(book.get(of, NOW).unwrap().record_sequence, Some(3));
}

#[test]
fn the_best_address_comes_first() {
    let mut book = book();
    let at = |seconds| NOW + seconds * SECOND;
    book.routed(peer(1), &ports([1, 2, 3, 4, 5]), at(0));
    book.routed(peer(1), &ports([2]), at(1));
    book.connected(peer(1), Some(&port(3)), at(1));
    book.connected(peer(1), Some(&port(4)), at(2));
    assert_eq!(book.addresses(peer(1), at(2)), ports([4, 3, 2, 1, 5]));
    book.identified(peer(1), &signed_info(peer(1), 1, ports([6, 3])), at(3));
    assert_eq!(book.addresses(peer(1), at(3)), ports([3, 6, 4, 2, 1, 5]));
    book.add(peer(1), &port(5), at(4)).unwrap();
    assert_eq!(book.addresses(peer(1), at(4)), ports([3, 5, 6, 4, 2, 1]));
    // What failed comes last, until it succeeds.
    book.failed(peer(1), &port(3), at(5));
    book.failed(peer(1), &port(1), at(5));
    book.failed(peer(1), &port(77), at(5));
    assert_eq!(book.addresses(peer(1), at(5)), ports([5, 6, 4, 2, 3, 1]));
    book.connected(peer(1), Some(&port(1)), at(6));
    assert_eq!(book.addresses(peer(1), at(6)), ports([5, 6, 1, 4, 2, 3]));
}

#[test]
fn addresses_are_kept_bare_and_only_if_they_are_the_peers() {
    let full = |number| crate::address::with_peer_id(address(TCP), &peer(number));
    let mut book = book();
    let only_peer = address(&format!("/p2p/{}", peer(1)));
    let too_long = [format!("/dns4/{}", "x".repeat(MAX_ADDRESS_BYTES))].map(|text| text.parse().unwrap());
    book.routed(peer(1), &[full(2), Multiaddr::empty(), only_peer], NOW);
    book.routed(peer(1), &too_long, NOW);
    assert!(book.is_empty(), "nothing of it is an address of the peer");
    book.routed(peer(1), &[full(2), full(1), address(TCP)], NOW);
    assert_eq!(book.addresses(peer(1), NOW), [address(TCP)]);
    book.failed(peer(1), &full(1), NOW);
    assert!(book.get(peer(1), NOW).unwrap().addresses[0].has_failed);
    book.connected(peer(1), Some(&full(1)), NOW);
    assert!(book.get(peer(1), NOW).unwrap().addresses[0].was_reached);
}

#[test]
fn what_the_user_adds_is_refused_with_the_reason() {
    let small = PeerBookConfig { max_peers: 1, max_addresses_per_peer: 2 };
    let mut book = PeerBook::new(small);
    let other = crate::address::with_peer_id(address(TCP), &peer(2));
    let long: Multiaddr = format!("/dns4/{}", "x".repeat(2_000)).parse().unwrap();
    let table = [
        (other, AddPeerError::OtherPeer(peer(2)), Blame::Caller),
        (Multiaddr::empty(), InvalidAddress::Empty.into(), Blame::Caller),
        (
            long.clone(),
            InvalidAddress::TooLong { len: long.len(), max: MAX_ADDRESS_BYTES }.into(),
            Blame::Caller,
        ),
    ];
    for (address, error, blame) in table {
        assert_eq!(error.blame(), blame);
        assert_eq!(book.add(peer(1), &address, NOW), Err(error));
    }
    assert!(book.is_empty());
    for number in [1, 2, 1] {
        assert_eq!(book.add(peer(1), &port(number), NOW), Ok(()));
    }
    assert_eq!(book.add(peer(1), &port(3), NOW), Err(AddPeerError::TooManyAddresses));
    assert_eq!(book.add(peer(2), &port(1), NOW), Err(AddPeerError::TooManyPeers(1)));
    book.forget_address(peer(1), &port(1), NOW);
    assert_eq!(book.add(peer(1), &port(3), NOW), Ok(()));
    book.forget(peer(1), NOW);
    assert_eq!(book.add(peer(2), &port(1), NOW), Ok(()));
}

#[test]
fn where_another_peer_answers_the_peer_is_not() {
    let mut book = book();
    book.identified(peer(1), &signed_info(peer(1), 1, ports([1])), NOW);
    book.add(peer(1), &port(2), NOW).unwrap();
    for number in [1, 2, 3] {
        book.wrong_peer(peer(1), &port(number), NOW);
    }
    let known = book.get(peer(1), NOW).unwrap().addresses;
    assert_eq!(known.len(), 1);
    assert!(known[0].has_failed && known[0].origin == Origin::User);
}

#[test]
fn what_identify_tells_of_the_peer() {
    let mut book = book();
    let protocols = [ProtocolId::from_static("/a/1"), ProtocolId::from_static("/b/1")];
    let told = IdentifyInfo {
        agent_version: Some("node/1\u{1b}[31m".to_owned()),
        protocols: protocols.to_vec(),
        ..info(ports([1]))
    };
    book.connected(peer(1), None, NOW);
    assert_eq!(book.get(peer(1), NOW).unwrap().agent_version, None);
    book.identified(peer(1), &told, NOW);
    // A push of something else.
    book.identified(peer(1), &info(ports([2])), NOW);
    let known = book.get(peer(1), NOW).unwrap();
    assert!(known.is_connected);
    assert_eq!(known.protocols, protocols);
    let agent = known.agent_version.unwrap();
    assert!(agent.starts_with("node/1") && !agent.contains('\u{1b}'), "{agent:?}");
    assert_eq!(known.addresses[0].remaining, None);
    book.forget(peer(1), NOW);
    let known = book.get(peer(1), NOW).unwrap();
    assert!(known.is_connected && known.addresses.is_empty() && known.protocols.is_empty());
}

#[test]
fn a_connected_peer_is_known_without_addresses() {
    let mut book = book();
    book.connected(peer(1), None, NOW);
    book.connected(peer(1), None, NOW);
    book.disconnected(peer(1), NOW);
    assert_eq!(book.peers(NOW).map(|known| known.peer).collect::<Vec<_>>(), [peer(1)]);
    book.disconnected(peer(1), NOW);
    book.disconnected(peer(1), NOW);
    assert!(book.is_empty());
}

#[test]
fn an_earlier_time_is_ignored() {
    let mut book = book();
    book.routed(peer(1), &ports([1]), NOW);
    book.routed(peer(2), &ports([2]), NOW + ROUTING_TTL);
    assert_eq!(book.addresses(peer(1), NOW), []);
    book.routed(peer(3), &ports([3]), NOW);
    assert_eq!(book.addresses(peer(3), NOW + (2 * ROUTING_TTL - SECOND)), ports([3]));
}
