//! Every error of the layers by name, and whether a peer can cause it. A new variant does not compile until it is listed here, and one
//! that a peer can cause must have a row.

use super::bed::Report;
use peerwork_core::connection::ConnectionError;
use peerwork_core::muxer::{MuxerError, ResetCause};
use peerwork_core::negotiation::NegotiationError;
use peerwork_core::protocols::identify::IdentifyError;
use peerwork_core::protocols::ping::PingError;
use peerwork_core::protocols::{StreamCloseCause, StreamError};
use peerwork_core::security::{ChannelError, SecurityError};
use peerwork_core::swarm::dialer::AttemptError;
use peerwork_core::swarm::{ConnectionLimit, DialError};
use std::collections::BTreeSet;

macro_rules! errors {
    ($($type:ident, $name:ident: by a peer [$($peer:ident),*], by no peer [$($other:ident),*];)*) => {
        $(fn $name(error: &$type) -> &'static str {
            match error {
                $($type::$peer { .. } => concat!(stringify!($type), "::", stringify!($peer)),)*
                $($type::$other { .. } => concat!(stringify!($type), "::", stringify!($other)),)*
            }
        })*

        /// What a peer can make the node report.
        pub(crate) const BY_A_PEER: &[&[&str]] =
            &[$(&[$(concat!(stringify!($type), "::", stringify!($peer))),*]),*];

        /// What only the node's user, its own limits or another transport or muxer can cause.
        pub(crate) const BY_NO_PEER: &[&[&str]] =
            &[$(&[$(concat!(stringify!($type), "::", stringify!($other))),*]),*];
    };
}

errors! {
    NegotiationError, negotiation:
        by a peer [Unsupported, BadHeader, TooLarge, Malformed, UnexpectedAnswer, TooManyProposals, Refused, Ended],
        by no peer [NothingProposed];
    SecurityError, security:
        by a peer [
            SelfDial, TooLarge, Malformed, Protobuf, Key, NotAuthentic, Certificate, Protocol, Refused, NoCommonAlgorithm, Ended,
            Channel
        ],
        // A dial reports another peer in words of its own, and who comes in is not expected.
        by no peer [WrongPeer, Local];
    ChannelError, channel: by a peer [TooLarge, Malformed, NotAuthentic, Refused], by no peer [Exhausted];
    MuxerError, muxer: by a peer [Malformed, TooLarge, Violation, ControlFlood, SessionEnded, Ended], by no peer [];
    ConnectionError, connection:
        by a peer [
            Negotiation, Security, Channel, Muxer, HandshakeTimeout, PrivateNetwork, Reflected, Idle, Limit, ClosedByPeer, Broken
        ],
        by no peer [Denied, ClosedHere];
    ConnectionLimit, limit:
        by a peer [PerPeer, PendingInbound, PendingRange, Rate],
        by no peer [Total, Inbound, Outbound, PendingOutbound, InboundRange, OutboundRange, HighWatermark];
    // A peer decides how an attempt to reach it ends.
    DialError, dial:
        by a peer [Failed],
        by no peer [
            NoAddresses, SelfDial, AlreadyDialing, Timeout, Blocked, TooMany, Cancelled, ShuttingDown, IdReused
        ];
    AttemptError, attempt:
        by a peer [SelfDial, WrongPeer, Connection],
        by no peer [
            Address, Undialable, Transport, Timeout, Limit, Backoff, BlackHole, Redundant, Blocked, TooMany,
            NotTried
        ];
    PingError, ping:
        by a peer [Unsupported, NotOpened, Timeout, WrongEcho, StreamClosed, ConnectionClosed],
        by no peer [NotConnected, TooMany];
    IdentifyError, identify:
        by a peer [
            Unsupported, NotOpened, Timeout, InvalidMessage, WrongKey, TooManyMessages, Nothing, StreamClosed, ConnectionClosed
        ],
        by no peer [NotConnected, TooMany];
    StreamError, stream:
        by a peer [Unsupported, Timeout, Negotiation, Refused],
        // The protocols report the connection's end in words of their own.
        by no peer [NotConnected, Limit, ConnectionClosed, Invalid];
    StreamCloseCause, cause:
        by a peer [Ended, Reset, BadMessage, Truncated, NotAgreed],
        by no peer [ResetHere, ConnectionClosed];
    // No muxer here has a rule that costs a stream alone.
    ResetCause, reset: by a peer [Remote, BufferFull], by no peer [Violation];
}

/// The names of an error and of its causes.
pub(crate) fn of_report(report: &Report, names: &mut BTreeSet<&'static str>) {
    match report {
        Report::Connection(error) => of_connection(error, names),
        Report::Dial(error) => {
            names.insert(dial(error));
            for (_, error) in error.failures() {
                names.insert(attempt(error));
                if let AttemptError::Connection(error) = error {
                    of_connection(error, names);
                }
            }
        }
        Report::Ping(error) => {
            names.insert(ping(error));
            match error {
                PingError::NotOpened(error) => drop(names.insert(stream(error))),
                PingError::StreamClosed(cause) => of_cause(cause, names),
                _ => {}
            }
        }
        Report::Identify(error) | Report::Push(error) => {
            names.insert(identify(error));
            match error {
                IdentifyError::NotOpened(error) => drop(names.insert(stream(error))),
                IdentifyError::StreamClosed(cause) => of_cause(cause, names),
                _ => {}
            }
        }
        Report::Stream(cause) => of_cause(cause, names),
    }
}

fn of_connection(error: &ConnectionError, names: &mut BTreeSet<&'static str>) {
    names.insert(connection(error));
    if let ConnectionError::PrivateNetwork(cause) = error {
        of_connection(cause, names);
    }
    names.extend(match error {
        ConnectionError::Negotiation { error, .. } => Some(negotiation(error)),
        ConnectionError::Security { error, .. } => Some(security(error)),
        ConnectionError::Channel(error) => Some(channel(error)),
        ConnectionError::Muxer(error) => Some(muxer(error)),
        ConnectionError::Limit(error) => Some(limit(error)),
        _ => None,
    });
}

fn of_cause(error: &StreamCloseCause, names: &mut BTreeSet<&'static str>) {
    names.insert(cause(error));
    names.extend(match error {
        StreamCloseCause::Reset(error) => Some(reset(error)),
        StreamCloseCause::NotAgreed(error) => Some(stream(error)),
        _ => None,
    });
}
