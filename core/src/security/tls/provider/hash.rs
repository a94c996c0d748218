//! SHA-256, plain and keyed.

use crate::crypto;
use crate::security::tls::scope;
use rustls::crypto::{hash, hmac};
use smallvec::SmallVec;
use zeroize::Zeroizing;

const OUTPUT_BYTES: usize = crypto::Hash::Sha256.output_bytes();

pub(super) struct Sha256;

impl hash::Hash for Sha256 {
    fn start(&self) -> Box<dyn hash::Context> {
        Box::new(Transcript(Vec::new()))
    }

    fn hash(&self, data: &[u8]) -> hash::Output {
        hash::Output::new(scope::crypto().hash(crypto::Hash::Sha256, &[data]).as_bytes())
    }

    fn output_len(&self) -> usize {
        OUTPUT_BYTES
    }

    fn algorithm(&self) -> hash::HashAlgorithm {
        hash::HashAlgorithm::SHA256
    }
}

/// What a hash covers so far. The transcript of a handshake has about 2 KiB and is asked for its hash six times, so that a running
/// hash would save less than a thousandth of the handshake's time.
#[derive(Clone)]
struct Transcript(Vec<u8>);

impl hash::Context for Transcript {
    fn fork_finish(&self) -> hash::Output {
        hash::Hash::hash(&Sha256, &self.0)
    }

    fn fork(&self) -> Box<dyn hash::Context> {
        Box::new(self.clone())
    }

    fn finish(self: Box<Self>) -> hash::Output {
        self.fork_finish()
    }

    fn update(&mut self, data: &[u8]) {
        self.0.extend_from_slice(data);
    }
}

pub(super) struct HmacSha256;

impl hmac::Hmac for HmacSha256 {
    fn with_key(&self, key: &[u8]) -> Box<dyn hmac::Key> {
        Box::new(Key(scope::crypto().hmac(crypto::Hash::Sha256, key)))
    }

    fn hash_output_len(&self) -> usize {
        OUTPUT_BYTES
    }
}

struct Key(Box<dyn crypto::Hmac>);

impl hmac::Key for Key {
    fn sign_concat(&self, first: &[u8], middle: &[&[u8]], last: &[u8]) -> hmac::Tag {
        let mut parts = SmallVec::<[&[u8]; 8]>::new();
        parts.push(first);
        parts.extend_from_slice(middle);
        parts.push(last);
        let tag = Zeroizing::new(self.0.sign(&parts));
        hmac::Tag::new(tag.as_bytes())
    }

    fn tag_len(&self) -> usize {
        OUTPUT_BYTES
    }
}
