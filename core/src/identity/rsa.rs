//! RSA keys in DER: public ones as SubjectPublicKeyInfo, private ones as RSAPrivateKey (PKCS#1, RFC 8017).
//!
//! Sizes are checked on the encoded numbers, before anything is computed with them: a peer's key of a million bits would otherwise
//! cost seconds for each signature.

use super::der::{self, Reader};
use super::{InvalidKey, KeyType};
use rsa::traits::PrivateKeyParts;
use rsa::{BoxedUint, RsaPrivateKey};
use std::fmt;
use zeroize::Zeroizing;

/// The shortest modulus of an RSA key, in bits. Shorter ones can be factored, or soon can.
pub const MIN_RSA_BITS: usize = 2_048;

/// The longest modulus of an RSA key, in bits. Longer ones are refused, since each signature would take a peer's time (CVE-2023-39533).
pub const MAX_RSA_BITS: usize = 8_192;

/// The largest public exponent: what fits a signed integer of 32 bits, as with most implementations.
const MAX_EXPONENT: u32 = i32::MAX as u32;

const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// The version of RSAPrivateKey with two primes.
const VERSION: u8 = 0;

/// A public RSA key of [`MIN_RSA_BITS`] to [`MAX_RSA_BITS`].
#[derive(Clone, PartialEq, Eq)]
pub struct RsaPublicKey {
    modulus: Box<[u8]>,
    exponent: u32,
}

impl RsaPublicKey {
    /// Reads a SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    /// It is malformed or of another algorithm, or the modulus or the exponent is refused: see [`InvalidKey`].
    pub fn from_der(bytes: &[u8]) -> Result<Self, InvalidKey> {
        let mut info = Reader::sequence(bytes)?;
        let mut algorithm = info.nested(der::SEQUENCE)?;
        if algorithm.element(der::OBJECT_IDENTIFIER)? != RSA_ENCRYPTION {
            return Err(InvalidKey::WrongAlgorithm(KeyType::Rsa));
        }
        algorithm.nested(der::NULL)?.end()?;
        algorithm.end()?;
        let key = info.bit_string()?;
        info.end()?;

        let mut numbers = Reader::sequence(key)?;
        let key = Self::new(numbers.unsigned()?, numbers.unsigned()?)?;
        numbers.end()?;
        Ok(key)
    }

    /// The SubjectPublicKeyInfo in DER.
    pub fn to_der(&self) -> Vec<u8> {
        let id = der::element(der::OBJECT_IDENTIFIER, &[RSA_ENCRYPTION]);
        let algorithm = der::element(der::SEQUENCE, &[&id, &der::element(der::NULL, &[])]);
        let exponent = self.exponent.to_be_bytes();
        let zeros = self.exponent.leading_zeros() as usize / 8;
        let numbers = [der::unsigned(&self.modulus), der::unsigned(&exponent[zeros..])];
        let key = der::element(der::SEQUENCE, &[&numbers[0], &numbers[1]]);
        der::element(der::SEQUENCE, &[&algorithm, &der::bit_string(&key)])
    }

    /// The modulus, big-endian, without zero bytes in front.
    pub fn modulus(&self) -> &[u8] {
        &self.modulus
    }

    /// The public exponent: odd, and at least 3.
    pub fn exponent(&self) -> u32 {
        self.exponent
    }

    /// The length of the modulus in bits.
    pub fn bits(&self) -> usize {
        bits(&self.modulus)
    }

    /// Both numbers come without zero bytes in front.
    fn new(modulus: &[u8], exponent: &[u8]) -> Result<Self, InvalidKey> {
        let bits = bits(modulus);
        if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
            return Err(InvalidKey::RsaSize { bits });
        }
        if modulus.last().is_some_and(|byte| byte % 2 == 0) {
            return Err(InvalidKey::EvenRsaModulus);
        }
        let exponent = exponent_value(exponent).ok_or(InvalidKey::BadRsaExponent)?;
        Ok(Self { modulus: modulus.into(), exponent })
    }
}

impl fmt::Debug for RsaPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaPublicKey({} bits)", self.bits())
    }
}

/// `number` comes without zero bytes in front.
fn bits(number: &[u8]) -> usize {
    8 * number.len() - number.first().map_or(0, |byte| byte.leading_zeros() as usize)
}

fn exponent_value(bytes: &[u8]) -> Option<u32> {
    let mut value = [0; 4];
    let start = value.len().checked_sub(bytes.len())?;
    value[start..].copy_from_slice(bytes);
    let value = u32::from_be_bytes(value);
    ((3..=MAX_EXPONENT).contains(&value) && value % 2 == 1).then_some(value)
}

/// Checks an RSAPrivateKey in DER, and gives its public key.
///
/// All its numbers must fit each other: a signature made with a wrong one would give the key away.
pub(super) fn public_of_private(bytes: &[u8]) -> Result<RsaPublicKey, InvalidKey> {
    let mut key = Reader::sequence(bytes)?;
    key.version(VERSION)?;
    let public = RsaPublicKey::new(key.unsigned()?, key.unsigned()?)?;
    let mut secrets = [&[][..]; 6];
    for secret in &mut secrets {
        *secret = key.unsigned()?;
        // No secret number is larger than the modulus, and none is zero.
        if secret.len() > public.modulus.len() || *secret == [0] {
            return Err(InvalidKey::HalvesDiffer);
        }
    }
    key.end()?;
    if fit_each_other(&public, secrets) == Some(true) { Ok(public) } else { Err(InvalidKey::HalvesDiffer) }
}

/// `None` if they certainly do not.
fn fit_each_other(public: &RsaPublicKey, secrets: [&[u8]; 6]) -> Option<bool> {
    let [d, p, q, dp, dq, q_inverse] = secrets.map(BoxedUint::from_be_slice_vartime);
    let [dp, dq, q_inverse] = [dp, dq, q_inverse].map(Zeroizing::new);
    let modulus = BoxedUint::from_be_slice_vartime(&public.modulus);
    // Checks that n = pq, and that d inverts e. The key is wiped on drop.
    let key = RsaPrivateKey::from_components(modulus, public.exponent.into(), d, vec![p, q]).ok()?;
    Some(key.dp()? == &*dp && key.dq()? == &*dq && key.crt_coefficient()? == *q_inverse)
}
