//! A peer whose bytes the test writes, at every layer: below all protocols, in a handshake, in a channel, in frames of a muxer, on a
//! stream.

use super::bed::{Bed, Far};
use bytes::{Buf, BytesMut};
use peerwork_core::address::Multiaddr;
use peerwork_core::connection::ConnectionId;
use peerwork_core::crypto::{
    self, Aead, AeadCipher, Cipher, CryptoProvider, Curve, EphemeralKey, Hash, Hmac, InvalidScalar,
    NONCE_BYTES, Portable, StreamCipher, TAG_BYTES, Tag, UnsupportedKey,
};
use peerwork_core::identity::{Keypair, PeerId, PublicKey};
use peerwork_core::machine::End;
use peerwork_core::security::noise::Noise;
use peerwork_core::security::secio::Secio;
use peerwork_core::security::tls::Tls;
use peerwork_core::security::{Channel, Handshake, HandshakeSetup, Opened, Role, SecurityProtocol};
use peerwork_core::seed::Seed;
use peerwork_core::wire::protobuf::Writer;
use peerwork_core::wire::{frame, varint};
use std::sync::Arc;

/// Flags of mplex, as the opener of a stream sends them; the acceptor's are these minus one. The victim's frames of yamux are told by them
/// too.
pub(crate) const OPEN: u64 = 0;
pub(crate) const DATA: u64 = 2;
pub(crate) const CLOSE: u64 = 4;
pub(crate) const RESET: u64 = 6;

/// Flags of yamux.
pub(crate) const SYN: u16 = 1;
pub(crate) const ACK: u16 = 2;
pub(crate) const FIN: u16 = 4;
pub(crate) const RST: u16 = 8;

/// A frame of the muxer that the victim sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Frame {
    pub(crate) number: u64,
    pub(crate) flag: u64,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct Hostile<'a> {
    pub(crate) bed: &'a mut Bed,
    pub(crate) keypair: Arc<Keypair>,
    pub(crate) connection: ConnectionId,
    handshake: Option<Box<dyn Handshake>>,
    channel: Option<Box<dyn Channel>>,
    /// What came from the victim, without the encryption.
    heard: BytesMut,
    speaks_yamux: bool,
}

impl<'a> Hostile<'a> {
    /// Not connected yet.
    pub(crate) fn new(bed: &'a mut Bed) -> Self {
        let keypair = Arc::new(Keypair::generate_ed25519(&mut Seed::reproducible(666)));
        let connection = ConnectionId(u64::MAX);
        Self {
            bed,
            keypair,
            connection,
            handshake: None,
            channel: None,
            heard: BytesMut::new(),
            speaks_yamux: false,
        }
    }

    pub(crate) fn peer(&self) -> PeerId {
        self.keypair.public().to_peer_id()
    }

    /// Connects, and says nothing.
    pub(crate) fn connect(&mut self) {
        self.connection = self.bed.accept(Far::Hostile(BytesMut::new()));
        self.bed.run();
    }

    /// Is dialled by the victim, which expects `peer` if it is given, and says nothing.
    pub(crate) fn dialled(&mut self, peer: Option<PeerId>) {
        let suffix = peer.map(|peer| format!("/p2p/{peer}")).unwrap_or_default();
        let address: Multiaddr = format!("/ip4/192.0.2.9/tcp/9{suffix}").parse().unwrap();
        let now = self.bed.now;
        self.bed.victim.dial(address, now);
        self.bed.run();
        self.connection = *self.bed.links.last_key_value().unwrap().0;
    }

