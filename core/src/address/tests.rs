use super::*;
use crate::wire::varint;
use bytes::BytesMut;
use data_encoding::HEXLOWER;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const PEER: &str = "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq";
const PEER_CID: &str = "bafzaajaiaejcahwr5d5ofrfbis4l5d6uwr57hu5tjodrypfm6yaq6dsc2r2pzyt6";
const PEER_HEX: &str = "0024080112201ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e";

fn address(text: &str) -> Multiaddr {
    parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn malformed(reason: &str) -> InvalidAddress {
    InvalidAddress::Malformed { reason: reason.to_owned() }
}

fn bad_component(name: &str, reason: &str) -> InvalidAddress {
    InvalidAddress::BadComponent { name: name.to_owned(), reason: reason.to_owned() }
}

#[test]
fn known_addresses() {
    let table = [
        ("/ip4/127.0.0.1/tcp/4001", "047f000001060fa1".to_owned()),
        (&format!("/ip4/127.0.0.1/tcp/4001/p2p/{PEER}"), format!("047f000001060fa1a50326{PEER_HEX}")),
        ("/ip6/::1/udp/1/quic-v1", "2900000000000000000000000000000001910200 01cd03".replace(' ', "")),
        (
            "/dns4/example.com/tcp/443/wss",
            format!("36 0b{} 0601bb de03", "6578616d706c652e636f6d").replace(' ', ""),
        ),
        (&format!("/p2p/{PEER}/p2p-circuit"), format!("a50326{PEER_HEX}a202")),
        ("/memory/7", "89060000000000000007".to_owned()),
    ];
    for (text, hex) in table {
        let bytes = HEXLOWER.decode(hex.as_bytes()).unwrap();
        assert_eq!(address(text).as_ref(), bytes, "{text}");
        assert_eq!(from_bytes(&bytes), Ok(address(text)), "{text}");
        assert_eq!(address(text).to_string(), text);
    }
}

#[test]
fn peer_ids_are_read_in_every_form() {
    for text in [format!("/p2p/{PEER_CID}"), format!("/ipfs/{PEER}"), format!("/ipfs/{PEER_CID}")] {
        assert_eq!(address(&text).to_string(), format!("/p2p/{PEER}"));
    }
}

#[test]
fn bad_bytes() {
    let long_name = |len: usize| {
        let mut bytes = BytesMut::from(&[54][..]);
        varint::encode(len as u64, &mut bytes);
        bytes.resize(bytes.len() + len, b'a');
        bytes.to_vec()
    };
    assert!(from_bytes(&long_name(MAX_ADDRESS_BYTES - 3)).is_ok());
    let too_long = InvalidAddress::TooLong { len: MAX_ADDRESS_BYTES + 1, max: MAX_ADDRESS_BYTES };
    let short_hash = [&[0xa5, 3, 12, 0x12, 10][..], &[7; 10]].concat();
    let table: [(&[u8], InvalidAddress); 22] = [
        (&[], InvalidAddress::Empty),
        (&long_name(MAX_ADDRESS_BYTES - 2), too_long),
        // Four hundred times /p2p-circuit.
        (&[0xa2, 2].repeat(400), InvalidAddress::TooLong { len: 4_800, max: MAX_TEXT_BYTES }),
        (&[0x80], malformed("failed to decode unsigned varint: not enough input bytes")),
        (&[0x84, 0, 1, 2, 3, 4], malformed("failed to decode unsigned varint: encoding is not minimal")),
        (&[0xff; 12], malformed("failed to decode unsigned varint: input bytes exceed maximum")),
        (&[1], malformed("unknown protocol id: 1")),
        (&[4, 127, 0, 0], malformed("we have less data than indicated by length")),
        (&[54, 5, b'a'], malformed("we have less data than indicated by length")),
        (
            &[54, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
            malformed("we have less data than indicated by length"),
        ),
        (&[54, 1, 0xff], malformed("failed to parse: invalid utf-8 sequence of 1 bytes from index 0")),
        // A slash in a zone, a name of each kind, SNI and a path.
        (&[42, 2, 9, 47], InvalidAddress::ControlCharacters),
        (&[42, 2, b'a', b'/'], InvalidAddress::Ambiguous),
        (&[53, 3, b'a', b'/', b'b'], InvalidAddress::Ambiguous),
        (&[54, 9, b'a', b'/', b't', b'c', b'p', b'/', b'8', b'0', b'/'], InvalidAddress::Ambiguous),
        (&[56, 7, b'a', b'/', b't', b'c', b'p', b'/', b'1'], InvalidAddress::Ambiguous),
        (&[0xc1, 3, 1, b'/'], InvalidAddress::Ambiguous),
        (&[0x90, 3, 4, b'/', b'a', b'/', b'b'], InvalidAddress::Ambiguous),
        // A websocket path that has a shorter form.
        (&[0xa2, 0x25, 1, b'/'], InvalidAddress::Ambiguous),
        (&[54, 4, 0x1b, b'[', b'2', b'J'], InvalidAddress::ControlCharacters),
        (&short_hash, InvalidAddress::PeerId(InvalidPeerId::BadLength)),
        (&[0xa5, 3, 2, 0x11, 0], malformed("failed to parse: unsupported multihash code '17'")),
    ];
    for (bytes, error) in table {
        assert_eq!(from_bytes(bytes), Err(error), "{bytes:x?}");
    }
}

#[test]
fn every_prefix_of_an_address_is_shorter_or_refused() {
    let whole = address(&format!("/ip4/127.0.0.1/tcp/4001/p2p/{PEER}/p2p-circuit"));
    let components: Vec<_> = whole.iter().collect();
    let valid: Vec<Multiaddr> =
        (1..=components.len()).map(|n| components[..n].iter().cloned().collect()).collect();
    for end in 0..=whole.len() {
        let prefix = &whole.as_ref()[..end];
        assert_eq!(
            from_bytes(prefix).is_ok(),
            valid.iter().any(|valid| valid.as_ref() == prefix),
            "cut at {end}"
        );
    }
}

#[test]
fn bad_texts() {
    let table = [
        ("", InvalidAddress::Empty),
        ("127.0.0.1:4001", InvalidAddress::NoSlash),
        ("ip4/127.0.0.1", InvalidAddress::NoSlash),
        ("/", bad_component("", "there is no such component")),
        ("/ip4/127.0.0.1/tcp/4001/", bad_component("", "there is no such component")),
        ("/ip5/127.0.0.1", bad_component("ip5", "there is no such component")),
        ("/ip4", bad_component("ip4", "its value is missing or malformed")),
        ("/ip4/localhost", bad_component("ip4", "invalid IPv4 address syntax")),
        ("/ip4/127.0.0.1/tcp", bad_component("tcp", "its value is missing or malformed")),
        ("/ip4/127.0.0.1/tcp/65536", bad_component("tcp", "number too large to fit in target type")),
        ("/p2p", InvalidAddress::PeerId(InvalidPeerId::Empty)),
        ("/p2p/12D3", InvalidAddress::PeerId(InvalidPeerId::BadLength)),
        ("/p2p/me", InvalidAddress::PeerId(InvalidPeerId::UnknownForm)),
        ("/dns4/a\nb", InvalidAddress::ControlCharacters),
        (&format!("/dns4/{}", "a".repeat(1022)), InvalidAddress::TooLong { len: 1025, max: 1024 }),
        (&"/tcp/1".repeat(1000), InvalidAddress::TooLong { len: 6000, max: 4096 }),
    ];
    for (text, error) in table {
        assert_eq!(parse(text), Err(error), "{text}");
    }
}

#[test]
fn peer_ids_come_off_the_end_and_go_back_on() {
    let peer: PeerId = PEER.parse().unwrap();
    let other: PeerId = "QmVMT29id3TUASyfZZ6k9hmNyc2nYabCo4uMSpDw4zrgDk".parse().unwrap();
    let plain = address("/ip4/127.0.0.1/tcp/4001");
    let full = address(&format!("/ip4/127.0.0.1/tcp/4001/p2p/{PEER}"));
    assert_eq!(split_peer_id(&full), Ok((plain.clone(), Some(peer))));
    assert_eq!(split_peer_id(&plain), Ok((plain.clone(), None)));
    assert_eq!(with_peer_id(plain.clone(), &peer), full);
    assert_eq!(with_peer_id(full.clone(), &peer), full);
    assert_eq!(split_peer_id(&with_peer_id(full, &other)), Ok((plain, Some(other))));

    let circuit = address(&format!("/p2p/{PEER}/p2p-circuit"));
    assert_eq!(split_peer_id(&circuit), Ok((circuit.clone(), None)));
    assert_eq!(with_peer_id(circuit, &other).to_string(), format!("/p2p/{PEER}/p2p-circuit/p2p/{other}"));
    assert_eq!(split_peer_id(&address(&format!("/p2p/{PEER}"))), Ok((Multiaddr::empty(), Some(peer))));

    // Only the multiaddr crate itself lets such an id in.
    let impossible = Multiaddr::try_from(vec![0xa5, 3, 3, 0x12, 1, 7]).unwrap();
    assert_eq!(split_peer_id(&impossible), Err(InvalidAddress::PeerId(InvalidPeerId::BadLength)));
}

#[test]
fn socket_addresses() {
    for (text, socket) in [
        ("/ip4/127.0.0.1/tcp/4001", "127.0.0.1:4001"),
        ("/ip4/0.0.0.0/tcp/0", "0.0.0.0:0"),
        ("/ip6/::1/tcp/65535", "[::1]:65535"),
    ] {
        let socket: SocketAddr = socket.parse().unwrap();
        assert_eq!(tcp_socket_address(&address(text)), Ok(socket));
        assert_eq!(from_socket_address(socket), address(text));
    }
    for text in [
        "/ip4/127.0.0.1",
        "/tcp/4001",
        "/ip4/127.0.0.1/udp/4001",
        "/ip4/127.0.0.1/tcp/4001/ws",
        "/ip4/127.0.0.1/tcp/4001/tcp/4002",
        "/ip6zone/eth0/ip6/fe80::1/tcp/1",
        "/dns4/example.com/tcp/4001",
        &format!("/ip4/127.0.0.1/tcp/4001/p2p/{PEER}"),
    ] {
        assert_eq!(tcp_socket_address(&address(text)), Err(InvalidAddress::NotTcp(address(text))));
    }
    assert_eq!(
        tcp_socket_address(&address("/dns4/example.com/tcp/1")).unwrap_err().to_string(),
        "not an address for TCP; expected /ip4/ADDRESS/tcp/PORT or /ip6/ADDRESS/tcp/PORT, and /p2p/PEER may follow"
    );
}

/// Bytes that are often an address: known codes, mostly with a value of the right kind, and whatever it may hold.
fn almost_addresses() -> impl Strategy<Value = Vec<u8>> {
    const BARE: [u64; 22] = [
        275, 276, 277, 280, 281, 290, 301, 302, 443, 448, 454, 460, 461, 465, 477, 478, 479, 480, 4, 7, 421,
        7_367_777,
    ];
    const FIXED: [(u64, usize); 10] =
        [(4, 4), (41, 16), (6, 2), (273, 2), (33, 2), (132, 2), (43, 1), (777, 8), (444, 12), (445, 37)];
    const TEXT: [u64; 10] = [42, 53, 54, 55, 56, 400, 449, 481, 4770, 4780];
    const HASH: [u64; 2] = [421, 466];
    const BYTES: [(u64, usize); 3] = [(446, 390), (447, 35), (421, 34)];

    fn component(code: u64, value: &[u8], with_length: bool) -> Vec<u8> {
        let mut out = BytesMut::new();
        varint::encode(code, &mut out);
        if with_length {
            varint::encode(value.len() as u64, &mut out);
        }
        [&out[..], value].concat()
    }

    let text = prop_oneof![4 => "[a-z0-9.%é]{0,8}", 1 => "[ -~]{0,8}", 1 => Just("/".to_owned())];
    let hash = vec(any::<u8>(), 0..45).prop_map(|key| PeerId::from_public_key_protobuf(&key).to_bytes());
    let fixed = select(&FIXED[..]).prop_flat_map(|(code, len)| (Just(code), vec(any::<u8>(), len)));
    let bytes = select(&BYTES[..]).prop_flat_map(|(code, len)| (Just(code), vec(any::<u8>(), len)));
    let one = prop_oneof![
        4 => select(&BARE[..]).prop_map(|code| component(code, &[], false)),
        4 => fixed.prop_map(|(code, value)| component(code, &value, false)),
        4 => (select(&TEXT[..]), text).prop_map(|(code, text)| component(code, text.as_bytes(), true)),
        2 => (select(&HASH[..]), hash).prop_map(|(code, hash)| component(code, &hash, true)),
        1 => bytes.prop_map(|(code, value)| component(code, &value, true)),
    ];
    vec(one, 0..5).prop_map(|components| components.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_let_in_is_the_same_as_text(
        bytes in prop_oneof![4 => almost_addresses(), 1 => vec(any::<u8>(), 0..40)],
    ) {
        if let Ok(address) = from_bytes(&bytes) {
            prop_assert_eq!(address.as_ref(), &bytes[..]);
            let text = address.to_string();
            prop_assert_eq!(parse(&text), Ok(address.clone()), "{}", text);
            prop_assert_eq!(text.parse::<Multiaddr>().unwrap(), address);
        }
    }

    #[test]
    fn what_is_parsed_is_let_in(
        text in "(/(ip4|ip6|tcp|dns|p2p|ws|x-parity-ws|unix|certhash|onion3|[a-z]{0,3}|[0-9.:%/]{0,5})){0,5}",
    ) {
        if let Ok(address) = parse(&text) {
            prop_assert_eq!(from_bytes(address.as_ref()), Ok(address));
        }
    }
}

#[test]
fn loopback_is_where_an_address_starts() {
    let table = [
        ("/ip4/127.0.0.1/tcp/1", true),
        ("/ip4/127.9.9.9/udp/1/quic-v1", true),
        ("/ip6/::1/tcp/1", true),
        ("/ip6/::ffff:127.0.0.1/tcp/1", true),
        ("/ip6zone/lo/ip6/::1/tcp/1", true),
        ("/ip4/128.0.0.1/tcp/1", false),
        ("/ip6/::2/tcp/1", false),
        ("/dns4/localhost/tcp/1", false),
        ("/memory/1", false),
    ];
    for (text, expected) in table {
        assert_eq!(is_loopback(&parse(text).unwrap()), expected, "{text}");
    }
}
