//! What peers are worth, and its limits.

use super::*;

fn tag(number: u64, name: &str, value: i32) -> StandingChange {
    StandingChange::Tag { peer: peer(number), name: name.to_owned(), value }
}

fn protect(number: u64, name: &str) -> StandingChange {
    StandingChange::Protect { peer: peer(number), name: name.to_owned() }
}

fn make(swarm: &mut Swarm<Puppet>, change: StandingChange) -> Result<(), StandingError> {
    let expected = swarm.check_standing(&change);
    swarm.handle_input(SwarmInput::Standing(change.clone()), NOW);
    let told = drain(swarm);
    match expected {
        Ok(()) => assert_eq!(told, []),
        Err(error) => assert_eq!(told, [SwarmOutput::Event(SwarmEvent::StandingRefused { change, error })]),
    }
    expected
}

#[test]
fn tags_add_up_and_are_remembered() {
    let mut swarm = swarm_with(Limits::default());
    for (name, value) in [("a", 5), ("b", -7), ("a", 6), ("most", i32::MAX), ("more", i32::MAX)] {
        make(&mut swarm, tag(1, name, value)).unwrap();
    }
    let standing = swarm.standing(&peer(1)).unwrap();
    assert_eq!(standing.value(), 6 - 7 + 2 * i64::from(i32::MAX));
    assert!(!standing.is_protected());
    for name in ["b", "most", "more", "unknown"] {
        make(&mut swarm, StandingChange::Untag { peer: peer(1), name: name.to_owned() }).unwrap();
    }
    assert_eq!(Vec::from_iter(swarm.standing(&peer(1)).unwrap().tags()), [("a", 6)]);
    make(&mut swarm, StandingChange::Untag { peer: peer(1), name: "a".to_owned() }).unwrap();
    assert_eq!(swarm.standing(&peer(1)), None, "nothing is kept of a peer without any");
}

#[test]
fn each_protection_has_to_be_taken_back() {
    let mut swarm = swarm_with(Limits::default());
    let unprotect = |name: &str| StandingChange::Unprotect { peer: peer(1), name: name.to_owned() };
    make(&mut swarm, protect(1, "relay")).unwrap();
    make(&mut swarm, protect(1, "relay")).unwrap();
    make(&mut swarm, protect(1, "boot")).unwrap();
    for (name, rest) in [("other", vec!["boot", "relay"]), ("relay", vec!["boot"]), ("boot", vec![])] {
        make(&mut swarm, unprotect(name)).unwrap();
        let left = swarm.standing(&peer(1)).map(|standing| Vec::from_iter(standing.protections()));
        assert_eq!(left.unwrap_or_default(), rest);
    }
}

#[test]
fn names_and_peers_are_bounded() {
    let mut swarm = swarm_with(Limits::default());
    let longest = "x".repeat(MAX_NAME_BYTES);
    let too_long = Err(StandingError::NameTooLong(MAX_NAME_BYTES + 1));
    assert_eq!(make(&mut swarm, tag(1, &(longest.clone() + "x"), 1)), too_long);
    assert_eq!(make(&mut swarm, protect(1, &(longest.clone() + "x"))), too_long);
    assert_eq!(make(&mut swarm, tag(1, &longest, 1)), Ok(()));
    for number in 1..MAX_NAMES_PER_PEER {
        make(&mut swarm, tag(1, &number.to_string(), 1)).unwrap();
    }
    assert_eq!(make(&mut swarm, tag(1, "more", 1)), Err(StandingError::TooManyNames));
    assert_eq!(make(&mut swarm, tag(1, &longest, 2)), Ok(()), "a value is replaced");
    for number in 0..MAX_NAMES_PER_PEER {
        make(&mut swarm, protect(1, &number.to_string())).unwrap();
    }
    assert_eq!(make(&mut swarm, protect(1, "more")), Err(StandingError::TooManyNames));
    // Peer ids need not be keys.
    let someone = |number: usize| {
        let mut bytes = [0; 34];
        bytes[..2].copy_from_slice(&[0x12, 32]);
        bytes[2..10].copy_from_slice(&number.to_be_bytes());
        PeerId::from_bytes(&bytes).unwrap()
    };
    let protect = |peer| StandingChange::Protect { peer, name: "x".to_owned() };
    for number in 1..MAX_RATED_PEERS {
        make(&mut swarm, protect(someone(number))).unwrap();
    }
    let one_more = protect(someone(MAX_RATED_PEERS));
    assert_eq!(make(&mut swarm, one_more.clone()), Err(StandingError::TooManyPeers));
    make(&mut swarm, StandingChange::Unprotect { peer: someone(1), name: "x".to_owned() }).unwrap();
    assert_eq!(make(&mut swarm, one_more), Ok(()));
}
