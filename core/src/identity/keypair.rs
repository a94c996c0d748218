//! Key pairs.

use super::codec::{decode_key, encode_key};
use super::{InvalidKey, KeyType, PublicKey};
use crate::seed::Seed;
use ed25519_dalek::SigningKey;
use std::fmt;
use zeroize::Zeroizing;

/// An identity: a private key and its public key.
///
/// The private key is wiped from memory on drop, and never shown by `Debug`.
pub struct Keypair {
    secret: Secret,
    public: PublicKey,
}

/// A private key, which wipes itself on drop.
enum Secret {
    Ed25519(SigningKey),
}

impl Keypair {
    /// A fresh Ed25519 identity.
    pub fn generate_ed25519(seed: &mut Seed) -> Self {
        Self::ed25519_from_secret(&Zeroizing::new(seed.bytes()))
    }

    /// The Ed25519 identity with this secret (RFC 8032's seed).
    pub fn ed25519_from_secret(secret: &[u8; 32]) -> Self {
        let secret = SigningKey::from_bytes(secret);
        let public = PublicKey::Ed25519(secret.verifying_key().to_bytes());
        Self { secret: Secret::Ed25519(secret), public }
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The private key in the protobuf form that libp2p's key files hold. Wiped from memory on drop.
    pub fn to_protobuf(&self) -> Zeroizing<Vec<u8>> {
        match &self.secret {
            Secret::Ed25519(secret) => {
                let data = Zeroizing::new(secret.to_keypair_bytes());
                Zeroizing::new(encode_key(KeyType::Ed25519, data.as_slice()))
            }
        }
    }

    /// Parses a private key in the protobuf form: the contents of a key file.
    ///
    /// # Errors
    /// The bytes are not a private key of a supported type: see [`InvalidKey`].
    pub fn from_protobuf(bytes: &[u8]) -> Result<Self, InvalidKey> {
        refuse_text(bytes)?;
        match decode_key(bytes)? {
            (KeyType::Ed25519, data) => Self::ed25519_from_data(data),
            (other, _) => Err(InvalidKey::UnsupportedType(other)),
        }
    }

    /// The secret, then the public key once, or twice as old implementations wrote it.
    fn ed25519_from_data(data: &[u8]) -> Result<Self, InvalidKey> {
        let wrong_length = InvalidKey::WrongLength {
            what: "an Ed25519 private key (the secret, then the public key)",
            expected: 64,
            found: data.len(),
        };
        let (secret, copies) = data.split_first_chunk().ok_or(wrong_length)?;
        if !matches!(copies.len(), 32 | 64) {
            return Err(wrong_length);
        }
        let keypair = Self::ed25519_from_secret(secret);
        let PublicKey::Ed25519(public) = &keypair.public;
        if copies.chunks_exact(public.len()).all(|copy| copy == public) {
            Ok(keypair)
        } else {
            Err(InvalidKey::HalvesDiffer)
        }
    }

    pub(crate) fn ed25519(&self) -> &SigningKey {
        let Secret::Ed25519(secret) = &self.secret;
        secret
    }
}

impl fmt::Debug for Keypair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keypair").field("public", &self.public).finish_non_exhaustive()
    }
}

/// Names the usual kinds of text that are taken for key files. The protobuf of a key starts with a control
/// character.
fn refuse_text(bytes: &[u8]) -> Result<(), InvalidKey> {
    let format = match bytes.trim_ascii_start() {
        [b'-', ..] => "PEM",
        [b'{', ..] => "JSON",
        [first, ..] if first.is_ascii_graphic() => "hex or base64",
        _ => return Ok(()),
    };
    Err(InvalidKey::Text { format })
}
