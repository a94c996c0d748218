//! Two sides, what they say to each other, and somebody who listens to a recording of it.

use super::SecuritySuite;
use bytes::BytesMut;
use peerwork_core::crypto::CryptoProvider;
use peerwork_core::identity::{Keypair, PeerId};
use peerwork_core::machine::{Blame, Close, End};
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::security::{
    Channel, ChannelError, Handshake, HandshakeSetup, Opened, Role, Secured, SecurityError,
};
use peerwork_core::seed::Seed;
use peerwork_core::time::Instant;
use std::sync::Arc;

const NOW: Instant = Instant::ORIGIN;

/// Who takes part in a handshake, and how.
#[derive(Clone)]
pub(super) struct Party {
    pub(super) role: Role,
    pub(super) keypair: Arc<Keypair>,
    pub(super) expects: Option<PeerId>,
    pub(super) crypto: Arc<dyn CryptoProvider>,
    pub(super) muxers: Arc<[ProtocolId]>,
    pub(super) chance: u64,
}

impl Party {
    pub(super) fn id(&self) -> PeerId {
        self.keypair.public().to_peer_id()
    }

    pub(super) fn start(&self, suite: &SecuritySuite) -> Box<dyn Handshake> {
        let setup = HandshakeSetup {
            role: self.role,
            keypair: Arc::clone(&self.keypair),
            expected_peer: self.expects,
            crypto: Arc::clone(&self.crypto),
            muxers: Arc::clone(&self.muxers),
            wall_clock: None,
            seed: Seed::reproducible(self.chance).child(&format!("{:?}", self.role)),
        };
        suite.protocol.start(setup, NOW)
    }
}

/// A dialer that expects the listener, and a listener that expects nobody.
pub(super) fn parties(suite: &SecuritySuite) -> [Party; 2] {
    let of = |role, number: usize, expects| Party {
        role,
        keypair: Arc::clone(&suite.identities[number]),
        expects,
        crypto: Arc::clone(&suite.providers[0]),
        muxers: Arc::new([]),
        chance: 7,
    };
    let listener = of(Role::Listener, 1, None);
    [of(Role::Dialer, 0, Some(listener.id())), listener]
}

/// What a handshake came to. `None`: it waits for more.
pub(super) type Outcome = Option<Result<Secured, SecurityError>>;

/// One side of a meeting.
struct Side {
    handshake: Box<dyn Handshake>,
    input: BytesMut,
    outcome: Outcome,
    sent: Vec<u8>,
}

impl Side {
    /// Hands over what has arrived, and says whether the outcome is there.
    fn take(&mut self) {
        if self.outcome.is_none() {
            let result = self.handshake.handle_input(&mut self.input, NOW);
            self.outcome = result.err().map(Err).or_else(|| self.handshake.poll_event().map(Ok));
        }
    }

    fn send(&mut self, to: &mut Self, max: usize) -> usize {
        let start = to.input.len();
        let appended = self.handshake.poll_transmit(&mut to.input, max, NOW);
        self.sent.extend_from_slice(&to.input[start..]);
        to.take();
        appended
    }
}

/// Lets two parties talk, each time in a piece as large as `next_max` says, until nothing moves; whoever then still waits for one that has
/// failed is told that the bytes end. Returns the outcomes, what each has sent, and what each has not taken.
pub(super) fn meet(
    suite: &SecuritySuite,
    parties: &[Party; 2],
    mut next_max: impl FnMut() -> usize,
) -> [(Outcome, Vec<u8>, BytesMut); 2] {
    let [mut a, mut b] = parties.each_ref().map(|party| Side {
        handshake: party.start(suite),
        input: BytesMut::new(),
        outcome: None,
        sent: Vec::new(),
    });
    a.take();
    b.take();
    while a.send(&mut b, next_max()) + b.send(&mut a, next_max()) > 0 {}
    let failed = [&a, &b].map(|side| matches!(side.outcome, Some(Err(_))));
    for (side, other_failed) in [(&mut a, failed[1]), (&mut b, failed[0])] {
        if side.outcome.is_none() && other_failed {
            side.handshake.handle_end(End::Closed, NOW);
            side.take();
        }
    }
    [a, b].map(|side| (side.outcome, side.sent, side.input))
}

