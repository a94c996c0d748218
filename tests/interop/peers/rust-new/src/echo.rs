//! `/echo/1.0.0`: the responder sends back what it reads, and closes when the initiator half-closes.

use crate::{say, Res};
use futures::prelude::*;
use libp2p::{PeerId, StreamProtocol};
use libp2p_stream::{Control, IncomingStreams};
use rand::RngCore;
use serde_json::json;
use std::io;

pub const PROTOCOL: StreamProtocol = StreamProtocol::new("/echo/1.0.0");

/// Answers all that ask.
pub async fn answer(mut incoming: IncomingStreams) {
    while let Some((_, stream)) = incoming.next().await {
        tokio::spawn(async {
            if let Err(error) = send_back(stream).await {
                say(json!({ "event": "echo-error", "error": error.to_string() }));
            }
        });
    }
}

async fn send_back(stream: impl AsyncRead + AsyncWrite) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    futures::io::copy(reader, &mut writer).await?;
    writer.close().await
}

/// Sends random bytes to a connected peer. Gives how many came back as they were sent.
pub async fn ask(mut control: Control, peer: PeerId, bytes: usize) -> Res<usize> {
    let mut sent = vec![0; bytes];
    rand::thread_rng().fill_bytes(&mut sent);
    let (mut reader, mut writer) = control.open_stream(peer, PROTOCOL).await?.split();
    let mut received = Vec::new();
    let send = async {
        writer.write_all(&sent).await?;
        writer.close().await
    };
    futures::try_join!(send, reader.read_to_end(&mut received))?;
    if received != sent {
        return Err("other bytes came back".into());
    }
    Ok(received.len())
}
