//! Why a connection is open.

use super::*;

fn at(seconds: u64) -> Instant {
    NOW + Duration::from_secs(seconds)
}

fn why(swarm: &Swarm<Puppet>, connection: ConnectionId, seconds: u64) -> String {
    swarm.why_alive(connection, at(seconds)).unwrap().to_string()
}

#[test]
fn each_reason_is_told_for_as_long_as_it_holds() {
    let (mut swarm, connection) = connected();
    let [raw, echo] = [StreamOptions::raw(), options()];
    let opened = |stream, protocol: &'static str, options, open| ConnectionMessage::StreamOpened {
        stream: StreamId(stream),
        protocol: ProtocolId::from_static(protocol),
        options,
        open,
    };
    let ended = |stream| {
        let (stream, cause) = (StreamId(stream), StreamCloseCause::Ended);
        ConnectionMessage::StreamClosed { stream, cause }
    };
    let chat = ProtocolId::from_static("/chat");
    assert_eq!(why(&swarm, connection, 0), "idle: closes in 60 s unless it is used");
    assert_eq!(why(&swarm, connection, 18), "idle: closes in 42 s unless it is used");

    // A stream that keeps nothing open.
    say_at(&mut swarm, connection, opened(0, "/test/1.0.0", echo, None), at(20));
    assert_eq!(why(&swarm, connection, 20), "idle: closes in 40 s unless it is used");

    swarm.handle_input(SwarmInput::HandleProtocol { protocol: chat.clone() }, at(20));
    for stream in [1, 2] {
        say_at(&mut swarm, connection, opened(stream, "/chat", raw, None), at(20));
    }
    for request in 0..3 {
        let protocols = smallvec![chat.clone(), TEST];
        let (request, target) = (RequestId(request), Target::Connection(connection));
        swarm.handle_input(SwarmInput::OpenStream { request, target, protocols }, at(20));
    }
    say_at(&mut swarm, connection, opened(3, "/chat", raw, Some(OpenId(0))), at(20));
    swarm.handle_input(SwarmInput::KeepAlive { connection, wanted: true }, at(20));
    let wish = |wanted| SwarmInput::Command(ToSwarm::KeepAlive { connection, wanted });
    swarm.handle_input(wish(true), at(20));
    let told = "kept open:\n  1 stream of /chat, opened by this node\n  2 streams of /chat, opened by the peer\n  \
        2 streams being opened for /chat, /test/1.0.0\n  the user wishes it\n  the protocol /test/1.0.0 wishes it";
    assert_eq!(why(&swarm, connection, 21), told);

    let error = StreamError::Refused;
    for open in [1, 2] {
        let (open, error) = (OpenId(open), error.clone());
        say_at(&mut swarm, connection, ConnectionMessage::OpenFailed { open, error }, at(30));
    }
    swarm.handle_input(SwarmInput::KeepAlive { connection, wanted: false }, at(31));
    for stream in [1, 2] {
        say_at(&mut swarm, connection, ended(stream), at(32));
    }
    swarm.handle_input(wish(false), at(33));
    assert_eq!(why(&swarm, connection, 34), "kept open:\n  1 stream of /chat, opened by this node");
    say_at(&mut swarm, connection, ended(3), at(40));
    assert_eq!(why(&swarm, connection, 99), "idle: closes in 1 s unless it is used");
    assert_eq!(why(&swarm, connection, 1_000), "idle: closes in 0 s unless it is used");

    swarm.handle_input(SwarmInput::Disconnect { connection }, at(40));
    assert_eq!(why(&swarm, connection, 40), "closing");
    assert_eq!(swarm.why_alive(ConnectionId(9), NOW), None);
}

#[test]
fn the_standing_is_told_too() {
    let (mut swarm, connection) = connected();
    let (peer, name) = (other_peer(), "relay".to_owned());
    for change in [
        StandingChange::Tag { peer, name: "dht".to_owned(), value: 5 },
        StandingChange::Tag { peer, name: "slow".to_owned(), value: -2 },
        StandingChange::Protect { peer, name },
        StandingChange::Protect { peer, name: "boot".to_owned() },
    ] {
        swarm.handle_input(SwarmInput::Standing(change), NOW);
    }
    let told = "idle: closes in 60 s unless it is used\nworth 3 when there are too many connections: dht 5, slow -2\n\
        not closed when there are too many connections: boot, relay";
    assert_eq!(why(&swarm, connection, 0), told);
}

#[test]
fn a_connection_on_its_way_and_one_that_is_never_idle() {
    let connection = ConnectionConfig { idle_timeout: None, ..ConnectionConfig::default() };
    let mut swarm = swarm_of(SwarmConfig { connection, ..SwarmConfig::default() });
    let listener = listening(&mut swarm);
    let connection = incoming_from(&mut swarm, listener, [9; 4].into(), NOW);
    assert_eq!(why(&swarm, connection, 0), "not open yet");
    say(&mut swarm, connection, established(1));
    assert_eq!(why(&swarm, connection, 1_000), "idle, and never closed for that");
}
