//! Several protocols mounted as one.

use super::{FromSwarm, InboundProtocol, Protocol, ToSwarm};
use crate::time::{Deadline, Instant};
use std::convert::Infallible;
use std::fmt::Debug;

/// What the swarm tells a protocol of its own accord: everything but a command.
pub type Fact = FromSwarm<Infallible>;

/// What a swarm has mounted: a [`Protocol`], nothing (`()`), or a tuple of two to four of these.
///
/// The machines are numbered in order, tuples inside tuples counted through.
pub trait Protocols {
    /// What the user can ask of them.
    type Command: Debug + Clone + PartialEq;
    /// What they tell the user.
    type Event: Debug + Clone + PartialEq;
    /// How many machines there are.
    const COUNT: usize;

    /// The protocols that remotes may open, each with the number of its machine.
    fn inbound(&self) -> Vec<(usize, InboundProtocol)>;

    /// The numbers of the machines that [find peers](Protocol::finds_peers).
    fn finders(&self) -> Vec<usize>;

    /// Hands a command to the machine that it is for.
    fn handle_command(&mut self, command: Self::Command, now: Instant);

    /// Hands a fact to the machine with this number.
    fn handle_fact(&mut self, index: usize, fact: Fact, now: Instant);

    /// Tells every machine that the node is about to be over. See [`Protocol::shut_down`].
    fn shut_down(&mut self, now: Instant);

    /// Hands the time to every machine.
    fn handle_timeout(&mut self, now: Instant);

    /// The next output and the number of the machine that made it.
    fn poll_output(&mut self) -> Option<(usize, ToSwarm<Self::Event>)>;

    /// The earliest deadline.
    fn poll_timeout(&self) -> Option<Deadline>;
}

impl<P: Protocol> Protocols for P {
    type Command = <P as Protocol>::Command;
    type Event = <P as Protocol>::Event;
    const COUNT: usize = 1;

    fn inbound(&self) -> Vec<(usize, InboundProtocol)> {
        Protocol::inbound(self).into_iter().map(|inbound| (0, inbound)).collect()
    }

    fn finders(&self) -> Vec<usize> {
        if self.finds_peers() { vec![0] } else { Vec::new() }
    }

    fn handle_command(&mut self, command: Self::Command, now: Instant) {
        self.handle_input(FromSwarm::Command(command), now);
    }

    fn handle_fact(&mut self, _index: usize, fact: Fact, now: Instant) {
        self.handle_input(fact.map_command(|never| match never {}), now);
    }

    fn shut_down(&mut self, now: Instant) {
        Protocol::shut_down(self, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        crate::machine::Machine::handle_timeout(self, now);
    }

    fn poll_output(&mut self) -> Option<(usize, ToSwarm<Self::Event>)> {
        crate::machine::Machine::poll_output(self).map(|output| (0, output))
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        crate::machine::Machine::poll_timeout(self)
    }
}

impl Protocols for () {
    type Command = Infallible;
    type Event = Infallible;
    const COUNT: usize = 0;

    fn inbound(&self) -> Vec<(usize, InboundProtocol)> {
        Vec::new()
    }

    fn finders(&self) -> Vec<usize> {
        Vec::new()
    }

    fn handle_command(&mut self, command: Infallible, _now: Instant) {
        match command {}
    }

    fn handle_fact(&mut self, _index: usize, _fact: Fact, _now: Instant) {}

