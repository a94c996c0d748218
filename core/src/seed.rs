//! The only source of randomness in core.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng, TryCryptoRng, TryRng};
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// A deterministic generator with fast key erasure: every draw replaces the key, so whoever reads the memory of a
/// node later cannot recompute what was drawn before.
///
/// Children are split off with [`Seed::child`]; no root is kept. A `Seed` is not `Clone`: two holders of one key
/// would draw the same secrets.
///
/// It is ChaCha20 with a zero nonce: of each block sequence the first 32 bytes become the next key and the rest is
/// handed out.
pub struct Seed([u8; 32]);

impl Seed {
    /// A seed from 32 bytes of entropy, which a driver takes from the operating system.
    pub const fn from_entropy(entropy: [u8; 32]) -> Self {
        Self(entropy)
    }

    /// A seed that everybody can compute, for tests and simulation. Keys drawn from it are not secret.
    pub fn reproducible(number: u64) -> Self {
        let mut hash = Sha256::new_with_prefix(b"peerwork reproducible seed");
        hash.update(number.to_be_bytes());
        Self(hash.finalize().into())
    }

    /// Splits off an independent seed. The label only separates children drawn in the same order for different
    /// purposes; two children with one label differ as well.
    pub fn child(&mut self, label: &str) -> Self {
        let mut drawn = Zeroizing::new([0; 32]);
        self.fill(drawn.as_mut_slice());
        let mut hash = Sha256::new_with_prefix(drawn.as_slice());
        hash.update(label.as_bytes());
        Self(hash.finalize().into())
    }

    /// Mixes fresh entropy in. What is drawn from now on is unpredictable if either the old key or `entropy` was.
    pub fn mix(&mut self, entropy: &[u8; 32]) {
        let mut hash = Sha256::new_with_prefix(self.0);
        hash.update(entropy);
        self.0 = hash.finalize().into();
    }

    /// Fills `out` with random bytes.
    pub fn fill(&mut self, out: &mut [u8]) {
        let mut stream = ChaCha20Rng::from_seed(self.0);
        stream.fill_bytes(&mut self.0);
        stream.fill_bytes(out);
    }

    /// An array of random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    /// A random number below `bound`; zero if `bound` is zero. The bias is below 2^-32 for bounds below 2^32.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(u64::from_le_bytes(self.bytes())) * u128::from(bound);
        (wide >> 64) as u64
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

impl TryRng for Seed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.bytes()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.bytes()))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.fill(out);
        Ok(())
    }
}

impl TryCryptoRng for Seed {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_erases_the_key_that_made_it() {
        let mut seed = Seed::reproducible(1);
        let before = seed.0;
        let first: [u8; 8] = seed.bytes();
        assert_ne!(before, seed.0);
        assert_ne!(first, seed.bytes::<8>());
    }

    #[test]
    fn children_are_reproducible_and_differ() {
        let children = |number| {
            let mut root = Seed::reproducible(number);
            [root.child("a").bytes::<16>(), root.child("a").bytes(), root.child("b").bytes()]
        };
        let [first, second, third] = children(7);
        assert_eq!(children(7), [first, second, third]);
        assert!(first != second && second != third && children(8)[0] != first);
    }

    #[test]
    fn entropy_mixed_in_changes_what_follows() {
        let (mut a, mut b) = (Seed::reproducible(1), Seed::reproducible(1));
        b.mix(&[0; 32]);
        assert_ne!(a.bytes::<8>(), b.bytes::<8>());
    }

    #[test]
    fn below_stays_below() {
        let mut seed = Seed::reproducible(3);
        assert!((0..1000).all(|_| seed.below(7) < 7));
        assert_eq!(seed.below(0), 0);
    }
}
