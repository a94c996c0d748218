//! The rules for certificates.

use super::forge::{self, Forgery, binding, extension, forge, identity_binding, libp2p_extension, with_key};
use super::*;
use crate::crypto::Portable;
use crate::identity::der::{self, DerError};
use crate::identity::{InvalidKey, KeyType, PublicKey, SecretKey, testing};
use crate::security::CertificateError;
use crate::security::testing::{hex, keypair};
use crate::security::tls::certificate;
use crate::seed::Seed;
use proptest::prelude::*;
use rustls::SignatureScheme;
use std::time::Duration;

/// 2025-01-01.
const NOW_SINCE_1970: Duration = Duration::from_secs(1_735_689_600);

fn read(der: &[u8]) -> Result<PublicKey, CertificateError> {
    let claim = certificate::parse(der, Some(NOW_SINCE_1970))?;
    certificate::check(claim, &Portable).map(|(identity, _)| identity)
}

#[test]
fn the_specifications_certificates() {
    for line in include_str!("certificates.txt").lines().filter(|line| !line.starts_with('#')) {
        let (peer, der) = line.split_once(' ').unwrap();
        let read = read(&hex(der)).map(|key| key.to_peer_id().to_string());
        let expected =
            if peer == "-" { Err(CertificateError::IdentitySignature) } else { Ok(peer.to_owned()) };
        assert_eq!(read, expected);
    }
}

#[test]
fn our_own_certificates_are_valid() {
    for crypto in real_providers() {
        for identity in testing::keypairs().into_iter().take(3) {
            let made = certificate::make(&identity, &crypto, &mut Seed::reproducible(1)).unwrap();
            assert_eq!(read(&made.cert[0]).as_ref(), Ok(identity.public()));
        }
    }
}

/// js looks at the first extension only, whatever else is there.
#[test]
fn our_own_certificates_have_libp2ps_extension_only() {
    let made = certificate::make(&keypair(1), &real_providers()[0], &mut Seed::reproducible(1)).unwrap();
    let (_, certificate) = x509_parser::parse_x509_certificate(&made.cert[0]).unwrap();
    let [extension] = certificate.extensions() else { panic!("{:?}", certificate.extensions()) };
    assert_eq!(extension.oid.to_id_string(), "1.3.6.1.4.1.53594.1.1");
    assert!(!extension.critical);
    assert_eq!(certificate.validity().not_before.to_string(), "Jan  1 00:00:00 1975 +00:00");
    assert_eq!(certificate.validity().not_after.to_string(), "Jan  1 00:00:00 4096 +00:00");
}

