//! A node and sockets that do not block: what an event loop of one's own has to bring, and what is left for it to do.

use super::{LocalNode, LocalOutput};
use crate::address::Multiaddr;
use crate::connection::ConnectionId;
use crate::machine::{Close, End};
use crate::protocols::Protocols;
use crate::swarm::dialer::{LookupId, RecordKind};
use crate::swarm::{ListenerId, SwarmInput, TransportError};
use crate::time::Instant;
use bytes::{Buf, BytesMut};

/// The sockets of an event loop, for [`LocalNode::poll_event`]. No call may block.
///
/// Beside them a loop brings what core has not: for [`NodeBuilder::build_local`](crate::node::NodeBuilder::build_local) a
/// [`Seed`](crate::seed::Seed) of the system's randomness, and a
/// [first sequence number](crate::protocols::identify::IdentifyConfig::first_sequence) that grows from run to run; and before each connection
/// [the wall clock](SwarmInput::WallClock), by which certificates are judged. Sockets should have `TCP_NODELAY`: a connection gathers small
/// writes itself.
pub trait Sockets {
    /// Listens at `address` and gives the address that others can dial: for port 0, the one with the port that the system has chosen.
    /// Every remote that connects is told with [`LocalNode::handle_incoming`].
    ///
    /// Nobody can dial an unspecified address such as `0.0.0.0`: of the addresses that it stands for this gives one, and the others are told
    /// with [`SwarmInput::Listening`].
    ///
    /// # Errors
    /// It cannot listen there.
    fn listen(&mut self, listener: ListenerId, address: &Multiaddr) -> Result<Multiaddr, TransportError>;

    /// Stops to listen.
    fn stop_listening(&mut self, listener: ListenerId);

    /// Begins to connect. How that went is told with [`LocalNode::handle_dialed`].
    ///
    /// # Errors
    /// It cannot even begin.
    fn dial(&mut self, connection: ConnectionId, address: &Multiaddr) -> Result<(), TransportError>;

    /// Writes a prefix of `bytes` and gives its length. Less than all means that the socket is full: the rest is kept, and comes again when
    /// [`LocalNode::drive`] is called because the socket can be written again.
    ///
    /// # Errors
    /// The socket is broken.
    fn write(&mut self, connection: ConnectionId, bytes: &[u8]) -> Result<usize, Broken>;

    /// Ends our direction; reading goes on. May be called again.
    fn end(&mut self, connection: ConnectionId);

    /// The connection wants input: what was left unread because [`LocalNode::wants_input`] was false is to be read now. Mostly there is no such
    /// thing.
    fn resume(&mut self, connection: ConnectionId);

    /// Closes a socket at once, connected or not. What was being connected has to be gone when this returns, since the next dial may have waited
    /// for that.
    fn close(&mut self, connection: ConnectionId);

    /// Asks the name service. The answer is [`SwarmInput::LookedUp`]. Unless this is implemented there is none.
    ///
    /// # Errors
    /// It cannot be asked.
    fn look_up(&mut self, lookup: LookupId, name: &str, kind: RecordKind) -> Result<(), TransportError> {
        let _ = (lookup, kind);
        Err(TransportError::Name { name: name.to_owned(), reason: "there is no name service".to_owned() })
    }

    /// Nobody waits for these records any more.
    fn cancel_look_up(&mut self, lookup: LookupId) {
        let _ = lookup;
    }
}

/// A socket cannot be used any more. Blame: the network, or the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the socket is broken")]
pub struct Broken;

/// For whoever has [`Sockets`]: the buffers are the node's, and so is what is left in them.
impl<P: Protocols> LocalNode<P> {
    /// Does with `sockets` what is to be done, until there is something for the user. To be called until it gives `None`, after everything
    /// that was told to the node, in place of [`poll_output`](Self::poll_output).
    ///
    /// Gives [`LocalOutput::Event`], [`LocalOutput::Protocol`] and [`LocalOutput::Stream`] only. What the user does upon them, such as to
    /// answer a message, is sent together with what was to be sent before.
    pub fn poll_event(&mut self, sockets: &mut impl Sockets, now: Instant) -> Option<LocalOutput<P::Event>> {
        while let Some(output) = self.poll_output() {
            if let Some(event) = self.carry_out(output, sockets, now) {
                return Some(event);
            }
        }
        None
    }

