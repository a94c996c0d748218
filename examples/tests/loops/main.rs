//! The three loops meet each other, and do what a driver owes.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod driven;
mod frames;
#[path = "../lines/mod.rs"]
mod lines;
mod size;

use driven::{Driven, KINDS, until};
use peerwork_core::address;
use peerwork_core::connection::StreamEvent;
use peerwork_core::muxer::ReadError;
use peerwork_core::node::LocalOutput;
use peerwork_core::protocols::{StreamKey, Target};
use peerwork_core::swarm::dialer::DialError;
use peerwork_core::swarm::{DialId, ListenerId, SwarmEvent, SwarmInput, TransportError};
use peerwork_examples::echo::{Caller, ECHO, Echo};
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::time::Duration;

/// A node that echoes.
fn echoing(kind: driven::Kind) -> Driven {
    let mut echo = Echo::default();
    let mut node = Driven::start(kind, move |node, output, now| echo.handle(node, output, now));
    node.command(|node, now| node.handle_protocol(ECHO, now));
    node
}

/// A node that calls whoever it is connected to, and tells of the echoes.
fn calling(kind: driven::Kind, message: Vec<u8>) -> Driven {
    let mut caller = Caller::new(message);
    Driven::start(kind, move |node, output, now| caller.handle(node, output, now))
}

#[test]
fn every_loop_hears_every_other() {
    const BYTES: usize = 300_000;
    for server in KINDS {
        for client in KINDS {
            let mut bob = echoing(server);
            let address = bob.listen();
            let (mut caller, (heard, echo)) = (Caller::new(vec![7; BYTES]), channel());
            let mut alice = Driven::start(client, move |node, output, now| {
                caller.handle(node, output, now);
                if caller.echoes > 0 {
                    heard.send(caller.echoes).unwrap_or_default();
                }
            });
            alice.command(move |node, now| node.dial(address, now));
            let what = format!("{client:?} calls {server:?}");
            until(&what, &mut [&mut alice, &mut bob], |_| echo.try_recv().is_ok());
        }
    }
}

#[test]
fn a_direction_that_was_closed_ends_there_and_the_other_goes_on() {
    for kind in KINDS {
        let (mut bob, (ended, is_over)) = (echoing(kind), channel());
        let address = bob.listen();
        let mut heard = Vec::new();
        let mut read = move |node: &mut driven::Node, stream: StreamKey, now| {
            let mut buffer = [0; 64];
            loop {
                match node.read_into(stream, &mut buffer, now) {
                    Ok(len) => heard.extend_from_slice(&buffer[..len]),
                    Err(ReadError::Ended) => return ended.send(heard.clone()).unwrap_or_default(),
                    Err(_) => return,
                }
            }
        };
        let mut alice = Driven::start(kind, move |node, output, now| match output {
            LocalOutput::Event(SwarmEvent::Connected { connection, .. }) => {
                node.open_stream(Target::Connection(*connection), ECHO, now);
            }
            LocalOutput::Event(SwarmEvent::StreamOpened { stream, .. }) => {
                node.write(*stream, b"last words", now).unwrap();
                node.close_write(*stream, now);
                read(node, *stream, now);
            }
            LocalOutput::Stream(connection, StreamEvent::Readable(stream)) => {
                read(node, StreamKey { connection: *connection, stream: *stream }, now);
            }
            _ => {}
        });
        alice.command(move |node, now| node.dial(address, now));
        let mut said = Vec::new();
        until(&format!("the end, {kind:?}"), &mut [&mut alice, &mut bob], |_| {
            is_over.try_recv().map(|heard| said = heard).is_ok()
        });
        assert_eq!(said, b"last words");
    }
}

#[test]
fn a_dial_fails_or_is_cancelled_and_its_socket_is_closed() {
    for kind in KINDS {
        let mut alice = calling(kind, Vec::new());
        // Nobody listens there any more.
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        alice.command(move |node, now| node.dial(address::from_socket_address(closed), now));
        let failed = |output: &driven::Output| match output {
            LocalOutput::Event(SwarmEvent::DialFailed { error, .. }) => Some(error.clone()),
            _ => None,
        };
        let error = alice.wait_for("a refusal", failed);
        assert!(error.to_string().contains(&TransportError::Refused.to_string()), "{error}");
        // Somebody listens and says nothing.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = address::from_socket_address(silent.local_addr().unwrap());
        let dial = alice.command(move |node, now| node.dial(address, now));
        alice.advance();
        alice.advance();
        let (mut accepted, _) = silent.accept().unwrap();
        let cancel = move |id: DialId| SwarmInput::CancelDial { dial: id };
        alice.command(move |node, now| node.handle_input(cancel(dial), now));
        assert_eq!(alice.wait_for("the end", failed), DialError::Cancelled);
        alice.advance();
        accepted.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        // The end, or a reset: what was offered to it is unread.
        while accepted.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {}
    }
}

