//! Signed envelopes and peer records.

use super::super::envelope::signed_bytes;
use super::*;
use crate::address::{Multiaddr, parse};
use crate::crypto::{CryptoProvider, Portable, UnsupportedKey};
use crate::wire::protobuf::{ProtobufError, Writer};
use bytes::{Bytes, BytesMut};

/// The key with the secret 01..01, sequence number 1, the address /ip4/127.0.0.1/tcp/4001: the record, what is signed, the envelope.
const RECORD: &str = concat!(
    "0a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
    "10011a0a0a08047f000001060fa1",
);
const SIGNED: &str = concat!(
    "126c69627032702d706565722d7265636f726402030136",
    "0a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
    "10011a0a0a08047f000001060fa1",
);
const ENVELOPE: &str = concat!(
    "0a24080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c120203011a36",
    "0a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
    "10011a0a0a08047f000001060fa1",
    "2a405952f57af52b9b47bcc535948fb676f46e91cbf51966f2efb7f0232827007dcfd3ed3907dac95a4d73cf3ed7",
    "67a42108017b8fcdd9f18413dcd18ed8a043de0f",
);
const ADDRESS: &str = "/ip4/127.0.0.1/tcp/4001";

fn signer() -> Keypair {
    Keypair::ed25519_from_secret(&[1; 32])
}

fn address(text: &str) -> Multiaddr {
    parse(text).unwrap()
}

fn open(bytes: &[u8]) -> Result<SignedPeerRecord, InvalidPeerRecord> {
    SignedPeerRecord::from_bytes(Bytes::copy_from_slice(bytes), &Portable)
}

/// Signs any payload as a peer record.
fn sealed(payload: &[u8]) -> Vec<u8> {
    Envelope::seal(PEER_RECORD, payload, &signer(), &Portable).unwrap()
}

fn message(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut out = BytesMut::new();
    write(&mut Writer::new(&mut out));
    out.to_vec()
}

#[test]
fn the_vector() {
    let signed = SignedPeerRecord::sign(&signer(), 1, [address(ADDRESS)], &Portable).unwrap();
    assert_eq!(signed.as_bytes(), &hex(ENVELOPE));
    assert_eq!(signed_bytes(PEER_RECORD, &hex(RECORD)), hex(SIGNED));
    let envelope = hex(ENVELOPE);
    let opened = Envelope::open(&envelope, &[PEER_RECORD], &Portable).unwrap();
    assert_eq!((&opened.signer, opened.payload), (signer().public(), &hex(RECORD)[..]));
    assert_eq!(open(&envelope).as_ref(), Ok(&signed));
    let peer = signer().public().to_peer_id();
    assert_eq!(*signed.record(), PeerRecord { peer, sequence: 1, addresses: vec![address(ADDRESS)] });
}

#[test]
fn the_older_form_is_read() {
    let envelope = Envelope::seal(ROUTING_STATE_RECORD, &hex(RECORD), &signer(), &Portable).unwrap();
    assert_eq!(open(&envelope).unwrap().record(), open(&hex(ENVELOPE)).unwrap().record());
}

#[test]
fn records_of_all_key_types() {
    for keypair in keypairs() {
        match SignedPeerRecord::sign(&keypair, 7, [address(ADDRESS)], &Portable) {
            Ok(signed) => {
                assert_eq!(open(signed.as_bytes()).as_ref(), Ok(&signed));
                assert_eq!(signed.record().peer, keypair.public().to_peer_id());
            }
            Err(error) => assert_eq!(error, UnsupportedKey { provider: "portable", key_type: "RSA" }),
        }
    }
}

/// RUSTSEC-2022-0009: the record of any peer was accepted in an envelope signed by another one.
#[test]
fn a_record_signed_by_another_peer_is_refused() {
    for other in &keypairs()[..3] {
        for purpose in [PEER_RECORD, ROUTING_STATE_RECORD] {
            let envelope = Envelope::seal(purpose, &hex(RECORD), other, &Portable).unwrap();
            let (claimed, signer) = (signer().public().to_peer_id(), other.public().to_peer_id());
            assert_eq!(open(&envelope), Err(InvalidPeerRecord::WrongSigner { claimed, signer }));
        }
    }
    // The other peer's key in an envelope that we signed.
    let mut envelope = hex(ENVELOPE);
    envelope[6..38].copy_from_slice(&Keypair::ed25519_from_secret(&[2; 32]).public().to_protobuf()[4..]);
    assert_eq!(open(&envelope), Err(InvalidEnvelope::BadSignature.into()));
}

