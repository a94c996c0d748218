//! Identify.

use bytes::BytesMut;
use peerwork_core::protocols::identify::codec::{
    self, IdentifyInfo, MAX_ADDRESSES, MAX_PROTOCOLS, MAX_VERSION_CHARACTERS,
};

/// What is taken from a message keeps to the limits, and is the same when sent on.
pub fn identify(data: &[u8]) {
    const MAX: usize = 300;
    let mut info = IdentifyInfo::default();
    if codec::merge(data, &mut info).is_err() {
        return;
    }
    assert!(info.listen_addresses.len() <= MAX_ADDRESSES && info.protocols.len() <= MAX_PROTOCOLS);
    for version in [&info.protocol_version, &info.agent_version].into_iter().flatten() {
        assert!(version.chars().count() <= MAX_VERSION_CHARACTERS);
    }

    // A push of the same changes nothing.
    let mut updated = info.clone();
    updated.update(&info);
    assert_eq!(updated, info);

    let mut message = BytesMut::new();
    codec::encode(&info, usize::MAX, &mut message);
    let mut again = IdentifyInfo::default();
    assert_eq!(codec::merge(&message, &mut again), Ok(()));
    assert_eq!(again, info);

    let mut short = BytesMut::new();
    codec::encode(&info, MAX, &mut short);
    assert!(short.len() <= MAX);
    assert_eq!(codec::merge(&short, &mut IdentifyInfo::default()), Ok(()));
}
