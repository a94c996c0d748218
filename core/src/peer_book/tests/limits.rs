//! What happens when there is no more room.

use super::*;

const SMALL: PeerBookConfig = PeerBookConfig { max_peers: 4, max_addresses_per_peer: 3 };

/// One peer of each standing, and one more that is connected: the book is full.
fn full() -> PeerBook {
    let mut book = PeerBook::new(PeerBookConfig { max_peers: 6, ..SMALL });
    book.routed(peer(1), &ports([1]), NOW);
    book.identified(peer(2), &info(ports([2])), NOW);
    book.identified(peer(3), &signed_info(peer(3), 1, ports([3])), NOW);
    book.connected(peer(4), Some(&port(4)), NOW);
    book.disconnected(peer(4), NOW);
    book.add(peer(5), &port(5), NOW).unwrap();
    book.connected(peer(6), None, NOW);
    book
}

fn who(book: &PeerBook) -> Vec<u64> {
    (0..3_000).filter(|&number| book.peers.contains_key(&peer(number))).collect()
}

/// Whoever comes in large numbers displaces only what was as cheap to come by.
#[test]
fn floods_displace_their_own_kind() {
    type Tell = fn(&mut PeerBook, PeerId, Instant);
    let table: [(&str, Tell, &[u64]); 5] = [
        ("routing", |book, of, now| book.routed(of, &ports([9]), now), &[2, 3, 4, 5, 6]),
        ("identify", |book, of, now| book.identified(of, &info(ports([9])), now), &[3, 4, 5, 6]),
        (
            "connections",
            |book, of, now| {
                book.connected(of, None, now);
                book.identified(of, &info(ports([9])), now);
                book.disconnected(of, now);
            },
            &[3, 4, 5, 6],
        ),
        ("records", |book, of, now| book.identified(of, &signed_info(of, 1, ports([9])), now), &[4, 5, 6]),
        ("open connections", |book, of, now| book.connected(of, None, now), &[3, 4, 5, 6]),
    ];
    for (name, tell, left) in table {
        let mut book = full();
        for number in 1_000..3_000 {
            tell(&mut book, peer(number), NOW + SECOND);
            assert_eq!(book.len(), 6, "{name}");
        }
        assert_eq!(who(&book)[..left.len()], *left, "{name}");
    }
}

#[test]
fn among_equals_the_first_to_expire_makes_room() {
    let mut book = PeerBook::new(SMALL);
    for (number, seconds) in [(2, 1), (3, 2), (1, 3), (4, 4)] {
        book.routed(peer(number), &ports([1]), NOW + seconds * SECOND);
    }
    // A peer lives as long as its last address.
    book.routed(peer(2), &ports([2]), NOW + 5 * SECOND);
    for (number, expected) in [(5, [1, 2, 4, 5]), (6, [2, 4, 5, 6])] {
        book.routed(peer(number), &ports([1]), NOW + 6 * SECOND);
        assert_eq!(who(&book), expected);
    }
}

#[test]
fn what_has_expired_makes_room_before_anybody_else() {
    let mut book = full();
    book.forget(peer(1), NOW);
    let later = NOW + (IDENTIFY_TTL - SECOND);
    book.routed(peer(7), &ports([7]), later);
    assert_eq!(who(&book), [2, 3, 4, 5, 6, 7]);
    // The addresses of identify have expired; those of routing have not.
    book.routed(peer(8), &ports([8]), NOW + IDENTIFY_TTL);
    assert_eq!(who(&book), [3, 4, 5, 6, 7, 8]);
}

#[test]
fn nobody_makes_room_for_nothing() {
    let mut book = full();
    book.routed(peer(9), &[], NOW);
    book.identified(peer(9), &info(Vec::new()), NOW);
    book.identified(peer(9), &signed_info(peer(9), 1, Vec::new()), NOW);
    book.failed(peer(9), &port(1), NOW);
    book.disconnected(peer(9), NOW);
    assert_eq!(who(&book), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_full_book_of_what_stays_takes_nobody_in() {
    let mut book = PeerBook::new(SMALL);
    for number in 0..4 {
        book.add(peer(number), &port(1), NOW).unwrap();
    }
    book.connected(peer(9), Some(&port(9)), NOW);
    book.identified(peer(9), &signed_info(peer(9), 1, ports([9])), NOW);
    book.disconnected(peer(9), NOW);
    assert_eq!(who(&book), [0, 1, 2, 3]);
    assert_eq!(book.add(peer(9), &port(1), NOW), Err(AddPeerError::TooManyPeers(4)));
}

#[test]
fn the_addresses_of_a_peer_make_room_as_peers_do() {
    let mut book = PeerBook::new(SMALL);
    let sorted = |book: &PeerBook| {
        let mut addresses = book.addresses(peer(1), NOW);
        addresses.sort();
        addresses
    };
    book.routed(peer(1), &ports([1, 2, 3, 4, 5]), NOW);
    assert_eq!(sorted(&book), ports([1, 2, 3]), "the first ones of a list");
    book.routed(peer(1), &ports([4]), NOW + SECOND);
    assert_eq!(sorted(&book), ports([2, 3, 4]), "the oldest one went");
    book.identified(peer(1), &info(ports([5, 6])), NOW + SECOND);
    assert_eq!(sorted(&book), ports([4, 5, 6]));
    book.connected(peer(1), Some(&port(7)), NOW + SECOND);
    book.add(peer(1), &port(8), NOW + SECOND).unwrap();
    book.identified(peer(1), &signed_info(peer(1), 1, ports([9, 10, 11])), NOW + SECOND);
    assert_eq!(sorted(&book), ports([7, 8, 11]), "what was reached and what the user said stays");
    book.routed(peer(1), &ports([12]), NOW + SECOND);
    assert_eq!(sorted(&book), ports([7, 8, 11]));
}

#[test]
fn a_few_huge_addresses_count_as_many() {
    let huge = |number: usize| {
        // Several names, since one alone is not longer than 255 bytes.
        address(&format!("/dns4/{}/tcp/{number}", vec!["x".repeat(60); 15].join(".")))
    };
    let mut book = book();
    book.add(peer(1), &port(1), NOW).unwrap();
    let list: Vec<_> = (1..=20).map(huge).collect();
    book.routed(peer(1), &list, NOW);
    let known = book.addresses(peer(1), NOW);
    let bytes: usize = known.iter().map(Multiaddr::len).sum();
    assert!(bytes <= MAX_ADDRESS_BYTES_PER_PEER && bytes > MAX_ADDRESS_BYTES_PER_PEER - 1_024, "{bytes}");
    assert_eq!(known[0], port(1));
    let smaller = ports(2..=40);
    book.identified(peer(1), &info(smaller.clone()), NOW);
    let known = book.addresses(peer(1), NOW);
    assert!(smaller.iter().all(|address| known.contains(address)));
}

#[test]
fn protocols_and_texts_are_capped() {
    let mut book = book();
    let many = (0..1_000).map(|number| ProtocolId::new(&format!("/x/{number}")).unwrap()).collect();
    let long =
        (0..20).map(|number| ProtocolId::new(&format!("/{number}{}", "x".repeat(500))).unwrap()).collect();
    for (protocols, kept) in [(many, MAX_PROTOCOLS), (long, 8)] {
        let agent_version = Some("x".repeat(10_000));
        let told = IdentifyInfo { protocols, agent_version, ..info(ports([1])) };
        book.identified(peer(1), &told, NOW);
        let known = book.get(peer(1), NOW).unwrap();
        assert_eq!(known.protocols.len(), kept);
        assert_eq!(known.agent_version.as_deref().map(str::len), Some(128));
    }
}
