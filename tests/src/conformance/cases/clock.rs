//! Time that stops and jumps.

use super::connecting::disconnected;
use crate::conformance::faulty::Ringing;
use crate::conformance::stage::Bed;
use crate::conformance::subject::{Event, HOUR, Setup, Subject};
use peerwork_core::address;
use peerwork_core::connection::ConnectionError;
use peerwork_core::protocols::Target;
use peerwork_core::protocols::ping::PingEvent;
use peerwork_core::swarm::DialError;
use peerwork_core::swarm::dialer::AttemptError;
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// After how long idle connections end in these cases.
const IDLE: Duration = Duration::from_millis(300);

/// Long after that.
const LONG_AFTER: Duration = Duration::from_millis(900);

/// How often the tasks of a node may be polled while its clock stands and nothing happens.
const MAX_POLLS: usize = 20;

fn idle_setup(number: u8) -> Setup {
    Setup::new(number).configure(|config| config.swarm.connection.idle_timeout = Some(IDLE))
}

pub(super) fn works_while_the_clock_stands<S: Subject>(bed: &Bed<S>) {
    let (dialer, _listener, address) = bed.pair(idle_setup(1), Setup::new(2));
    let faults = dialer.needed_faults();
    faults.stop_clock();
    let (connection, _) = dialer.connect(&address);
    dialer.run(move |side| side.echo_with(Target::Connection(connection), 1_000_000));
    dialer.run(|side| side.drive(Duration::from_millis(300)));
    let before = faults.polls();
    let early = dialer.run(|side| side.wait_for(LONG_AFTER, "nothing", disconnected));
    let polls = faults.polls() - before;
    assert_eq!(early, None, "no time has passed for the idle connection");
    assert!(polls <= MAX_POLLS, "its tasks were polled {polls} times while the clock stood");
    dialer.run(move |side| side.echo_with(Target::Connection(connection), 1_000_000));
    faults.resume_clock(Duration::ZERO);
    let resumed = Instant::now();
    let reason = dialer.run(|side| side.wait("the end of the idle connection", disconnected));
    assert_eq!(reason, ConnectionError::Idle, "once the clock goes on");
    let took = resumed.elapsed();
    assert!(took >= IDLE / 2, "it was idle for {IDLE:?} before its time: it took {took:?}");
}

pub(super) fn lives_through_a_jump_of_the_clock<S: Subject>(bed: &Bed<S>) {
    let pinging =
        |number| Setup::new(number).configure(|config| config.ping.interval = Some(Duration::from_secs(60)));
    let (dialer, _listener, address) = bed.pair(pinging(1), Setup::new(2));
    let (idler, _other, other_address) = bed.pair(idle_setup(3), Setup::new(4));
    let (connection, _) = dialer.connect(&address);
    let is_pong = |event: &Event| matches!(event, Event::Ping(PingEvent::Pong { .. })).then_some(());
    let faults = dialer.needed_faults();
    for stands in [false, true] {
        if stands {
            faults.stop_clock();
        }
        faults.resume_clock(HOUR);
        dialer.run(move |side| side.wait("the ping that is due", is_pong));
        let another = dialer.run(move |side| side.wait_for(Duration::from_millis(300), "nothing", is_pong));
        assert_eq!(another, None, "what is due happens once, after a jump of {HOUR:?}");
        dialer.run(move |side| side.echo_with(Target::Connection(connection), 100_000));
    }
    idler.connect(&other_address);
    let faults = idler.needed_faults();
    faults.stop_clock();
    faults.resume_clock(HOUR);
    let reason = idler.run(|side| side.wait("the end of the idle connection", disconnected));
    assert_eq!(reason, ConnectionError::Idle, "after a jump of {HOUR:?}");
    let silent = TcpListener::bind("127.0.0.1:0").expect("loopback has a port");
    let target = address::from_socket_address(silent.local_addr().expect("it is bound"));
    let dial = idler.run(move |side| side.start_dial(target));
    let _held = silent.accept().expect("it connects");
    faults.resume_clock(HOUR);
    let failed = idler.run(move |side| side.dialed(dial));
    let is_late = match &failed {
        Err(DialError::Timeout(_)) => true,
        Err(DialError::Failed(failures)) => matches!(failures[..], [(_, AttemptError::Timeout)]),
        _ => false,
    };
    assert!(is_late, "a dial, after a jump of {HOUR:?}: {failed:?}");
    let (connection, _) = idler.connect(&other_address);
    idler.run(move |side| side.echo_with(Target::Connection(connection), 100_000));
}

pub(super) fn forgives_sleeps_that_ring_wrong<S: Subject>(bed: &Bed<S>) {
    for ringing in [Ringing::Early, Ringing::Late(Duration::from_millis(200)), Ringing::Never] {
        let (dialer, _listener, address) = bed.pair(idle_setup(1), Setup::new(2));
        let faults = dialer.needed_faults();
        faults.set_ringing(ringing);
        let (connection, _) = dialer.connect(&address);
        dialer.run(move |side| side.echo_with(Target::Connection(connection), 1_000_000));
        let start = Instant::now();
        if ringing == Ringing::Never {
            let early = dialer.run(|side| side.wait_for(LONG_AFTER, "nothing", disconnected));
            assert_eq!(early, None, "nothing rings");
            faults.set_ringing(Ringing::OnTime);
        }
        let reason = dialer.run(|side| side.wait("the end of the idle connection", disconnected));
        assert_eq!(reason, ConnectionError::Idle, "{ringing:?}");
        let took = start.elapsed();
        assert!(took >= IDLE / 2, "{ringing:?}: idle for {IDLE:?} before its time: it took {took:?}");
    }
}
