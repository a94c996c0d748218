//! Length-prefixed messages: an unsigned varint, then as many bytes.

use super::varint;
use bytes::{Buf, BytesMut};

/// Why bytes are not a length-prefixed message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length is not a minimal unsigned varint. Blame: the peer.
    #[error("the length prefix is not a minimal varint")]
    BadLength,
    /// The length is over the limit. Blame: the peer.
    #[error("a message of {len} bytes is over the limit of {max}")]
    TooLarge {
        /// The announced length.
        len: u64,
        /// The limit.
        max: usize,
    },
}

/// Appends `message` behind its length to `out`.
pub fn encode(message: &[u8], out: &mut BytesMut) {
    out.reserve(encoded_len(message.len()));
    varint::encode(message.len() as u64, out);
    out.extend_from_slice(message);
}

/// How many bytes [`encode`] appends for a message of `message_len` bytes.
pub const fn encoded_len(message_len: usize) -> usize {
    varint::encoded_len(message_len as u64) + message_len
}

/// Reads the length at the front of `input`: how many bytes the length itself takes, and how many the message
/// behind it, which need not be there yet.
///
/// `None` if the length is incomplete.
///
/// # Errors
/// As soon as the length is readable, before any of the message has arrived: it is malformed, or over `max_bytes`.
pub fn decode(input: &[u8], max_bytes: usize) -> Result<Option<(usize, usize)>, FrameError> {
    let Some((len, prefix_bytes)) = varint::decode(input).map_err(|_| FrameError::BadLength)? else {
        return Ok(None);
    };
    match usize::try_from(len) {
        Ok(message_bytes) if message_bytes <= max_bytes => Ok(Some((prefix_bytes, message_bytes))),
        _ => Err(FrameError::TooLarge { len, max: max_bytes }),
    }
}

/// Takes one complete message, without its length, off the front of `input`.
///
/// `None`, and `input` untouched, if it is incomplete. Nothing is copied or allocated for the message.
///
/// # Errors
/// Those of [`decode`]; `input` is untouched.
pub fn split(input: &mut BytesMut, max_bytes: usize) -> Result<Option<BytesMut>, FrameError> {
    match decode(input, max_bytes)? {
        Some((prefix_bytes, message_bytes)) if input.len() - prefix_bytes >= message_bytes => {
            input.advance(prefix_bytes);
            Ok(Some(input.split_to(message_bytes)))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn bad_input() {
        const MAX: usize = 1024;
        let table: [(&[u8], FrameError); 6] = [
            (&[0x80, 0], FrameError::BadLength),
            (&[0xff; 9], FrameError::BadLength),
            (&[0x81, 8], FrameError::TooLarge { len: 1025, max: MAX }),
            (&[0xff, 0xff, 0xff, 0xff, 0x0f], FrameError::TooLarge { len: 0xffff_ffff, max: MAX }),
            (
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
                FrameError::TooLarge { len: varint::MAX_VALUE, max: MAX },
            ),
            (
                &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40],
                FrameError::TooLarge { len: 1 << 62, max: MAX },
            ),
        ];
        for (bytes, error) in table {
            assert_eq!(decode(bytes, MAX), Err(error), "{bytes:x?}");
            let mut input = BytesMut::from(bytes);
            assert_eq!(split(&mut input, MAX), Err(error), "{bytes:x?}");
            assert_eq!(&input[..], bytes);
        }
    }

    #[test]
    fn the_limit_itself_is_allowed() {
        assert_eq!(decode(&[0x80, 8], 1024), Ok(Some((2, 1024))));
        assert_eq!(decode(&[0], 0), Ok(Some((1, 0))));
        assert_eq!(decode(&[1], 0), Err(FrameError::TooLarge { len: 1, max: 0 }));
    }

    proptest! {
        #[test]
        fn messages_come_back_and_no_prefix_does(messages in vec(vec(any::<u8>(), 0..300), 0..4)) {
            let mut all = BytesMut::new();
            for message in &messages {
                let mut one = BytesMut::new();
                encode(message, &mut one);
                prop_assert_eq!(one.len(), encoded_len(message.len()));
                for end in 0..one.len() {
                    let mut cut = BytesMut::from(&one[..end]);
                    prop_assert_eq!(split(&mut cut, 300), Ok(None));
                    prop_assert_eq!(&cut[..], &one[..end]);
                }
                all.extend_from_slice(&one);
            }
            for message in &messages {
                let got = split(&mut all, 300).unwrap().unwrap();
                prop_assert_eq!(&got[..], &message[..]);
            }
            prop_assert!(all.is_empty());
        }
    }
}
