//! What a peer tells on one stream, whether it was asked or pushes.

use super::{IdentifyError, IdentifyInfo, Link, MAX_MESSAGES, addresses, codec};
use crate::crypto::CryptoProvider;
use crate::identity::{PeerId, SignedPeerRecord};
use crate::protocols::StreamKey;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Message by message, up to the end of the stream.
#[derive(Debug)]
pub(super) struct Reading {
    stream: StreamKey,
    messages: usize,
    info: IdentifyInfo,
}

impl Reading {
    pub(super) fn new(stream: StreamKey) -> Self {
        Self { stream, messages: 0, info: IdentifyInfo::default() }
    }

    pub(super) fn stream(&self) -> StreamKey {
        self.stream
    }

    /// Adds a message, and checks that the key in it, if any, is the peer's.
    pub(super) fn message(&mut self, message: &[u8], peer: PeerId) -> Result<(), IdentifyError> {
        self.messages += 1;
        if self.messages > MAX_MESSAGES {
            return Err(IdentifyError::TooManyMessages);
        }
        codec::merge(message, &mut self.info)?;
        match self.info.public_key.as_ref().map(|key| key.to_peer_id()) {
            Some(other) if other != peer => Err(IdentifyError::WrongKey(other)),
            _ => Ok(()),
        }
    }

    /// The peer has ended the stream: what it told, as far as it is proven and of use.
    pub(super) fn finish(
        self,
        link: &Link,
        crypto: &dyn CryptoProvider,
    ) -> Result<Arc<IdentifyInfo>, IdentifyError> {
        if self.messages == 0 {
            return Err(IdentifyError::Nothing);
        }
        let mut info = self.info;
        certify(&mut info, link.peer, crypto);
        drop_duplicates(&mut info.listen_addresses);
        drop_duplicates(&mut info.protocols);
        addresses::keep_useful(&mut info.listen_addresses, &link.remote_address);
        Ok(info.into())
    }
}

/// The addresses of the peer's signed record count instead of those beside it. A record that is not valid, or is another
/// peer's, is as good as none.
fn certify(info: &mut IdentifyInfo, peer: PeerId, crypto: &dyn CryptoProvider) {
    let Some(envelope) = info.signed_peer_record.take() else { return };
    let Ok(signed) = SignedPeerRecord::from_bytes(envelope, crypto) else { return };
    if signed.record().peer == peer {
        info.listen_addresses.clone_from(&signed.record().addresses);
        info.signed_peer_record = Some(signed.as_bytes().clone());
        info.certified = Some(signed.record().clone());
    }
}

/// Keeps the first of equal ones.
fn drop_duplicates<T: Ord + Clone>(list: &mut Vec<T>) {
    let mut seen = BTreeSet::new();
    list.retain(|item| seen.insert(item.clone()));
}
