//! Key files, and every kind of damage.

use super::super::der;
use super::*;
use crate::wire::protobuf::ProtobufError;

#[test]
fn bad_key_files() {
    use InvalidKey::*;
    let good = hex(ED25519_PRIVATE);
    let wrong_length = |found| WrongLength {
        what: "an Ed25519 private key (the secret, then the public key)",
        expected: 64,
        found,
    };
    let with_data = |data: &[u8]| [&[8, 1, 0x12, data.len() as u8], data].concat();
    let mut flipped = good.clone();
    flipped[67] ^= 1;
    let mut other_secret = good.clone();
    other_secret[4] ^= 1;
    let last_copy_differs = with_data(&[&good[4..], &flipped[36..]].concat());
    let table = [
        (vec![], Empty),
        (b"-----BEGIN PRIVATE KEY-----\nMC4CAQ".to_vec(), OtherFormat { format: "PEM text" }),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----".to_vec(), OtherFormat { format: "PEM text" }),
        (b"{\"Identity\": {}}".to_vec(), OtherFormat { format: "JSON text" }),
        (b" \n{}".to_vec(), OtherFormat { format: "JSON text" }),
        (
            b"CAESQH4IMGF8Sn3oOSXfsmlFVrEpNsR3oOH+suFI7J2mD+59".to_vec(),
            OtherFormat { format: "hex or base64 text" },
        ),
        (ED25519_PRIVATE.into(), OtherFormat { format: "hex or base64 text" }),
        (vec![0x30, 0x77, 2, 1, 1], OtherFormat { format: "DER" }),
        (good[..2].to_vec(), MissingField { field: "Data" }),
        (with_data(&good[4..36]), wrong_length(32)),
        (with_data(&good[4..67]), wrong_length(63)),
        (with_data(&[&good[4..], &[0][..]].concat()), wrong_length(65)),
        (with_data(&[7; 128]), Protobuf(ProtobufError::Truncated)),
        ([&[8, 1, 0x12, 0x80, 1], &[7; 128][..]].concat(), wrong_length(128)),
        (hex(ED25519_PUBLIC), wrong_length(32)),
        (flipped, HalvesDiffer),
        (other_secret, HalvesDiffer),
        (last_copy_differs, HalvesDiffer),
        (vec![8, 9, 0x12, 0], UnknownType(9)),
        (vec![0; 68], Protobuf(ProtobufError::BadFieldNumber)),
    ];
    for (bytes, error) in table {
        assert_eq!(Keypair::from_protobuf(&bytes).map(|_| ()), Err(error), "{bytes:x?}");
    }
    for end in 3..good.len() {
        let result = Keypair::from_protobuf(&good[..end]).map(|_| ());
        assert_eq!(result, Err(Protobuf(ProtobufError::Truncated)), "cut at {end}");
    }
}

#[test]
fn errors_say_what_would_be_right() {
    let table = [
        (
            Keypair::from_protobuf(b"{}").unwrap_err().to_string(),
            "it is JSON text; expected a libp2p key in binary protobuf form",
        ),
        (
            Keypair::from_protobuf(&[8, 4, 0x12, 0]).unwrap_err().to_string(),
            "there is no key type 4; the types are 0 (RSA), 1 (Ed25519), 2 (secp256k1) and 3 (ECDSA)",
        ),
        (
            Keypair::from_protobuf(&key(2, &[0; 32])).unwrap_err().to_string(),
            "the private key is not in the range of the secp256k1 curve",
        ),
        (
            Keypair::from_protobuf(&hex(ECDSA_PUBLIC)).unwrap_err().to_string(),
            "the DER of the key is malformed: it has a sequence where an integer is expected",
        ),
        (
            PublicKey::from_protobuf(&key(0, &hex(ECDSA_PUBLIC)[4..])).unwrap_err().to_string(),
            "the DER does not hold an RSA key, although the type of the key says so",
        ),
        (
            InvalidKey::RsaSize { bits: 1024 }.to_string(),
            "the RSA key has 1024 bits; 2048 to 8192 are allowed",
        ),
        (
            Keypair::from_protobuf(&hex(ED25519_PUBLIC)).unwrap_err().to_string(),
            "an Ed25519 private key (the secret, then the public key) has 64 bytes, not 32",
        ),
        ("b0".parse::<PeerId>().unwrap_err().to_string(), "the peer id is not valid base32"),
    ];
    for (message, expected) in table {
        assert_eq!(message, expected);
    }
}

