//! Vectors and bad key files.

use super::*;
use bytes::BytesMut;

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

fn counting() -> PreSharedKey {
    PreSharedKey::from_secret(&std::array::from_fn(|index| index as u8))
}

const KEY_LINE: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

#[test]
fn fingerprints() {
    let known = "6189c5cf0b87fb800c1a9feeda73c6ab5e998db48fb9e6a978575c770ceef683";
    let known = PreSharedKey::from_secret(&hex(known).try_into().unwrap());
    assert_eq!(known.fingerprint().to_string(), "45fc986bbc9388a11d939df26f730f0c");
    assert_eq!(counting().fingerprint().to_string(), "41dfbf48d882a8ee665983adfa7a48f7");
    assert_eq!(format!("{:?}", counting()), "PreSharedKey(41dfbf48d882a8ee665983adfa7a48f7 ..)");
}

/// What a remote with the key 00..1f and the nonce 00..17 sends when it starts multistream-select.
const WIRE: &str = "000102030405060708090a0b0c0d0e0f1011121314151617\
                    6f990ddab1eaaf35fb25b80c491cc81a18d3b2c7";

#[test]
fn what_others_encrypt_is_decrypted_however_it_is_cut() {
    let wire = hex(WIRE);
    for chunk in 1..=wire.len() {
        let mut protection = Protection::new(counting(), &mut Seed::reproducible(1));
        let mut input = BytesMut::new();
        for (number, piece) in wire.chunks(chunk).enumerate() {
            input.extend_from_slice(piece);
            assert_eq!(protection.decrypt(&mut input), Ok(()), "chunks of {chunk}");
            let arrived = (number * chunk + piece.len()).min(wire.len());
            assert_eq!(protection.has_heard(), arrived > 24);
            assert_eq!(input.len(), if arrived < 24 { arrived } else { 0 }, "half a nonce is left alone");
        }
        assert_eq!(&protection.plain[..], b"\x13/multistream/1.0.0\n", "chunks of {chunk}");
    }
}

#[test]
fn what_is_sent_starts_with_a_nonce_and_is_the_remotes_to_decrypt() {
    let mut seed = Seed::reproducible(1);
    let [mut ours, mut theirs] = [0, 1].map(|_| Protection::new(counting(), &mut seed));
    let mut wire = BytesMut::new();
    assert_eq!((ours.begin(&mut wire), ours.begin(&mut wire)), (24, 0), "the nonce leaves once");
    for word in ["one", "two"] {
        let start = wire.len();
        wire.extend_from_slice(word.as_bytes());
        ours.encrypt(&mut wire[start..]);
    }
    assert!(!wire.ends_with(b"onetwo"));
    assert_eq!(ours.decrypt(&mut wire.clone()), Err(ReflectedNonce));
    assert_eq!(theirs.decrypt(&mut wire), Ok(()));
    assert_eq!(&theirs.plain[..], b"onetwo");

    let mut other = BytesMut::new();
    theirs.begin(&mut other);
    let mut again = BytesMut::new();
    Protection::new(counting(), &mut seed).begin(&mut again);
    assert_ne!(other, again, "no two directions share a nonce");
}

#[test]
fn key_files() {
    let header = "/key/swarm/psk/1.0.0/\n";
    let base64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let binary: Vec<u8> = (0..32).collect();
    let good: [(&str, Vec<u8>); 9] = [
        ("base16", format!("{header}/base16/\n{KEY_LINE}\n").into()),
        ("without the last line's end", format!("{header}/base16/\n{KEY_LINE}").into()),
        ("capital letters", format!("{header}/base16/\n{}", KEY_LINE.to_uppercase()).into()),
        ("carriage returns", format!("/key/swarm/psk/1.0.0/\r\n/base16/\r\n{KEY_LINE}\r\n").into()),
        ("empty lines at the end", format!("{header}/base16/\n{KEY_LINE}\n\n \n").into()),
        ("base64", format!("{header}/base64/\n{base64}\n").into()),
        ("base64 with carriage returns", format!("{header}/base64/\r\n{base64}\r\n").into()),
        ("binary", [header.as_bytes(), b"/bin/\n", &binary].concat()),
        ("binary with a line's end", [header.as_bytes(), b"/bin/\n", &binary, b"\n"].concat()),
    ];
    for (what, contents) in good {
        let key = PreSharedKey::from_key_file(&contents).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(key.fingerprint(), counting().fingerprint(), "{what}");
    }
    let written = counting().to_key_file();
    assert_eq!(*written, format!("{header}/base16/\n{KEY_LINE}\n"));
    let mut seed = Seed::reproducible(1);
    let [one, two] = [0, 1].map(|_| PreSharedKey::generate(&mut seed));
    assert_ne!(one.fingerprint(), two.fingerprint());
    let read = PreSharedKey::from_key_file(one.to_key_file().as_bytes()).unwrap();
    assert_eq!(read.fingerprint(), one.fingerprint());
}