#[test]
fn every_prefix_is_refused() {
    let envelope = hex(ENVELOPE);
    for end in 0..envelope.len() {
        let error = match end {
            0 => InvalidEnvelope::MissingField("public_key"),
            38 => InvalidEnvelope::MissingField("payload_type"),
            42 => InvalidEnvelope::MissingField("payload"),
            98 => InvalidEnvelope::MissingField("signature"),
            _ => InvalidEnvelope::Protobuf(ProtobufError::Truncated),
        };
        assert_eq!(open(&envelope[..end]), Err(error.into()), "cut at {end}");
    }
    // Of the record within an envelope whose signature holds.
    let record = hex(RECORD);
    let envelope = |end: usize| sealed(&record[..end]);
    for end in 0..record.len() {
        let error = match end {
            0 => InvalidPeerRecord::PeerId(InvalidPeerId::Empty),
            40 | 42 => continue,
            _ => InvalidPeerRecord::Protobuf(ProtobufError::Truncated),
        };
        assert_eq!(open(&envelope(end)), Err(error), "cut at {end}");
    }
    let without_addresses = open(&envelope(42)).unwrap();
    assert_eq!((without_addresses.record().sequence, &*without_addresses.record().addresses), (1, &[][..]));
    assert_eq!(open(&envelope(40)).unwrap().record().sequence, 0);
}

#[test]
fn every_flipped_bit_is_refused() {
    let envelope = hex(ENVELOPE);
    for bit in 0..8 * envelope.len() {
        let mut changed = envelope.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(open(&changed).is_err(), "bit {bit}");
    }
}

#[test]
fn bad_envelopes() {
    use InvalidEnvelope::*;
    let (key, payload) = (signer().public().to_protobuf(), hex(RECORD));
    let signature =
        |purpose, payload: &[u8]| Portable.sign(&signer(), &signed_bytes(purpose, payload)).unwrap();
    let good = signature(PEER_RECORD, &payload);
    let envelope = |key: &[u8], payload_type: &[u8], payload: &[u8], signature: &[u8]| {
        message(|writer| {
            writer.bytes(1, key);
            writer.bytes(2, payload_type);
            writer.bytes(3, payload);
            writer.bytes(5, signature);
        })
    };
    let other_domain = EnvelopePurpose { domain: "libp2p-relay-rsvp", ..PEER_RECORD };
    let table = [
        (vec![0; 8193], TooLarge { len: 8193 }),
        (vec![0; 3], Protobuf(ProtobufError::BadFieldNumber)),
        (vec![8, 1], Protobuf(ProtobufError::WrongType { field: "public_key", expected: "bytes" })),
        (vec![0x28, 1], Protobuf(ProtobufError::WrongType { field: "signature", expected: "bytes" })),
        (envelope(&[], &[3, 1], &payload, &good), Key(InvalidKey::Empty)),
        (envelope(&key[..4], &[3, 1], &payload, &good), Key(InvalidKey::Protobuf(ProtobufError::Truncated))),
        (envelope(&key, &[], &payload, &good), WrongPayloadType),
        (envelope(&key, &[3, 2], &payload, &good), WrongPayloadType),
        (envelope(&key, &[0x81, 6], &payload, &good), WrongPayloadType),
        (envelope(&key, &[3, 1], &[], &good), BadSignature),
        (envelope(&key, &[3, 1], &payload, &[]), BadSignature),
        (envelope(&key, &[3, 1], &payload, &[7; 64]), BadSignature),
        (envelope(&key, &[3, 1], &payload, &signature(ROUTING_STATE_RECORD, &payload)), BadSignature),
        (envelope(&key, &[3, 1], &payload, &signature(other_domain, &payload)), BadSignature),
        (envelope(&key, ROUTING_STATE_RECORD.payload_type, &payload, &good), BadSignature),
        (envelope(&hex(RSA_2048_PUBLIC), &[3, 1], &payload, &hex(RSA_2048_SIGNATURE)), BadSignature),
    ];
    for (bytes, error) in table {
        assert_eq!(open(&bytes), Err(error.into()), "{bytes:x?}");
    }
    // Unknown fields are ignored, and of several values the last one counts.
    let first = envelope(&key, &[3, 2], &[1], &[2]);
    let unknown = message(|writer| writer.varint(9, 9));
    assert!(open(&[first, unknown, hex(ENVELOPE)].concat()).is_ok());
}

