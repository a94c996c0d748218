//! The vectors of the peer id specification, and everything that can be wrong with keys and ids.

use super::*;
use crate::seed::Seed;
use crate::wire::protobuf::ProtobufError;
use data_encoding::HEXLOWER;
use proptest::collection::vec;
use proptest::prelude::*;

const ED25519_PUBLIC: &str = "080112201ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e";
const ED25519_PRIVATE: &str = concat!(
    "080112407e0830617c4a7de83925dfb2694556b12936c477a0e1feb2e148ec9da60fee7d",
    "1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e",
);
const SECP256K1_PUBLIC: &str = "08021221037777e994e452c21604f91de093ce415f5432f701dd8cd1a7a6fea0e630bfca99";
const SECP256K1_PRIVATE: &str = "0802122053dadf1d5a164d6b4acdb15e24aa4c5b1d3461bdbd42abedb0a4404d56ced8fb";
const ECDSA_PUBLIC: &str = concat!(
    "0803125b3059301306072a8648ce3d020106082a8648ce3d03010703420004de3d300fa36ae0e8f5d530899d83abab44abf3161f",
    "162a4bc901d8e6ecda020e8b6d5f8da30525e71d6851510c098e5c47c646a597fb4dcec034e9f77c409e62",
);
const RSA_PUBLIC: &str = concat!(
    "080012a60430820222300d06092a864886f70d01010105000382020f003082020a0282020100e1beab071d08200bde24",
    "eef00d049449b07770ff9910257b2d7d5dda242ce8f0e2f12e1af4b32d9efd2c090f66b0f29986dbb645dae988008970",
    "4a94e5066d594162ae6ee8892e6ec70701db0a6c445c04778eb3de1293aa1a23c3825b85c6620a2bc3f82f9b0c309bc0",
    "ab3aeb1873282bebd3da03c33e76c21e9beb172fd44c9e43be32e2c99827033cf8d0f0c606f4579326c930eb4e854395",
    "ad941256542c793902185153c474bed109d6ff5141ebf9cd256cf58893a37f83729f97e7cb435ec679d2e33901d27bb3",
    "5aa0d7e20561da08885ef0abbf8e2fb48d6a5487047a9ecb1ad41fa7ed84f6e3e8ecd5d98b3982d2a901b4454991766d",
    "a295ab78822add5612a2df83bcee814cf50973e80d7ef38111b1bd87da2ae92438a2c8cbcc70b31ee319939a3b9c761d",
    "bc13b5c086d6b64bf7ae7dacc14622375d92a8ff9af7eb962162bbddebf90acb32adb5e4e4029f1c96019949ecfbfeff",
    "d7ac1e3fbcc6b6168c34be3d5a2e5999fcbb39bba7adbca78eab09b9bc39f7fa4b93411f4cc175e70c0a083e96bfaefb",
    "04a9580b4753c1738a6a760ae1afd851a1a4bdad231cf56e9284d832483df215a46c1c21bdf0c6cfe951c18f1ee4078c",
    "79c13d63edb6e14feaeffabc90ad317e4875fe648101b0864097e998f0ca3025ef9638cd2b0caecd3770ab54a1d9c6ca",
    "959b0f5dcbc90caeefc4135baca6fd475224269bbe1b0203010001",
);

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

