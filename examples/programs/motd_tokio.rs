//! Two nodes on tokio; one asks the other for its message of the day.

#![allow(clippy::print_stdout, reason = "it is all that the program does")]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that panics has failed"))]

use futures_util::StreamExt;
use peerwork_core::node::NodeEvent;
use peerwork_core::protocols::RequestId;
use peerwork_examples::motd::Motd;
use peerwork_tokio::{Event, Node, NodeBuilder, StartError};
use std::error::Error;

async fn start(message: &'static str) -> Result<Node<Motd>, StartError> {
    NodeBuilder::new().protocols(Motd::new(message)).start().await
}

async fn ask() -> Result<String, Box<dyn Error>> {
    let (alice, bob) = (start("").await?, start("today is a good day").await?);
    let mut events = alice.events().await?;
    let listening = bob.listen("/ip4/127.0.0.1/tcp/0".parse()?).await?;
    let connected = alice.dial(listening.address).await?;
    alice.command((RequestId(1), connected.peer)).await?;
    while let Some(event) = events.next().await {
        if let Event::Protocol(NodeEvent::Protocol((RequestId(1), said))) = event {
            let said = said.ok_or("bob says nothing")?;
            return Ok(String::from_utf8(said.into())?);
        }
    }
    Err("the node has stopped".into())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    println!("bob says: {}", ask().await?);
    Ok(())
}

#[tokio::test]
async fn bob_says_it() {
    assert_eq!(ask().await.unwrap(), "today is a good day");
}
