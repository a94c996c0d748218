//! Across restarts.

use super::*;

const TODAY: Duration = Duration::from_secs(1_800_000_000);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn changes(book: &mut PeerBook, since_1970: Duration, now: Instant) -> Vec<PeerChange> {
    std::iter::from_fn(|| book.take_change(since_1970, now)).collect()
}

fn stored(book: &mut PeerBook, since_1970: Duration, now: Instant) -> Vec<StoredPeer> {
    changes(book, since_1970, now).into_iter().filter_map(|change| change.entry).collect()
}

fn stored_address(number: u16, origin: Origin, expires: Option<u64>, reached: Option<u64>) -> StoredAddress {
    let [expires, reached] = [expires, reached].map(|seconds| seconds.map(Duration::from_secs));
    StoredAddress { address: port(number), origin, expires, reached }
}

#[test]
fn only_what_is_worth_it_is_stored() {
    let mut book = book();
    book.routed(peer(1), &ports([1]), NOW);
    book.connected(peer(2), None, NOW);
    book.identified(peer(2), &info(ports([2])), NOW);
    book.identified(peer(3), &signed_info(peer(3), 7, ports([3])), NOW);
    book.connected(peer(4), Some(&port(4)), NOW);
    book.identified(peer(4), &info(ports([44])), NOW);
    book.add(peer(5), &port(5), NOW).unwrap();
    let mut peers = stored(&mut book, TODAY, NOW + 10 * SECOND);
    peers.sort_by_key(|stored| stored.addresses[0].address.clone());
    let expected = [
        (peer(3), vec![stored_address(3, Origin::Record, Some(1_800_003_590), None)], Some(7)),
        (
            peer(4),
            vec![
                stored_address(4, Origin::Dialed, Some(1_800_086_390), Some(1_799_999_990)),
                stored_address(44, Origin::Identify, Some(1_800_001_790), None),
            ],
            None,
        ),
        (peer(5), vec![stored_address(5, Origin::User, None, None)], None),
    ];
    let got: Vec<_> =
        peers.into_iter().map(|stored| (stored.peer, stored.addresses, stored.record_sequence)).collect();
    assert_eq!(got, expected);
    assert_eq!(changes(&mut book, TODAY, NOW), []);
}

#[test]
fn a_change_is_given_once_and_again_if_it_could_not_be_stored() {
    let mut book = book();
    book.add(peer(1), &port(1), NOW).unwrap();
    book.add(peer(1), &port(2), NOW).unwrap();
    let first = changes(&mut book, TODAY, NOW);
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].entry.as_ref().unwrap().addresses.len(), 2);
    assert_eq!(changes(&mut book, TODAY, NOW), []);
    book.put_back(peer(1));
    assert_eq!(changes(&mut book, TODAY, NOW), first);
    book.forget(peer(1), NOW);
    let gone = [PeerChange { peer: peer(1), entry: None }];
    assert_eq!(changes(&mut book, TODAY, NOW), gone);
    assert_eq!(changes(&mut book, TODAY, NOW), []);
    book.put_back(peer(1));
    assert_eq!(changes(&mut book, TODAY, NOW), gone);
}

#[test]
fn a_deletion_that_could_not_be_stored_is_given_again_though_the_peer_is_still_here() {
    let gone = [PeerChange { peer: peer(1), entry: None }];
    for disconnects in [false, true] {
        let mut book = book();
        book.connected(peer(1), None, NOW);
        book.add(peer(1), &port(1), NOW).unwrap();
        assert_eq!(stored(&mut book, TODAY, NOW).len(), 1);
        book.forget(peer(1), NOW);
        assert_eq!(changes(&mut book, TODAY, NOW), gone);
        book.put_back(peer(1));
        if disconnects {
            book.disconnected(peer(1), NOW);
        }
        assert_eq!(changes(&mut book, TODAY, NOW), gone, "disconnects: {disconnects}");
        assert_eq!(changes(&mut book, TODAY, NOW), []);
    }
}

#[test]
fn what_was_stored_and_is_no_longer_worth_it_is_deleted() {
    let mut book = book();
    book.identified(peer(1), &signed_info(peer(1), 7, ports([1])), NOW);
    book.add(peer(2), &port(1), NOW).unwrap();
    book.add(peer(3), &port(1), NOW).unwrap();
    book.forget(peer(3), NOW);
    assert_eq!(stored(&mut book, TODAY, NOW).len(), 2);
    // One has expired, of the other one only hearsay is left.
    book.routed(peer(2), &ports([9]), NOW + RECORD_TTL);
    book.forget_address(peer(2), &port(1), NOW + RECORD_TTL);
    let mut gone = changes(&mut book, TODAY, NOW + RECORD_TTL);
    gone.sort_by_key(|change| change.peer != peer(1));
    assert_eq!(gone, [1, 2].map(|number| PeerChange { peer: peer(number), entry: None }));
    assert_eq!(book.len(), 1);
    assert_eq!(changes(&mut book, TODAY, NOW + RECORD_TTL), []);
}

#[test]
fn a_connected_peer_is_stored_again_before_it_expires_on_the_disk() {
    let mut book = book();
    book.connected(peer(1), Some(&port(1)), NOW);
    let first = stored(&mut book, TODAY, NOW);
    assert_eq!(first[0].addresses[0].expires, Some(TODAY + REACHED_TTL));
    let second = stored(&mut book, TODAY + REACHED_TTL, NOW + REACHED_TTL);
    assert_eq!(second[0].addresses[0].expires, Some(TODAY + 2 * REACHED_TTL));
}

