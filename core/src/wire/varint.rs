//! Unsigned varints: seven bits a byte, lowest first, the top bit set on all bytes but the last.
//!
//! libp2p allows only the shortest form of a number, and at most [`MAX_BYTES`] bytes. Protobuf is laxer and has
//! a decoder of its own in [`protobuf`](super::protobuf).

use bytes::BytesMut;

/// The longest unsigned varint.
pub const MAX_BYTES: usize = 9;

/// The largest number that fits into [`MAX_BYTES`]: 63 bits.
pub const MAX_VALUE: u64 = (1 << 63) - 1;

/// Why bytes are not an unsigned varint. Blame: whoever sent them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadVarint {
    /// It goes on after [`MAX_BYTES`] bytes.
    #[error("the varint is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// Its last byte is zero, so a shorter form of the number exists.
    #[error("the varint is not in its shortest form")]
    NotMinimal,
}

/// Appends `value` to `out`.
///
/// A value above [`MAX_VALUE`] takes ten bytes, which protobuf allows and [`decode`] does not.
#[inline]
pub fn encode(value: u64, out: &mut BytesMut) {
    if value < 0x80 {
        out.extend_from_slice(&[value as u8]);
    } else {
        let (bytes, len) = to_array(value);
        out.extend_from_slice(&bytes[..len]);
    }
}

/// How many bytes [`encode`] appends.
#[inline]
pub const fn encoded_len(value: u64) -> usize {
    let bits = u64::BITS - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

/// Reads the varint at the front of `bytes`: its value, and how many bytes it takes.
///
/// `None` if more bytes are needed; never with [`MAX_BYTES`] bytes or more.
///
/// # Errors
/// No continuation of `bytes` is an unsigned varint: see [`BadVarint`].
#[inline]
pub fn decode(bytes: &[u8]) -> Result<Option<(u64, usize)>, BadVarint> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().take(MAX_BYTES).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte == 0 && index > 0 {
            return Err(BadVarint::NotMinimal);
        }
        if byte < 0x80 {
            return Ok(Some((value, index + 1)));
        }
    }
    if bytes.len() < MAX_BYTES { Ok(None) } else { Err(BadVarint::TooLong) }
}

/// The encoding of `value` and its length.
pub(super) fn to_array(mut value: u64) -> ([u8; 10], usize) {
    let mut bytes = [0; 10];
    let mut len = 0;
    while value >= 0x80 {
        bytes[len] = value as u8 | 0x80;
        value >>= 7;
        len += 1;
    }
    bytes[len] = value as u8;
    (bytes, len + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use unsigned_varint::decode::Error;

    fn encoded(value: u64) -> BytesMut {
        let mut out = BytesMut::new();
        encode(value, &mut out);
        out
    }

    #[test]
    fn known_encodings() {
        let table: [(u64, &[u8]); 9] = [
            (0, &[0]),
            (1, &[1]),
            (0x7f, &[0x7f]),
            (0x80, &[0x80, 1]),
            (301, &[0xad, 2]),
            (0x3fff, &[0xff, 0x7f]),
            (0x4000, &[0x80, 0x80, 1]),
            (1 << 20, &[0x80, 0x80, 0x40]),
            (MAX_VALUE, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
        ];
        for (value, bytes) in table {
            assert_eq!(&encoded(value)[..], bytes, "{value}");
            assert_eq!(decode(bytes), Ok(Some((value, bytes.len()))), "{value}");
            for end in 0..bytes.len() {
                assert_eq!(decode(&bytes[..end]), Ok(None), "{value} cut at {end}");
            }
        }
    }

    #[test]
    fn bad_encodings() {
        let table: [(&[u8], BadVarint); 6] = [
            (&[0x80, 0], BadVarint::NotMinimal),
            (&[0xff, 0x80, 0, 7], BadVarint::NotMinimal),
            (&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0], BadVarint::NotMinimal),
            (&[0x80; 9], BadVarint::TooLong),
            (&[0xff; 10], BadVarint::TooLong),
            (&encoded(u64::MAX), BadVarint::TooLong),
        ];
        for (bytes, error) in table {
            assert_eq!(decode(bytes), Err(error), "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn encodes_as_the_oracle_does(value: u64, shift in 0_u32..64) {
            let value = value >> shift;
            let mut buffer = unsigned_varint::encode::u64_buffer();
            prop_assert_eq!(&encoded(value)[..], unsigned_varint::encode::u64(value, &mut buffer));
            prop_assert_eq!(encoded(value).len(), encoded_len(value));
        }

        #[test]
        fn decodes_as_the_oracle_does(bytes in vec(prop_oneof![any::<u8>(), 0x80_u8.., Just(0)], 0..12)) {
            // The oracle reads ten bytes; beyond nine it has no say.
            let expected = match unsigned_varint::decode::u64(&bytes[..bytes.len().min(MAX_BYTES)]) {
                Ok((value, rest)) => Ok(Some((value, bytes.len().min(MAX_BYTES) - rest.len()))),
                Err(Error::NotMinimal) => Err(BadVarint::NotMinimal),
                Err(_) if bytes.len() < MAX_BYTES => Ok(None),
                Err(_) => Err(BadVarint::TooLong),
            };
            prop_assert_eq!(decode(&bytes), expected);
        }
    }
}