    /// Does one thing that is to be done, or gives it back if it is for the user. For whoever has to stop in between; see
    /// [`poll_event`](Self::poll_event).
    pub fn carry_out(
        &mut self,
        output: LocalOutput<P::Event>,
        sockets: &mut impl Sockets,
        now: Instant,
    ) -> Option<LocalOutput<P::Event>> {
        match output {
            LocalOutput::Event(_) | LocalOutput::Protocol(_) | LocalOutput::Stream(..) => {
                return Some(output);
            }
            LocalOutput::Listen { listener, address } => {
                let answer = match sockets.listen(listener, &address) {
                    Ok(address) => SwarmInput::Listening { listener, address },
                    Err(error) => SwarmInput::ListenFailed { listener, error },
                };
                self.handle_input(answer, now);
            }
            LocalOutput::StopListening { listener } => sockets.stop_listening(listener),
            LocalOutput::Dial { connection, address } => {
                if let Err(error) = sockets.dial(connection, &address) {
                    self.handle_dialed(connection, Err(error), now);
                }
            }
            LocalOutput::CancelDial { connection }
            | LocalOutput::Refuse { connection }
            | LocalOutput::Close { connection, how: Close::Now } => sockets.close(connection),
            // To write what is left, and then to end our direction, is what driving does.
            LocalOutput::Close { how: Close::Flush, .. } => {}
            LocalOutput::Drive { connection } => self.drive(connection, sockets, now),
            LocalOutput::Lookup { lookup, name, kind } => {
                if let Err(error) = sockets.look_up(lookup, &name, kind) {
                    self.handle_input(SwarmInput::LookedUp { lookup, result: Err(error) }, now);
                }
            }
            LocalOutput::CancelLookup { lookup } => sockets.cancel_look_up(lookup),
        }
        None
    }

    /// Tells how a dial went: where the other end is, or why there is none.
    pub fn handle_dialed(
        &mut self,
        connection: ConnectionId,
        result: Result<Multiaddr, TransportError>,
        now: Instant,
    ) {
        let input = match result {
            Ok(remote_address) => SwarmInput::Dialed { connection, remote_address },
            Err(error) => SwarmInput::DialFailed { connection, error },
        };
        self.handle_input(input, now);
    }

    /// Reads a socket once and gives the bytes to its connection. What that does not take is kept and offered again: with the bytes that come
    /// next, or by [`drive`](Self::drive) where the connection did not want it.
    ///
    /// Returns what `read` returns: how many bytes it has put at the start of the room that it was given, which is 32 KiB or more. Zero means
    /// that the remote has ended its direction, and is told to the connection. Do not call it while [`wants_input`](Self::wants_input) is
    /// false: [`LocalOutput::Drive`](super::LocalOutput::Drive) tells when to look again.
    ///
    /// # Errors
    /// That of `read`, such as that there is nothing to read now. Nothing has happened then; of a broken socket the caller tells with
    /// [`handle_end`](Self::handle_end).
    pub fn receive<E>(
        &mut self,
        connection: ConnectionId,
        now: Instant,
        read: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        let room = self.buffers.room();
        let len = read(room)?.min(room.len());
        let bytes = room.split_to(len);
        if len == 0 {
            self.handle_end(connection, End::Closed, now);
        } else {
            self.feed(connection, bytes, now);
        }
        Ok(len)
    }

    /// A socket can be written again, or has something to do: offers the connection the input that it did not want, writes what there is to send
    /// until there is nothing more or the socket takes less, and has our direction ended where that was all.
    pub fn drive(&mut self, connection: ConnectionId, sockets: &mut impl Sockets, now: Instant) {
        if self.buffers.is_blocked(connection) && self.wants_input(connection) {
            self.feed(connection, BytesMut::new(), now);
        }
        let unsent = self.buffers.unsent.remove(&connection);
        let mut out = unsent.unwrap_or_else(|| self.buffers.spare.take());
        loop {
            if out.is_empty() && self.poll_transmit(connection, &mut out, usize::MAX, now) == 0 {
                self.buffers.spare.give(out);
                if self.connections.get(&connection).is_some_and(|attached| attached.close.is_some()) {
                    sockets.end(connection);
                }
                break;
            }
            match sockets.write(connection, &out) {
                Ok(written) if written >= out.len() => out.clear(),
                Ok(written) => {
                    out.advance(written);
                    if self.has_socket(connection) {
                        self.buffers.unsent.insert(connection, out);
                    }
                    break;
                }
                Err(Broken) => {
                    self.handle_end(connection, End::Failed, now);
                    break;
                }
            }
        }
        if self.wants_input(connection) {
            sockets.resume(connection);
        }
    }

    /// Gives a connection its input, and keeps what it does not take.
    fn feed(&mut self, id: ConnectionId, bytes: BytesMut, now: Instant) {
        let mut input = self.buffers.input(id, bytes);
        self.handle_bytes(id, &mut input, now);
        if self.has_socket(id) && !input.is_empty() {
            self.buffers.keep(id, input, !self.wants_input(id));
        }
    }

    fn has_socket(&self, id: ConnectionId) -> bool {
        self.connections.get(&id).is_some_and(|attached| attached.close != Some(Close::Now))
    }
}