#[test]
fn a_node_that_starts_again_knows_what_it_knew() {
    let mut before = book();
    let told = IdentifyInfo {
        agent_version: Some("node/1".to_owned()),
        protocols: vec![ProtocolId::from_static("/a/1")],
        ..signed_info(peer(1), 7, ports([1, 2]))
    };
    before.connected(peer(1), Some(&port(2)), NOW + SECOND);
    before.identified(peer(1), &told, NOW + SECOND);
    before.add(peer(1), &port(3), NOW).unwrap();
    let order = before.addresses(peer(1), NOW);
    let peers = stored(&mut before, TODAY, NOW + SECOND);

    let mut after = book();
    assert!(after.restore(&peers[0], TODAY + 60 * SECOND, Instant::ORIGIN));
    assert_eq!(changes(&mut after, TODAY, Instant::ORIGIN), [], "nothing is new");
    assert_eq!(after.addresses(peer(1), Instant::ORIGIN), order);
    let known = after.get(peer(1), Instant::ORIGIN).unwrap();
    assert_eq!((known.agent_version.as_deref(), known.record_sequence), (Some("node/1"), Some(7)));
    assert_eq!(known.protocols, told.protocols);
    let remaining: Vec<_> = known.addresses.iter().map(|known| known.remaining).collect();
    assert_eq!(remaining, [Some(REACHED_TTL - 60 * SECOND), Some(RECORD_TTL - 60 * SECOND), None]);
    // When it was last reached is not lost.
    after.put_back(peer(1));
    assert_eq!(stored(&mut after, TODAY + 60 * SECOND, Instant::ORIGIN), peers);
}

#[test]
fn the_wall_clock_may_have_jumped() {
    let addresses = vec![
        stored_address(1, Origin::Record, Some(TODAY.as_secs() + 60), None),
        stored_address(2, Origin::Dialed, Some(TODAY.as_secs() + 120), Some(TODAY.as_secs())),
        // Nobody writes this.
        stored_address(3, Origin::Record, None, None),
    ];
    let stored = StoredPeer {
        peer: peer(1),
        addresses,
        record_sequence: Some(1),
        agent_version: None,
        protocols: vec![],
    };
    let table: [(Duration, &[(u16, Duration)]); 5] = [
        (TODAY, &[(3, RECORD_TTL), (1, 60 * SECOND), (2, 120 * SECOND)]),
        (TODAY + 60 * SECOND, &[(3, RECORD_TTL), (2, 60 * SECOND)]),
        (TODAY + DAY, &[(3, RECORD_TTL)]),
        (TODAY - 1_000 * DAY, &[(3, RECORD_TTL), (1, RECORD_TTL), (2, REACHED_TTL)]),
        (Duration::ZERO, &[(3, RECORD_TTL), (1, RECORD_TTL), (2, REACHED_TTL)]),
    ];
    for (since_1970, expected) in table {
        let mut book = book();
        assert!(book.restore(&stored, since_1970, NOW));
        let known = book.get(peer(1), NOW).unwrap();
        let mut got: Vec<_> = known
            .addresses
            .into_iter()
            .map(|known| (known.address.clone(), known.remaining.unwrap()))
            .collect();
        let mut expected: Vec<_> = expected.iter().map(|(number, time)| (port(*number), *time)).collect();
        got.sort();
        expected.sort();
        assert_eq!(got, expected, "{since_1970:?}");
    }
}

#[test]
fn what_cannot_be_restored_is_deleted() {
    let expired = StoredPeer {
        peer: peer(1),
        addresses: vec![stored_address(1, Origin::Record, Some(1), None)],
        record_sequence: None,
        agent_version: None,
        protocols: vec![],
    };
    let user = |number| StoredPeer {
        peer: peer(number),
        addresses: vec![stored_address(1, Origin::User, None, None)],
        ..expired.clone()
    };
    let mut book = PeerBook::new(PeerBookConfig { max_peers: 1, max_addresses_per_peer: 1 });
    assert!(!book.restore(&expired, TODAY, NOW));
    assert!(book.restore(&user(2), TODAY, NOW));
    assert!(!book.restore(&user(3), TODAY, NOW));
    let mut gone = changes(&mut book, TODAY, NOW);
    gone.sort_by_key(|change| change.peer != peer(1));
    assert_eq!(gone, [1, 3].map(|number| PeerChange { peer: peer(number), entry: None }));
    assert_eq!(book.addresses(peer(2), NOW), ports([1]));
}

#[test]
fn changes_of_who_is_gone_are_bounded() {
    let config = PeerBookConfig { max_peers: 10, max_addresses_per_peer: 1 };
    let mut book = PeerBook::new(config);
    for number in 0..1_000 {
        let expires = Some(TODAY.as_secs() + 60);
        let addresses = vec![stored_address(1, Origin::Record, expires, None)];
        let (record_sequence, agent_version, protocols) = (None, None, vec![]);
        let stored = StoredPeer { peer: peer(number), addresses, record_sequence, agent_version, protocols };
        assert!(book.restore(&stored, TODAY, NOW));
        assert!(book.changed.len() <= 20 && book.len() <= 10);
    }
    // Who was never stored needs no deletion.
    let mut book = PeerBook::new(config);
    for number in 0..1_000 {
        book.connected(peer(number), Some(&port(1)), NOW);
        book.disconnected(peer(number), NOW);
        book.forget(peer(number), NOW);
        assert!(book.changed.is_empty());
    }
}
