//! We against rustls with a cryptography of its own, in both roles.

use super::super::channel::TlsChannel;
use super::super::secrets::RecordKeys;
use super::*;
use crate::crypto::{AeadCipher, Portable};
use crate::security::testing::seal;
use crate::security::{Alert, Channel, ChannelError, Opened, Role};
use bytes::BytesMut;
use rustls::crypto::aws_lc_rs::cipher_suite::{
    TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
};
use rustls::crypto::aws_lc_rs::kx_group::{MLKEM768, SECP256R1, SECP384R1, X25519};
use rustls::{CipherSuite, Error, SupportedProtocolVersion};

const TLS12_ONLY: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];

const ROLES: [Role; 2] = [Role::Dialer, Role::Listener];

fn open_all(channel: &mut dyn Channel, input: &mut BytesMut) -> Vec<u8> {
    let mut plain = Vec::new();
    while let Opened::Plain(bytes) = channel.open(input).unwrap() {
        plain.extend_from_slice(&bytes);
    }
    plain
}

fn talk(channel: &mut dyn Channel, met: &mut Met) {
    let message: Vec<_> = (0..100_000_u32).map(|number| number as u8).collect();
    assert_eq!(open_all(channel, &mut met.sealed(&message)), message);
    for part in message.chunks(16_384) {
        let sealed = seal(channel, part);
        met.receive(&sealed);
        assert_eq!(met.read(), part);
    }
}

#[test]
fn rustls_and_we_understand_each_other() {
    for role in ROLES {
        for crypto in real_providers() {
            let setup = HandshakeSetup { crypto, ..setup_for(role) };
            let (mut secured, mut met) = Plain::default().meet_with(&Tls::default(), setup).0.unwrap();
            assert_eq!((secured.peer, secured.muxer), (peer_id(1), None));
            talk(&mut *secured.channel, &mut met);
        }
    }
}

/// A listener decides, whatever the dialer wants; a dialer only asks.
#[test]
fn the_cipher_is_the_one_that_is_preferred() {
    let chacha_first = vec![TLS13_CHACHA20_POLY1305_SHA256, TLS13_AES_128_GCM_SHA256];
    let aes_first = vec![TLS13_AES_128_GCM_SHA256, TLS13_CHACHA20_POLY1305_SHA256];
    for (role, prefer_aes, theirs, expected) in [
        (Role::Listener, true, &chacha_first, CipherSuite::TLS13_AES_128_GCM_SHA256),
        (Role::Listener, false, &aes_first, CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
        (Role::Dialer, true, &chacha_first, CipherSuite::TLS13_AES_128_GCM_SHA256),
        (Role::Dialer, false, &aes_first, CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
    ] {
        let mut plain = Plain::default();
        plain.provider.cipher_suites = theirs.clone();
        let (result, _) = plain.meet_with(&Tls { prefer_aes }, setup_for(role));
        let (mut secured, mut met) = result.unwrap();
        assert_eq!(met.connection.negotiated_cipher_suite().unwrap().suite(), expected);
        talk(&mut *secured.channel, &mut met);
    }
}

#[test]
fn a_remote_with_one_of_our_ciphers_gets_it() {
    for role in ROLES {
        for suite in [TLS13_AES_128_GCM_SHA256, TLS13_CHACHA20_POLY1305_SHA256] {
            let mut plain = Plain::default();
            plain.provider.cipher_suites = vec![suite, TLS13_AES_256_GCM_SHA384];
            let (mut secured, mut met) = plain.meet(role).unwrap();
            assert_eq!(met.connection.negotiated_cipher_suite(), Some(suite));
            talk(&mut *secured.channel, &mut met);
        }
    }
}

#[test]
fn every_key_exchange_works_also_after_a_retry() {
    for role in ROLES {
        for groups in [vec![X25519], vec![SECP256R1], vec![SECP384R1, SECP256R1], vec![SECP384R1, X25519]] {
            let mut plain = Plain::default();
            plain.provider.kx_groups = groups;
            let (mut secured, mut met) = plain.meet(role).unwrap();
            talk(&mut *secured.channel, &mut met);
        }
    }
}

#[test]
fn what_is_not_in_common_is_said() {
    let nothing = |what: &'static str, ours: &str, theirs: &str| SecurityError::NoCommonAlgorithm {
        what,
        ours: ours.into(),
        theirs: theirs.into(),
    };
    let alert = |number| SecurityError::Refused(Alert(number));

    let mut plain = Plain::default();
    plain.provider.cipher_suites = vec![TLS13_AES_256_GCM_SHA384];
    let suites = "TLS13_AES_128_GCM_SHA256, TLS13_CHACHA20_POLY1305_SHA256";
    let error = nothing("cipher suite", suites, "TLS13_AES_256_GCM_SHA384");
    assert_eq!(plain.meet(Role::Listener).map(drop), Err(error));
    assert_eq!(plain.meet(Role::Dialer).map(drop), Err(alert(40)));

    let mut plain = Plain::default();
    plain.provider.kx_groups = vec![SECP384R1, MLKEM768];
    let error = nothing("key exchange", "X25519, secp256r1", "secp384r1, MLKEM768");
    assert_eq!(plain.meet(Role::Listener).map(drop), Err(error));
    assert_eq!(plain.meet(Role::Dialer).map(drop), Err(alert(40)));

    let plain = Plain { versions: TLS12_ONLY, ..Plain::default() };
    let error = nothing("version of TLS", "1.3", "older ones");
    assert_eq!(plain.meet(Role::Listener).map(drop), Err(error));
    assert_eq!(plain.meet(Role::Dialer).map(drop), Err(alert(70)));

    let plain = Plain { protocols: vec!["h2", "http/1.1"], ..Plain::default() };
    let (result, told) = plain.meet_with(
        &Tls::default(),
        HandshakeSetup { muxers: [YAMUX, MPLEX].into(), ..setup_for(Role::Listener) },
    );
    let ours = "/yamux/1.0.0, /mplex/6.7.0, libp2p";
    let error = nothing("application protocol (ALPN)", ours, "h2, http/1.1");
    assert_eq!(result.map(drop), Err(error));
    assert_eq!(told, Some(Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol)));
    assert_eq!(plain.meet(Role::Dialer).map(drop), Err(alert(120)));
}