    /// Sends bytes below all protocols.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        if let Some(link) = self.bed.links.get_mut(&self.connection) {
            link.wire.extend_from_slice(bytes);
        }
        self.bed.run();
    }

    /// Ends the byte stream.
    pub(crate) fn end(&mut self, end: End) {
        if let Some(link) = self.bed.links.get_mut(&self.connection) {
            link.end = Some(end);
        }
        self.bed.run();
    }

    /// Takes nothing from the victim any more.
    pub(crate) fn go_deaf(&mut self) {
        self.bed.links.get_mut(&self.connection).unwrap().is_deaf = true;
    }

    /// Sends bytes above the security protocol.
    pub(crate) fn send(&mut self, plain: &[u8]) {
        let frame = self.sealed(plain);
        self.raw(&frame);
    }

    /// Connects with plaintext, up to where the muxer is negotiated.
    pub(crate) fn secured(&mut self) {
        self.connect();
        self.raw(&lines(&["/multistream/1.0.0", "/plaintext/2.0.0"]));
        let exchange = exchange(&self.keypair);
        self.raw(&exchange);
    }

    /// Connects with plaintext and mplex. The victim's identify has stream 0, and waits.
    pub(crate) fn muxed_unknown(&mut self) {
        self.secured();
        self.send(&lines(&["/multistream/1.0.0", "/mplex/6.7.0"]));
    }

    /// Connects with plaintext and yamux, and resets the victim's identify, which has stream 2.
    pub(crate) fn yamuxed(&mut self) {
        self.secured();
        self.send(&lines(&["/multistream/1.0.0", "/yamux/1.0.0"]));
        self.speaks_yamux = true;
        self.send(&update(2, ACK | RST, 0));
        self.bed.reports.clear();
    }

    /// Connects with plaintext and mplex, and tells identify nothing of interest.
    pub(crate) fn muxed(&mut self) {
        self.muxed_unknown();
        self.identify(&[&[]]);
    }

    /// Accepts identify on the victim's stream 0, sends these messages and ends the stream.
    pub(crate) fn identify(&mut self, messages: &[&[u8]]) {
        self.answer(0, &lines(&["/multistream/1.0.0", "/ipfs/id/1.0.0"]));
        for message in messages {
            self.answer(0, &prefixed(message));
        }
        self.frame(0, CLOSE - 1, &[]);
    }

    /// Connects with secio, agrees on it and returns the Propose of an honest handshake.
    pub(crate) fn secio(&mut self) -> BytesMut {
        self.agree(&Secio::default(), crypto::default_provider())
    }

    /// Connects with noise, agrees on it and returns the first message of an honest handshake.
    pub(crate) fn noise(&mut self) -> BytesMut {
        self.noise_with(crypto::default_provider())
    }

    /// The same with cryptography that need not be honest.
    pub(crate) fn noise_with(&mut self, crypto: Arc<dyn CryptoProvider>) -> BytesMut {
        self.agree(&Noise, crypto)
    }

    /// Is dialled by the victim, agrees on noise and returns the second message of an honest handshake.
    pub(crate) fn noise_dialled(&mut self, expected: Option<PeerId>) -> BytesMut {
        self.dialled(expected);
        self.raw(&lines(&["/multistream/1.0.0", "na", "na", "/noise"]));
        let names = ["/multistream/1.0.0", "/secio/1.0.0", "/plaintext/2.0.0", "/noise"];
        self.received().advance(lines(&names).len());
        self.start(&Noise, Role::Listener, crypto::default_provider());
        self.noise_turn()
    }

    /// Connects with TLS, agrees on it and returns the ClientHello of an honest handshake.
    pub(crate) fn tls(&mut self) -> BytesMut {
        self.tls_with(crypto::default_provider())
    }

    /// The same with cryptography that need not be honest.
    pub(crate) fn tls_with(&mut self, crypto: Arc<dyn CryptoProvider>) -> BytesMut {
        self.agree(&Tls::default(), crypto)
    }

    /// The ClientHello was sent; returns the rest of an honest handshake.
    pub(crate) fn tls_turn(&mut self) -> BytesMut {
        let len = self.received().len();
        self.turn_of(len)
    }

    /// Connects with TLS and mplex, and tells identify nothing of interest.
    pub(crate) fn tls_muxed(&mut self, crypto: Arc<dyn CryptoProvider>) {
        let hello = self.tls_with(crypto);
        self.raw(&hello);
        let end = self.tls_turn();
        self.raw(&end);
        self.send(&lines(&["/multistream/1.0.0", "/mplex/6.7.0"]));
        self.identify(&[&[]]);
    }

    fn agree(&mut self, protocol: &dyn SecurityProtocol, crypto: Arc<dyn CryptoProvider>) -> BytesMut {
        self.connect();
        let names = lines(&["/multistream/1.0.0", protocol.id().as_str()]);
        self.raw(&names);
        self.received().advance(names.len());
        self.start(protocol, Role::Dialer, crypto)
    }

    /// Starts a handshake and returns what it says first.
    fn start(
        &mut self,
        protocol: &dyn SecurityProtocol,
        role: Role,
        crypto: Arc<dyn CryptoProvider>,
    ) -> BytesMut {
        let setup = HandshakeSetup {
            role,
            keypair: Arc::clone(&self.keypair),
            expected_peer: None,
            crypto,
            muxers: Arc::new([]),
            wall_clock: None,
            seed: Seed::reproducible(667),
        };
        let mut handshake = protocol.start(setup, self.bed.now);
        let mut first = BytesMut::new();
        handshake.poll_transmit(&mut first, usize::MAX, self.bed.now);
        self.handshake = Some(handshake);
        first
    }

    /// Gives the victim's next message of secio to the honest handshake, and returns its answer.
    pub(crate) fn turn(&mut self) -> BytesMut {
        let len = u32::from_be_bytes(*self.received().first_chunk().unwrap());
        self.turn_of(4 + len as usize)
    }

    /// The same with noise.
    pub(crate) fn noise_turn(&mut self) -> BytesMut {
        let len = u16::from_be_bytes(*self.received().first_chunk().unwrap());
        self.turn_of(2 + usize::from(len))
    }

    fn turn_of(&mut self, len: usize) -> BytesMut {
        let mut message = self.received().split_to(len);
        let (now, handshake) = (self.bed.now, self.handshake.as_mut().unwrap());
        handshake.handle_input(&mut message, now).unwrap();
        let mut answer = BytesMut::new();
        handshake.poll_transmit(&mut answer, usize::MAX, now);
        if let Some(secured) = handshake.poll_event() {
            self.channel = Some(secured.channel);
        }
        answer
    }

    /// The messages of an honest handshake up to the third, which is returned.
    pub(crate) fn noise_third(&mut self) -> BytesMut {
        let first = self.noise();
        self.raw(&first);
        self.noise_turn()
    }

    /// Connects with noise and mplex, and tells identify nothing of interest.
    pub(crate) fn noise_muxed(&mut self) {
        let third = self.noise_third();
        self.raw(&third);
        self.send(&lines(&["/multistream/1.0.0", "/mplex/6.7.0"]));
        self.identify(&[&[]]);
    }

    /// A frame of the channel, which is not sent.
    pub(crate) fn sealed(&mut self, plain: &[u8]) -> BytesMut {
        let Some(channel) = &mut self.channel else { return BytesMut::from(plain) };
        let mut out = BytesMut::zeroed(channel.headroom());
        out.extend_from_slice(plain);
        channel.seal(&mut out, 0).unwrap();
        out
    }

    /// The messages of an honest handshake up to the Exchange, which is returned.
    pub(crate) fn secio_exchange(&mut self) -> BytesMut {
        let propose = self.secio();
        self.raw(&propose);
        self.turn()
    }

    /// The victim's Propose, to be sent back to it.
    pub(crate) fn reflected(&mut self) -> BytesMut {
        self.received().clone()
    }

    /// A Propose of this peer was sent; makes an Exchange with any `point` and a good signature.
    pub(crate) fn sign_exchange(&mut self, propose: &[u8], point: &[u8]) -> Vec<u8> {
        let received = self.received();
        let len = u32::from_be_bytes(received[..4].try_into().unwrap()) as usize;
        let signed = [&propose[4..], &received[4..4 + len], point].concat();
        let signature = crypto::default_provider().sign(&self.keypair, &signed).unwrap();
        wide_prefixed(&protobuf(|writer| {
            writer.bytes(1, point);
            writer.bytes(2, &signature);
        }))
    }

    /// The messages of an honest handshake up to the nonce, which is returned.
    pub(crate) fn secio_nonce(&mut self) -> BytesMut {
        let exchange = self.secio_exchange();
        self.raw(&exchange);
        self.turn()
    }

    /// Connects with secio and mplex, and tells identify nothing of interest.
    pub(crate) fn secio_muxed(&mut self) {
        let nonce = self.secio_nonce();
        self.raw(&nonce);
        self.turn();
        self.send(&lines(&["/multistream/1.0.0", "/mplex/6.7.0"]));
        self.identify(&[&[]]);
    }

    /// Sends a frame of mplex.
    pub(crate) fn frame(&mut self, number: u64, flag: u64, body: &[u8]) {
        let frame = mplex(number, flag, body);
        self.send(&frame);
    }

    /// Opens a stream and proposes `protocol` on it.
    pub(crate) fn open(&mut self, number: u64, protocol: &str) {
        if self.speaks_yamux {
            self.send(&update(number as u32, SYN, 0));
        } else {
            self.frame(number, OPEN, &[]);
        }
        self.say(number, &lines(&["/multistream/1.0.0", protocol]));
    }

    /// Sends on a stream that the hostile peer opened.
    pub(crate) fn say(&mut self, number: u64, bytes: &[u8]) {
        if self.speaks_yamux {
            self.send(&data(number as u32, 0, bytes));
        } else {
            self.frame(number, DATA, bytes);
        }
    }

    /// Sends on a stream that the victim opened.
    pub(crate) fn answer(&mut self, number: u64, bytes: &[u8]) {
        self.frame(number, DATA - 1, bytes);
    }

    fn received(&mut self) -> &mut BytesMut {
        match &mut self.bed.links.get_mut(&self.connection).unwrap().far {
            Far::Hostile(received) => received,
            Far::Honest(_) => panic!("the hostile peer is hostile"),
        }
    }

    /// The frames of the muxer that the victim sent so far.
    pub(crate) fn frames(&mut self) -> Vec<Frame> {
        let mut received = self.received().split();
        match &mut self.channel {
            None => self.heard.unsplit(received),
            Some(channel) => {
                while let Opened::Plain(plain) = channel.open(&mut received).unwrap() {
                    self.heard.extend_from_slice(&plain);
                }
                self.received().unsplit(received);
            }
        }
        let start = line(if self.speaks_yamux { "/yamux/1.0.0" } else { "/mplex/6.7.0" });
        let start = self.heard.windows(start.len()).position(|window| window == start).unwrap() + start.len();
        if self.speaks_yamux {
            return yamux_frames(&self.heard[start..]);
        }
        let (mut rest, mut frames) = (&self.heard[start..], Vec::new());
        while let Ok(Some((tag, tag_bytes))) = varint::decode(rest) {
            let (len, len_bytes) = varint::decode(&rest[tag_bytes..]).unwrap().unwrap();
            let (body, behind) = rest[tag_bytes + len_bytes..].split_at(len as usize);
            frames.push(Frame { number: tag >> 3, flag: tag & 7, body: body.to_vec() });
            rest = behind;
        }
        frames
    }

    /// The payload that the victim sent on a stream of the hostile peer, the negotiation included.
    pub(crate) fn heard_on(&mut self, number: u64) -> Vec<u8> {
        let frames =
            self.frames().into_iter().filter(|frame| (frame.number, frame.flag) == (number, DATA - 1));
        frames.flat_map(|frame| frame.body).collect()
    }

    /// Whether the victim has closed the connection.
    pub(crate) fn is_closed(&self) -> bool {
        self.bed.links[&self.connection].close.is_some()
    }

    /// Whether the connection still serves streams.
    pub(crate) fn still_echoes(&mut self) -> bool {
        const NUMBER: u64 = 77_777;
        self.open(NUMBER, "/echo/1.0.0");
        self.say(NUMBER, b"still here");
        self.heard_on(NUMBER).ends_with(b"still here")
    }
}