/// The channels of two parties that must come to know each other, dialer first.
pub(super) fn channels(suite: &SecuritySuite, parties: &[Party; 2]) -> [Box<dyn Channel>; 2] {
    let [a, b] = meet(suite, parties, || usize::MAX);
    let peers = [parties[1].id(), parties[0].id()];
    let mut sides = [a, b].into_iter().zip(peers).map(|((outcome, ..), peer)| secured(outcome, peer).channel);
    [(); 2].map(|()| sides.next().expect("there are two"))
}

/// The outcome of a handshake that must have secured `peer`.
pub(super) fn secured(outcome: Outcome, peer: PeerId) -> Secured {
    match outcome {
        Some(Ok(secured)) => {
            assert_eq!(secured.peer, peer, "the wrong peer was secured");
            assert_eq!(secured.public_key.to_peer_id(), peer, "the key is not that of the peer");
            secured
        }
        Some(Err(error)) => panic!("the handshake failed: {error}"),
        None => panic!("nothing moves any more, but the handshake is not over"),
    }
}

/// What one party said in a meeting: its handshake, and the frames of two messages.
pub(super) struct Recording {
    pub(super) bytes: Vec<u8>,
    /// Where the handshake ends.
    pub(super) handshake_bytes: usize,
    pub(super) hears: Party,
    pub(super) from: PeerId,
}

/// The messages of a [`Recording`].
pub(super) const MESSAGES: [&[u8]; 2] = [b"the first message", b"and the second"];

/// What each of the two parties says.
pub(super) fn recordings(suite: &SecuritySuite) -> [Recording; 2] {
    let parties = parties(suite);
    let met = meet(suite, &parties, || usize::MAX);
    let ids = parties.each_ref().map(Party::id);
    let mut said = met.into_iter().enumerate().map(|(who, (outcome, mut bytes, _))| {
        let mut channel = secured(outcome, ids[1 - who]).channel;
        let handshake_bytes = bytes.len();
        MESSAGES.iter().for_each(|message| bytes.extend(seal(&mut *channel, message)));
        Recording { bytes, handshake_bytes, hears: parties[1 - who].clone(), from: ids[who] }
    });
    [(); 2].map(|()| said.next().expect("there are two"))
}

/// What came of bytes that were played to a party.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Heard {
    /// Who was secured.
    pub(super) peer: Option<PeerId>,
    /// The plaintext, all of it.
    pub(super) plain: Vec<u8>,
    pub(super) end: HeardEnd,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeardEnd {
    /// The handshake failed.
    Handshake(SecurityError),
    /// The channel failed.
    Channel(ChannelError),
    /// The bytes ended, or the channel did.
    Ended,
}

