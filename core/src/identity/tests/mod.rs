//! The vectors of the peer id specification, and everything that can be wrong with ids.

mod key_files;
mod peer_info;
mod peer_record;
mod public_keys;

use super::testing::*;
use super::*;
use crate::seed::Seed;
use proptest::collection::vec;
use proptest::prelude::*;

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
fn the_keys_of_the_specification() {
    let table = [
        (KeyType::Ed25519, ED25519_PRIVATE, ED25519_PUBLIC, IDS[0][2]),
        (KeyType::Secp256k1, SECP256K1_PRIVATE, SECP256K1_PUBLIC, IDS[1][2]),
        (KeyType::Ecdsa, ECDSA_PRIVATE, ECDSA_PUBLIC, IDS[2][2]),
        (KeyType::Rsa, RSA_PRIVATE, RSA_PUBLIC, IDS[3][2]),
    ];
    for (key_type, private, public, id) in table {
        let keypair = keypair(private);
        assert_eq!(keypair.to_protobuf().as_slice(), hex(private), "{key_type}");
        assert_eq!(keypair.public().to_protobuf(), hex(public), "{key_type}");
        assert_eq!(PublicKey::from_protobuf(&hex(public)).as_ref(), Ok(keypair.public()));
        assert_eq!(keypair.public().to_peer_id().to_string(), id);
        assert_eq!((keypair.public().key_type(), keypair.secret().key_type()), (key_type, key_type));
    }
}

#[test]
fn the_numbers_of_an_rsa_key() {
    let PublicKey::Rsa(key) = keypair(RSA_PRIVATE).public().clone() else { panic!("it is RSA") };
    assert_eq!((key.bits(), key.exponent()), (4096, 65_537));
    assert_eq!(key.modulus()[..4], [0xe1, 0xbe, 0xab, 0x07]);
    assert_eq!(RsaPublicKey::from_der(&key.to_der()).as_ref(), Ok(&*key));
}

#[test]
fn debug_shows_no_secret() {
    for keypair in keypairs() {
        let (public, key_type) = (keypair.public(), keypair.public().key_type());
        let shown = format!("PublicKey({key_type} of {})", public.to_peer_id());
        assert_eq!(format!("{public:?}"), shown);
        assert_eq!(format!("{keypair:?}"), format!("Keypair {{ public: {shown}, .. }}"));
        assert_eq!(format!("{:?}", keypair.secret()), format!("SecretKey({key_type} ..)"));
    }
}

#[test]
fn generated_keys_follow_from_the_seed() {
    let generators = [Keypair::generate_ed25519, Keypair::generate_secp256k1, Keypair::generate_ecdsa];
    let key_types = [KeyType::Ed25519, KeyType::Secp256k1, KeyType::Ecdsa];
    for (generate, key_type) in generators.into_iter().zip(key_types) {
        let generate = |number| generate(&mut Seed::reproducible(number)).public().clone();
        assert_eq!(generate(1), generate(1));
        assert_ne!(generate(1), generate(2));
        assert_eq!(generate(1).key_type(), key_type);
    }
}

/// A key file and a public key of each type.
const FILES: [&str; 8] = [
    ED25519_PUBLIC,
    ED25519_PRIVATE,
    SECP256K1_PUBLIC,
    SECP256K1_PRIVATE,
    ECDSA_PUBLIC,
    ECDSA_PRIVATE,
    RSA_2048_PUBLIC,
    RSA_2048_PRIVATE,
];

#[test]
fn a_public_key_is_small() {
    assert!(size_of::<PublicKey>() <= 40);
}

proptest! {
    #[test]
    fn keys_survive_their_encodings(secret: [u8; 32]) {
        for wrap in [SecretKey::Ed25519, SecretKey::Secp256k1, SecretKey::Ecdsa] {
            let keypair = Keypair::from_secret(wrap(secret.into())).unwrap();
            let again = Keypair::from_protobuf(&keypair.to_protobuf()).unwrap();
            prop_assert_eq!(again.public(), keypair.public());
            let public = keypair.public();
            prop_assert_eq!(&PublicKey::from_protobuf(&public.to_protobuf()).unwrap(), public);
        }
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
    fn edited_keys_do_no_harm(
        file in prop::sample::select(&FILES),
        edits in vec((any::<prop::sample::Index>(), 0_usize..3, vec(any::<u8>(), 0..3)), 1..4),
    ) {
        let mut bytes = hex(file);
        for (place, removed, added) in edits {
            let start = place.index(bytes.len() + 1);
            let end = bytes.len().min(start + removed);
            bytes.splice(start..end, added);
        }
        if let Ok(key) = PublicKey::from_protobuf(&bytes) {
            prop_assert_eq!(key.to_protobuf(), bytes.clone());
        }
        if let Ok(keypair) = Keypair::from_protobuf(&bytes) {
            let again = Keypair::from_protobuf(&keypair.to_protobuf()).unwrap();
            prop_assert_eq!(again.public(), keypair.public());
        }
    }

    #[test]
    fn arbitrary_texts_do_no_harm(text in "[1bkzfQ]?[ -~é]{0,110}") {
        if let Ok(id) = text.parse::<PeerId>() {
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }
    }
}