/// Public key, multihash, and the id in base58, base32 and base36.
const IDS: [[&str; 5]; 4] = [
    [
        ED25519_PUBLIC,
        "0024080112201ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e",
        "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq",
        "bafzaajaiaejcahwr5d5ofrfbis4l5d6uwr57hu5tjodrypfm6yaq6dsc2r2pzyt6",
        "k51qzi5uqu5dgy8qsq67hbz73jqkw87l3fgf4a91qb0d9b5173tir7n4vxk1oe",
    ],
    [
        SECP256K1_PUBLIC,
        "002508021221037777e994e452c21604f91de093ce415f5432f701dd8cd1a7a6fea0e630bfca99",
        "16Uiu2HAmLhLvBoYaoZfaMUKuibM6ac163GwKY74c5kiSLg5KvLpY",
        "bafzaajiiaijcca3xo7uzjzcsyilaj6i54cj44qk7kqzpoao5rti2pjx6udtdbp6kte",
        "kzwfwjn5ji4put13uvtwtc7azzwk42cq2o8ctfnxa6q8n90e72o3pjqbrp3lpcp",
    ],
    [
        ECDSA_PUBLIC,
        "122068362c312e155f4f7290b67f5cd094a22a0a4fbf20efd8c287934419350d36f7",
        "QmVMT29id3TUASyfZZ6k9hmNyc2nYabCo4uMSpDw4zrgDk",
        "bafzbeidigywdclqvl5hxfefwp5onbffcfife7pza57mmfb4tiqmtkdjw64",
        "k2k4r8m0iploq6r25jp915xawtnx0qdr0je62jws2kki6votbj5191x3",
    ],
    [
        RSA_PUBLIC,
        "1220b6c8a8c0a3105fc27afca4fb1173791f038e4343fd56b7c67b616dbc30a04ccd",
        "QmaeANgBs1DTSxWSrPPtobgQuxW8XTfsS4ydbK4rCHzqxG",
        "bafzbeifwzcumbiyql7bhv7fe7mixg6i7aohegq75k234m63bnw6dbicmzu",
        "k2k4r8nz0pc9sm08wgacijx1ic8vxy9e2770otjszhz1nodfs0brtvpp",
    ],
];

#[test]
fn ids_of_all_key_types_in_all_forms() {
    for [key, multihash, base58, base32, base36] in IDS {
        let id = PeerId::from_public_key_protobuf(&hex(key));
        assert_eq!(id.to_bytes(), hex(multihash));
        assert_eq!(PeerId::from_bytes(&hex(multihash)), Ok(id));
        assert_eq!(id.to_string(), base58);
        assert_eq!(id.to_cid_string(), base32);
        assert_eq!(id.to_base36_cid_string(), base36);
        assert_eq!(format!("{id:?}"), format!("PeerId({base58})"));

        let cid = format!("0172{multihash}");
        let base58_cid = format!("z{}", bs58::encode(hex(&cid)).into_string());
        let texts =
            [base58, base32, base36, &base58_cid, &format!("f{cid}"), &format!("F{}", cid.to_uppercase())];
        for text in texts.into_iter().map(str::to_owned).chain([base32.to_uppercase(), base36.to_uppercase()])
        {
            assert_eq!(text.parse(), Ok(id), "{text}");
        }
    }
}

#[test]
fn bad_peer_id_bytes() {
    use InvalidPeerId::*;
    let sha256 = [&[0x12, 32][..], &[7; 32]].concat();
    let table: [(&[u8], InvalidPeerId); 13] = [
        (&[], Empty),
        (&[0x00], BadLength),
        (&[0x12], BadLength),
        (&[0x12, 0], BadLength),
        (&[0x12, 31, 1], BadLength),
        (&[&[0x12, 31][..], &[7; 31]].concat(), BadLength),
        (&[&[0x12, 33][..], &[7; 33]].concat(), BadLength),
        (&[&sha256[..], &[0]].concat(), BadLength),
        (&[0x00, 1, 2, 3], BadLength),
        (&[&[0x00, 43][..], &[7; 43]].concat(), BadLength),
        (&[&[0x12, 0xa0, 0x00][..], &[7; 32]].concat(), BadLength),
        (&[&[0x13, 64][..], &[7; 64]].concat(), BadHash { code: 0x13 }),
        (&[&[0x92, 0x00, 32][..], &[7; 32]].concat(), BadHash { code: 0x92 }),
    ];
    for (bytes, error) in table {
        assert_eq!(PeerId::from_bytes(bytes), Err(error), "{bytes:x?}");
    }
    for end in 1..sha256.len() {
        assert_eq!(PeerId::from_bytes(&sha256[..end]), Err(BadLength));
    }
    assert!(PeerId::from_bytes(&sha256).is_ok());
    assert!(PeerId::from_bytes(&[&[0x00, 42][..], &[7; 42]].concat()).is_ok());
}