/// Plays `bytes` to a fresh handshake, which gets them in pieces of `chunk` and then the end. Checks that an error is for good.
pub(super) fn play(suite: &SecuritySuite, to: &Party, bytes: &[u8], chunk: usize) -> Heard {
    let mut handshake = to.start(suite);
    let mut input = BytesMut::new();
    let mut pieces = bytes.chunks(chunk);
    let secured = loop {
        let piece = pieces.next();
        match piece {
            Some(piece) => input.extend_from_slice(piece),
            None => handshake.handle_end(End::Closed, NOW),
        }
        if let Err(error) = handshake.handle_input(&mut input, NOW) {
            expect_dead(&mut *handshake, &error);
            if piece.is_some() {
                assert!(matches!(error.blame(), Blame::Peer | Blame::Limit | Blame::Caller), "{error}");
            }
            return Heard { peer: None, plain: Vec::new(), end: HeardEnd::Handshake(error) };
        }
        // What it has to say is of no interest, but may be polled at any time.
        handshake.poll_transmit(&mut BytesMut::new(), usize::MAX, NOW);
        if let Some(secured) = handshake.poll_event() {
            break secured;
        }
        assert!(piece.is_some(), "the bytes have ended, but the handshake goes on");
        assert_eq!(handshake.poll_close(), None, "the handshake is not over");
    };
    let Secured { peer, public_key, mut channel, plain, muxer: _ } = secured;
    assert_eq!(public_key.to_peer_id(), peer, "the key is not that of the peer");
    let mut heard = Heard { peer: Some(peer), plain: plain.to_vec(), end: HeardEnd::Ended };
    for piece in [&[][..]].into_iter().chain(pieces) {
        input.extend_from_slice(piece);
        if let Some(end) = open_all(&mut *channel, &mut input, &mut heard.plain) {
            heard.end = end;
            break;
        }
    }
    heard
}

/// Opens all frames there are. Returns why there will be no more, if so.
fn open_all(channel: &mut dyn Channel, input: &mut BytesMut, plain: &mut Vec<u8>) -> Option<HeardEnd> {
    loop {
        match channel.open(input) {
            Ok(Opened::NeedMore) => return None,
            Ok(Opened::Plain(opened)) => plain.extend_from_slice(&opened),
            Ok(Opened::Closed) => return Some(HeardEnd::Ended),
            Err(error) => {
                assert_eq!(channel.open(input), Err(error.clone()), "a dead channel stays dead");
                return Some(HeardEnd::Channel(error));
            }
        }
    }
}

fn expect_dead(handshake: &mut dyn Handshake, error: &SecurityError) {
    let mut more = BytesMut::from(&b"more"[..]);
    assert_eq!(handshake.handle_input(&mut more, NOW).as_ref(), Err(error), "the error is for good");
    assert_eq!(more, "more", "a handshake that failed takes nothing");
    assert_eq!(
        handshake.poll_close(),
        Some(Close::Now),
        "a handshake that failed wants the connection dropped"
    );
    assert!(!handshake.wants_input(), "a handshake that failed wants input");
    assert!(handshake.poll_event().is_none(), "a handshake that failed secures nobody");
}

/// One sealed frame, which must leave what lies before it alone and be as long as the channel said.
pub(super) fn seal(channel: &mut dyn Channel, plaintext: &[u8]) -> BytesMut {
    const BEFORE: &[u8] = b"frames of before";
    let mut out = BytesMut::from(BEFORE);
    out.resize(out.len() + channel.headroom(), 0xee);
    out.extend_from_slice(plaintext);
    let len = BEFORE.len() + channel.headroom() + plaintext.len() + channel.tailroom();
    assert_eq!(channel.seal(&mut out, BEFORE.len()), Ok(()), "sealing {} bytes", plaintext.len());
    assert_eq!(out.len(), len, "headroom and tailroom must be exact, for {} bytes", plaintext.len());
    assert!(out.starts_with(BEFORE), "what lies before the frame was touched");
    out.split_off(BEFORE.len())
}

/// Sends `messages` from one channel to the other in pieces of at most `chunk` bytes.
pub(super) fn carry(from: &mut dyn Channel, to: &mut dyn Channel, messages: &[Vec<u8>], chunk: usize) {
    let wire: Vec<u8> = messages.iter().flat_map(|message| seal(from, message)).collect();
    let (mut input, mut received) = (BytesMut::new(), Vec::new());
    for piece in wire.chunks(chunk) {
        input.extend_from_slice(piece);
        let end = open_all(to, &mut input, &mut received);
        assert_eq!(end, None, "the channel failed between two honest sides");
    }
    assert_eq!(input.len(), 0, "bytes of whole frames were left");
    assert!(received == messages.concat(), "what arrived is not what was sent");
}
