//! Which addresses need not be dialled beside better ones that lead to the same socket.
//!
//! Who listens for WebSockets at a port where plain TCP is taken too is reached either way, and the plain way needs fewer round trips. The
//! same goes for WebTransport and for the QUIC before version 1, beside QUIC version 1. The rule is go-libp2p's.

use crate::address::{Multiaddr, Protocol};
use crate::identity::PeerId;

/// How an address uses the socket that it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Plain TCP, or QUIC version 1.
    Plain,
    /// WebSockets over TCP; WebTransport or an older QUIC over UDP.
    Layered,
    /// Something that the rule does not know.
    Other,
}

impl Use {
    fn of(address: &Multiaddr) -> Self {
        let mut found = Self::Other;
        for part in address {
            found = match part {
                Protocol::P2pCircuit => return Self::Other,
                Protocol::Tcp(_) | Protocol::QuicV1 => Self::Plain,
                Protocol::Ws(_) | Protocol::Wss(_) | Protocol::WebTransport | Protocol::Quic => Self::Layered,
                // Behind a layer stands what that needs, as the hashes of certificates.
                _ if found == Self::Layered => Self::Layered,
                _ => Self::Other,
            };
        }
        found
    }
}

/// Whether two addresses are the same up to their port.
fn share_a_socket(one: &Multiaddr, other: &Multiaddr) -> bool {
    for (part, of_other) in one.iter().zip(other.iter()) {
        if part != of_other {
            return false;
        }
        if matches!(part, Protocol::Tcp(_) | Protocol::Udp(_)) {
            return true;
        }
    }
    false
}

/// Which of the addresses, each with who must be there, need not be dialled if all others are.
pub(super) fn redundant(addresses: &[(Option<PeerId>, &Multiaddr)]) -> Vec<usize> {
    let of = |wanted| {
        let uses = addresses.iter().enumerate();
        uses.filter(move |(_, (_, address))| Use::of(address) == wanted).collect::<Vec<_>>()
    };
    let mut layered = of(Use::Layered);
    if layered.is_empty() {
        return Vec::new();
    }
    let plain = of(Use::Plain);
    layered.retain(|(_, (peer, address))| {
        plain.iter().any(|(_, (of, better))| of == peer && share_a_socket(address, better))
    });
    layered.into_iter().map(|(index, _)| index).collect()
}
