//! The key file: `header line | encoding line | key`.

use super::KEY_BYTES;
use data_encoding::{BASE64, DecodePartial, Encoding, HEXLOWER, HEXLOWER_PERMISSIVE};
use zeroize::Zeroizing;

const HEADER: &[u8] = b"/key/swarm/psk/1.0.0/";
const BASE16_LEN: usize = 2 * KEY_BYTES;
const BASE64_LEN: usize = 44;
/// What the padding of base64 makes room for.
const MAX_DECODED_BYTES: usize = 33;

/// Why a file does not hold a pre-shared key. Nothing of the file is repeated, since it may be the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeyFile {
    /// There is nothing in it.
    #[error("it is empty; the key file of a private network starts with the line /key/swarm/psk/1.0.0/")]
    Empty,
    /// It starts otherwise.
    #[error("it is no key file of a private network: such a file starts with the line /key/swarm/psk/1.0.0/")]
    BadHeader,
    /// The second line says no encoding, or one that does not exist.
    #[error("its second line must say how the key is written: /base16/, /base64/ or /bin/")]
    BadEncoding,
    /// The key has too few or too many characters or bytes.
    #[error(
        "the key behind {encoding} must be {expected} {units} long and the last thing in the file; there are {found}"
    )]
    WrongLength {
        /// The second line.
        encoding: &'static str,
        /// Characters, or bytes.
        units: &'static str,
        /// How many are right.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The key has a character that its encoding has not.
    #[error("character {position} of the key does not belong there: {encoding} has {alphabet}")]
    BadCharacter {
        /// The second line.
        encoding: &'static str,
        /// What would be right.
        alphabet: &'static str,
        /// Which character, counted from 1.
        position: usize,
    },
}

/// A way to write the key as text.
struct Text {
    encoding: &'static str,
    alphabet: &'static str,
    len: usize,
    codec: Encoding,
}

pub(super) fn decode(contents: &[u8]) -> Result<Zeroizing<[u8; KEY_BYTES]>, InvalidKeyFile> {
    if contents.is_empty() {
        return Err(InvalidKeyFile::Empty);
    }
    let (header, rest) = split_line(contents);
    if header != HEADER {
        return Err(InvalidKeyFile::BadHeader);
    }
    let (encoding, key) = split_line(rest);
    match encoding {
        b"/base16/" => decode_text(
            key,
            &Text {
                encoding: "/base16/",
                alphabet: "0 to 9 and a to f",
                len: BASE16_LEN,
                codec: HEXLOWER_PERMISSIVE,
            },
        ),
        b"/base64/" => decode_text(
            key,
            &Text {
                encoding: "/base64/",
                alphabet: "A to Z, a to z, 0 to 9, + and /, and = at the end",
                len: BASE64_LEN,
                codec: BASE64,
            },
        ),
        b"/bin/" => decode_binary(key),
        _ => Err(InvalidKeyFile::BadEncoding),
    }
}

pub(super) fn encode(key: &[u8; KEY_BYTES]) -> Zeroizing<String> {
    let digits = Zeroizing::new(HEXLOWER.encode(key));
    // As large as it gets, so that growing leaves no copy behind.
    let mut file = Zeroizing::new(String::with_capacity(HEADER.len() + BASE16_LEN + 16));
    for line in ["/key/swarm/psk/1.0.0/", "/base16/", &digits] {
        file.push_str(line);
        file.push('\n');
    }
    file
}

fn decode_text(key: &[u8], text: &Text) -> Result<Zeroizing<[u8; KEY_BYTES]>, InvalidKeyFile> {
    let key = key.trim_ascii_end();
    if key.len() != text.len {
        return Err(InvalidKeyFile::WrongLength {
            encoding: text.encoding,
            units: "characters",
            expected: text.len,
            found: key.len(),
        });
    }
    let bad_character = |position: usize| InvalidKeyFile::BadCharacter {
        encoding: text.encoding,
        alphabet: text.alphabet,
        position: position + 1,
    };
    let mut decoded = Zeroizing::new([0; MAX_DECODED_BYTES]);
    let max = text.codec.decode_len(key.len()).unwrap_or_default().min(MAX_DECODED_BYTES);
    match text.codec.decode_mut(key, &mut decoded[..max]) {
        Ok(KEY_BYTES) => Ok(first_bytes(&*decoded)),
        // The padding is not where it belongs.
        Ok(_) => Err(bad_character(key.len() - 1)),
        Err(DecodePartial { error, .. }) => Err(bad_character(error.position)),
    }
}

fn decode_binary(key: &[u8]) -> Result<Zeroizing<[u8; KEY_BYTES]>, InvalidKeyFile> {
    // Editors like to end a file with a line's end.
    match key.split_at_checked(KEY_BYTES) {
        Some((key, b"" | b"\n" | b"\r\n")) => Ok(first_bytes(key)),
        _ => Err(InvalidKeyFile::WrongLength {
            encoding: "/bin/",
            units: "bytes",
            expected: KEY_BYTES,
            found: key.len(),
        }),
    }
}

/// The key at the start of `bytes`, which are long enough.
fn first_bytes(bytes: &[u8]) -> Zeroizing<[u8; KEY_BYTES]> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    key.copy_from_slice(&bytes[..KEY_BYTES]);
    key
}

/// The first line, without its end, and what is behind it.
fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (line, rest) = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[][..]),
    };
    (line.strip_suffix(b"\r").unwrap_or(line), rest)
}