/// Cryptography that is fine, but for signatures that are not.
#[derive(Debug)]
pub(crate) struct Forger;

/// Cryptography that is fine, but makes an alert of every record of TLS whose data is [`ALERT`].
#[derive(Debug)]
pub(crate) struct Alarmist;

/// Any fatal alert: internal_error.
pub(crate) const ALERT: &[u8] = &[2, 80];

impl CryptoProvider for Forger {
    fn name(&self) -> &'static str {
        "forger"
    }

    fn sign(&self, _: &Keypair, _: &[u8]) -> Result<Vec<u8>, UnsupportedKey> {
        Ok(vec![7; 64])
    }

    fn verify(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        Portable.verify(key, message, signature)
    }

    fn ephemeral_key(&self, curve: Curve, scalar: &[u8]) -> Result<Box<dyn EphemeralKey>, InvalidScalar> {
        Portable.ephemeral_key(curve, scalar)
    }

    fn cipher(&self, cipher: Cipher, key: &[u8], iv: &[u8; 16]) -> Box<dyn StreamCipher> {
        Portable.cipher(cipher, key, iv)
    }

    fn aead(&self, cipher: AeadCipher, key: &[u8]) -> Box<dyn Aead> {
        Portable.aead(cipher, key)
    }

    fn hmac(&self, hash: Hash, key: &[u8]) -> Box<dyn Hmac> {
        Portable.hmac(hash, key)
    }

    fn hash(&self, hash: Hash, parts: &[&[u8]]) -> Tag {
        Portable.hash(hash, parts)
    }
}

