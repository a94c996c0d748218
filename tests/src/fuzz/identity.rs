//! Peer ids, keys, those of private networks too, and signed peer records.

use bytes::Bytes;
use peerwork_core::crypto::{CryptoProvider, Insecure, Portable};
use peerwork_core::identity::{
    Envelope, Keypair, MAX_PEER_ADDRESSES, PEER_RECORD, PeerId, PublicKey, ROUTING_STATE_RECORD,
    SignedPeerRecord,
};
use peerwork_core::security::pnet::PreSharedKey;

/// A peer id that is read from bytes or from text keeps its value in every form.
pub fn peer_id(data: &[u8]) {
    if let Ok(id) = PeerId::from_bytes(data) {
        assert_eq!(id.to_bytes(), data);
        same_in_all_forms(id);
    }
    if let Ok(id) = String::from_utf8_lossy(data).parse() {
        same_in_all_forms(id);
    }
}

fn same_in_all_forms(id: PeerId) {
    assert_eq!(PeerId::from_bytes(&id.to_bytes()), Ok(id));
    for text in [id.to_string(), id.to_cid_string(), id.to_base36_cid_string()] {
        assert_eq!(text.parse(), Ok(id), "{text}");
    }
}

/// A public key has one encoding. A private key that is read, and written again, is the same key, and what it signs is its own.
pub fn keys(data: &[u8]) {
    if let Ok(key) = PublicKey::from_protobuf(data) {
        assert_eq!(key.to_protobuf(), data);
        assert_eq!(key.to_peer_id(), PeerId::from_public_key_protobuf(data));
        assert!(!Portable.verify(&key, b"never signed", data));
    }
    if let Ok(pair) = Keypair::from_protobuf(data) {
        let again = Keypair::from_protobuf(&pair.to_protobuf()).expect("what we write, we read");
        assert_eq!(again.public(), pair.public());
        if let Ok(signature) = Portable.sign(&pair, data) {
            assert!(Portable.verify(pair.public(), data, &signature));
        }
    }
}

/// The key of a private network that is read from a file is written so that it is read as the same one.
pub fn pre_shared_key(data: &[u8]) {
    if let Ok(key) = PreSharedKey::from_key_file(data) {
        let again =
            PreSharedKey::from_key_file(key.to_key_file().as_bytes()).expect("what we write, we read");
        assert_eq!(again.fingerprint(), key.fingerprint());
    }
}

/// A signed peer record that is let in is its signer's, within its limits, and reads the same again.
///
/// All signatures hold, so that the fuzzer gets to the record.
pub fn signed_peer_record(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    if let Ok(signed) = SignedPeerRecord::from_bytes(bytes.clone(), &Insecure) {
        let record = signed.record();
        let envelope = Envelope::open(data, &[PEER_RECORD, ROUTING_STATE_RECORD], &Insecure);
        assert_eq!(envelope.map(|envelope| envelope.signer.to_peer_id()), Ok(record.peer));
        assert!(record.addresses.len() <= MAX_PEER_ADDRESSES);
        assert!(record.addresses.iter().all(|address| !address.is_empty()));
        assert_eq!(signed.as_bytes(), &bytes);
    }
    if let Ok(signed) = SignedPeerRecord::from_bytes(bytes, &Portable) {
        let again = SignedPeerRecord::from_bytes(signed.as_bytes().clone(), &Portable);
        assert_eq!(again, Ok(signed));
    }
}