#[test]
fn bad_secp256k1_files() {
    use InvalidKey::*;
    let good = hex(SECP256K1_PRIVATE);
    let wrong_length = |found| WrongLength { what: "a secp256k1 private key", expected: 32, found };
    let out_of_range = ScalarOutOfRange(KeyType::Secp256k1);
    let order = hex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
    let below = hex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140");
    let table = [
        (key(2, &[]), wrong_length(0)),
        (key(2, &good[5..]), wrong_length(31)),
        (key(2, &[&[0], &good[4..]].concat()), wrong_length(33)),
        (hex(SECP256K1_PUBLIC), wrong_length(33)),
        (key(2, &[0; 32]), out_of_range),
        (key(2, &order), out_of_range),
        (key(2, &[0xff; 32]), out_of_range),
    ];
    for (bytes, error) in table {
        assert_eq!(Keypair::from_protobuf(&bytes).map(|_| ()), Err(error), "{bytes:x?}");
    }
    assert!(Keypair::from_protobuf(&key(2, &below)).is_ok());
}

#[test]
fn bad_ecdsa_files() {
    use InvalidKey::*;
    let good = &hex(ECDSA_PRIVATE)[4..];
    let edited = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut der = good.to_vec();
        edit(&mut der);
        key(3, &der)
    };
    let with_scalar = |scalar: &[u8]| edited(&|der| der[7..39].copy_from_slice(scalar));
    let out_of_range = ScalarOutOfRange(KeyType::Ecdsa);
    let order = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let other = keypair(SECP256K1_PRIVATE).to_protobuf();
    let version = der::unsigned(&[1]);
    let curve = |id: &[u8]| der::element(der::CONTEXT_0, &[&der::element(der::OBJECT_IDENTIFIER, &[id])]);
    let p256 = curve(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]);
    let scalar = |len| der::element(der::OCTET_STRING, &[&vec![7; len]]);
    let file = |parts: &[&[u8]]| key(3, &der::element(der::SEQUENCE, parts));
    let wrong_length = |found| WrongLength { what: "an ECDSA private key on P-256", expected: 32, found };
    let wrong_tag = |expected, found| Der(DerError::WrongTag { expected, found });
    let table = [
        (key(3, &[]), Der(DerError::Truncated)),
        (hex(ECDSA_PUBLIC), wrong_tag(der::INTEGER, der::SEQUENCE)),
        (with_scalar(&[0; 32]), out_of_range),
        (with_scalar(&order), out_of_range),
        (with_scalar(&other[4..]), HalvesDiffer),
        (edited(&|der| der[120] ^= 1), BadPoint(KeyType::Ecdsa)),
        (edited(&|der| der.push(0)), Der(DerError::TrailingBytes)),
        (edited(&|der| der[4] = 2), Der(DerError::BadVersion { expected: 1 })),
        (edited(&|der| der[54] = 0x43), Der(DerError::Truncated)),
        (edited(&|der| der[55] = 1), Der(DerError::BadBitString)),
        (file(&[&version, &scalar(31), &p256]), wrong_length(31)),
        (file(&[&version, &scalar(33), &p256]), wrong_length(33)),
        (file(&[&version, &scalar(32)]), Der(DerError::Truncated)),
        (
            file(&[&version, &scalar(48), &curve(&[0x2b, 0x81, 4, 0, 0x22])]),
            UnsupportedCurve { curve: "P-384" },
        ),
        (file(&[&version, &scalar(32), &p256, &p256]), Der(DerError::TrailingBytes)),
        (file(&[&scalar(32), &version, &p256]), wrong_tag(der::INTEGER, der::OCTET_STRING)),
    ];
    for (bytes, error) in table {
        assert_eq!(Keypair::from_protobuf(&bytes).map(|_| ()), Err(error), "{bytes:x?}");
    }
    // The public half may be missing; it is written back.
    let keypair = Keypair::from_protobuf(&file(&[&version, &scalar(32), &p256])).unwrap();
    assert_eq!(Keypair::from_protobuf(&keypair.to_protobuf()).unwrap().public(), keypair.public());
}

/// The numbers of the private RSA key of 2,048 bits: n, e, d, p, q, dp, dq, and the inverse of q.
fn rsa_numbers() -> Vec<Vec<u8>> {
    let file = hex(RSA_2048_PRIVATE);
    let mut key = der::Reader::sequence(&file[5..]).unwrap();
    key.version(0).unwrap();
    (0..8).map(|_| key.unsigned().unwrap().to_vec()).collect()
}

fn rsa_file(version: u8, numbers: &[Vec<u8>]) -> Vec<u8> {
    let version = der::unsigned(&[version]);
    let numbers: Vec<_> = numbers.iter().map(|number| der::unsigned(number)).collect();
    let parts: Vec<_> = [&version].into_iter().chain(&numbers).map(Vec::as_slice).collect();
    key(0, &der::element(der::SEQUENCE, &parts))
}

