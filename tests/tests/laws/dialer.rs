//! The dialer as a machine, in the world of the checks of its promises.

use peerwork_core::seed::Seed;
use peerwork_core::swarm::dialer::{DialId, Dialer, DialerInput, DialerOutput};
use peerwork_core::time::Instant;
use peerwork_tests::dialer::{World, config, peer};
use peerwork_tests::laws::Law;
use peerwork_tests::laws::machine::MachineSubject;

pub(crate) struct Dialing;

impl MachineSubject for Dialing {
    type Machine = Dialer;
    type World = World;
    type Id = DialId;

    fn name(&self) -> String {
        "dialer".to_owned()
    }

    fn build(&self, case: u64, now: Instant) -> (Dialer, World) {
        let mut seed = Seed::reproducible(case);
        let dialer_seed = seed.child("dialer");
        let config = config(&mut |bound| seed.below(bound));
        (Dialer::new(config, peer(0), dialer_seed, now), World::default())
    }

    fn input(&self, world: &mut World, draw: &mut Seed, _now: Instant) -> Option<DialerInput> {
        world.draw(&mut |bound| draw.below(bound))
    }

    fn output(&self, world: &mut World, _dialer: &mut Dialer, output: &DialerOutput, _now: Instant) {
        world.hear(output);
    }

    fn wind_down(&self, world: &mut World) -> Option<DialerInput> {
        world.wind_down()
    }

    fn command_id(&self, input: &DialerInput) -> Option<DialId> {
        match input {
            DialerInput::Dial { dial, .. } => Some(*dial),
            _ => None,
        }
    }

    fn outcome_id(&self, output: &DialerOutput) -> Option<DialId> {
        match output {
            DialerOutput::Finished { dial, .. } => Some(*dial),
            _ => None,
        }
    }

    fn max_outputs(&self) -> usize {
        256
    }

    fn exempt(&self, law: Law) -> Option<&'static str> {
        (law == Law::DeadMeansDead).then_some("wishes are refused even after the end")
    }
}
