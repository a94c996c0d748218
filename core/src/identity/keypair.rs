//! Key pairs.

use super::codec::decode_key;
use super::{InvalidKey, PublicKey, SecretKey};
use crate::seed::Seed;
use std::fmt;
use zeroize::Zeroizing;

/// An identity: a private key and its public key.
///
/// The private key is wiped from memory on drop, and never shown by `Debug`.
pub struct Keypair {
    secret: SecretKey,
    public: PublicKey,
}

impl Keypair {
    /// A fresh Ed25519 identity.
    pub fn generate_ed25519(seed: &mut Seed) -> Self {
        Self::generate(seed, SecretKey::Ed25519)
    }

    /// A fresh identity on secp256k1.
    pub fn generate_secp256k1(seed: &mut Seed) -> Self {
        Self::generate(seed, SecretKey::Secp256k1)
    }

    /// A fresh ECDSA identity on P-256.
    pub fn generate_ecdsa(seed: &mut Seed) -> Self {
        Self::generate(seed, SecretKey::Ecdsa)
    }

    /// One draw in 2^32 is not in the range of P-256.
    fn generate(seed: &mut Seed, key: fn(Zeroizing<[u8; 32]>) -> SecretKey) -> Self {
        loop {
            if let Ok(keypair) = Self::from_secret(key(Zeroizing::new(seed.bytes()))) {
                return keypair;
            }
        }
    }

    /// The Ed25519 identity with this secret (what RFC 8032 calls the private key).
    pub fn ed25519_from_secret(secret: &[u8; 32]) -> Self {
        let secret = SecretKey::Ed25519(Zeroizing::new(*secret));
        Self::from_secret(secret).expect("any 32 bytes are an Ed25519 secret")
    }

    /// The identity with this private key.
    ///
    /// # Errors
    /// The private key is not valid: [`InvalidKey::ScalarOutOfRange`], or of an RSA key everything that can be wrong with its DER and its
    /// numbers.
    pub fn from_secret(secret: SecretKey) -> Result<Self, InvalidKey> {
        let public = secret.public()?;
        Ok(Self { secret, public })
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The private half, for crypto providers.
    pub fn secret(&self) -> &SecretKey {
        &self.secret
    }

    /// The private key in the protobuf form that libp2p's key files hold. Wiped from memory on drop.
    pub fn to_protobuf(&self) -> Zeroizing<Vec<u8>> {
        self.secret.to_protobuf()
    }

    /// Parses a private key in the protobuf form: the contents of a key file.
    ///
    /// # Errors
    /// The bytes are not a private key: see [`InvalidKey`].
    pub fn from_protobuf(bytes: &[u8]) -> Result<Self, InvalidKey> {
        refuse_other_formats(bytes)?;
        let (key_type, data) = decode_key(bytes)?;
        let (secret, stored) = SecretKey::decode(key_type, data)?;
        let keypair = Self::from_secret(secret)?;
        match stored {
            Some(public) if public != keypair.public => Err(InvalidKey::HalvesDiffer),
            _ => Ok(keypair),
        }
    }
}

impl fmt::Debug for Keypair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keypair").field("public", &self.public).finish_non_exhaustive()
    }
}

/// Names what is often taken for key files. The protobuf of a key starts with a control character.
fn refuse_other_formats(bytes: &[u8]) -> Result<(), InvalidKey> {
    const DER_SEQUENCE: u8 = 0x30;
    let is_text = bytes.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
    let format = match bytes.trim_ascii_start() {
        [b'-', ..] => "PEM text",
        [b'{', ..] => "JSON text",
        [_, ..] if is_text => "hex or base64 text",
        [DER_SEQUENCE, ..] => "DER",
        _ => return Ok(()),
    };
    Err(InvalidKey::OtherFormat { format })
}
