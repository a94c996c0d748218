use super::*;
use crate::identity::{InvalidPeerId, Keypair};
use crate::seed::Seed;

fn peer(number: u64) -> PeerId {
    Keypair::generate_ed25519(&mut Seed::reproducible(number)).public().to_peer_id()
}

fn range(text: &str) -> AddressRange {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn ranges_are_read_and_written() {
    for (text, written) in [
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1/32", "192.0.2.1"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("::1", "::1"),
        ("::/0", "::/0"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::/95", "::/95"),
        ("::/96", "::/96"),
    ] {
        assert_eq!(range(text).to_string(), written, "{text}");
        assert_eq!(range(written), range(text), "{text}");
    }
}

#[test]
fn what_is_no_range_is_refused_with_the_reason() {
    let (v4, v6) = (InvalidRange::Prefix { max: 32 }, InvalidRange::Prefix { max: 128 });
    for (text, error) in [
        ("", InvalidRange::Address),
        ("/", InvalidRange::Address),
        ("/24", InvalidRange::Address),
        ("192.0.2/24", InvalidRange::Address),
        ("192.0.2.256", InvalidRange::Address),
        ("192.0.2.0 /24", InvalidRange::Address),
        ("example.com", InvalidRange::Address),
        ("/ip4/192.0.2.1", InvalidRange::Address),
        ("fe80::1%eth0", InvalidRange::Address),
        ("192.0.2.0/", v4),
        ("192.0.2.0/33", v4),
        ("192.0.2.0/+8", v4),
        ("192.0.2.0/-1", v4),
        ("192.0.2.0/255.255.255.0", v4),
        ("192.0.2.0/24/8", v4),
        ("192.0.2.0/4294967320", v4),
        ("2001:db8::/129", v6),
        ("192.0.2.1/24", InvalidRange::HostBits(range("192.0.2.0/24"))),
        ("2001:db8::1/32", InvalidRange::HostBits(range("2001:db8::/32"))),
        ("::ffff:192.0.2.1/120", InvalidRange::HostBits(range("192.0.2.0/24"))),
        ("::ffff:0:0/90", InvalidRange::HostBits(range("::ffc0:0:0/90"))),
    ] {
        assert_eq!(text.parse::<AddressRange>(), Err(error), "{text}");
    }
    let error = "192.0.2.1/24".parse::<AddressRange>().unwrap_err();
    let told = "the address has bits set behind its prefix; the range is 192.0.2.0/24, and a single address has no '/'";
    assert_eq!(error.to_string(), told);
}

#[test]
fn an_entry_is_a_peer_or_a_range() {
    let someone = peer(1);
    assert_eq!(someone.to_string().parse(), Ok(PeerOrRange::Peer(someone)));
    assert_eq!("10.0.0.0/8".parse(), Ok(PeerOrRange::Range(range("10.0.0.0/8"))));
    for (text, error) in [
        ("", InvalidPeerOrRange::Peer(InvalidPeerId::Empty)),
        ("10.0.0.0/40", InvalidPeerOrRange::Range(InvalidRange::Prefix { max: 32 })),
        ("/p2p/12D3", InvalidPeerOrRange::Range(InvalidRange::Address)),
    ] {
        assert_eq!(text.parse::<PeerOrRange>(), Err(error), "{text}");
    }
    assert!(matches!("localhost".parse::<PeerOrRange>(), Err(InvalidPeerOrRange::Peer(_))));
}

#[test]
fn ranges_have_what_their_prefix_says() {
    for (text, inside, outside) in [
        ("192.0.2.0/24", ["192.0.2.0", "192.0.2.255"], ["192.0.3.0", "::1"]),
        ("192.0.2.0/24", ["::ffff:192.0.2.9", "192.0.2.1"], ["192.0.1.255", "::192.0.2.1"]),
        ("2001:db8::/33", ["2001:db8::", "2001:db8:7fff::1"], ["2001:db8:8000::", "192.0.2.1"]),
        ("::/0", ["::1", "ffff::"], ["::ffff:1.2.3.4", "1.2.3.4"]),
        ("0.0.0.0/0", ["255.255.255.255", "::ffff:1.2.3.4"], ["::1", "::2"]),
        ("127.0.0.1", ["127.0.0.1", "::ffff:127.0.0.1"], ["127.0.0.2", "127.0.0.0"]),
    ] {
        assert_eq!(inside.map(|it| range(text).contains(ip(it))), [true; 2], "{text}");
        assert_eq!(outside.map(|it| range(text).contains(ip(it))), [false; 2], "{text}");
    }
}

/// What is blocked and allowed, an address and a peer, and what is said of each.
type Case<'a> = (&'a [&'a str], &'a [&'a str], &'a str, Result<(), AccessDenied>);

#[test]
fn addresses_may_as_the_rule_says() {
    use AccessDenied::{AddressNotAllowed, BlockedPeer, BlockedRange, PeerNotAllowed};
    let (friend, relay) = (peer(1).to_string(), peer(2).to_string());
    let friend_at = |address: &str| format!("{address}/p2p/{friend}");
    let relayed = format!("/ip4/10.1.2.3/tcp/1/p2p/{relay}/p2p-circuit/p2p/{friend}");
    let wide = range("10.0.0.0/8");
    let cases: &[Case<'_>] = &[
        (&[], &[], "/ip4/10.1.2.3/tcp/1", Ok(())),
        (&["10.0.0.0/8"], &[], "/ip4/10.1.2.3/tcp/1", Err(BlockedRange(wide))),
        (&["10.0.0.0/8"], &[], "/ip6/::ffff:10.1.2.3/tcp/1", Err(BlockedRange(wide))),
        (&["10.0.0.0/8"], &[], "/ip6zone/eth0/ip6/::ffff:10.1.2.3/tcp/1", Err(BlockedRange(wide))),
        (&["10.0.0.0/8"], &[], "/ip4/11.1.2.3/tcp/1", Ok(())),
        // Blocked is blocked, however exactly it is allowed.
        (&["10.0.0.0/8"], &["10.1.2.3"], "/ip4/10.1.2.3/tcp/1", Err(BlockedRange(wide))),
        (&["10.1.2.3"], &["10.0.0.0/8"], "/ip4/10.1.2.3/tcp/1", Err(BlockedRange(range("10.1.2.3")))),
        (&["10.1.2.3", "10.0.0.0/8"], &[], "/ip4/10.1.2.3/tcp/1", Err(BlockedRange(wide))),
        (&["10.1.2.3"], &["10.0.0.0/8"], "/ip4/10.1.2.4/tcp/1", Ok(())),
        (&[], &["10.0.0.0/8"], "/ip4/11.1.2.3/tcp/1", Err(AddressNotAllowed)),
        (&[], &["10.0.0.0/8"], "/ip6/::1/tcp/1", Err(AddressNotAllowed)),
        (&[], &["10.0.0.0/8", "::1"], "/ip6/::1/tcp/1", Ok(())),
        // A list of peers says nothing of addresses.
        (&[], &[&friend], "/ip4/10.1.2.3/tcp/1", Ok(())),
        (&[], &[&friend], &friend_at("/ip4/10.1.2.3/tcp/1"), Ok(())),
        (&[], &[&relay], &friend_at("/ip4/10.1.2.3/tcp/1"), Err(PeerNotAllowed)),
        (&[&friend], &[&friend], &friend_at("/ip4/10.1.2.3/tcp/1"), Err(BlockedPeer)),
        (&[], &[&friend, "10.0.0.0/8"], &friend_at("/ip4/10.1.2.3/tcp/1"), Ok(())),
        (&[], &[&friend, "10.0.0.0/8"], &friend_at("/ip4/11.1.2.3/tcp/1"), Err(AddressNotAllowed)),
        // Over a relay: its address, and both peers.
        (&["10.0.0.0/8"], &[], &relayed, Err(BlockedRange(wide))),
        (&[&relay], &[], &relayed, Err(BlockedPeer)),
        (&[], &[&friend], &relayed, Err(PeerNotAllowed)),
        (&[], &[&friend, &relay], &relayed, Ok(())),
        // Names are judged when they have been resolved, what else is in no range is in none.
        (&["0.0.0.0/0", "::/0"], &["10.0.0.0/8"], "/dns/example.com/tcp/1", Ok(())),
        (&[], &["10.0.0.0/8"], "/dnsaddr/example.com", Ok(())),
        (&[], &["10.0.0.0/8"], "/memory/7", Err(AddressNotAllowed)),
        (&["0.0.0.0/0", "::/0"], &[], "/memory/7", Ok(())),
    ];
    for (blocked, allowed, address, expected) in cases {
        let mut rules = AccessRules::default();
        blocked.iter().for_each(|entry| rules.block(entry.parse().unwrap()));
        allowed.iter().for_each(|entry| rules.allow(entry.parse().unwrap()));
        let address = address::parse(address).unwrap();
        assert_eq!(rules.check_address(&address), *expected, "{address}, {rules:?}");
    }
}

#[test]
fn peers_may_as_the_rule_says() {
    let mut rules = AccessRules::default();
    let checks = |rules: &AccessRules| [1, 2].map(|number| rules.check_peer(&peer(number)));
    rules.allow(range("10.0.0.0/8").into());
    assert_eq!(checks(&rules), [Ok(()); 2], "a list of ranges says nothing of peers");
    rules.apply(AccessChange::Allow(peer(1).into()));
    assert_eq!(checks(&rules), [Ok(()), Err(AccessDenied::PeerNotAllowed)]);
    rules.apply(AccessChange::Block(peer(1).into()));
    assert_eq!(checks(&rules), [Err(AccessDenied::BlockedPeer), Err(AccessDenied::PeerNotAllowed)]);
    rules.apply(AccessChange::Disallow(peer(1).into()));
    assert_eq!(checks(&rules), [Err(AccessDenied::BlockedPeer), Ok(())], "the list is empty again");
    rules.apply(AccessChange::Unblock(peer(1).into()));
    assert_eq!(checks(&rules), [Ok(()); 2]);
}

#[test]
fn changes_are_taken_back_one_by_one() {
    let mut rules = AccessRules::default();
    let entries = ["10.0.0.0/8", "10.0.0.0/16", "2001:db8::/32"].map(|text| PeerOrRange::Range(range(text)));
    for entry in entries.into_iter().chain([peer(1).into()]) {
        rules.apply(AccessChange::Block(entry));
        rules.apply(AccessChange::Block(entry));
        rules.apply(AccessChange::Allow(entry));
    }
    assert_eq!(rules.blocked().count(), 4);
    rules.apply(AccessChange::Unblock(entries[0]));
    assert_eq!(rules.check_ip(ip("10.1.0.0")), Ok(()));
    let narrow = AccessDenied::BlockedRange(range("10.0.0.0/16"));
    assert_eq!(rules.check_ip(ip("10.0.0.1")), Err(narrow), "the other entry stays");
    for entry in rules.clone().blocked().chain(rules.clone().allowed()) {
        rules.apply(AccessChange::Unblock(entry));
        rules.apply(AccessChange::Disallow(entry));
    }
    assert_eq!(rules, AccessRules::default(), "nothing is left behind");
}

/// The quick look-up gives what a look at every entry gives.
#[test]
fn finding_is_the_same_as_looking_at_every_entry() {
    let mut draw = Seed::reproducible(1);
    for _ in 0..300 {
        let address = |draw: &mut Seed| -> IpAddr {
            match draw.below(2) {
                0 => [10, 0, draw.below(2) as u8, draw.below(4) as u8].into(),
                _ => [0x2001, 0xdb8, 0, 0, 0, 0, draw.below(2) as u16, draw.below(4) as u16].into(),
            }
        };
        let entries: Vec<AddressRange> = (0..draw.below(5))
            .map(|_| AddressRange::around(address(&mut draw), 22 + draw.below(107) as u8))
            .collect();
        let mut rules = AccessRules::default();
        entries.iter().for_each(|entry| rules.block((*entry).into()));
        for _ in 0..20 {
            let ip = address(&mut draw);
            let expected = entries.iter().any(|entry| entry.contains(ip));
            assert_eq!(rules.check_ip(ip).is_err(), expected, "{ip} {entries:?}");
        }
    }
}
