//! The channel: records right and wrong.

use super::super::channel::{MAX_RECORDS_WITHOUT_DATA, TlsChannel};
use super::super::provider::AES_GCM_RECORDS;
use super::super::record::{HEADER_BYTES, Header, MAX_PLAINTEXT_BYTES, MAX_SEALED_BYTES, content};
use super::super::secrets::RecordKeys;
use super::*;
use crate::crypto::{AeadCipher, Portable};
use crate::security::testing::{carry, hex, seal};
use crate::security::{Alert, Channel, ChannelError, MAX_HANDSHAKE_MESSAGE_BYTES};
use bytes::BytesMut;
use proptest::prelude::*;

const CIPHERS: [AeadCipher; 2] = [AeadCipher::Aes128Gcm, AeadCipher::ChaCha20Poly1305];

fn keys(cipher: AeadCipher, secret: u8) -> RecordKeys {
    RecordKeys::new(&Portable, cipher, [secret; 32].into())
}

/// Both ends of a channel.
fn ends(cipher: AeadCipher) -> [TlsChannel; 2] {
    [(Role::Dialer, 1, 2), (Role::Listener, 2, 1)].map(|(role, outbound, inbound)| {
        TlsChannel::new(role, Arc::new(Portable), cipher, keys(cipher, outbound), keys(cipher, inbound))
    })
}

/// Seals records of any content, as a dialer or a listener.
struct Sealer(RecordKeys);

impl Sealer {
    fn dialer() -> Self {
        Self(keys(AeadCipher::Aes128Gcm, 1))
    }

    fn listener() -> Self {
        Self(keys(AeadCipher::Aes128Gcm, 2))
    }

    /// A record with this plaintext, type and padding included.
    fn raw(&mut self, plaintext: &[u8]) -> Vec<u8> {
        let header = Header::sealed(plaintext.len() + 16);
        let mut data = plaintext.to_vec();
        let tag = self.0.seal(&header, &mut data).unwrap();
        [&header[..], &data, &tag].concat()
    }

    fn seal(&mut self, content: u8, plaintext: &[u8]) -> Vec<u8> {
        self.raw(&[plaintext, &[content]].concat())
    }
}

/// What a listener makes of these bytes.
fn received_by_listener(bytes: &[u8]) -> Result<Vec<u8>, ChannelError> {
    let [_, listener] = ends(AeadCipher::Aes128Gcm);
    received(listener, bytes)
}

fn received_by_dialer(bytes: &[u8]) -> Result<Vec<u8>, ChannelError> {
    let [dialer, _] = ends(AeadCipher::Aes128Gcm);
    received(dialer, bytes)
}

fn received(mut channel: TlsChannel, bytes: &[u8]) -> Result<Vec<u8>, ChannelError> {
    let (mut input, mut plain) = (BytesMut::from(bytes), Vec::new());
    loop {
        match channel.open(&mut input) {
            Ok(Opened::Plain(bytes)) => plain.extend_from_slice(&bytes),
            Ok(Opened::NeedMore | Opened::Closed) => return Ok(plain),
            Err(error) => {
                assert_eq!(channel.open(&mut BytesMut::new()), Err(error.clone()), "dead means dead");
                return Err(error);
            }
        }
    }
}

/// RFC 8448, section 3: what the client seals first, and what the server does.
#[test]
fn the_records_of_rfc_8448() {
    let secrets = [
        "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
        "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
    ];
    let [client, server] = secrets.map(|secret| {
        let secret: [u8; 32] = hex(secret).try_into().unwrap();
        RecordKeys::new(&Portable, AeadCipher::Aes128Gcm, secret.into())
    });
    let mut client = TlsChannel::new(Role::Dialer, Arc::new(Portable), AeadCipher::Aes128Gcm, client, server);
    let plaintext: Vec<u8> = (0..50).collect();
    let sealed = "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a2044\
                  1e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4";
    assert_eq!(seal(&mut client, &plaintext), hex(&sealed.replace(char::is_whitespace, "")));
}

#[test]
fn both_ends_understand_each_other() {
    for cipher in CIPHERS {
        let [mut dialer, mut listener] = ends(cipher);
        let messages = [vec![7; MAX_PLAINTEXT_BYTES], vec![], vec![1], vec![0; 100]];
        for chunk in [1, 5, usize::MAX] {
            carry(&mut dialer, &mut listener, &messages, chunk);
            carry(&mut listener, &mut dialer, &messages, chunk);
        }
    }
}

