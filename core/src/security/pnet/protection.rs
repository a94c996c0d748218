//! The protection of one byte stream.

use super::PreSharedKey;
use crate::seed::Seed;
use bytes::{Buf, BytesMut};
use salsa20::XSalsa20;
use salsa20::cipher::{KeyIvInit, StreamCipher};
use std::mem;

const NONCE_BYTES: usize = 24;

/// Encrypts and decrypts one byte stream in place.
///
/// Our nonce leaves before anything is heard of the remote: js and rust say nothing before they have it.
pub(crate) struct Protection {
    outgoing: XSalsa20,
    nonce: [u8; NONCE_BYTES],
    has_begun: bool,
    incoming: Incoming,
    /// Decrypted, and not yet taken by what is above: the start of something incomplete, or what it cannot take now. No more than the
    /// driver has read for a connection that wanted input. Empty, it owns no memory.
    pub(crate) plain: BytesMut,
}

/// The remote sent our own nonce back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ReflectedNonce;

enum Incoming {
    AwaitNonce(PreSharedKey),
    Open { cipher: XSalsa20, has_heard: bool },
}

impl Protection {
    pub(crate) fn new(key: PreSharedKey, seed: &mut Seed) -> Self {
        let nonce = seed.bytes();
        let outgoing = XSalsa20::new((&*key.0).into(), (&nonce).into());
        Self {
            outgoing,
            nonce,
            has_begun: false,
            incoming: Incoming::AwaitNonce(key),
            plain: BytesMut::new(),
        }
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

    /// Decrypts all of `input` to the end of `plain`, once the remote's nonce is complete.
    ///
    /// # Errors
    /// The remote's nonce is ours. Whoever guesses what we sent could answer without the key then.
    pub(crate) fn decrypt(&mut self, input: &mut BytesMut) -> Result<(), ReflectedNonce> {
        if let Incoming::AwaitNonce(key) = &self.incoming {
            let Some(nonce) = input.first_chunk::<NONCE_BYTES>() else { return Ok(()) };
            if *nonce == self.nonce {
                return Err(ReflectedNonce);
            }
            let cipher = XSalsa20::new((&*key.0).into(), nonce.into());
            input.advance(NONCE_BYTES);
            self.incoming = Incoming::Open { cipher, has_heard: false };
        }
        if let Incoming::Open { cipher, has_heard } = &mut self.incoming
            && !input.is_empty()
        {
            *has_heard = true;
            let mut new = input.split();
            cipher.apply_keystream(&mut new);
            self.plain.unsplit(new);
        }
        Ok(())
    }

    /// Whether anything has come from the remote behind its nonce.
    pub(crate) fn has_heard(&self) -> bool {
        matches!(self.incoming, Incoming::Open { has_heard: true, .. })
    }
}
