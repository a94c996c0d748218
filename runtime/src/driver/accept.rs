//! A listener at work.

use super::ToDriver;
use super::mailbox;
use crate::runtime::{BoxFuture, Runtime};
use crate::transport::Listener;
use futures_util::StreamExt;
use peerwork_core::address::Multiaddr;
use peerwork_core::swarm::{ListenerId, TransportError};
use std::time::Duration;

/// How long it waits after the system refused to accept a connection, for instance for lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listens and accepts until it is dropped, or the transport ends it.
pub(crate) async fn accept<R: Runtime>(
    binding: BoxFuture<Result<Listener, TransportError>>,
    listener: ListenerId,
    address: Multiaddr,
    runtime: R,
    to_driver: mailbox::Sender<ToDriver>,
) {
    let Listener { mut addresses, mut incoming } = match binding.await {
        Ok(listening) => listening,
        Err(error) => return drop(to_driver.send(ToDriver::Unbound { listener, error }).await),
    };
    if addresses.is_empty() {
        addresses.push(address);
    }
    let mut open = to_driver.send(ToDriver::Bound { listener, addresses }).await.is_ok();
    while open && let Some(accepted) = incoming.next().await {
        match accepted {
            Ok(link) => open = to_driver.send(ToDriver::Accepted { listener, link }).await.is_ok(),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                runtime.sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    let error = TransportError::Other("the transport has stopped listening".to_owned());
    // The driver is gone when the node has stopped.
    drop(to_driver.send(ToDriver::Unbound { listener, error }).await);
}
