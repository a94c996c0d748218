//! The messages of the handshake, and the names and the choice of algorithms.

use crate::crypto::{Cipher, Curve, Hash};
use crate::security::{MAX_HANDSHAKE_MESSAGE_BYTES, SecurityError};
use crate::wire::protobuf::{Reader, Writer};
use bytes::{Buf, BufMut, BytesMut};

/// The length in front of every message and frame: big-endian, not counting itself.
pub(super) const LENGTH_BYTES: usize = 4;

/// The length of a nonce. The specification has 16; a Propose with another is refused.
pub(super) const NONCE_BYTES: usize = 16;

/// How much of a peer's list an error shows, in characters.
const SHOWN_CHARS: usize = 80;

/// Appends a message of the handshake behind its length. Our own are far below 4 GiB.
pub(super) fn put_message(message: &[u8], out: &mut BytesMut) {
    out.reserve(LENGTH_BYTES + message.len());
    out.put_u32(message.len() as u32);
    out.extend_from_slice(message);
}

/// Takes one message of the handshake off the front of `input`; `None`, and `input` untouched, if it is incomplete.
///
/// # Errors
/// [`SecurityError::TooLarge`], as soon as the length is there.
pub(super) fn split_message(input: &mut BytesMut) -> Result<Option<BytesMut>, SecurityError> {
    let Some(length) = input.first_chunk() else {
        return Ok(None);
    };
    let len = u32::from_be_bytes(*length) as usize;
    if len > MAX_HANDSHAKE_MESSAGE_BYTES {
        return Err(SecurityError::TooLarge { len: len as u64, max: MAX_HANDSHAKE_MESSAGE_BYTES as u64 });
    }
    if input.len() - LENGTH_BYTES < len {
        return Ok(None);
    }
    input.advance(LENGTH_BYTES);
    Ok(Some(input.split_to(len)))
}

/// The first message: who we are and what we can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Propose<'a> {
    pub(super) nonce: &'a [u8; NONCE_BYTES],
    /// The identity key in protobuf.
    pub(super) public_key: &'a [u8],
    pub(super) curves: &'a str,
    pub(super) ciphers: &'a str,
    pub(super) hashes: &'a str,
}

impl<'a> Propose<'a> {
    pub(super) fn encode(&self) -> BytesMut {
        let mut message = BytesMut::new();
        let mut writer = Writer::new(&mut message);
        writer.bytes(1, self.nonce);
        writer.bytes(2, self.public_key);
        writer.string(3, self.curves);
        writer.string(4, self.ciphers);
        writer.string(5, self.hashes);
        message
    }

    /// A list that is missing is empty.
    pub(super) fn decode(message: &'a [u8]) -> Result<Self, SecurityError> {
        let (mut nonce, mut public_key) = (None, None);
        let (mut curves, mut ciphers, mut hashes) = ("", "", "");
        for field in Reader::new(message) {
            match field? {
                (1, value) => nonce = Some(value.as_bytes("rand")?),
                (2, value) => public_key = Some(value.as_bytes("pubkey")?),
                (3, value) => curves = value.as_str("exchanges")?,
                (4, value) => ciphers = value.as_str("ciphers")?,
                (5, value) => hashes = value.as_str("hashes")?,
                _ => {}
            }
        }
        let nonce = nonce.ok_or(SecurityError::Malformed("the Propose has no nonce"))?;
        let nonce =
            nonce.try_into().map_err(|_| SecurityError::Malformed("the nonce does not have 16 bytes"))?;
        let public_key = public_key.ok_or(SecurityError::Malformed("the Propose has no public key"))?;
        Ok(Self { nonce, public_key, curves, ciphers, hashes })
    }
}

/// The second message: our half of the key agreement, signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exchange<'a> {
    /// The ephemeral public point, uncompressed.
    pub(super) point: &'a [u8],
    pub(super) signature: &'a [u8],
}

impl<'a> Exchange<'a> {
    pub(super) fn encode(&self) -> BytesMut {
        let mut message = BytesMut::new();
        let mut writer = Writer::new(&mut message);
        writer.bytes(1, self.point);
        writer.bytes(2, self.signature);
        message
    }

    pub(super) fn decode(message: &'a [u8]) -> Result<Self, SecurityError> {
        let (mut point, mut signature) = (None, None);
        for field in Reader::new(message) {
            match field? {
                (1, value) => point = Some(value.as_bytes("epubkey")?),
                (2, value) => signature = Some(value.as_bytes("signature")?),
                _ => {}
            }
        }
        Ok(Self {
            point: point.ok_or(SecurityError::Malformed("the Exchange has no ephemeral key"))?,
            signature: signature.ok_or(SecurityError::Malformed("the Exchange has no signature"))?,
        })
    }
}

/// A kind of algorithm that is agreed on.
pub(super) trait Algorithm: Copy {
    /// What it is, for an error.
    const KIND: &'static str;

    /// Its name in a Propose; `None` if secio has none for it, which is then not offered.
    fn name(self) -> Option<&'static str>;
}

impl Algorithm for Curve {
    const KIND: &'static str = "curve";

    fn name(self) -> Option<&'static str> {
        match self {
            Self::P256 => Some("P-256"),
            Self::P384 => Some("P-384"),
            Self::P521 => Some("P-521"),
            Self::X25519 => None,
        }
    }
}

impl Algorithm for Cipher {
    const KIND: &'static str = "cipher";

    fn name(self) -> Option<&'static str> {
        match self {
            Self::Aes128Ctr => Some("AES-128"),
            Self::Aes256Ctr => Some("AES-256"),
        }
    }
}

impl Algorithm for Hash {
    const KIND: &'static str = "hash";

    fn name(self) -> Option<&'static str> {
        match self {
            Self::Sha256 => Some("SHA256"),
            Self::Sha512 => Some("SHA512"),
        }
    }
}

/// The names of a list as a Propose has them.
pub(super) fn names<A: Algorithm>(list: &[A]) -> String {
    list.iter().filter_map(|algorithm| algorithm.name()).collect::<Vec<_>>().join(",")
}

/// The first name in the preferred side's list that the other list has too. Names that we do not know are passed over.
///
/// # Errors
/// [`SecurityError::NoCommonAlgorithm`].
pub(super) fn choose<A: Algorithm>(ours: &[A], theirs: &str, ours_first: bool) -> Result<A, SecurityError> {
    let known = |name: &str| ours.iter().copied().find(|algorithm| algorithm.name() == Some(name));
    let chosen = if ours_first {
        ours.iter().copied().find(|algorithm| theirs.split(',').any(|name| Some(name) == algorithm.name()))
    } else {
        theirs.split(',').find_map(known)
    };
    chosen.ok_or_else(|| SecurityError::NoCommonAlgorithm {
        what: A::KIND,
        ours: names(ours),
        theirs: theirs.chars().take(SHOWN_CHARS).flat_map(char::escape_debug).collect(),
    })
}
