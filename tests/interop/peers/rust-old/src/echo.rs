//! `/echo/1.0.0`: the responder sends back what it reads, and closes when the initiator half-closes.
//!
//! Both sides do all of it inside the protocol's upgrade, so a [`OneShotHandler`] can carry them.

use futures::future::BoxFuture;
use futures::prelude::*;
use libp2p::core::connection::ConnectionId;
use libp2p::core::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::swarm::{
    NetworkBehaviour, NetworkBehaviourAction, NotifyHandler, OneShotHandler, PollParameters,
};
use libp2p::{Multiaddr, PeerId};
use std::collections::VecDeque;
use std::io;
use std::iter::{once, Once};
use std::task::{Context, Poll};

const PROTOCOL: &[u8] = b"/echo/1.0.0";

/// Answers echoes, and asks for them.
#[derive(Default)]
pub struct Echo {
    actions: VecDeque<NetworkBehaviourAction<Request, Echoed>>,
}

/// How many bytes came back as they were sent.
#[derive(Debug)]
pub struct Echoed(pub usize);

impl Echo {
    /// Sends `data` to a connected peer; [`Echoed`] follows.
    pub fn send(&mut self, peer_id: PeerId, data: Vec<u8>) {
        let (handler, event) = (NotifyHandler::Any, Request(data));
        self.actions.push_back(NetworkBehaviourAction::NotifyHandler { peer_id, handler, event });
    }
}

impl NetworkBehaviour for Echo {
    type ProtocolsHandler = OneShotHandler<Answer, Request, Option<Echoed>>;
    type OutEvent = Echoed;

    fn new_handler(&mut self) -> Self::ProtocolsHandler {
        OneShotHandler::default()
    }

    fn addresses_of_peer(&mut self, _: &PeerId) -> Vec<Multiaddr> {
        Vec::new()
    }

    fn inject_connected(&mut self, _: &PeerId) {}

    fn inject_disconnected(&mut self, _: &PeerId) {}

    fn inject_event(&mut self, _: PeerId, _: ConnectionId, echoed: Option<Echoed>) {
        self.actions.extend(echoed.map(NetworkBehaviourAction::GenerateEvent));
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
        _: &mut impl PollParameters,
    ) -> Poll<NetworkBehaviourAction<Request, Echoed>> {
        self.actions.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

/// The responder's side.
#[derive(Clone, Default)]
pub struct Answer;

/// The initiator's side, with the bytes to send.
#[derive(Debug)]
pub struct Request(Vec<u8>);

impl UpgradeInfo for Answer {
    type Info = &'static [u8];
    type InfoIter = Once<Self::Info>;

    fn protocol_info(&self) -> Self::InfoIter {
        once(PROTOCOL)
    }
}

impl UpgradeInfo for Request {
    type Info = &'static [u8];
    type InfoIter = Once<Self::Info>;

    fn protocol_info(&self) -> Self::InfoIter {
        once(PROTOCOL)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + 'static> InboundUpgrade<S> for Answer {
    type Output = Option<Echoed>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Option<Echoed>>>;

    fn upgrade_inbound(self, stream: S, _: Self::Info) -> Self::Future {
        Box::pin(async move {
            let (reader, mut writer) = stream.split();
            futures::io::copy(reader, &mut writer).await?;
            writer.close().await?;
            Ok(None)
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Send + 'static> OutboundUpgrade<S> for Request {
    type Output = Option<Echoed>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Option<Echoed>>>;

    fn upgrade_outbound(self, stream: S, _: Self::Info) -> Self::Future {
        Box::pin(async move {
            let (mut reader, mut writer) = stream.split();
            let mut received = Vec::new();
            let send = async {
                writer.write_all(&self.0).await?;
                writer.close().await
            };
            futures::try_join!(send, reader.read_to_end(&mut received))?;
            if received != self.0 {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "other bytes came back"));
            }
            Ok(Some(Echoed(received.len())))
        })
    }
}