#[test]
fn bad_peer_id_texts() {
    use InvalidPeerId::*;
    let long = "1".repeat(101);
    let table = [
        ("", Empty),
        ("b", NotPeerCid),
        ("k", NotPeerCid),
        ("Q", UnknownForm),
        ("/p2p/12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq", UnknownForm),
        (" 12D3KooW", UnknownForm),
        ("é", UnknownForm),
        (&long, TooLong { len: 101 }),
        ("12D3KooW0", BadText { encoding: "base58" }),
        ("QmO", BadText { encoding: "base58" }),
        ("Qm é", BadText { encoding: "base58" }),
        ("z0", BadText { encoding: "base58" }),
        ("b1", BadText { encoding: "base32" }),
        ("baaaaaaaa=", BadText { encoding: "base32" }),
        ("k_", BadText { encoding: "base36" }),
        ("f0", BadText { encoding: "hexadecimal" }),
        ("f0g", BadText { encoding: "hexadecimal" }),
        ("12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3p", BadLength),
        ("1", BadLength),
        ("QmVMT29id3TUASyfZZ6k9hmNyc2nYabCo4uMSpDw4zrgD", BadHash { code: 0x50 }),
        // A file's CIDs: version 1, and version 0 made version 1 in hexadecimal.
        ("bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi", NotPeerCid),
        ("f0170122068362c312e155f4f7290b67f5cd094a22a0a4fbf20efd8c287934419350d36f7", NotPeerCid),
        ("f0172", Empty),
        ("f01721102aabb", BadHash { code: 0x11 }),
    ];
    for (text, error) in table {
        assert_eq!(text.parse::<PeerId>(), Err(error), "{text}");
    }
}

#[test]
fn the_ed25519_key_of_the_specification() {
    let keypair = Keypair::from_protobuf(&hex(ED25519_PRIVATE)).unwrap();
    assert_eq!(keypair.to_protobuf().as_slice(), hex(ED25519_PRIVATE));
    assert_eq!(keypair.public().to_protobuf(), hex(ED25519_PUBLIC));
    assert_eq!(PublicKey::from_protobuf(&hex(ED25519_PUBLIC)).as_ref(), Ok(keypair.public()));
    assert_eq!(keypair.public().to_peer_id().to_string(), IDS[0][2]);
    assert_eq!(keypair.public().key_type(), KeyType::Ed25519);
}

#[test]
fn the_old_form_of_96_bytes_is_read() {
    let new = hex(ED25519_PRIVATE);
    let old = [&[8, 1, 0x12, 96], &new[4..], &new[36..]].concat();
    let keypair = Keypair::from_protobuf(&old).unwrap();
    assert_eq!(keypair.to_protobuf().as_slice(), new);
}