#[test]
fn several_listeners_and_each_is_closed_by_itself() {
    for kind in KINDS {
        let (mut bob, mut alice) = (echoing(kind), calling(kind, vec![7; 10]));
        let (first, second) = (bob.listen(), bob.listen());
        assert_ne!(first, second);
        alice.command(move |node, now| node.dial(first, now));
        let connected =
            |output: &driven::Output| matches!(output, LocalOutput::Event(SwarmEvent::Connected { .. }));
        until("the connection", &mut [&mut alice, &mut bob], |nodes| nodes[0].saw(connected));
        bob.command(|node, now| {
            for listener in [ListenerId(0), ListenerId(1)] {
                node.handle_input(SwarmInput::StopListening { listener }, now);
            }
        });
        bob.wait_for("the end of one", |output| match output {
            LocalOutput::Event(SwarmEvent::ListenerClosed { listener: ListenerId(1) }) => Some(()),
            _ => None,
        });
        // A thread closes its listener by and by.
        let socket = address::tcp_socket_address(&second).unwrap();
        until(&format!("nobody listens, {kind:?}"), &mut [&mut bob], |_| {
            TcpStream::connect_timeout(&socket, Duration::from_secs(1)).is_err()
        });
        // The connection goes on.
        assert_eq!(bob.command(|node, _| node.connection_count()), 1);
        // An address that is not ours.
        bob.command(|node, now| node.listen("/ip4/192.0.2.1/tcp/0".parse().unwrap(), now));
        bob.wait_for("a failure", |output| match output {
            LocalOutput::Event(SwarmEvent::ListenFailed { .. }) => Some(()),
            _ => None,
        });
    }
}

#[test]
fn who_shuts_down_says_so() {
    for kind in KINDS {
        let (mut bob, mut alice) = (echoing(kind), calling(kind, vec![7; 10]));
        let address = bob.listen();
        alice.command(move |node, now| node.dial(address, now));
        let connected =
            |output: &driven::Output| matches!(output, LocalOutput::Event(SwarmEvent::Connected { .. }));
        until("the connection", &mut [&mut alice, &mut bob], |nodes| {
            nodes[0].saw(connected) && nodes[1].saw(connected)
        });
        alice.command(|node, now| node.handle_input(SwarmInput::Shutdown, now));
        until("both ends", &mut [&mut alice, &mut bob], |nodes| {
            nodes[0].saw(|output| matches!(output, LocalOutput::Event(SwarmEvent::ShutDown)))
                && nodes[1]
                    .saw(|output| matches!(output, LocalOutput::Event(SwarmEvent::Disconnected { .. })))
        });
        until("no socket", &mut [&mut alice, &mut bob], |nodes| {
            nodes.iter_mut().all(|node| node.command(|node, _| node.connection_count()) == 0)
        });
    }
}

#[test]
fn a_broken_socket_costs_its_connection_only() {
    for kind in KINDS {
        let mut bob = echoing(kind);
        let address = bob.listen();
        let socket = address::tcp_socket_address(&address).unwrap();
        // One says nonsense, and one is reset before it has said anything.
        let nonsense = TcpStream::connect(socket).unwrap();
        std::io::Write::write_all(&mut &nonsense, &[0xff; 100]).unwrap();
        let reset = socket2::Socket::from(TcpStream::connect(socket).unwrap());
        reset.set_linger(Some(Duration::ZERO)).unwrap();
        drop(reset);
        let mut alice = calling(kind, vec![7; 10]);
        alice.command(move |node, now| node.dial(address, now));
        let opened =
            |output: &driven::Output| matches!(output, LocalOutput::Event(SwarmEvent::StreamOpened { .. }));
        until("a good one", &mut [&mut alice, &mut bob], |nodes| nodes[0].saw(opened));
        until("the end of the bad ones", &mut [&mut alice, &mut bob], |nodes| {
            nodes[1].command(|node, _| node.connection_count()) == 1
        });
    }
}
