//! Peers and their addresses.

use super::*;
use crate::address::{InvalidAddress, Multiaddr, parse};

const TCP: &str = "/ip4/192.0.2.1/tcp/4001";
const TCP6: &str = "/ip6/2001:db8::1/tcp/4001";

fn addresses<S: AsRef<str>>(texts: &[S]) -> Vec<Multiaddr> {
    texts.iter().map(|text| parse(text.as_ref()).unwrap()).collect()
}

#[test]
fn addresses_of_one_peer() {
    let [ed25519, ecdsa] = [IDS[0], IDS[2]];
    let (peer, relay) = (ed25519[2], ecdsa[2]);
    let circuit = format!("{TCP}/p2p/{relay}/p2p-circuit");
    let table: [(Vec<String>, Vec<&str>); 5] = [
        (vec![format!("/p2p/{peer}")], vec![]),
        (vec![format!("{TCP}/p2p/{peer}")], vec![TCP]),
        // The peer id in any of its forms.
        (vec![format!("{TCP}/p2p/{}", ed25519[3]), format!("{TCP6}/p2p/{}", ed25519[4])], vec![TCP, TCP6]),
        (vec![format!("{TCP}/p2p/{peer}"), format!("{TCP}/ipfs/{peer}"), format!("/p2p/{peer}")], vec![TCP]),
        (vec![format!("{circuit}/p2p/{peer}")], vec![&circuit]),
    ];
    for (full, bare) in table {
        let info = PeerInfo::from_addresses(&addresses(&full)).unwrap();
        assert_eq!(info, PeerInfo { peer: peer.parse().unwrap(), addresses: addresses(&bare) }, "{full:?}");
        assert_eq!(PeerInfo::from_addresses(&info.to_addresses()), Ok(info));
    }
}

#[test]
fn addresses_of_no_peer_or_of_several() {
    use InvalidPeerInfo::*;
    let [peer, other] = [IDS[0][2], IDS[1][2]];
    let circuit = format!("{TCP}/p2p/{other}/p2p-circuit");
    let table = [
        (vec![], Empty),
        (vec![TCP.to_owned()], NoPeer(parse(TCP).unwrap())),
        (vec![format!("{TCP}/p2p/{peer}"), TCP6.to_owned()], NoPeer(parse(TCP6).unwrap())),
        (vec![circuit.clone()], NoPeer(parse(&circuit).unwrap())),
        (
            vec![format!("{TCP}/p2p/{peer}"), format!("{TCP}/p2p/{other}")],
            TwoPeers(peer.parse().unwrap(), other.parse().unwrap()),
        ),
    ];
    for (full, error) in table {
        assert_eq!(PeerInfo::from_addresses(&addresses(&full)), Err(error), "{full:?}");
    }
    assert_eq!(PeerInfo::from_addresses(&[Multiaddr::empty()]), Err(NoPeer(Multiaddr::empty())));
    // SHA2-256 of one byte, which is not a peer id, though a component of that form.
    let malformed = Multiaddr::try_from(vec![0xa5, 3, 3, 0x12, 1, 0xff]).unwrap();
    assert_eq!(
        PeerInfo::from_addresses(&[malformed]),
        Err(Address(InvalidAddress::PeerId(InvalidPeerId::BadLength)))
    );
    let many = |count: u16| {
        let port = |port| parse(&format!("/ip4/192.0.2.1/tcp/{port}/p2p/{peer}")).unwrap();
        PeerInfo::from_addresses(&(1..=count).map(port).collect::<Vec<_>>())
    };
    assert_eq!(many(500).unwrap().addresses.len(), MAX_PEER_ADDRESSES);
    assert_eq!(many(501), Err(TooMany));
}