#[test]
fn bad_key_files() {
    use InvalidKeyFile::*;
    const NO_ENCODING: InvalidKeyFile = BadEncoding;
    let base16 = |found| WrongLength { encoding: "/base16/", units: "characters", expected: 64, found };
    let base64 = |found| WrongLength { encoding: "/base64/", units: "characters", expected: 44, found };
    let bin = |found| WrongLength { encoding: "/bin/", units: "bytes", expected: 32, found };
    let digit = |position| BadCharacter { encoding: "/base16/", alphabet: "0 to 9 and a to f", position };
    let letter = |position| BadCharacter {
        encoding: "/base64/",
        alphabet: "A to Z, a to z, 0 to 9, + and /, and = at the end",
        position,
    };
    let after = |lines: &str| format!("/key/swarm/psk/1.0.0/\n{lines}").into_bytes();
    let short = &KEY_LINE[..63];
    let table: [(&str, Vec<u8>, InvalidKeyFile); 24] = [
        ("nothing", Vec::new(), Empty),
        ("an empty line", b"\n".to_vec(), BadHeader),
        ("the key alone", KEY_LINE.into(), BadHeader),
        ("another version", b"/key/swarm/psk/2.0.0/\n/base16/\n".to_vec(), BadHeader),
        ("no slash at the end of the first line", b"/key/swarm/psk/1.0.0\n/base16/\n".to_vec(), BadHeader),
        ("a space before the first line", b" /key/swarm/psk/1.0.0/\n".to_vec(), BadHeader),
        ("a byte order mark", b"\xef\xbb\xbf/key/swarm/psk/1.0.0/\n".to_vec(), BadHeader),
        ("PEM", b"-----BEGIN PRIVATE KEY-----\n".to_vec(), BadHeader),
        ("binary data", vec![0xff; 4_000], BadHeader),
        ("the first line only", b"/key/swarm/psk/1.0.0/".to_vec(), NO_ENCODING),
        ("no encoding", after(KEY_LINE), NO_ENCODING),
        ("an unknown encoding", after("/base58/\nabc"), NO_ENCODING),
        ("an encoding in capitals", after(&format!("/BASE16/\n{KEY_LINE}")), NO_ENCODING),
        ("no key", after("/base16/"), base16(0)),
        ("an empty key", after("/base16/\n\n"), base16(0)),
        ("a digit too few", after(&format!("/base16/\n{short}\n")), base16(63)),
        ("a digit too many", after(&format!("/base16/\n{KEY_LINE}0\n")), base16(65)),
        ("a second key", after(&format!("/base16/\n{KEY_LINE}\n{KEY_LINE}\n")), base16(129)),
        ("a letter that is no digit", after(&format!("/base16/\n{short}g\n")), digit(64)),
        ("a space before the key", after(&format!("/base16/\n {short}\n")), digit(1)),
        ("base64 without padding", after(&format!("/base64/\n{}\n", "A".repeat(43))), base64(43)),
        ("base64 with a hyphen", after(&format!("/base64/\nAA-{}=\n", "A".repeat(40))), letter(3)),
        ("binary, a byte short", after(&format!("/bin/\n{}", "x".repeat(31))), bin(31)),
        ("binary, a byte long", after(&format!("/bin/\n{}", "x".repeat(33))), bin(33)),
    ];
    for (what, contents, expected) in table {
        assert_eq!(PreSharedKey::from_key_file(&contents).unwrap_err(), expected, "{what}");
        let said = expected.to_string();
        assert!(!said.contains(&KEY_LINE[..8]), "an error repeats nothing of the file: {said}");
    }
    // 44 characters that are 31 or 33 bytes.
    for key in [format!("{}==", "A".repeat(42)), "A".repeat(44)] {
        assert_eq!(PreSharedKey::from_key_file(&after(&format!("/base64/\n{key}"))).unwrap_err(), letter(44));
    }
}