impl CryptoProvider for Alarmist {
    fn name(&self) -> &'static str {
        "alarmist"
    }

    fn sign(&self, key: &Keypair, message: &[u8]) -> Result<Vec<u8>, UnsupportedKey> {
        Portable.sign(key, message)
    }

    fn verify(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        Portable.verify(key, message, signature)
    }

    fn ephemeral_key(&self, curve: Curve, scalar: &[u8]) -> Result<Box<dyn EphemeralKey>, InvalidScalar> {
        Portable.ephemeral_key(curve, scalar)
    }

    fn cipher(&self, cipher: Cipher, key: &[u8], iv: &[u8; 16]) -> Box<dyn StreamCipher> {
        Portable.cipher(cipher, key, iv)
    }

    fn aead(&self, cipher: AeadCipher, key: &[u8]) -> Box<dyn Aead> {
        Box::new(AlarmistSealer(Portable.aead(cipher, key)))
    }

    fn hmac(&self, hash: Hash, key: &[u8]) -> Box<dyn Hmac> {
        Portable.hmac(hash, key)
    }

    fn hash(&self, hash: Hash, parts: &[&[u8]]) -> Tag {
        Portable.hash(hash, parts)
    }
}

struct AlarmistSealer(Box<dyn Aead>);

impl Aead for AlarmistSealer {
    fn seal(&self, nonce: &[u8; NONCE_BYTES], associated: &[u8], data: &mut [u8]) -> [u8; TAG_BYTES] {
        if let Some((content, ALERT)) = data.split_last_mut().map(|(content, rest)| (content, &*rest)) {
            *content = 21;
        }
        self.0.seal(nonce, associated, data)
    }

