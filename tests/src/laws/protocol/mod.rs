//! Any mounted protocol as a machine for the law checks, in a world that behaves as the swarm promises.

mod world;

pub use world::World;

use super::Law;
use super::machine::MachineSubject;
use bytes::Bytes;
use peerwork_core::identity::{PeerId, PublicKey};
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::protocols::{FromSwarm, Protocol, ToSwarm};
use peerwork_core::seed::Seed;
use peerwork_core::time::Instant;
use std::fmt::Debug;

/// A protocol, described for the law checks: [`Mounted`] makes a [`MachineSubject`] of it.
///
/// Connections and streams come and go, sending is refused at times, and remotes answer, stay silent, or send noise. Peers tell what they
/// are, dials succeed or not, and a protocol that finds peers is asked for them.
pub trait ProtocolSubject {
    /// The protocol.
    type Protocol: Protocol;
    /// What a command and its outcome have in common. Any type if there are no commands.
    type Id: Debug + Clone + Ord;

    /// What the table of results calls it.
    fn name(&self) -> String;

    /// The machine, freshly mounted.
    fn build(&self, case: u64, now: Instant) -> Self::Protocol;

    /// A command about one of these peers, some of whom are connected. `number` counts commands, and can be the command's id.
    fn command(&self, number: u64, peers: &[PeerId], draw: &mut Seed) -> Option<Command<Self>> {
        let _ = (number, peers, draw);
        None
    }

    /// What an honest remote sends of its own accord on a stream that it opened.
    fn message(&self, protocol: &ProtocolId, draw: &mut Seed) -> Option<Bytes> {
        let _ = (protocol, draw);
        None
    }

    /// What an honest remote answers to this message of ours.
    fn reply(&self, protocol: &ProtocolId, message: &Bytes) -> Option<Bytes> {
        let _ = (protocol, message);
        None
    }

    /// What an honest remote with this key sends first on a stream that we opened.
    fn greeting(&self, protocol: &ProtocolId, remote: &PublicKey, draw: &mut Seed) -> Option<Bytes> {
        let _ = (protocol, remote, draw);
        None
    }

    /// See [`MachineSubject::command_id`].
    fn command_id(&self, command: &Command<Self>) -> Option<Self::Id> {
        let _ = command;
        None
    }

    /// See [`MachineSubject::outcome_id`].
    fn outcome_id(&self, event: &Event<Self>) -> Option<Self::Id> {
        let _ = event;
        None
    }

    /// See [`MachineSubject::exempt`]. A protocol does not die.
    fn exempt(&self, law: Law) -> Option<&'static str> {
        (law == Law::DeadMeansDead).then_some("protocols do not die")
    }
}

/// The command of a described protocol.
pub type Command<S> = <<S as ProtocolSubject>::Protocol as Protocol>::Command;
/// The event of a described protocol.
pub type Event<S> = <<S as ProtocolSubject>::Protocol as Protocol>::Event;

/// A protocol in a world that behaves as the swarm promises.
#[derive(Debug, Clone)]
pub struct Mounted<S>(pub S);

impl<S: ProtocolSubject> MachineSubject for Mounted<S> {
    type Machine = S::Protocol;
    type World = World;
    type Id = S::Id;

    fn name(&self) -> String {
        self.0.name()
    }

    fn build(&self, case: u64, now: Instant) -> (S::Protocol, World) {
        let protocol = self.0.build(case, now);
        let world = World::new(case, protocol.inbound(), protocol.finds_peers());
        (protocol, world)
    }

    fn input(&self, world: &mut World, draw: &mut Seed, now: Instant) -> Option<FromSwarm<Command<S>>> {
        world.input(&self.0, draw, now)
    }

    fn output(&self, world: &mut World, _: &mut S::Protocol, output: &ToSwarm<Event<S>>, _: Instant) {
        world.output(&self.0, output);
    }

    fn wind_down(&self, world: &mut World) -> Option<FromSwarm<Command<S>>> {
        world.wind_down().map(with_commands)
    }

    fn command_id(&self, input: &FromSwarm<Command<S>>) -> Option<S::Id> {
        match input {
            FromSwarm::Command(command) => self.0.command_id(command),
            _ => None,
        }
    }

    fn outcome_id(&self, output: &ToSwarm<Event<S>>) -> Option<S::Id> {
        match output {
            ToSwarm::Event(event) => self.0.outcome_id(event),
            _ => None,
        }
    }

    fn steps(&self) -> usize {
        150
    }

    fn exempt(&self, law: Law) -> Option<&'static str> {
        self.0.exempt(law)
    }
}

/// The same fact as the input of a machine with commands.
fn with_commands<C>(fact: peerwork_core::protocols::Fact) -> FromSwarm<C> {
    fact.map_command(|never| match never {})
}
