//! Peer ids and keys.

use peerwork_core::identity::{Keypair, PeerId, PublicKey};

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

/// A public key has one encoding. A private key that is read, and written again, is the same key.
pub fn keys(data: &[u8]) {
    if let Ok(key) = PublicKey::from_protobuf(data) {
        assert_eq!(key.to_protobuf(), data);
        assert_eq!(key.to_peer_id(), PeerId::from_public_key_protobuf(data));
    }
    if let Ok(pair) = Keypair::from_protobuf(data) {
        let again = Keypair::from_protobuf(&pair.to_protobuf()).expect("what we write, we read");
        assert_eq!(again.public(), pair.public());
    }
}