/// Whose order counts: the dialer's. (A listener of rustls alone follows its own.)
#[test]
fn muxers_are_agreed_on_in_the_handshake() {
    let muxers: Arc<[ProtocolId]> = [YAMUX, MPLEX].into();
    for (offered, expected) in [
        (vec!["libp2p"], None),
        (vec![], None),
        (vec!["/mplex/6.7.0", "/yamux/1.0.0", "libp2p"], Some(MPLEX)),
        (vec!["/other/1", "/yamux/1.0.0", "libp2p"], Some(YAMUX)),
        (vec!["/other/1", "libp2p", "/yamux/1.0.0"], None),
        (vec!["/yamux/1.0.0"], Some(YAMUX)),
    ] {
        let plain = Plain { protocols: offered, ..Plain::default() };
        let setup = HandshakeSetup { muxers: muxers.clone(), ..setup_for(Role::Listener) };
        let (secured, _) = plain.meet_with(&Tls::default(), setup).0.unwrap();
        assert_eq!(secured.muxer, expected, "{:?}", plain.protocols);
    }
    for (spoken, expected) in [
        (vec!["libp2p"], None),
        (vec![], None),
        (vec!["/mplex/6.7.0", "/yamux/1.0.0", "libp2p"], Some(MPLEX)),
        (vec!["/other/1", "/yamux/1.0.0"], Some(YAMUX)),
    ] {
        let plain = Plain { protocols: spoken, ..Plain::default() };
        let setup = HandshakeSetup { muxers: muxers.clone(), ..setup_for(Role::Dialer) };
        let (secured, met) = plain.meet_with(&Tls::default(), setup).0.unwrap();
        assert_eq!(secured.muxer, expected, "{:?}", plain.protocols);
        assert_eq!(met.connection.handshake_kind(), Some(rustls::HandshakeKind::Full));
    }
}