#[test]
fn bad_records() {
    use InvalidPeerRecord::*;
    let peer = signer().public().to_peer_id();
    let table = [
        (vec![], PeerId(InvalidPeerId::Empty)),
        (message(|writer| writer.bytes(1, &[])), PeerId(InvalidPeerId::Empty)),
        (message(|writer| writer.bytes(1, &[0x12, 1, 2])), PeerId(InvalidPeerId::BadLength)),
        (message(|writer| writer.bytes(1, &[0x13, 0])), PeerId(InvalidPeerId::BadHash { code: 0x13 })),
        (
            message(|writer| writer.varint(1, 7)),
            Protobuf(ProtobufError::WrongType { field: "peer_id", expected: "bytes" }),
        ),
        (
            message(|writer| writer.bytes(2, &[1])),
            Protobuf(ProtobufError::WrongType { field: "seq", expected: "an integer" }),
        ),
        (
            message(|writer| writer.varint(3, 1)),
            Protobuf(ProtobufError::WrongType { field: "addresses", expected: "bytes" }),
        ),
        ([&[0x10], &[0xff; 10][..]].concat(), Protobuf(ProtobufError::VarintTooLong)),
    ];
    for (payload, error) in table {
        assert_eq!(open(&sealed(&payload)), Err(error), "{payload:x?}");
    }
    let largest = message(|writer| {
        writer.bytes(1, peer.as_bytes());
        writer.varint(2, u64::MAX);
    });
    assert_eq!(open(&sealed(&largest)).unwrap().record().sequence, u64::MAX);
}

#[test]
fn bad_addresses_are_skipped_one_by_one() {
    let peer = signer().public().to_peer_id();
    let good = address(ADDRESS).to_vec();
    let end = |id: &super::super::PeerId| {
        crate::address::with_peer_id(address("/ip4/192.0.2.1/tcp/1"), id).to_vec()
    };
    let info = |bytes: &[u8]| message(|writer| writer.bytes(1, bytes));
    let infos = [
        vec![],
        info(&[]),
        info(&good[..7]),
        info(&[0xff; 9]),
        info(&vec![0; 2000]),
        vec![0x0a, 9, 1],
        message(|writer| writer.varint(1, 4)),
        // Another peer's, our own with and without its id, and once more.
        info(&end(&IDS[0][2].parse().unwrap())),
        info(&end(&peer)),
        info(&good),
        info(&good),
        info(&crate::address::with_peer_id(Multiaddr::empty(), &peer).to_vec()),
    ];
    let payload = message(|writer| {
        infos.iter().for_each(|info| writer.bytes(3, info));
        writer.bytes(1, peer.as_bytes());
    });
    let expected = ["/ip4/192.0.2.1/tcp/1", ADDRESS].map(address);
    assert_eq!(open(&sealed(&payload)).unwrap().record().addresses, expected);
}

/// Distinct addresses as short as they get.
fn many(count: u32) -> impl Iterator<Item = Multiaddr> {
    (0..count).map(|number| Multiaddr::from(std::net::Ipv4Addr::from(number)))
}

#[test]
fn addresses_are_kept_up_to_the_limit() {
    let payload = message(|writer| {
        writer.bytes(1, signer().public().to_peer_id().as_bytes());
        many(600).for_each(|address| writer.message(3, |info| info.bytes(1, address.as_ref())));
    });
    let signed = open(&sealed(&payload)).unwrap();
    assert_eq!(signed.record().addresses, many(500).collect::<Vec<_>>());
}

#[test]
fn our_own_record_is_never_too_large() {
    let long = |number: u32| {
        let text = format!("/dns4/{}.example/tcp/{}/p2p/{}", "long".repeat(40), number + 1, IDS[0][2]);
        crate::address::split_peer_id(&address(&text)).unwrap().0
    };
    for addresses in [many(1000).collect::<Vec<_>>(), (0..100).map(long).collect()] {
        let signed = SignedPeerRecord::sign(&signer(), 1, addresses.clone(), &Portable).unwrap();
        let kept = &signed.record().addresses;
        assert!(kept.len() < addresses.len() && kept[..] == addresses[..kept.len()]);
        assert!((3500..4500).contains(&signed.as_bytes().len()), "{}", signed.as_bytes().len());
        assert_eq!(open(signed.as_bytes()).as_ref(), Ok(&signed));
    }
}

#[test]
fn our_own_record_has_our_addresses_only() {
    let (own, other) = (signer().public().to_peer_id(), IDS[0][2].parse().unwrap());
    let full = |peer| crate::address::with_peer_id(address(ADDRESS), peer);
    let addresses = [full(&other), full(&own), address(ADDRESS), Multiaddr::empty()];
    let signed = SignedPeerRecord::sign(&signer(), 1, addresses, &Portable).unwrap();
    assert_eq!(signed.as_bytes(), &hex(ENVELOPE));
}

proptest! {
    #[test]
    fn what_is_signed_is_read(sequence: u64, numbers in vec(0_u32..50, 0..40)) {
        let addresses = numbers.into_iter().flat_map(|number| many(number + 1).last());
        let signed = SignedPeerRecord::sign(&signer(), sequence, addresses, &Portable).unwrap();
        prop_assert_eq!(open(signed.as_bytes()), Ok(signed));
    }

    #[test]
    fn arbitrary_records_do_no_harm(bytes in vec(prop_oneof![any::<u8>(), 0_u8..0x20], 0..80)) {
        let _ = open(&bytes);
        let _ = open(&sealed(&bytes));
    }
}
