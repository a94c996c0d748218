mod bad_input;
mod channel;
mod curves;
mod keys;
mod pairs;
mod transcript;

use super::channel::SecioChannel;
use super::codec::{Exchange, put_message};
use super::handshake::Local;
use super::keys::Keys;
use super::*;
use crate::crypto::tests::real_providers;
use crate::crypto::{CryptoProvider, Portable};
use crate::identity::PeerId;
use crate::security::testing::{hex, keypair};
use bytes::BytesMut;
use std::sync::Arc;

/// One side of a handshake whose every byte is known. Both offer our default, which is that of go; messages are without their length,
/// frames are whole.
struct Transcript {
    secret: u8,
    nonce: [u8; 16],
    scalar: &'static str,
    propose: &'static str,
    exchange: &'static str,
    nonce_frame: &'static str,
    /// The frame after that one: "hello".
    hello_frame: &'static str,
}

const A: Transcript = Transcript {
    secret: 1,
    nonce: *b"\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f",
    scalar: "258ca6a1d484fe8c7e4164069483d75cd067dd068017874fff490be152d46b50",
    propose: "0a10101112131415161718191a1b1c1d1e1f1224080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121b\
              f3748801b40f6f5c1a11502d3235362c502d3338342c502d353231220f4145532d3235362c4145532d3132382a0d534841\
              3235362c534841353132",
    exchange: "0a41047a1878f2b19bf425abeb16a3799cb68fd910e9427f803c1a3998d2e1fbde0817558015621cd242e25a546b74e9f\
               e06683a91076f3cb0562abf9d1b664d2342391240e7b1bee810b397357971cf122dfa74998c6af7f8220b9a1e387f76ff\
               23c842a5416c4fb919eca9f1067d783ba12db34e8aafc7a5b36b98fa5992f836917ff40a",
    nonce_frame: "00000030f60c768f0b21b2e8f0e4825691fb29110e99d94adc713a3a731415aeb500ea638e4e3c5bfbc1b9fc46fe95a\
                  5a5fc2e6a",
    hello_frame: "00000025c38f73f7e75484023933acbe7c42f237d583f8a0bb6a920e0e318d763d4fa883372a986335",
};

const B: Transcript = Transcript {
    secret: 2,
    nonce: *b"\x20\x21\x22\x23\x24\x25\x26\x27\x28\x29\x2a\x2b\x2c\x2d\x2e\x2f",
    scalar: "fa3173708c020c01bd231e60b101b5f96e1ff0111b1e133ad1013f93b88bd0ab",
    propose: "0a10202122232425262728292a2b2c2d2e2f1224080112208139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a2\
              5df60f5b8fc9b3941a11502d3235362c502d3338342c502d353231220f4145532d3235362c4145532d3132382a0d534841\
              3235362c534841353132",
    exchange: "0a4104b194f9d970c93d7158cec319b5f105f4e9fc2ee9cc30fcfaf742d982d13e9bf2e81a1d967a83658a4a8921889c2\
               e3fd59e33a35bcb1596e3beda75ebfe9475c71240fd5deb26a8b1c40a92d69bc400209943380a7101f9ddbc547a3e416\
               ff641b7f0d10a2d333a68a94af2a2cdf1fe0ff16bbc8ce8cd070568b52269c580ffa0820b",
    nonce_frame: "0000003093a0835bef4eb48f88d09921a8f81142d1ff8c4e1591795ab49ae8f8926660b1d5f35280c2861f825fde289\
                  85411327e",
    hello_frame: "0000002541c2ffd5b908ec4b8a9ef76cf8c4eb635f783da1967310219d2399c838e435be11f5a67c96",
};

/// The secret that the two sides agree on.
const SHARED: &str = "9d910983ef0d27cf0497ee2662a9b5c2532458eeac8520fb765ae92fc528e7b6";

impl Transcript {
    fn propose(&self) -> Vec<u8> {
        framed(&hex(self.propose))
    }

    fn exchange(&self) -> Vec<u8> {
        framed(&hex(self.exchange))
    }

    /// All that this side sends in the handshake.
    fn handshake(&self) -> Vec<u8> {
        [self.propose(), self.exchange(), hex(self.nonce_frame)].concat()
    }

    /// The handshake of this side, with its nonce and its scalar.
    fn start(&self, expected_peer: Option<PeerId>) -> Box<dyn Handshake> {
        self.start_with(Secio::default(), Arc::new(Portable), expected_peer, vec![hex(self.scalar)])
    }

    /// The same with another configuration and other draws of the scalar, the last one again and again.
    fn start_with(
        &self,
        config: Secio,
        crypto: Arc<dyn CryptoProvider>,
        expected_peer: Option<PeerId>,
        scalars: Vec<Vec<u8>>,
    ) -> Box<dyn Handshake> {
        let keypair = Arc::new(keypair(self.secret));
        let local = Local { config, keypair, expected_peer, crypto };
        let last = scalars.last().cloned().unwrap();
        let mut draws = [self.nonce.to_vec()].into_iter().chain(scalars).chain(std::iter::repeat(last));
        // Behind zeros, where a garbled Propose leads to a wider curve.
        let draw = move |out: &mut [u8]| {
            let drawn = draws.next().unwrap();
            let start = out.len() - drawn.len();
            out[start..].copy_from_slice(&drawn);
        };
        Box::new(handshake::propose(local, Box::new(draw)))
    }

    /// The channel of this side before it has sent or received anything, its nonce frame included.
    fn channel(&self, max_frame_bytes: u32) -> SecioChannel {
        let keys = Keys::derive(&Portable, Cipher::Aes256Ctr, Hash::Sha256, &hex(SHARED));
        let (first, second) = keys.halves();
        let directions = if self.secret == A.secret { (first, second) } else { (second, first) };
        SecioChannel::new(&Portable, (Cipher::Aes256Ctr, Hash::Sha256), directions, max_frame_bytes)
    }

    /// This side's Exchange with any point, signed over any two Proposes.
    fn signed_exchange(&self, own_propose: &[u8], remote_propose: &[u8], point: &[u8]) -> Vec<u8> {
        let signed = [own_propose, remote_propose, point].concat();
        let signature = Portable.sign(&keypair(self.secret), &signed).unwrap();
        framed(&Exchange { point, signature: &signature }.encode())
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    put_message(message, &mut out);
    out.to_vec()
}