#[test]
fn bad_public_keys() {
    use InvalidKey::*;
    let good = hex(ED25519_PUBLIC);
    let point = &good[4..];
    let wrong_length = |found| WrongLength { what: "an Ed25519 public key", expected: 32, found };
    let mut identity_point = [0; 32];
    identity_point[0] = 1;
    let mut off_curve = [0; 32];
    off_curve[0] = 2;
    let table = [
        (vec![], Empty),
        (vec![8, 1], MissingField { field: "Data" }),
        (vec![0x12, 0], MissingField { field: "Type" }),
        (vec![8, 1, 0x12, 0], wrong_length(0)),
        ([&[8, 1, 0x12, 31], &point[1..]].concat(), wrong_length(31)),
        ([&[8, 1, 0x12, 33, 0], point].concat(), wrong_length(33)),
        (hex(ED25519_PRIVATE), wrong_length(64)),
        ([&[8, 1, 0x12, 32], &off_curve[..]].concat(), BadPoint(KeyType::Ed25519)),
        ([&[8, 1, 0x12, 32], &identity_point[..]].concat(), BadPoint(KeyType::Ed25519)),
        ([&[8, 1, 0x12, 32], &[0; 32][..]].concat(), BadPoint(KeyType::Ed25519)),
        ([&[0x12, 32], point, &[8, 1]].concat(), NotDeterministic),
        ([&good[..], &[0x18, 1]].concat(), NotDeterministic),
        ([&[8, 1], &good[..]].concat(), NotDeterministic),
        ([&[8, 0x81, 0, 0x12, 32], point].concat(), NotDeterministic),
        (hex(RSA_PUBLIC), UnsupportedType(KeyType::Rsa)),
        (hex(SECP256K1_PUBLIC), UnsupportedType(KeyType::Secp256k1)),
        (hex(ECDSA_PUBLIC), UnsupportedType(KeyType::Ecdsa)),
        (vec![8, 4, 0x12, 0], UnknownType(4)),
        (
            vec![0x0a, 0, 0x12, 0],
            Protobuf(ProtobufError::WrongType { field: "Type", expected: "an integer" }),
        ),
        (vec![8, 1, 0x10, 0], Protobuf(ProtobufError::WrongType { field: "Data", expected: "bytes" })),
        (vec![0x0b], Protobuf(ProtobufError::UnsupportedWireType { field: 1, wire_type: 3 })),
    ];
    for (bytes, error) in table {
        assert_eq!(PublicKey::from_protobuf(&bytes), Err(error), "{bytes:x?}");
    }
    for end in 0..good.len() {
        let error = match end {
            0 => Empty,
            2 => MissingField { field: "Data" },
            _ => Protobuf(ProtobufError::Truncated),
        };
        assert_eq!(PublicKey::from_protobuf(&good[..end]), Err(error), "cut at {end}");
    }
}

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
        (b"-----BEGIN PRIVATE KEY-----\nMC4CAQ".to_vec(), Text { format: "PEM" }),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----".to_vec(), Text { format: "PEM" }),
        (b"{\"Identity\": {}}".to_vec(), Text { format: "JSON" }),
        (b" \n{}".to_vec(), Text { format: "JSON" }),
        (b"CAESQH4IMGF8Sn3oOSXfsmlFVrEpNsR3oOH+suFI7J2mD+59".to_vec(), Text { format: "hex or base64" }),
        (ED25519_PRIVATE.into(), Text { format: "hex or base64" }),
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
        (hex(SECP256K1_PRIVATE), UnsupportedType(KeyType::Secp256k1)),
        (vec![8, 0, 0x12, 0], UnsupportedType(KeyType::Rsa)),
        (vec![8, 3, 0x12, 0], UnsupportedType(KeyType::Ecdsa)),
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
            Keypair::from_protobuf(&hex(SECP256K1_PRIVATE)).unwrap_err().to_string(),
            "secp256k1 keys are not supported; use an Ed25519 key",
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
fn debug_shows_no_secret() {
    let keypair = Keypair::from_protobuf(&hex(ED25519_PRIVATE)).unwrap();
    let shown = format!("{keypair:?}");
    assert_eq!(shown, format!("Keypair {{ public: PublicKey(Ed25519 {}), .. }}", &ED25519_PUBLIC[8..]));
}

#[test]
fn generated_keys_follow_from_the_seed() {
    let generate = |number| Keypair::generate_ed25519(&mut Seed::reproducible(number)).public().to_peer_id();
    assert_eq!(generate(1), generate(1));
    assert_ne!(generate(1), generate(2));
}

proptest! {
    #[test]
    fn keys_survive_their_encodings(secret: [u8; 32]) {
        let keypair = Keypair::ed25519_from_secret(&secret);
        let again = Keypair::from_protobuf(&keypair.to_protobuf()).unwrap();
        prop_assert_eq!(again.public(), keypair.public());
        prop_assert_eq!(&PublicKey::from_protobuf(&keypair.public().to_protobuf()).unwrap(), keypair.public());
    }

    #[test]
    fn ids_survive_their_texts(id in prop_oneof![vec(any::<u8>(), 0..90), Just(vec![0; 90])]) {
        let id = PeerId::from_public_key_protobuf(&id);
        prop_assert_eq!(PeerId::from_bytes(&id.to_bytes()), Ok(id));
        for text in [id.to_string(), id.to_cid_string(), id.to_base36_cid_string()] {
            prop_assert_eq!(text.parse(), Ok(id), "{}", text);
        }
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in vec(prop_oneof![any::<u8>(), 0_u8..0x20], 0..80)) {
        if let Ok(key) = PublicKey::from_protobuf(&bytes) {
            prop_assert_eq!(key.to_protobuf(), bytes.clone());
        }
        if let Ok(id) = PeerId::from_bytes(&bytes) {
            prop_assert_eq!(id.to_bytes(), bytes.clone());
        }
        let _ = Keypair::from_protobuf(&bytes);
    }

    #[test]
    fn arbitrary_texts_do_no_harm(text in "[1bkzfQ]?[ -~é]{0,110}") {
        if let Ok(id) = text.parse::<PeerId>() {
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }
    }
}
