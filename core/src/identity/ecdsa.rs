//! ECDSA keys on P-256 in DER: public ones as SubjectPublicKeyInfo (RFC 5480), private ones as ECPrivateKey (RFC 5915).

use super::der::{self, Reader};
use super::{InvalidKey, KeyType};
use p256::elliptic_curve::sec1::ToSec1Point;
use zeroize::Zeroizing;

/// An uncompressed point: 0x04, X, Y.
pub(super) type Point = [u8; 65];
/// A private key, big-endian.
pub(super) type Scalar = Zeroizing<[u8; 32]>;

const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// The version of ECPrivateKey.
const VERSION: u8 = 1;

/// Reads a public key. The point is checked to be on the curve.
pub(super) fn decode_public(bytes: &[u8]) -> Result<Point, InvalidKey> {
    let mut info = Reader::sequence(bytes)?;
    let mut algorithm = info.nested(der::SEQUENCE)?;
    if algorithm.element(der::OBJECT_IDENTIFIER)? != EC_PUBLIC_KEY {
        return Err(InvalidKey::WrongAlgorithm(KeyType::Ecdsa));
    }
    decode_curve(algorithm)?;
    let point = info.bit_string()?;
    info.end()?;
    check_point(point)
}

/// Writes a public key.
pub(super) fn encode_public(point: &Point) -> Vec<u8> {
    let id = |id| der::element(der::OBJECT_IDENTIFIER, &[id]);
    let algorithm = der::element(der::SEQUENCE, &[&id(EC_PUBLIC_KEY), &id(P256)]);
    der::element(der::SEQUENCE, &[&algorithm, &der::bit_string(point)])
}

/// Reads a private key, and the public key that may be stored with it.
pub(super) fn decode_private(bytes: &[u8]) -> Result<(Scalar, Option<Point>), InvalidKey> {
    let mut key = Reader::sequence(bytes)?;
    key.version(VERSION)?;
    let scalar = key.element(der::OCTET_STRING)?;
    decode_curve(key.nested(der::CONTEXT_0)?)?;
    let point = match key.optional(der::CONTEXT_1)? {
        Some(mut field) => {
            let point = field.bit_string()?;
            field.end()?;
            Some(check_point(point)?)
        }
        None => None,
    };
    key.end()?;
    let scalar = <[u8; 32]>::try_from(scalar).map_err(|_| InvalidKey::WrongLength {
        what: "an ECDSA private key on P-256",
        expected: 32,
        found: scalar.len(),
    })?;
    Ok((Zeroizing::new(scalar), point))
}

/// Writes a private key, and its public key beside it.
pub(super) fn encode_private(scalar: &Scalar, point: Option<Point>) -> Zeroizing<Vec<u8>> {
    let version = der::unsigned(&[VERSION]);
    let scalar = Zeroizing::new(der::element(der::OCTET_STRING, &[scalar.as_slice()]));
    let curve = der::element(der::CONTEXT_0, &[&der::element(der::OBJECT_IDENTIFIER, &[P256])]);
    let point = point.map(|point| der::element(der::CONTEXT_1, &[&der::bit_string(&point)]));
    let parts = [&version[..], &scalar, &curve, &point.unwrap_or_default()];
    Zeroizing::new(der::element(der::SEQUENCE, &parts))
}

/// The public key of a private one.
pub(super) fn public_point(scalar: &Scalar) -> Result<Point, InvalidKey> {
    let key = p256::SecretKey::from_slice(scalar.as_slice())
        .map_err(|_| InvalidKey::ScalarOutOfRange(KeyType::Ecdsa))?;
    let point = key.public_key().to_sec1_point(false);
    Ok(point.as_bytes().try_into().expect("an uncompressed point of P-256 has 65 bytes"))
}

/// The curve must be P-256, by its name, and nothing may follow.
fn decode_curve(mut parameters: Reader<'_>) -> Result<(), InvalidKey> {
    let curve = match parameters.element(der::OBJECT_IDENTIFIER)? {
        P256 => return Ok(parameters.end()?),
        [0x2b, 0x81, 0x04, 0x00, 0x21] => "P-224",
        [0x2b, 0x81, 0x04, 0x00, 0x22] => "P-384",
        [0x2b, 0x81, 0x04, 0x00, 0x23] => "P-521",
        [0x2b, 0x81, 0x04, 0x00, 0x0a] => "secp256k1",
        _ => "of an unknown name",
    };
    Err(InvalidKey::UnsupportedCurve { curve })
}

fn check_point(bytes: &[u8]) -> Result<Point, InvalidKey> {
    let point = bytes.try_into().map_err(|_| InvalidKey::WrongLength {
        what: "an uncompressed point of P-256",
        expected: size_of::<Point>(),
        found: bytes.len(),
    })?;
    match p256::PublicKey::from_sec1_bytes(bytes) {
        Ok(_) => Ok(point),
        Err(_) => Err(InvalidKey::BadPoint(KeyType::Ecdsa)),
    }
}