/// No name is sent, and no ticket of an earlier connection.
#[test]
fn a_dialer_sends_no_name() {
    let plain = Plain::default();
    let (_, met) = plain.meet(Role::Dialer).unwrap();
    let rustls::Connection::Server(server) = met.connection else { panic!("we dialled") };
    assert_eq!(server.server_name(), None);
}

/// The dialer is done before the listener has seen its certificate.
#[test]
fn a_refusal_of_our_certificate_comes_through_the_channel() {
    let plain = Plain { accepts: false, ..Plain::default() };
    let (mut secured, mut met) = plain.meet(Role::Dialer).unwrap();
    assert_eq!(met.error, Some(rustls::CertificateError::BadEncoding.into()));
    let mut input = met.sealed(&[]);
    let error = ChannelError::Refused(Alert(42));
    assert_eq!(secured.channel.open(&mut input), Err(error.clone()));
    assert_eq!(
        error.to_string(),
        "the peer ended the channel with the alert bad_certificate: it does not accept our certificate"
    );
    // As listener we learn of it in time.
    assert_eq!(plain.meet(Role::Listener).map(drop), Err(SecurityError::Refused(Alert(42))));
}

#[test]
fn the_end_of_the_channel_is_understood() {
    for role in ROLES {
        let (mut secured, mut met) = Plain::default().meet(role).unwrap();
        let mut input = met.sealed(b"last words");
        met.connection.send_close_notify();
        met.send(&mut input);
        assert_eq!(open_all_until_closed(&mut *secured.channel, &mut input), b"last words");
        assert_eq!(secured.channel.open(&mut input), Ok(Opened::Closed));
    }
}

fn open_all_until_closed(channel: &mut dyn Channel, input: &mut BytesMut) -> Vec<u8> {
    let mut plain = Vec::new();
    loop {
        match channel.open(input).unwrap() {
            Opened::Plain(bytes) => plain.extend_from_slice(&bytes),
            Opened::Closed => return plain,
            Opened::NeedMore => panic!("it did not close"),
        }
    }
}

#[test]
fn the_remote_may_replace_its_keys() {
    for role in ROLES {
        let (mut secured, mut met) = Plain::default().meet(role).unwrap();
        for _ in 0..100 {
            let mut input = met.sealed(b"old");
            met.connection.refresh_traffic_keys().unwrap();
            input.unsplit(met.sealed(b"new"));
            assert_eq!(open_all(&mut *secured.channel, &mut input), b"oldnew");
        }
        // It asked for ours in return.
        met.receive(&seal_after_update(&mut *secured.channel, b"ours are new too"));
        assert_eq!(met.read(), b"ours are new too");
        talk(&mut *secured.channel, &mut met);
    }
}

/// Because the remote asks for it, or because ours are worn.
#[test]
fn we_replace_our_keys() {
    for role in ROLES {
        for suite in [TLS13_AES_128_GCM_SHA256, TLS13_CHACHA20_POLY1305_SHA256] {
            let mut plain = Plain::default();
            plain.provider.cipher_suites = vec![suite];
            let (_, mut met) = plain.meet(role).unwrap();
            let cipher = super::super::provider::cipher_of(suite.suite()).unwrap();
            let mut channel = channel(role, cipher, &plain.secrets);
            for _ in 0..3 {
                talk(&mut channel, &mut met);
                channel.ask_for_new_keys();
                met.receive(&seal_after_update(&mut channel, b"sealed with new keys"));
                assert_eq!(met.read(), b"sealed with new keys");
            }
        }
    }
}

/// Our channel of a handshake, from what the remote knows of it.
fn channel(role: Role, cipher: AeadCipher, secrets: &plain::Secrets) -> TlsChannel {
    let [dialer, listener] = ROLES.map(|role| RecordKeys::new(&Portable, cipher, secrets.of(role).into()));
    let (outbound, inbound) = if role == Role::Dialer { (dialer, listener) } else { (listener, dialer) };
    TlsChannel::new(role, Arc::new(Portable), cipher, outbound, inbound)
}

fn seal_after_update(channel: &mut dyn Channel, plaintext: &[u8]) -> BytesMut {
    let mut out = BytesMut::zeroed(channel.headroom());
    out.extend_from_slice(plaintext);
    channel.seal(&mut out, 0).unwrap();
    out
}
