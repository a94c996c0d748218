//! The pattern XX of Noise: who sends which key when, and which keys are agreed with. libp2p is in the payloads alone.

use super::channel::CipherState;
use super::symmetric::Symmetric;
use crate::crypto::{CryptoProvider, Curve, EphemeralKey, TAG_BYTES};
use crate::security::SecurityError;
use bytes::BytesMut;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The length of a private scalar and of a public key.
pub(super) const KEY_BYTES: usize = Curve::X25519.field_bytes();

/// A public key of the remote.
pub(super) type RemoteKey = [u8; KEY_BYTES];

/// One side of a handshake, which writes and reads the messages in turn.
///
/// A message that is too short for its keys is [`SecurityError::Malformed`]; one that was not sealed with the keys that were agreed on, or
/// has a key of low order, is [`SecurityError::NotAuthentic`].
pub(super) struct Pattern {
    symmetric: Symmetric,
    static_key: Arc<dyn EphemeralKey>,
    ephemeral_key: Box<dyn EphemeralKey>,
}

/// A private key out of its scalar.
///
/// # Errors
/// [`SecurityError::Local`]: the provider does not have the curve.
pub(super) fn private_key(
    crypto: &dyn CryptoProvider,
    scalar: &[u8; KEY_BYTES],
) -> Result<Box<dyn EphemeralKey>, SecurityError> {
    crypto.ephemeral_key(Curve::X25519, scalar).map_err(|_| {
        SecurityError::Local(format!("the {} crypto provider does not have X25519", crypto.name()))
    })
}

impl Pattern {
    pub(super) fn new(
        crypto: Arc<dyn CryptoProvider>,
        prologue: &[u8],
        static_key: Arc<dyn EphemeralKey>,
        ephemeral_key: Box<dyn EphemeralKey>,
    ) -> Self {
        Self { symmetric: Symmetric::new(crypto, prologue), static_key, ephemeral_key }
    }

    /// Our static public key.
    #[cfg(test)]
    pub(super) fn static_key(&self) -> &[u8] {
        self.static_key.public_point()
    }

    /// `e`, from the dialer.
    pub(super) fn write_first(&mut self, payload: &[u8], out: &mut BytesMut) -> Result<(), SecurityError> {
        self.write_ephemeral_key(out);
        self.write_sealed(payload, out)
    }

    /// The remote's ephemeral key. The payload, which is in the clear, is left in `message`.
    pub(super) fn read_first(&mut self, message: &mut BytesMut) -> Result<RemoteKey, SecurityError> {
        let remote_ephemeral = self.read_ephemeral_key(message)?;
        self.read_sealed(message)?;
        Ok(remote_ephemeral)
    }

    /// `e, ee, s, es`, from the listener.
    pub(super) fn write_second(
        &mut self,
        remote_ephemeral: &RemoteKey,
        payload: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), SecurityError> {
        self.write_ephemeral_key(out);
        self.symmetric.mix_key(&agree(&*self.ephemeral_key, remote_ephemeral)?);
        self.write_static_key(out)?;
        self.symmetric.mix_key(&agree(&*self.static_key, remote_ephemeral)?);
        self.write_sealed(payload, out)
    }

    /// The remote's ephemeral and static key. The payload is left in `message`.
    pub(super) fn read_second(
        &mut self,
        message: &mut BytesMut,
    ) -> Result<(RemoteKey, RemoteKey), SecurityError> {
        let remote_ephemeral = self.read_ephemeral_key(message)?;
        self.symmetric.mix_key(&agree(&*self.ephemeral_key, &remote_ephemeral)?);
        let remote_static = self.read_static_key(message)?;
        self.symmetric.mix_key(&agree(&*self.ephemeral_key, &remote_static)?);
        self.read_sealed(message)?;
        Ok((remote_ephemeral, remote_static))
    }

    /// `s, se`, from the dialer.
    pub(super) fn write_third(
        &mut self,
        remote_ephemeral: &RemoteKey,
        payload: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), SecurityError> {
        self.write_static_key(out)?;
        self.symmetric.mix_key(&agree(&*self.static_key, remote_ephemeral)?);
        self.write_sealed(payload, out)
    }

    /// The remote's static key. The payload is left in `message`.
    pub(super) fn read_third(&mut self, message: &mut BytesMut) -> Result<RemoteKey, SecurityError> {
        let remote_static = self.read_static_key(message)?;
        self.symmetric.mix_key(&agree(&*self.ephemeral_key, &remote_static)?);
        self.read_sealed(message)?;
        Ok(remote_static)
    }

    /// After the third message: the ciphers of the dialer's frames and of the listener's.
    pub(super) fn split(self) -> (CipherState, CipherState) {
        self.symmetric.split()
    }

    /// The hash over the whole handshake.
    #[cfg(test)]
    pub(super) fn hash(&self) -> &[u8] {
        self.symmetric.hash()
    }

    fn write_ephemeral_key(&mut self, out: &mut BytesMut) {
        out.extend_from_slice(self.ephemeral_key.public_point());
        self.symmetric.mix_hash(self.ephemeral_key.public_point());
    }

    fn read_ephemeral_key(&mut self, message: &mut BytesMut) -> Result<RemoteKey, SecurityError> {
        let key = split_key(message, KEY_BYTES)?;
        self.symmetric.mix_hash(&key);
        Ok(key[..].try_into().expect("it has this length"))
    }

    fn write_static_key(&mut self, out: &mut BytesMut) -> Result<(), SecurityError> {
        let start = out.len();
        out.extend_from_slice(self.static_key.public_point());
        Ok(self.symmetric.seal(out, start)?)
    }

    fn read_static_key(&mut self, message: &mut BytesMut) -> Result<RemoteKey, SecurityError> {
        let mut key = split_key(message, KEY_BYTES + TAG_BYTES)?;
        self.read_sealed(&mut key)?;
        Ok(key[..].try_into().expect("it has this length without its tag"))
    }

    fn write_sealed(&mut self, payload: &[u8], out: &mut BytesMut) -> Result<(), SecurityError> {
        let start = out.len();
        out.extend_from_slice(payload);
        Ok(self.symmetric.seal(out, start)?)
    }

    fn read_sealed(&mut self, data: &mut BytesMut) -> Result<(), SecurityError> {
        self.symmetric
            .open(data)
            .map_err(|_| SecurityError::NotAuthentic("a message was altered or sealed with other keys"))
    }
}

fn split_key(message: &mut BytesMut, len: usize) -> Result<BytesMut, SecurityError> {
    if message.len() < len {
        return Err(SecurityError::Malformed("it is too short for its keys"));
    }
    Ok(message.split_to(len))
}

/// A point of low order leads to the same secret with every key, so that whoever listens would know it.
fn agree(key: &dyn EphemeralKey, remote: &RemoteKey) -> Result<Zeroizing<Vec<u8>>, SecurityError> {
    key.agree(remote).map_err(|_| SecurityError::NotAuthentic("one of its keys is of low order"))
}
