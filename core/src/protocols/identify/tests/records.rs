//! Signed peer records: those of peers, and ours.

use super::super::*;
use super::codec::{Oracle, decode, full};
use super::machine::{ended, heard, message, reading, size};
use crate::crypto::{Portable, UnsupportedKey};
use crate::identity::{Envelope, PEER_RECORD, PeerRecord, PublicKey, SignedPeerRecord};
use crate::protocols::LocalInfo;
use crate::protocols::testing::{address, at, connected, key, keypair, opened, peer, tell};
use crate::security::Role;
use bytes::Bytes;
use prost::Message;

const STREAM: StreamKey = super::machine::STREAM;

fn record(number: u8, sequence: u64, addresses: &[&str]) -> SignedPeerRecord {
    let addresses = addresses.iter().map(|text| address(text));
    SignedPeerRecord::sign(&keypair(number), sequence, addresses, &Portable).unwrap()
}

/// What counts when peer 1 tells [`full`] with this record.
fn told_with(record: &[u8]) -> IdentifyInfo {
    let mut identify = reading();
    let info = IdentifyInfo { signed_peer_record: Some(Bytes::copy_from_slice(record)), ..full() };
    tell(&mut identify, message(STREAM, &Oracle::from(&info).encode_to_vec()), at(1));
    let outputs = tell(&mut identify, ended(STREAM), at(2));
    // The connection is all that is left.
    assert_eq!(size(&identify), 1);
    match &outputs[..] {
        [
            ToSwarm::Close { .. },
            ToSwarm::Event(IdentifyEvent::Received { info, .. }),
            ToSwarm::Identified { info: noted, .. },
        ] if info == noted => (**info).clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_valid_record_replaces_the_addresses() {
    let record = record(1, 7, &["/ip4/8.8.8.8/tcp/1", "/ip4/127.0.0.1/tcp/1"]);
    let expected = IdentifyInfo {
        // Of no use here is what is on the peer's loopback.
        listen_addresses: vec![address("/ip4/8.8.8.8/tcp/1")],
        signed_peer_record: Some(record.as_bytes().clone()),
        certified: Some(record.record().clone()),
        ..full()
    };
    assert_eq!(told_with(record.as_bytes()), expected);
}

/// RUSTSEC-2022-0009: a record that its signer made for another peer was accepted.
#[test]
fn a_record_signed_by_another_than_its_peer_counts_as_missing() {
    // Peer 1 in the record, signed by peer 2; and the other way round.
    for (named, signer) in [(1, 2), (2, 1)] {
        let mut payload = vec![0x0a, 38];
        payload.extend_from_slice(peer(named).as_bytes());
        let envelope = Envelope::seal(PEER_RECORD, &payload, &keypair(signer), &Portable).unwrap();
        assert_eq!(told_with(&envelope), heard());
    }
}

/// CVE-2023-40583: records of any number of made-up peers were kept.
#[test]
fn a_record_of_another_peer_is_not_kept() {
    for other in 2..50 {
        assert_eq!(told_with(record(other, 1, &["/ip4/8.8.8.8/tcp/1"]).as_bytes()), heard());
    }
}

#[test]
fn a_record_that_is_none_counts_as_missing() {
    let valid = record(1, 7, &["/ip4/8.8.8.8/tcp/1"]);
    let mut forged = valid.as_bytes().to_vec();
    let at = forged.len() - 1;
    forged[at] ^= 1;
    for bytes in [&b""[..], b"noise", &forged, &forged[..at]] {
        assert_eq!(told_with(bytes), heard());
    }
}

#[test]
fn an_older_record_takes_no_addresses_away() {
    let told = |number: u64, text: &str| told_with(record(1, number, &[text]).as_bytes());
    let (old, new) = (told(1, "/ip4/8.8.8.8/tcp/1"), told(2, "/ip4/8.8.8.8/tcp/2"));
    let mut info = old.clone();
    info.update(&new);
    assert_eq!(info, new);
    info.update(&old);
    assert_eq!(info, new);
    // The peer's word without a record is its word too.
    info.update(&heard());
    assert_eq!(info, heard());
    // A record may take all addresses away.
    info.update(&told_with(record(1, 3, &[]).as_bytes()));
    assert_eq!(info.listen_addresses, []);
}

fn local(keypair: &Keypair, listen_addresses: &[&str]) -> FromSwarm<IdentifyCommand> {
    FromSwarm::Local(Arc::new(LocalInfo {
        peer: keypair.public().to_peer_id(),
        public_key: keypair.public().clone(),
        listen_addresses: listen_addresses.iter().map(|text| address(text)).collect(),
        protocols: vec![PROTOCOL],
    }))
}

/// What the machine tells a peer at `remote_address`, and the record in it.
fn answer(identify: &mut Identify, id: u64, remote_address: &str) -> (IdentifyInfo, Option<PeerRecord>) {
    let (connection, remote_address) = (ConnectionId(id), address(remote_address));
    let role = Role::Listener;
    let connected =
        FromSwarm::Connected { connection, peer: peer(1), role, remote_address, local_address: None };
    tell(identify, connected, at(0));
    let outputs = tell(identify, opened(key(id, 2), PROTOCOL, None), at(0));
    let [ToSwarm::Send { message, .. }, _] = &outputs[..] else { panic!("{outputs:?}") };
    let info = decode(message).unwrap();
    let bytes = info.signed_peer_record.clone();
    let record = bytes.map(|bytes| SignedPeerRecord::from_bytes(bytes, &Portable).unwrap().record().clone());
    (info, record)
}

#[test]
fn our_records_count_up_with_every_change() {
    const OUTSIDE: &str = "/ip4/192.0.2.1/tcp/1";
    let config = IdentifyConfig { first_sequence: 100, ..IdentifyConfig::default() };
    let mut identify = Identify::new(config, Arc::new(keypair(9)), Arc::new(Portable), at(0));
    tell(&mut identify, local(&keypair(9), &["/ip4/127.0.0.1/tcp/1", "/ip4/8.8.8.8/tcp/1"]), at(0));
    let (info, first) = answer(&mut identify, 0, OUTSIDE);
    let expected = |sequence, addresses: &[&str]| {
        let addresses = addresses.iter().map(|text| address(text)).collect();
        Some(PeerRecord { peer: peer(9), sequence, addresses })
    };
    assert_eq!(info.listen_addresses, [address("/ip4/8.8.8.8/tcp/1")]);
    assert_eq!(first, expected(100, &["/ip4/8.8.8.8/tcp/1"]));
    // One record of one state, for peers elsewhere and for those on this machine.
    assert_eq!(answer(&mut identify, 1, OUTSIDE).1, first);
    let (_, here) = answer(&mut identify, 2, "/ip4/127.0.0.1/tcp/1");
    assert_eq!(here, expected(101, &["/ip4/127.0.0.1/tcp/1", "/ip4/8.8.8.8/tcp/1"]));
    tell(&mut identify, local(&keypair(9), &["/ip4/8.8.8.8/tcp/2"]), at(0));
    assert_eq!(answer(&mut identify, 3, OUTSIDE).1, expected(102, &["/ip4/8.8.8.8/tcp/2"]));
}

#[test]
fn our_record_goes_along_if_everything_fits() {
    for (count, goes_along) in [(100, true), (250, false)] {
        let texts: Vec<_> = (0..count).map(|port| format!("/ip4/8.8.8.8/tcp/{port}")).collect();
        let texts: Vec<_> = texts.iter().map(String::as_str).collect();
        let config = IdentifyConfig::default();
        let mut identify = Identify::new(config, Arc::new(keypair(9)), Arc::new(Portable), at(0));
        tell(&mut identify, local(&keypair(9), &texts), at(0));
        let (info, record) = answer(&mut identify, 0, "/ip4/192.0.2.1/tcp/1");
        assert_eq!((info.listen_addresses.len(), record.is_some()), (count, goes_along));
    }
}

/// As the portable provider and an RSA key.
#[derive(Debug)]
struct CannotSign;

impl CryptoProvider for CannotSign {
    fn name(&self) -> &'static str {
        "one that cannot sign"
    }

    fn sign(&self, _: &Keypair, _: &[u8]) -> Result<Vec<u8>, UnsupportedKey> {
        Err(UnsupportedKey { provider: self.name(), key_type: "any" })
    }

    fn verify(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        Portable.verify(key, message, signature)
    }

    fn ephemeral_key(
        &self,
        curve: crate::crypto::Curve,
        scalar: &[u8],
    ) -> Result<Box<dyn crate::crypto::EphemeralKey>, crate::crypto::InvalidScalar> {
        Portable.ephemeral_key(curve, scalar)
    }

    fn aead(&self, cipher: crate::crypto::AeadCipher, key: &[u8]) -> Box<dyn crate::crypto::Aead> {
        Portable.aead(cipher, key)
    }

    fn cipher(
        &self,
        cipher: crate::crypto::Cipher,
        key: &[u8],
        iv: &[u8; 16],
    ) -> Box<dyn crate::crypto::StreamCipher> {
        Portable.cipher(cipher, key, iv)
    }

    fn hmac(&self, hash: crate::crypto::Hash, key: &[u8]) -> Box<dyn crate::crypto::Hmac> {
        Portable.hmac(hash, key)
    }

    fn hash(&self, hash: crate::crypto::Hash, parts: &[&[u8]]) -> crate::crypto::Tag {
        Portable.hash(hash, parts)
    }
}

#[test]
fn who_cannot_sign_tells_the_rest() {
    let config = IdentifyConfig::default();
    let mut identify = Identify::new(config, Arc::new(keypair(9)), Arc::new(CannotSign), at(0));
    tell(&mut identify, local(&keypair(9), &["/ip4/8.8.8.8/tcp/1"]), at(0));
    let (info, record) = answer(&mut identify, 0, "/ip4/192.0.2.1/tcp/1");
    assert_eq!((info.listen_addresses, record), (vec![address("/ip4/8.8.8.8/tcp/1")], None));
    assert_eq!(tell(&mut identify, connected(0, peer(1)), at(1)), []);
}