#[test]
fn bad_rsa_files() {
    use InvalidKey::*;
    let good = rsa_numbers();
    assert_eq!(rsa_file(0, &good), hex(RSA_2048_PRIVATE));
    let with = |index: usize, number: Vec<u8>| {
        let mut numbers = good.clone();
        numbers[index] = number;
        rsa_file(0, &numbers)
    };
    let swapped = |a: usize, b: usize| {
        let mut numbers = good.clone();
        numbers.swap(a, b);
        rsa_file(0, &numbers)
    };
    let even = [&good[0][..255], &[good[0][255] ^ 1]].concat();
    let mut longer = good.clone();
    longer.push(vec![7]);
    let table = [
        (key(0, b"abc"), Der(DerError::WrongTag { expected: der::SEQUENCE, found: b'a' })),
        (hex(RSA_2048_PUBLIC), Der(DerError::WrongTag { expected: der::INTEGER, found: der::SEQUENCE })),
        (rsa_file(1, &good), Der(DerError::BadVersion { expected: 0 })),
        (rsa_file(0, &good[..7]), Der(DerError::Truncated)),
        (rsa_file(0, &longer), Der(DerError::TrailingBytes)),
        (with(0, good[0][128..].to_vec()), RsaSize { bits: bits(&good[0][128..]) }),
        (with(0, vec![0xff; 1025]), RsaSize { bits: 8200 }),
        (with(0, even), EvenRsaModulus),
        (with(1, vec![1]), BadRsaExponent),
        (with(1, vec![4]), BadRsaExponent),
        (with(1, vec![3]), HalvesDiffer),
        (swapped(3, 4), HalvesDiffer),
        (swapped(5, 6), HalvesDiffer),
        (with(2, vec![1; 2000]), HalvesDiffer),
        (with(3, vec![1]), HalvesDiffer),
    ];
    for (bytes, error) in table {
        assert_eq!(Keypair::from_protobuf(&bytes).map(|_| ()), Err(error), "{bytes:x?}");
    }
    // Each number is checked.
    for index in [0, 2, 3, 4, 5, 6, 7] {
        for wrong in [vec![], vec![1], vec![2], good[index][1..].to_vec(), good[0].clone()] {
            let file = if index == 0 && wrong == good[0] { continue } else { with(index, wrong) };
            assert!(Keypair::from_protobuf(&file).is_err(), "number {index}");
        }
        let mut changed = good[index].clone();
        changed[20] ^= 0x10;
        assert_eq!(
            Keypair::from_protobuf(&with(index, changed)).map(|_| ()),
            Err(HalvesDiffer),
            "number {index}"
        );
    }
}

fn bits(number: &[u8]) -> usize {
    8 * number.len() - number[0].leading_zeros() as usize
}

/// Cut anywhere, and longer by a byte, in the protobuf and in the DER within.
#[test]
fn key_files_of_all_types_that_are_cut_off_or_longer() {
    for (number, file) in [(2, SECP256K1_PRIVATE), (3, ECDSA_PRIVATE), (0, RSA_2048_PRIVATE)] {
        let file = hex(file);
        for end in 0..file.len() {
            let error = match end {
                0 => InvalidKey::Empty,
                2 => InvalidKey::MissingField { field: "Data" },
                _ => InvalidKey::Protobuf(ProtobufError::Truncated),
            };
            assert_eq!(Keypair::from_protobuf(&file[..end]).map(|_| ()), Err(error), "cut at {end}");
        }
        let data = &file[if number == 0 { 5 } else { 4 }..];
        for end in 0..data.len() {
            let error = Keypair::from_protobuf(&key(number, &data[..end])).unwrap_err();
            let expected = if number == 2 {
                InvalidKey::WrongLength { what: "a secp256k1 private key", expected: 32, found: end }
            } else {
                InvalidKey::Der(DerError::Truncated)
            };
            assert_eq!(error, expected, "cut at {end}");
        }
        assert!(Keypair::from_protobuf(&key(number, &[data, &[0]].concat())).is_err());
        assert!(Keypair::from_protobuf(&[&file[..], &[0]].concat()).is_err());
    }
}

#[test]
fn scalars_out_of_range_are_no_identity() {
    for wrap in [SecretKey::Secp256k1, SecretKey::Ecdsa] {
        for scalar in [[0; 32], [0xff; 32]] {
            let secret = wrap(scalar.into());
            let error = InvalidKey::ScalarOutOfRange(secret.key_type());
            assert_eq!(Keypair::from_secret(secret).map(|_| ()), Err(error));
        }
    }
    let empty = SecretKey::Rsa(Vec::new().into());
    assert_eq!(Keypair::from_secret(empty).map(|_| ()), Err(InvalidKey::Der(DerError::Truncated)));
}