    fn shut_down(&mut self, _now: Instant) {}

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_output(&mut self) -> Option<(usize, ToSwarm<Infallible>)> {
        None
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        None
    }
}

macro_rules! tuple {
    ($one_of:ident, $words:literal, $($variant:ident $type:ident $field:tt),+) => {
        #[doc = concat!("The command or event of one of ", $words, " protocols.")]
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $one_of<$($type),+> {
            $(
                #[doc = concat!("Of the member `.", stringify!($field), "`.")]
                $variant($type),
            )+
        }

        impl<$($type: Protocols),+> Protocols for ($($type,)+) {
            type Command = $one_of<$($type::Command),+>;
            type Event = $one_of<$($type::Event),+>;
            const COUNT: usize = 0 $(+ $type::COUNT)+;

            fn inbound(&self) -> Vec<(usize, InboundProtocol)> {
                let mut all = Vec::new();
                let mut first = 0;
                $(
                    all.extend(self.$field.inbound().into_iter().map(|(index, inbound)| (first + index, inbound)));
                    first += $type::COUNT;
                )+
                debug_assert_eq!(first, Self::COUNT);
                all
            }

            fn finders(&self) -> Vec<usize> {
                let mut all = Vec::new();
                let mut first = 0;
                $(
                    all.extend(self.$field.finders().into_iter().map(|index| first + index));
                    first += $type::COUNT;
                )+
                debug_assert_eq!(first, Self::COUNT);
                all
            }

            fn handle_command(&mut self, command: Self::Command, now: Instant) {
                match command {
                    $($one_of::$variant(command) => self.$field.handle_command(command, now),)+
                }
            }

            fn handle_fact(&mut self, index: usize, fact: Fact, now: Instant) {
                let mut first = 0;
                $(
                    if index < first + $type::COUNT {
                        return self.$field.handle_fact(index - first, fact, now);
                    }
                    first += $type::COUNT;
                )+
                debug_assert!(index < first, "no machine {index} among {first}");
            }

            fn shut_down(&mut self, now: Instant) {
                $(self.$field.shut_down(now);)+
            }

            fn handle_timeout(&mut self, now: Instant) {
                $(self.$field.handle_timeout(now);)+
            }

            fn poll_output(&mut self) -> Option<(usize, ToSwarm<Self::Event>)> {
                let mut first = 0;
                $(
                    if let Some((index, output)) = self.$field.poll_output() {
                        return Some((first + index, output.map_event($one_of::$variant)));
                    }
                    first += $type::COUNT;
                )+
                debug_assert_eq!(first, Self::COUNT);
                None
            }

            fn poll_timeout(&self) -> Option<Deadline> {
                let mut earliest = None;
                $(earliest = Deadline::earlier(earliest, self.$field.poll_timeout());)+
                earliest
            }
        }
    };
}

tuple!(OneOf2, "two", First A 0, Second B 1);
tuple!(OneOf3, "three", First A 0, Second B 1, Third C 2);
tuple!(OneOf4, "four", First A 0, Second B 1, Third C 2, Fourth D 3);

impl<C> FromSwarm<C> {
    /// The same fact for a machine with other commands.
    pub fn map_command<D>(self, map: impl FnOnce(C) -> D) -> FromSwarm<D> {
        match self {
            Self::Command(command) => FromSwarm::Command(map(command)),
            Self::Local(info) => FromSwarm::Local(info),
            Self::Connected { connection, peer, role, remote_address, local_address } => {
                FromSwarm::Connected { connection, peer, role, remote_address, local_address }
            }
            Self::Disconnected { connection, peer } => FromSwarm::Disconnected { connection, peer },
            Self::StreamOpened { stream, peer, protocol, request } => {
                FromSwarm::StreamOpened { stream, peer, protocol, request }
            }
            Self::OpenFailed { request, error } => FromSwarm::OpenFailed { request, error },
            Self::Message { stream, message, received_at } => {
                FromSwarm::Message { stream, message, received_at }
            }
            Self::RemoteClosed { stream } => FromSwarm::RemoteClosed { stream },
            Self::Blocked { stream, message } => FromSwarm::Blocked { stream, message },
            Self::Writable { stream } => FromSwarm::Writable { stream },
            Self::StreamClosed { stream, cause } => FromSwarm::StreamClosed { stream, cause },
            Self::FindPeer { peer } => FromSwarm::FindPeer { peer },
            Self::StopFinding { peer } => FromSwarm::StopFinding { peer },
            Self::Identified { connection, peer, info } => FromSwarm::Identified { connection, peer, info },
            Self::Dialed { request, connection, peer } => FromSwarm::Dialed { request, connection, peer },
            Self::DialFailed { request, error } => FromSwarm::DialFailed { request, error },
        }
    }
}

impl<E> ToSwarm<E> {
    /// The same output of a machine with other events.
    pub fn map_event<F>(self, map: impl FnOnce(E) -> F) -> ToSwarm<F> {
        match self {
            Self::Event(event) => ToSwarm::Event(map(event)),
            Self::OpenStream { request, target, protocols, options } => {
                ToSwarm::OpenStream { request, target, protocols, options }
            }
            Self::Send { stream, message } => ToSwarm::Send { stream, message },
            Self::Grant { stream, messages } => ToSwarm::Grant { stream, messages },
            Self::Close { stream } => ToSwarm::Close { stream },
            Self::Reset { stream } => ToSwarm::Reset { stream },
            Self::IntoRaw { stream } => ToSwarm::IntoRaw { stream },
            Self::KeepAlive { connection, wanted } => ToSwarm::KeepAlive { connection, wanted },
            Self::Disconnect { connection } => ToSwarm::Disconnect { connection },
            Self::Addresses { peer, addresses } => ToSwarm::Addresses { peer, addresses },
            Self::FindFinished { peer } => ToSwarm::FindFinished { peer },
            Self::Identified { connection, peer, info } => ToSwarm::Identified { connection, peer, info },
            Self::Dial { request, target, options } => ToSwarm::Dial { request, target, options },
            Self::CancelDial { request } => ToSwarm::CancelDial { request },
        }
    }
}
