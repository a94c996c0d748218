//! Peer ids.

use super::{PublicKey, base36};
use data_encoding::{BASE32_NOPAD, HEXLOWER_PERMISSIVE};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// The multihash code of data that stands for itself.
const IDENTITY: u8 = 0x00;
/// The multihash code of SHA2-256.
const SHA2_256: u8 = 0x12;
const SHA2_256_BYTES: usize = 32;

/// Keys whose protobuf is at most this long are their own id; longer ones are hashed.
const MAX_INLINE_KEY_BYTES: usize = 42;

/// A multihash starts with its code and its length: both below 128, so varints of one byte.
const MULTIHASH_HEADER_BYTES: usize = 2;

/// What a peer id's CID starts with: version 1, codec libp2p-key.
const CID_PREFIX: [u8; 2] = [0x01, 0x72];

/// The longest text that is looked at: a CID in hexadecimal has 93 characters. Decoding takes quadratic time.
const MAX_TEXT_BYTES: usize = 100;

/// A peer id: the multihash of a public key. `Copy`.
///
/// `Display` gives the usual text, base58 (`12D3KooW...`, `16Uiu2...`, `Qm...`). [`FromStr`] also takes a CID:
/// in base32 (`b...`), base36 (`k...`), base58 (`z...`) or hexadecimal (`f...`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId([u8; MULTIHASH_HEADER_BYTES + MAX_INLINE_KEY_BYTES]);

/// Why bytes or text are not a peer id. Blame: whoever sent or wrote them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPeerId {
    /// There is nothing.
    #[error("a peer id is missing")]
    Empty,
    /// The text is longer than that of any peer id.
    #[error("a text of {len} bytes is too long for a peer id")]
    TooLong {
        /// The text's length.
        len: usize,
    },
    /// The text starts like no form of a peer id.
    #[error("a peer id starts with 12D3KooW, 16Uiu2 or Qm, or is a CID that starts with b, k, z or f")]
    UnknownForm,
    /// The text has characters, or a length, that its encoding does not have.
    #[error("the peer id is not valid {encoding}")]
    BadText {
        /// The encoding that its first character stands for.
        encoding: &'static str,
    },
    /// The text is a CID of something else than a public key.
    #[error("the CID does not name a peer: that would be version 1 with the codec libp2p-key (0x72)")]
    NotPeerCid,
    /// The multihash is of a kind that peer ids do not have.
    #[error("a peer id is an identity (0x00) or SHA2-256 (0x12) multihash, not one of type {code:#04x}")]
    BadHash {
        /// The first byte of the multihash.
        code: u8,
    },
    /// The multihash is cut off, has bytes behind its end, or has a length that its kind does not have.
    #[error("the multihash of the peer id has a wrong length")]
    BadLength,
}

impl PeerId {
    /// The id of a public key.
    pub fn from_public_key(key: &PublicKey) -> Self {
        Self::from_public_key_protobuf(&key.to_protobuf())
    }

    /// The id of a public key of any type, given by its protobuf form, which is not checked.
    pub fn from_public_key_protobuf(key: &[u8]) -> Self {
        if key.len() <= MAX_INLINE_KEY_BYTES {
            Self::new(IDENTITY, key)
        } else {
            Self::new(SHA2_256, &Sha256::digest(key))
        }
    }

    /// Parses the binary form: exactly one multihash, SHA2-256, or identity with at most 42 bytes.
    ///
    /// # Errors
    /// [`InvalidPeerId::Empty`], [`InvalidPeerId::BadHash`] or [`InvalidPeerId::BadLength`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidPeerId> {
        let (&code, rest) = bytes.split_first().ok_or(InvalidPeerId::Empty)?;
        let fits = match code {
            IDENTITY => |len| len <= MAX_INLINE_KEY_BYTES,
            SHA2_256 => |len| len == SHA2_256_BYTES,
            code => return Err(InvalidPeerId::BadHash { code }),
        };
        match rest.split_first() {
            Some((&len, digest)) if usize::from(len) == digest.len() && fits(digest.len()) => {
                Ok(Self::new(code, digest))
            }
            _ => Err(InvalidPeerId::BadLength),
        }
    }

    /// The binary form.
    pub fn to_bytes(self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    /// The binary form, borrowed.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0[..MULTIHASH_HEADER_BYTES + usize::from(self.0[1])]
    }

    /// The text form as a CID in base32 (`bafz...`).
    pub fn to_cid_string(self) -> String {
        format!("b{}", BASE32_NOPAD.encode(&self.to_cid_bytes()).to_ascii_lowercase())
    }

    /// The text form as a CID in base36 (`k...`), short enough for a label of a domain name.
    pub fn to_base36_cid_string(self) -> String {
        format!("k{}", base36::encode(&self.to_cid_bytes()))
    }

    fn to_cid_bytes(self) -> Vec<u8> {
        [&CID_PREFIX, self.to_bytes().as_slice()].concat()
    }

    /// `digest` has at most [`MAX_INLINE_KEY_BYTES`].
    fn new(code: u8, digest: &[u8]) -> Self {
        let mut bytes = [0; MULTIHASH_HEADER_BYTES + MAX_INLINE_KEY_BYTES];
        bytes[0] = code;
        bytes[1] = digest.len() as u8;
        bytes[MULTIHASH_HEADER_BYTES..][..digest.len()].copy_from_slice(digest);
        Self(bytes)
    }
}

impl FromStr for PeerId {
    type Err = InvalidPeerId;

    fn from_str(text: &str) -> Result<Self, InvalidPeerId> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(InvalidPeerId::TooLong { len: text.len() });
        }
        if text.starts_with('1') || text.starts_with("Qm") {
            return Self::from_bytes(&base58(text)?);
        }
        let mut characters = text.chars();
        let base = characters.next().ok_or(InvalidPeerId::Empty)?;
        let digits = characters.as_str();
        let cid = match base {
            'b' | 'B' => BASE32_NOPAD
                .decode(digits.to_ascii_uppercase().as_bytes())
                .map_err(|_| InvalidPeerId::BadText { encoding: "base32" })?,
            'k' | 'K' => base36::decode(digits).ok_or(InvalidPeerId::BadText { encoding: "base36" })?,
            'z' => base58(digits)?,
            'f' | 'F' => HEXLOWER_PERMISSIVE
                .decode(digits.as_bytes())
                .map_err(|_| InvalidPeerId::BadText { encoding: "hexadecimal" })?,
            _ => return Err(InvalidPeerId::UnknownForm),
        };
        Self::from_bytes(cid.strip_prefix(&CID_PREFIX).ok_or(InvalidPeerId::NotPeerCid)?)
    }
}

fn base58(text: &str) -> Result<Vec<u8>, InvalidPeerId> {
    bs58::decode(text).into_vec().map_err(|_| InvalidPeerId::BadText { encoding: "base58" })
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&bs58::encode(self.to_bytes()).into_string())
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({self})")
    }
}
