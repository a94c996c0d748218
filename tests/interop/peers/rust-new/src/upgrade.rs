//! Upgrades of a connection by one of several protocols, the preferred one first.

use futures::future::BoxFuture;
use futures::prelude::*;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo};
use libp2p::identity::Keypair;
use libp2p::{noise, plaintext, tls, yamux, PeerId};
use std::error::Error;
use std::io;
use std::pin::Pin;
use std::vec::IntoIter;

#[derive(Debug, Clone, Copy)]
pub enum Security {
    Noise,
    Tls,
    Plaintext,
}

#[derive(Debug, Clone, Copy)]
pub enum Muxer {
    Yamux,
    Mplex,
}

impl Security {
    fn name(self) -> &'static str {
        match self {
            Self::Noise => "/noise",
            Self::Tls => "/tls/1.0.0",
            Self::Plaintext => "/plaintext/2.0.0",
        }
    }
}

impl Muxer {
    fn name(self) -> &'static str {
        match self {
            Self::Yamux => "/yamux/1.0.0",
            Self::Mplex => "/mplex/6.7.0",
        }
    }
}

impl AsRef<str> for Security {
    fn as_ref(&self) -> &str {
        self.name()
    }
}

impl AsRef<str> for Muxer {
    fn as_ref(&self) -> &str {
        self.name()
    }
}

/// Agrees on a security protocol and runs its handshake.
#[derive(Clone)]
pub struct Secure {
    pub protocols: Vec<Security>,
    pub keys: Keypair,
}

/// Agrees on a muxer.
#[derive(Clone)]
pub struct Multiplex {
    pub protocols: Vec<Muxer>,
}

impl UpgradeInfo for Secure {
    type Info = Security;
    type InfoIter = IntoIter<Security>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.protocols.clone().into_iter()
    }
}

impl UpgradeInfo for Multiplex {
    type Info = Muxer;
    type InfoIter = IntoIter<Muxer>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.protocols.clone().into_iter()
    }
}

/// Bytes in both directions, whatever carries them.
pub trait Duplex: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Duplex for T {}

type Upgraded<T> = BoxFuture<'static, io::Result<T>>;

/// The upgrades of one direction, which differ from the other's in names alone.
macro_rules! upgrades {
    ($trait:ident, $upgrade:ident) => {
        impl<S: Duplex + Unpin + 'static> $trait<S> for Secure {
            type Output = (PeerId, Pin<Box<dyn Duplex>>);
            type Error = io::Error;
            type Future = Upgraded<Self::Output>;

            fn $upgrade(self, io: S, protocol: Security) -> Self::Future {
                let secured = async move {
                    let name = protocol.name();
                    Ok(match protocol {
                        Security::Noise => boxed(noise::Config::new(&self.keys)?.$upgrade(io, name).await?),
                        Security::Tls => boxed(tls::Config::new(&self.keys)?.$upgrade(io, name).await?),
                        Security::Plaintext => {
                            boxed(plaintext::Config::new(&self.keys).$upgrade(io, name).await?)
                        }
                    })
                };
                secured.map_err(failed).boxed()
            }
        }

        impl<S: Duplex + Unpin + 'static> $trait<S> for Multiplex {
            type Output = StreamMuxerBox;
            type Error = io::Error;
            type Future = Upgraded<StreamMuxerBox>;

            fn $upgrade(self, io: S, protocol: Muxer) -> Self::Future {
                let name = protocol.name();
                let muxer = async move {
                    Ok(match protocol {
                        Muxer::Yamux => {
                            StreamMuxerBox::new(yamux::Config::default().$upgrade(io, name).await?)
                        }
                        Muxer::Mplex => {
                            StreamMuxerBox::new(libp2p_mplex::Config::new().$upgrade(io, name).await?)
                        }
                    })
                };
                muxer.boxed()
            }
        }
    };
}

upgrades!(InboundConnectionUpgrade, upgrade_inbound);
upgrades!(OutboundConnectionUpgrade, upgrade_outbound);

fn boxed<T: Duplex + 'static>((peer, io): (PeerId, T)) -> (PeerId, Pin<Box<dyn Duplex>>) {
    (peer, Box::pin(io))
}

fn failed(error: Box<dyn Error + Send + Sync>) -> io::Error {
    io::Error::other(error)
}