/// A forged certificate that is changed is refused with the error.
type Defect = (&'static str, Change, CertificateError);

/// A change of a forged certificate.
type Change = fn(&mut Forgery);

fn rebind(forgery: &mut Forgery) {
    forgery.extensions = vec![libp2p_extension(&identity_binding(&keypair(1), &forgery.key_info))];
}

fn defects() -> Vec<Defect> {
    vec![
        ("bytes behind it", |it| it.trailing = vec![0], CertificateError::Malformed),
        ("an issuer's unique id", |it| it.unique_ids = vec![0x81, 2, 0, 1], CertificateError::UniqueId),
        ("a subject's unique id", |it| it.unique_ids = vec![0x82, 2, 0, 1], CertificateError::UniqueId),
        (
            "not yet valid",
            |it| it.validity[0] = "20250101000001Z",
            CertificateError::NotYetValid("Jan  1 00:00:01 2025 +00:00".into()),
        ),
        (
            "no longer valid",
            |it| it.validity[1] = "20241231235959Z",
            CertificateError::Expired("Dec 31 23:59:59 2024 +00:00".into()),
        ),
        ("a time that is none", |it| it.validity[1] = "20251331235959Z", CertificateError::Malformed),
        (
            "an unknown critical extension before libp2p's",
            |it| it.extensions.insert(0, extension(&[1, 2, 3, 4], true, &[5, 0])),
            CertificateError::CriticalExtension("1.2.3.4".into()),
        ),
        (
            "a critical extension of the web behind libp2p's",
            |it| it.extensions.push(extension(&[2, 5, 29, 15], true, &[3, 2, 7, 0x80])),
            CertificateError::CriticalExtension("2.5.29.15".into()),
        ),
        ("no extension", |it| it.extensions.clear(), CertificateError::NoExtension),
        (
            "another extension only",
            |it| it.extensions = vec![extension(&[1, 2, 3, 4], false, &[5, 0])],
            CertificateError::NoExtension,
        ),
        (
            "libp2p's extension twice",
            |it| it.extensions.push(it.extensions[0].clone()),
            CertificateError::RepeatedExtension,
        ),
        (
            "an empty extension",
            |it| it.extensions = vec![libp2p_extension(&[])],
            CertificateError::BadExtension(DerError::Truncated),
        ),
        (
            "an extension without a signature",
            |it| it.extensions = vec![libp2p_extension(&der::element(der::SEQUENCE, &[&[4, 0]]))],
            CertificateError::BadExtension(DerError::Truncated),
        ),
        (
            "an extension of another kind",
            |it| it.extensions = vec![libp2p_extension(&[5, 0])],
            CertificateError::BadExtension(DerError::WrongTag { expected: der::SEQUENCE, found: der::NULL }),
        ),
        (
            "an extension of three parts",
            |it| it.extensions = vec![libp2p_extension(&der::element(der::SEQUENCE, &[&[4, 0, 4, 0, 4, 0]]))],
            CertificateError::BadExtension(DerError::TrailingBytes),
        ),
        (
            "an extension of indefinite length",
            |it| it.extensions = vec![libp2p_extension(&[0x30, 0x80, 4, 0, 4, 0, 0, 0])],
            CertificateError::BadExtension(DerError::BadLength),
        ),
        (
            "an identity of an unknown type",
            |it| it.extensions = vec![libp2p_extension(&binding(&[8, 9, 0x12, 0], &[]))],
            CertificateError::IdentityKey(InvalidKey::UnknownType(9)),
        ),
        (
            "an identity's signature over another key",
            |it| {
                let other = forge(2).key_info;
                it.extensions = vec![libp2p_extension(&identity_binding(&keypair(1), &other))];
            },
            CertificateError::IdentitySignature,
        ),
        (
            "another identity's signature",
            |it| {
                let mut other = identity_binding(&keypair(2), &it.key_info);
                let own = keypair(1).public().to_protobuf();
                other[4..4 + own.len()].copy_from_slice(&own);
                it.extensions = vec![libp2p_extension(&other)];
            },
            CertificateError::IdentitySignature,
        ),
        (
            "an empty signature of the identity",
            |it| it.extensions = vec![libp2p_extension(&binding(&keypair(1).public().to_protobuf(), &[]))],
            CertificateError::IdentitySignature,
        ),
        ("signed with another key", |it| it.key = forge::p256_key(2), CertificateError::SelfSignature),
        (
            "a key off its curve",
            |it| {
                it.key_info = forge::key_info(&[forge::EC_PUBLIC_KEY, forge::P256], &[4; 65]);
                rebind(it);
            },
            CertificateError::Key(InvalidKey::BadPoint(KeyType::Ecdsa)),
        ),
        (
            "a key off P-384",
            |it| {
                it.key_info = forge::key_info(&[forge::EC_PUBLIC_KEY, forge::P384], &[4; 97]);
                rebind(it);
            },
            CertificateError::Key(InvalidKey::BadPoint(KeyType::Ecdsa)),
        ),
        (
            "a key on P-521",
            |it| {
                it.key_info = forge::key_info(&[forge::EC_PUBLIC_KEY, &[1, 3, 132, 0, 35]], &[4; 133]);
                rebind(it);
            },
            CertificateError::Key(InvalidKey::UnsupportedCurve { curve: "P-521" }),
        ),
        (
            "a weak Ed25519 key",
            |it| {
                it.key_info = forge::key_info(&[forge::ED25519], &[0; 32]);
                rebind(it);
            },
            CertificateError::Key(InvalidKey::BadPoint(KeyType::Ed25519)),
        ),
        (
            "an Ed448 key",
            |it| {
                it.key_info = forge::key_info(&[&[1, 3, 101, 113]], &[4; 57]);
                rebind(it);
            },
            CertificateError::UnsupportedKey("1.3.101.113".into()),
        ),
        (
            "signed by ECDSA with SHA-1",
            |it| {
                it.inner_algorithm = der::element(der::SEQUENCE, &[&forge::oid(&[1, 2, 840, 10045, 4, 1])]);
                it.outer_algorithm = it.inner_algorithm.clone();
            },
            CertificateError::UnsupportedSignature("1.2.840.10045.4.1".into()),
        ),
        (
            "signed in a way that does not fit its key",
            |it| {
                it.inner_algorithm = der::element(der::SEQUENCE, &[&forge::oid(forge::ED25519)]);
                it.outer_algorithm = it.inner_algorithm.clone();
            },
            CertificateError::SelfSignature,
        ),
        (
            "two ways of signing",
            |it| it.inner_algorithm = der::element(der::SEQUENCE, &[&forge::oid(forge::ED25519)]),
            CertificateError::Malformed,
        ),
    ]
}

#[test]
fn every_defect_has_its_error() {
    assert_eq!(read(&forge(1).to_der()).as_ref(), Ok(keypair(1).public()));
    for (name, change, expected) in defects() {
        let mut forgery = forge(1);
        change(&mut forgery);
        assert_eq!(read(&forgery.to_der()).err(), Some(expected), "{name}");
    }
}

#[test]
fn what_is_allowed_is_let_in() {
    let table: [(&str, Change); 4] = [
        ("a critical extension of libp2p", |it| {
            let value = identity_binding(&keypair(1), &it.key_info);
            it.extensions = vec![extension(certificate::EXTENSION_ID, true, &value)];
        }),
        ("an unknown extension before libp2p's", |it| {
            it.extensions.insert(0, extension(&[1, 2, 3, 4], false, &[5, 0]));
        }),
        ("one that cannot be read", |it| it.extensions.push(extension(&[2, 5, 29, 15], false, b"what?"))),
        ("valid for this second only", |it| it.validity = ["20250101000000Z"; 2]),
    ];
    for (name, change) in table {
        let mut forgery = forge(1);
        change(&mut forgery);
        assert_eq!(read(&forgery.to_der()).as_ref(), Ok(keypair(1).public()), "{name}");
    }
}

/// Where the driver says nothing of the time, certificates are still read.
#[test]
fn without_a_clock_validity_is_not_compared() {
    let mut forgery = forge(1);
    forgery.validity = ["20240101000000Z", "20240102000000Z"];
    assert!(certificate::parse(&forgery.to_der(), None).is_ok());
    forgery.validity[0] = "not a time";
    assert_eq!(certificate::parse(&forgery.to_der(), None).err(), Some(CertificateError::Malformed));
}

fn certificates_of_each_key() -> Vec<(&'static str, Forgery)> {
    let [_, _, _, rsa] = testing::keypairs();
    let SecretKey::Rsa(rsa) = rsa.secret() else { panic!("the last key is RSA") };
    vec![
        ("ECDSA on P-256", forge(1)),
        (
            "ECDSA on P-384",
            with_key(1, forge::p384_key(7), SignatureScheme::ECDSA_NISTP384_SHA384, forge::ECDSA_SHA384),
        ),
        ("Ed25519", with_key(1, forge::ed25519_key(7), SignatureScheme::ED25519, forge::ED25519)),
        ("RSA", with_key(1, forge::rsa_key(rsa), SignatureScheme::RSA_PKCS1_SHA256, forge::RSA_SHA256)),
    ]
}

#[test]
fn keys_of_every_supported_type() {
    for (name, forgery) in certificates_of_each_key() {
        assert_eq!(read(&forgery.to_der()).as_ref(), Ok(keypair(1).public()), "{name}");
    }
}

/// Each type of key signs the handshake too, as either side.
#[test]
fn keys_of_every_supported_type_sign_handshakes() {
    for (name, forgery) in certificates_of_each_key() {
        for role in [Role::Dialer, Role::Listener] {
            let plain = Plain { certificate: Some(forgery.certified()), ..Plain::default() };
            let (secured, _) = plain.meet(role).unwrap();
            assert_eq!(secured.public_key, *keypair(1).public(), "{name}");
        }
    }
}

/// GHSA-5hq8-qhww-jm7q: a bad certificate is an error of the handshake, whichever side presents it.
#[test]
fn a_handshake_fails_with_the_certificates_error() {
    for (name, change, expected) in defects() {
        let mut forgery = forge(1);
        change(&mut forgery);
        for role in [Role::Dialer, Role::Listener] {
            let plain = Plain { certificate: Some(forgery.certified()), ..Plain::default() };
            let setup = HandshakeSetup { wall_clock: Some(NOW_SINCE_1970), ..setup_for(role) };
            let (result, told) = plain.meet_with(&Tls::default(), setup);
            assert_eq!(result.map(drop), Err(SecurityError::Certificate(expected.clone())), "{name}");
            assert!(matches!(told, Some(rustls::Error::AlertReceived(_))), "{name}");
        }
    }
}

#[test]
fn a_chain_is_refused() {
    let mut certificate = forge(1).certified();
    certificate.cert.push(certificate.cert[0].clone());
    for role in [Role::Dialer, Role::Listener] {
        let plain = Plain { certificate: Some(certificate.clone()), ..Plain::default() };
        let error = plain.meet(role).map(drop);
        assert_eq!(error, Err(CertificateError::NotAlone(2).into()));
    }
}

/// The certificate is another's, and its key is not known.
#[test]
fn a_stolen_certificate_is_of_no_use() {
    let mut certificate = forge(1).certified();
    certificate.key = forge::p256_key(9);
    let reason = "the handshake is not signed with the certificate's key";
    for role in [Role::Dialer, Role::Listener] {
        let plain = Plain { certificate: Some(certificate.clone()), ..Plain::default() };
        assert_eq!(plain.meet(role).map(drop), Err(SecurityError::NotAuthentic(reason)));
    }
}

#[test]
fn a_dialer_without_a_certificate_is_refused() {
    let plain = Plain { certificate: None, ..Plain::default() };
    assert_eq!(plain.meet(Role::Listener).map(drop), Err(CertificateError::Missing.into()));
}

proptest! {
    /// libp2p-tls once panicked on such.
    #[test]
    fn no_change_of_a_certificate_makes_it_another_peers(at in 0_usize..1000, bit in 0_u8..8) {
        let mut certificate = forge(1).to_der();
        let at = at % certificate.len();
        certificate[at] ^= 1 << bit;
        // What is not signed may be written in more ways than one.
        prop_assert!(read(&certificate).is_err() || read(&certificate).as_ref() == Ok(keypair(1).public()));
    }

    #[test]
    fn any_prefix_and_any_bytes_are_refused(
        len in 0_usize..1000,
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let certificate = forge(1).to_der();
        prop_assert!(read(&certificate[..len % certificate.len()]).is_err());
        prop_assert!(read(&bytes).is_err());
        prop_assert!(read(&[&certificate[..len % certificate.len()], &bytes].concat()).is_err());
    }
}