    fn open(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        data: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> bool {
        self.0.open(nonce, associated, data, tag)
    }
}

/// A message of multistream-select.
pub(crate) fn line(text: &str) -> Vec<u8> {
    prefixed(format!("{text}\n").as_bytes())
}

pub(crate) fn lines(texts: &[&str]) -> Vec<u8> {
    texts.iter().flat_map(|text| line(text)).collect()
}

/// A message behind its length.
pub(crate) fn prefixed(message: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    frame::encode(message, &mut out);
    out.to_vec()
}

/// A message of secio behind its length.
pub(crate) fn wide_prefixed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u32).to_be_bytes(), message].concat()
}

pub(crate) fn mplex(number: u64, flag: u64, body: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    varint::encode(number << 3 | flag, &mut out);
    varint::encode(body.len() as u64, &mut out);
    out.extend_from_slice(body);
    out.to_vec()
}

/// A data frame of yamux.
pub(crate) fn data(number: u32, flags: u16, body: &[u8]) -> Vec<u8> {
    [&yamux(0, flags, number, body.len() as u32), body].concat()
}

/// A window update of yamux.
pub(crate) fn update(number: u32, flags: u16, credit: u32) -> Vec<u8> {
    yamux(1, flags, number, credit)
}

/// A header of yamux.
pub(crate) fn yamux(kind: u8, flags: u16, number: u32, len: u32) -> Vec<u8> {
    [&[0, kind][..], &flags.to_be_bytes(), &number.to_be_bytes(), &len.to_be_bytes()].concat()
}

/// The frames of yamux that matter to a stream, as those of mplex that mean the same.
fn yamux_frames(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let [_, kind, _, flags, n0, n1, n2, n3, l0, l1, l2, l3, rest @ ..] = bytes {
        let number = u64::from(u32::from_be_bytes([*n0, *n1, *n2, *n3]));
        let len = if *kind == 0 { u32::from_be_bytes([*l0, *l1, *l2, *l3]) as usize } else { 0 };
        let (body, behind) = rest.split_at(len);
        // The hostile peer is the dialer, and opens the odd ones.
        let acceptor = number % 2;
        if len > 0 {
            frames.push(Frame { number, flag: DATA - acceptor, body: body.to_vec() });
        }
        if u16::from(*flags) & RST != 0 {
            frames.push(Frame { number, flag: RESET - acceptor, body: Vec::new() });
        }
        bytes = behind;
    }
    frames
}

pub(crate) fn protobuf(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut out = BytesMut::new();
    write(&mut Writer::new(&mut out));
    out.to_vec()
}

/// The Exchange of plaintext.
pub(crate) fn exchange(keypair: &Keypair) -> Vec<u8> {
    let key = keypair.public();
    prefixed(&protobuf(|writer| {
        writer.bytes(1, &key.to_peer_id().to_bytes());
        writer.bytes(2, &key.to_protobuf());
    }))
}