/// A name, the bytes that a listener is sent, and the error.
type Bad = (&'static str, Vec<u8>, ChannelError);

fn bad_records() -> Vec<Bad> {
    let sealed = |content, plaintext: &[u8]| Sealer::dialer().seal(content, plaintext);
    let mut flipped = sealed(content::DATA, b"data");
    flipped[7] ^= 1;
    let mut other_version = sealed(content::DATA, b"data");
    other_version[2] = 4;
    let too_long = [content::DATA, 3, 3, 0x41, 1];
    let mut sealer = Sealer::dialer();
    let repeated = sealer.seal(content::DATA, b"data").repeat(2);
    let lost = sealer.seal(content::DATA, b"data");
    let update = [24, 0, 0, 1, 0];
    vec![
        ("an altered record", flipped, ChannelError::NotAuthentic),
        ("an altered header", other_version, ChannelError::NotAuthentic),
        ("a record twice", repeated, ChannelError::NotAuthentic),
        ("a record before its turn", lost, ChannelError::NotAuthentic),
        (
            "the dialer's own record",
            Sealer::listener().seal(content::DATA, b"data"),
            ChannelError::NotAuthentic,
        ),
        (
            "a record that is too long, of which only the header comes",
            too_long.to_vec(),
            ChannelError::TooLarge { len: MAX_SEALED_BYTES as u64 + 1, max: MAX_SEALED_BYTES as u64 },
        ),
        (
            "too much plaintext",
            sealed(content::DATA, &[1; MAX_PLAINTEXT_BYTES + 1]),
            ChannelError::TooLarge { len: MAX_PLAINTEXT_BYTES as u64 + 1, max: MAX_PLAINTEXT_BYTES as u64 },
        ),
        (
            "an alert in the clear",
            vec![content::ALERT, 3, 3, 0, 2, 2, 40],
            ChannelError::Malformed("it is not encrypted"),
        ),
        (
            "ChangeCipherSpec",
            vec![content::CHANGE_CIPHER_SPEC, 3, 3, 0, 1, 1],
            ChannelError::Malformed("it is not encrypted"),
        ),
        ("garbage", b"GET / HTTP/1.1\r\n".to_vec(), ChannelError::Malformed("it is not encrypted")),
        (
            "a tag alone",
            vec![content::DATA, 3, 3, 0, 16],
            ChannelError::Malformed("it is shorter than its tag and its type"),
        ),
        (
            "an empty record",
            vec![content::DATA, 3, 3, 0, 0],
            ChannelError::Malformed("it is shorter than its tag and its type"),
        ),
        ("padding alone", Sealer::dialer().raw(&[0; 10]), ChannelError::Malformed("it has no type")),
        ("an unknown type", sealed(99, b"data"), ChannelError::Malformed("its type is unknown")),
        ("a ChangeCipherSpec, sealed", sealed(20, &[1]), ChannelError::Malformed("its type is unknown")),
        ("half an alert", sealed(content::ALERT, &[2]), ChannelError::Malformed("an alert has two bytes")),
        (
            "two alerts",
            sealed(content::ALERT, &[1, 90, 1, 0]),
            ChannelError::Malformed("an alert has two bytes"),
        ),
        ("a fatal alert", sealed(content::ALERT, &[2, 20]), ChannelError::Refused(Alert(20))),
        (
            "one that claims to be a warning",
            sealed(content::ALERT, &[1, 80]),
            ChannelError::Refused(Alert(80)),
        ),
        (
            "an empty record of the handshake",
            sealed(content::HANDSHAKE, &[]),
            ChannelError::Malformed("a record of the handshake is empty"),
        ),
        (
            "half a header of a message",
            sealed(content::HANDSHAKE, &[24, 0, 0]),
            ChannelError::Malformed("a message of the handshake ends within its header"),
        ),
        (
            "a KeyUpdate of another length",
            sealed(content::HANDSHAKE, &[24, 0, 0, 2, 0, 0]),
            ChannelError::Malformed("a KeyUpdate is one byte and the last of its record"),
        ),
        (
            "a KeyUpdate with an unknown wish",
            sealed(content::HANDSHAKE, &[24, 0, 0, 1, 2]),
            ChannelError::Malformed("a KeyUpdate is one byte and the last of its record"),
        ),
        (
            "two KeyUpdates in a record",
            sealed(content::HANDSHAKE, &update.repeat(2)),
            ChannelError::Malformed("a KeyUpdate is one byte and the last of its record"),
        ),
        (
            "a KeyUpdate without new keys",
            [sealed(content::HANDSHAKE, &update), sealed(content::DATA, b"data")].concat(),
            ChannelError::NotAuthentic,
        ),
        (
            "another ClientHello",
            sealed(content::HANDSHAKE, &[1, 0, 0, 0]),
            ChannelError::Malformed("a message of the handshake comes after its end"),
        ),
        (
            "a ticket from a dialer",
            sealed(content::HANDSHAKE, &[4, 0, 0, 0]),
            ChannelError::Malformed("a message of the handshake comes after its end"),
        ),
    ]
}

#[test]
fn every_bad_record_has_its_error() {
    for (name, bytes, expected) in bad_records() {
        assert_eq!(received_by_listener(&bytes), Err(expected), "{name}");
    }
}

#[test]
fn padding_is_taken_off() {
    let mut sealer = Sealer::dialer();
    let padded = [sealer.raw(b"da\0\x17\0\0\0"), sealer.raw(b"ta\x17"), sealer.raw(b"\x17\0")].concat();
    assert_eq!(received_by_listener(&padded).as_deref(), Ok(&b"da\0ta"[..]));
    let longest = [&[content::DATA][..], &[0; MAX_PLAINTEXT_BYTES]].concat();
    assert_eq!(received_by_listener(&Sealer::dialer().raw(&longest)), Ok(vec![]));
}

#[test]
fn a_remote_that_closed_is_heard_no_more() {
    let mut sealer = Sealer::dialer();
    let bytes = [
        sealer.seal(content::DATA, b"data"),
        sealer.seal(content::ALERT, &[1, 90]),
        sealer.seal(content::ALERT, &[1, 0]),
        sealer.seal(content::DATA, b"more"),
    ];
    assert_eq!(received_by_listener(&bytes.concat()).as_deref(), Ok(&b"data"[..]));
}

/// Tickets are skipped, however they are cut behind their headers.
#[test]
fn tickets_are_skipped() {
    let mut sealer = Sealer::listener();
    let ticket = [&[4, 0, 1, 0][..], &[9; 256]].concat();
    let two = ticket.repeat(2);
    let bytes = [
        sealer.seal(content::HANDSHAKE, &two),
        sealer.seal(content::HANDSHAKE, &ticket[..100]),
        sealer.seal(content::HANDSHAKE, &ticket[100..200]),
        sealer.seal(content::HANDSHAKE, &[&ticket[200..], &ticket[..4]].concat()),
        sealer.seal(content::HANDSHAKE, &ticket[4..]),
        sealer.seal(content::DATA, b"data"),
    ];
    assert_eq!(received_by_dialer(&bytes.concat()).as_deref(), Ok(&b"data"[..]));

    let mut sealer = Sealer::listener();
    let bytes = [sealer.seal(content::HANDSHAKE, &ticket[..9]), sealer.seal(content::DATA, b"data")];
    let error = ChannelError::Malformed("a ticket has another record in its middle");
    assert_eq!(received_by_dialer(&bytes.concat()), Err(error));

    let too_large = [4, 0, 0x40, 1];
    let max = MAX_HANDSHAKE_MESSAGE_BYTES as u64;
    assert_eq!(
        received_by_dialer(&Sealer::listener().seal(content::HANDSHAKE, &too_large)),
        Err(ChannelError::TooLarge { len: max + 1, max })
    );
}

/// Each costs us two keys to compute, and the remote next to nothing.
#[test]
fn new_keys_without_data_are_limited() {
    let run = |records: u8, content, message: &[u8]| {
        let mut sealer = Sealer::dialer();
        let mut bytes = Vec::new();
        for _ in 0..records {
            bytes.extend(sealer.seal(content, message));
            if content == content::HANDSHAKE {
                sealer.0 = sealer.0.next(&Portable, AeadCipher::Aes128Gcm);
            }
        }
        bytes.extend(sealer.seal(content::DATA, b"data"));
        received_by_listener(&bytes)
    };
    let max = MAX_RECORDS_WITHOUT_DATA;
    for (content, message) in [(content::HANDSHAKE, &[24, 0, 0, 1, 1][..]), (content::DATA, &[])] {
        assert_eq!(run(max, content, message).as_deref(), Ok(&b"data"[..]));
        let error = ChannelError::Malformed("it is one of too many without data");
        assert_eq!(run(max + 1, content, message), Err(error));
    }
}

/// However often the remote asks, one answer goes before our next data.
#[test]
fn a_wish_for_new_keys_is_granted_once() {
    let [mut dialer, mut listener] = ends(AeadCipher::Aes128Gcm);
    let mut sealer = Sealer::dialer();
    for _ in 0..3 {
        let mut input = BytesMut::from(&sealer.seal(content::HANDSHAKE, &[24, 0, 0, 1, 1])[..]);
        sealer.0 = sealer.0.next(&Portable, AeadCipher::Aes128Gcm);
        assert_eq!(listener.open(&mut input), Ok(Opened::Plain(BytesMut::new())));
    }
    let mut out = BytesMut::from(&b"before"[..]);
    out.resize(6 + HEADER_BYTES, 0);
    out.extend_from_slice(b"data");
    listener.seal(&mut out, 6).unwrap();
    assert_eq!(out.split_to(6), b"before"[..]);
    assert_eq!(out.len(), (HEADER_BYTES + 5 + 17) + (HEADER_BYTES + 4 + 17));
    assert_eq!(dialer.open(&mut out), Ok(Opened::Plain(BytesMut::new())));
    assert_eq!(dialer.open(&mut out), Ok(Opened::Plain(BytesMut::from("data"))));
    carry(&mut listener, &mut dialer, &[vec![1; 100]], 9);
}

#[test]
fn worn_keys_are_replaced_in_time() {
    let [mut dialer, mut listener] = ends(AeadCipher::Aes128Gcm);
    dialer.skip_to(AES_GCM_RECORDS - 1);
    listener.expect_from(AES_GCM_RECORDS - 1);
    carry(&mut dialer, &mut listener, &[b"the last with these keys".to_vec()], usize::MAX);
    let mut out = BytesMut::zeroed(HEADER_BYTES);
    out.extend_from_slice(b"the first with those");
    dialer.seal(&mut out, 0).unwrap();
    assert_eq!(listener.open(&mut out), Ok(Opened::Plain(BytesMut::new())));
    assert_eq!(listener.open(&mut out), Ok(Opened::Plain(BytesMut::from("the first with those"))));
    carry(&mut dialer, &mut listener, &[vec![1; 100]], 9);
}

/// ChaCha20-Poly1305 does not wear out, but its records are numbered with 64 bits.
#[test]
fn numbers_are_never_used_twice() {
    let [mut dialer, mut listener] = ends(AeadCipher::ChaCha20Poly1305);
    dialer.skip_to(u64::MAX - 1);
    listener.expect_from(u64::MAX - 1);
    carry(&mut dialer, &mut listener, &[b"the last".to_vec()], usize::MAX);
    let mut out = BytesMut::zeroed(HEADER_BYTES + 4);
    assert_eq!(dialer.seal(&mut out, 0), Err(ChannelError::Exhausted));
    let mut input = BytesMut::from(&Sealer::dialer().seal(content::DATA, b"data")[..]);
    assert_eq!(listener.open(&mut input), Err(ChannelError::Exhausted));
}

#[test]
fn what_does_not_fit_a_record_is_not_sealed() {
    let [mut dialer, _] = ends(AeadCipher::Aes128Gcm);
    let mut out = BytesMut::zeroed(HEADER_BYTES + MAX_PLAINTEXT_BYTES + 1);
    let (len, max) = (MAX_PLAINTEXT_BYTES as u64 + 1, MAX_PLAINTEXT_BYTES as u64);
    assert_eq!(dialer.seal(&mut out, 0), Err(ChannelError::TooLarge { len, max }));
    let error = ChannelError::Malformed("it was begun without headroom");
    assert_eq!(dialer.seal(&mut BytesMut::zeroed(4), 0), Err(error.clone()));
    assert_eq!(dialer.seal(&mut BytesMut::zeroed(4), 5), Err(error));
}

proptest! {
    #[test]
    fn any_bytes_end_in_an_error_or_in_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        prop_assert_eq!(received_by_listener(&bytes).unwrap_or_default(), b"");
    }
}
