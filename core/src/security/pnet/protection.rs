//! The protection of one byte stream.

use super::PreSharedKey;
use crate::seed::Seed;
use bytes::{Buf, BytesMut};
use salsa20::XSalsa20;
use salsa20::cipher::{KeyIvInit, StreamCipher};
use std::mem;

const NONCE_BYTES: usize = 24;

/// Encrypts and decrypts one byte stream in place. Owns no buffer: an incomplete nonce, and what is decrypted and not taken, stay
/// with the caller.
///
/// Our nonce leaves before anything is heard of the remote: js and rust say nothing before they have it.
pub(crate) struct Protection {
    outgoing: XSalsa20,
    nonce: [u8; NONCE_BYTES],
    has_begun: bool,
    incoming: Incoming,
}

/// The remote sent our own nonce back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ReflectedNonce;

enum Incoming {
    AwaitNonce(PreSharedKey),
    Open {
        cipher: XSalsa20,
        /// How many bytes at the front of the caller's input are decrypted already.
        decrypted: usize,
        has_heard: bool,
    },
}

impl Protection {
    pub(crate) fn new(key: PreSharedKey, seed: &mut Seed) -> Self {
        let nonce = seed.bytes();
        let outgoing = XSalsa20::new((&*key.0).into(), (&nonce).into());
        Self { outgoing, nonce, has_begun: false, incoming: Incoming::AwaitNonce(key) }
    }

    /// Appends our nonce, the first time. Returns how many bytes that are.
    pub(crate) fn begin(&mut self, out: &mut BytesMut) -> usize {
        if mem::replace(&mut self.has_begun, true) {
            return 0;
        }
        out.extend_from_slice(&self.nonce);
        NONCE_BYTES
    }

    /// Encrypts the next bytes to be sent.
    pub(crate) fn encrypt(&mut self, bytes: &mut [u8]) {
        self.outgoing.apply_keystream(bytes);
    }

    /// Decrypts what is new in `input`, behind what [`keep`](Self::keep) was told of. False: the remote's nonce is not complete.
    ///
    /// # Errors
    /// The remote's nonce is ours. Whoever guesses what we sent could answer without the key then.
    pub(crate) fn decrypt(&mut self, input: &mut BytesMut) -> Result<bool, ReflectedNonce> {
        if let Incoming::AwaitNonce(key) = &self.incoming {
            let Some(nonce) = input.first_chunk::<NONCE_BYTES>() else { return Ok(false) };
            if *nonce == self.nonce {
                return Err(ReflectedNonce);
            }
            let cipher = XSalsa20::new((&*key.0).into(), nonce.into());
            input.advance(NONCE_BYTES);
            self.incoming = Incoming::Open { cipher, decrypted: 0, has_heard: false };
        }
        if let Incoming::Open { cipher, decrypted, has_heard } = &mut self.incoming
            && let Some(new) = input.get_mut(mem::take(decrypted)..)
        {
            *has_heard |= !new.is_empty();
            cipher.apply_keystream(new);
        }
        Ok(true)
    }

    /// So many bytes of the input were left, and come again at the front of the next.
    pub(crate) fn keep(&mut self, bytes: usize) {
        if let Incoming::Open { decrypted, .. } = &mut self.incoming {
            *decrypted = bytes;
        }
    }

    /// Whether anything has come from the remote behind its nonce.
    pub(crate) fn has_heard(&self) -> bool {
        matches!(self.incoming, Incoming::Open { has_heard: true, .. })
    }
}
