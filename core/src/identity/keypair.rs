//! Key pairs.

use super::PublicKey;
use crate::seed::Seed;

/// An identity: a private key and its public key.
pub struct Keypair {
    secret: ed25519_dalek::SigningKey,
    public: PublicKey,
}

impl Keypair {
    /// A fresh Ed25519 identity.
    pub fn generate_ed25519(seed: &mut Seed) -> Self {
        Self::ed25519_from_secret(&seed.bytes())
    }

    /// The Ed25519 identity with this secret.
    pub fn ed25519_from_secret(secret: &[u8; 32]) -> Self {
        let secret = ed25519_dalek::SigningKey::from_bytes(secret);
        let public = PublicKey::Ed25519(secret.verifying_key().to_bytes());
        Self { secret, public }
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(crate) fn ed25519(&self) -> &ed25519_dalek::SigningKey {
        &self.secret
    }
}

impl std::fmt::Debug for Keypair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keypair").field("public", &self.public).finish_non_exhaustive()
    }
}
