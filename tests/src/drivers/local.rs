//! [`LocalNode`] in a [`Network`](super::network::Network).

use super::network::{ByteCargo, Engine, Input, Output};
use bytes::Bytes;
use peerwork_core::address::Multiaddr;
use peerwork_core::connection::ConnectionId;
use peerwork_core::machine::End;
use peerwork_core::muxer::{ReadError, WriteError};
use peerwork_core::node::{LocalNode, Node};
use peerwork_core::protocols::{Protocols, StreamKey};
use peerwork_core::swarm::ListenerId;
use peerwork_core::time::{Deadline, Instant};

impl<P: Protocols> Engine for LocalNode<P> {
    type Protocols = P;
    type Cargo = ByteCargo;

    fn node(&self) -> &Node<P> {
        Self::node(self)
    }

    fn kept_connections(&self) -> usize {
        self.connection_count()
    }

    fn stream_count(&self) -> usize {
        Self::stream_count(self)
    }

    fn handle_incoming(
        &mut self,
        listener: ListenerId,
        remote_address: Multiaddr,
        now: Instant,
    ) -> ConnectionId {
        Self::handle_incoming(self, listener, remote_address, now)
    }

    fn handle_input(&mut self, input: Input<Self>, now: Instant) {
        Self::handle_input(self, input, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        Self::handle_timeout(self, now);
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        Self::poll_timeout(self)
    }

    fn poll_output(&mut self) -> Option<Output<Self>> {
        Self::poll_output(self)
    }

    fn transmit(&mut self, id: ConnectionId, cargo: &mut ByteCargo, max: usize, now: Instant) -> bool {
        self.poll_transmit(id, &mut cargo.in_flight, max, now) > 0
    }

    fn receive(&mut self, id: ConnectionId, cargo: &mut ByteCargo, max: usize, now: Instant) -> bool {
        cargo.deliver(max, |input| self.handle_bytes(id, input, now))
    }

    fn wants_input(&self, id: ConnectionId) -> bool {
        Self::wants_input(self, id)
    }

    fn end(&mut self, id: ConnectionId, end: End, now: Instant) {
        self.handle_end(id, end, now);
    }

    fn read(&mut self, stream: StreamKey, max: usize, now: Instant) -> Result<Bytes, ReadError> {
        Self::read(self, stream, max, now)
    }

    fn write(&mut self, stream: StreamKey, data: &[u8], now: Instant) -> Result<usize, WriteError> {
        Self::write(self, stream, data, now)
    }

    fn close_write(&mut self, stream: StreamKey, now: Instant) {
        Self::close_write(self, stream, now);
    }

    fn reset(&mut self, stream: StreamKey, now: Instant) {
        Self::reset(self, stream, now);
    }

    fn abandon(&mut self, stream: StreamKey, now: Instant) {
        Self::abandon(self, stream, now);
    }
}
