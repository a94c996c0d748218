//! Peer ids, keys and signed peer records.

use bytes::Bytes;
use peerwork_core::crypto::{CryptoProvider, Insecure, Portable};
use peerwork_core::identity::{
    Envelope, Keypair, MAX_PEER_ADDRESSES, PEER_RECORD, PeerId, PublicKey, ROUTING_STATE_RECORD,
    SignedPeerRecord,
};

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
