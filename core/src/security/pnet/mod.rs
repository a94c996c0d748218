//! Private networks: only nodes with the same pre-shared key can talk to each other at all.
//!
//! Each side sends 24 random bytes, the nonce of its direction, and from there on everything that it sends is combined with the
//! keystream of XSalsa20 under the key and that nonce: multistream-select, the security protocol, all above it. So the protection
//! sits below the whole upgrade, and whoever has another key sees noise and makes noise.
//!
//! ```text
//! nonce (24 bytes) | bytes XOR XSalsa20(key, nonce)
//! ```
//!
//! **What it is worth.** It keeps strangers out: without the key nobody can finish a handshake. What a dialer says first is known text, and
//! can be recorded and sent again, so a stranger may get as far as its start. It authenticates nothing: whoever is on the path can
//! flip bits and is only noticed by the security protocol above, which is needed as before. One key is shared by all, so it
//! cannot be taken from one of them; and all bytes are encrypted twice.
//!
//! [`PreSharedKey`] is the key, and reads and writes the file that holds it.
//! [`ConnectionConfig::private_network`](crate::connection::ConnectionConfig::private_network) says which one a node uses.

mod key_file;
mod protection;
#[cfg(test)]
mod tests;

pub use key_file::InvalidKeyFile;
pub(crate) use protection::{Protection, ReflectedNonce};

use crate::seed::Seed;
use data_encoding::HEXLOWER;
use salsa20::Salsa20;
use salsa20::cipher::{KeyIvInit, StreamCipher};
use shake::{ExtendableOutput, Shake128, Update};
use std::fmt;
use zeroize::Zeroizing;

const KEY_BYTES: usize = 32;

/// The key that all members of a private network share. Wiped from memory on drop, and never shown by `Debug`.
#[derive(Clone)]
pub struct PreSharedKey(Zeroizing<[u8; KEY_BYTES]>);

impl PreSharedKey {
    /// A new key. The seed must be a secret, as one from the operating system's entropy is.
    pub fn generate(seed: &mut Seed) -> Self {
        let mut key = Self(Zeroizing::default());
        seed.fill(key.0.as_mut_slice());
        key
    }

    /// A key that is known already.
    pub fn from_secret(secret: &[u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(*secret))
    }

    /// Reads the contents of a key file, often called `swarm.key`:
    ///
    /// ```text
    /// /key/swarm/psk/1.0.0/
    /// /base16/
    /// 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
    /// ```
    ///
    /// The second line may also be `/base64/`, with padding, or `/bin/`, which the 32 bytes themselves follow. Lines may end with
    /// a carriage return too.
    ///
    /// # Errors
    /// It is no such file; see [`InvalidKeyFile`].
    pub fn from_key_file(contents: &[u8]) -> Result<Self, InvalidKeyFile> {
        key_file::decode(contents).map(Self)
    }

    /// The contents of its key file, in `/base16/`, the only form that every implementation reads.
    pub fn to_key_file(&self) -> Zeroizing<String> {
        key_file::encode(&self.0)
    }

    /// A name for the network that can be shown and compared without giving the key away. go and rust compute the same.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut keystream = Zeroizing::new([0; 64]);
        Salsa20::new((&*self.0).into(), b"finprint".into()).apply_keystream(keystream.as_mut_slice());
        let mut hash = Shake128::default();
        hash.update(keystream.as_slice());
        let mut fingerprint = [0; 16];
        hash.finalize_xof_into(&mut fingerprint);
        Fingerprint(fingerprint)
    }
}

impl fmt::Debug for PreSharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PreSharedKey({} ..)", self.fingerprint())
    }
}

/// Which private network a key is of. Shown as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 16]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}
