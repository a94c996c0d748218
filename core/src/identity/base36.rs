//! Base36 with lower-case letters: the multibase of `k...` peer ids. Time is quadratic, so callers limit the
//! length.

const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// The text of `bytes`, each leading zero byte as one `0`.
pub(super) fn encode(bytes: &[u8]) -> String {
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    let mut digits = convert(bytes.iter().copied(), 256, 36);
    digits.resize(digits.len() + zeros, 0);
    digits.iter().rev().map(|&digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// The bytes of `text`, in lower or upper case; `None` if a character is not a digit.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(36).map(|digit| digit as u8)).collect();
    let digits = digits?;
    let zeros = digits.iter().take_while(|&&digit| digit == 0).count();
    let mut bytes = convert(digits.into_iter(), 36, 256);
    bytes.resize(bytes.len() + zeros, 0);
    bytes.reverse();
    Some(bytes)
}

/// Writes a number, given by its digits to the base `from`, highest first, to the base `to`, lowest first and
/// without zeros at the high end. Both bases are at most 256.
fn convert(digits: impl Iterator<Item = u8>, from: u32, to: u32) -> Vec<u8> {
    let mut number: Vec<u8> = Vec::new();
    for digit in digits {
        let mut carry = u32::from(digit);
        for place in &mut number {
            carry += u32::from(*place) * from;
            *place = (carry % to) as u8;
            carry /= to;
        }
        while carry > 0 {
            number.push((carry % to) as u8);
            carry /= to;
        }
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_texts() {
        for (bytes, text) in
            [(&b""[..], ""), (&[0, 0], "00"), (&[35], "z"), (&[1, 0], "74"), (&[0, 36], "010")]
        {
            assert_eq!(encode(bytes), text);
            assert_eq!(decode(text).as_deref(), Some(bytes));
        }
        assert_eq!(decode("7A"), decode("7a"));
        assert_eq!(decode("a-b"), None);
        assert_eq!(decode("é"), None);
    }

    proptest! {
        #[test]
        fn round_trip(bytes in proptest::collection::vec(prop_oneof![Just(0), any::<u8>()], 0..60)) {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }
    }
}
