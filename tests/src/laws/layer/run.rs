//! One run of a layer through a script.

use super::{LayerSubject, Step};
use crate::laws::clock::{Clock, Clocked, Habit};
use crate::laws::log::{Log, compare_bytes};
use bytes::{Bytes, BytesMut};
use peerwork_core::machine::{Close, End, Layer};
use peerwork_core::seed::Seed;
use peerwork_core::time::{Deadline, Instant};
use std::time::Duration;

/// How a driver takes the bytes that a layer wants sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writer {
    /// All of them, after every call.
    Prompt,
    /// All of them, after every call, with this `max`.
    Small(usize),
    /// Now and then, with a small `max`.
    Rare,
    /// Only when the script is over.
    Last,
}

/// Polls without an end in sight. More is a layer that never has nothing to say.
const MAX_POLLS: usize = 100_000;

/// What `poll_transmit` must leave alone.
const SENTINEL: &[u8] = b"unsent";

/// A layer on the bench, with a driver of known habits.
pub(super) struct Run<'a, S: LayerSubject> {
    bench: Bench<'a, S>,
    clock: Clock,
    steps: usize,
}

/// What a run came to.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) log: Log,
    pub(super) sent: BytesMut,
    pub(super) death: Option<String>,
    close: Option<Close>,
    /// What belongs to the layer that follows this one. Not defined once nobody will offer it.
    rest: Option<BytesMut>,
    /// The log before the first byte was taken, if the writer only comes last.
    unflushed: Option<Log>,
}

struct Bench<'a, S: LayerSubject> {
    subject: &'a S,
    layer: S::Layer,
    writer: Writer,
    draw: Seed,
    input: BytesMut,
    sent: BytesMut,
    log: Log,
    death: Option<String>,
    close: Option<Close>,
    ended: bool,
    /// Input waits because the layer did not want it.
    refused: bool,
}

impl<'a, S: LayerSubject> Run<'a, S> {
    pub(super) fn new(subject: &'a S, case: u64, habit: Habit, writer: Writer) -> Result<Self, String> {
        let mut draw = Seed::reproducible(case).child("habits");
        let clock = Clock::new(habit, draw.child("clock"));
        let mut bench = Bench {
            subject,
            layer: subject.build(case, clock.now()),
            writer,
            draw,
            input: BytesMut::new(),
            sent: BytesMut::new(),
            log: Log::default(),
            death: None,
            close: None,
            ended: false,
            refused: false,
        };
        bench.settle(clock.now())?;
        clock.inspect(&mut bench)?;
        Ok(Self { bench, clock, steps: 0 })
    }

    /// Runs the whole script and then whatever is left to poll.
    pub(super) fn whole(
        subject: &'a S,
        case: u64,
        habit: Habit,
        writer: Writer,
        script: &[Step],
    ) -> Result<Trace, String> {
        let mut run = Self::new(subject, case, habit, writer)?;
        for step in script {
            run.step(step)?;
        }
        run.finish()
    }

    pub(super) fn step(&mut self, step: &Step) -> Result<(), String> {
        self.steps += 1;
        let at = self.steps;
        let result = self.take_step(step);
        result.map_err(|error| format!("in step {at}, {step}: {error}\nafter{}", self.bench.log.latest()))
    }

    fn take_step(&mut self, step: &Step) -> Result<(), String> {
        let Self { bench, clock, .. } = self;
        if !bench.is_dead() {
            match step {
                Step::Input(bytes) => {
                    bench.input.extend_from_slice(bytes);
                    let now = clock.stamp(bench);
                    bench.offer(now)?;
                }
                Step::End(end) => {
                    let now = clock.stamp(bench);
                    bench.end(*end, now)?;
                }
                Step::Wait(by) => clock.pass(*by, bench)?,
                Step::Operation(number) => {
                    let now = clock.stamp(bench);
                    bench.subject.operate(&mut bench.layer, *number, now, &mut bench.log);
                }
            }
        }
        bench.settle(clock.now())?;
        clock.inspect(bench)?;
        bench.inspect(clock.now(), clock.habit())
    }

    /// What was sent since the last call.
    pub(super) fn take_sent(&mut self) -> Bytes {
        self.bench.sent.split().freeze()
    }

    /// How long until the next deadline.
    pub(super) fn until_deadline(&self) -> Option<Duration> {
        self.clock.until_deadline(&self.bench)
    }

    pub(super) fn is_dead(&self) -> bool {
        self.bench.is_dead()
    }

    pub(super) fn finish(mut self) -> Result<Trace, String> {
        let Self { bench, clock, .. } = &mut self;
        if clock.habit() == Habit::Late {
            clock.wake(bench)?;
        }
        let unflushed = (bench.writer == Writer::Last).then(|| bench.log.clone());
        bench.writer = Writer::Prompt;
        bench.settle(clock.now())?;
        let bench = self.bench;
        let offered = !bench.is_dead() && bench.close.is_none() && bench.layer.wants_input();
        Ok(Trace {
            log: bench.log,
            sent: bench.sent,
            death: bench.death,
            close: bench.close,
            rest: offered.then_some(bench.input),
            unflushed,
        })
    }

    /// Law 7: whatever is done with the dead layer, it stays silent and dead.
    pub(super) fn expect_dead(mut self, script: &[Step]) -> Result<(), String> {
        let Self { bench, clock, .. } = &mut self;
        for step in script {
            match step {
                Step::Input(bytes) => bench.expect_refused(bytes, clock.now())?,
                Step::End(end) => bench.layer.handle_end(*end, clock.now()),
                Step::Wait(by) => clock.pass(*by, bench)?,
                Step::Operation(number) => {
                    bench.subject.operate(&mut bench.layer, *number, clock.now(), &mut Log::default());
                }
            }
            let came = bench.settle(clock.now())?;
            if came > 0 {
                return Err(format!("the dead layer had {came} outputs after {step}"));
            }
            if bench.close.is_none() {
                return Err("the layer is dead, but poll_close is None".to_owned());
            }
        }
        Ok(())
    }
}

impl<S: LayerSubject> Bench<'_, S> {
    /// Dead by an error, or done with the byte stream below at once.
    fn is_dead(&self) -> bool {
        self.death.is_some() || self.close == Some(Close::Now)
    }

    /// Ends the byte stream, and asks what the layer makes of it.
    fn end(&mut self, end: End, now: Instant) -> Result<(), String> {
        self.layer.handle_end(end, now);
        self.ended = true;
        if self.layer.wants_input() {
            return self.offer(now).map(drop);
        }
        if let Err(error) = self.layer.handle_input(&mut BytesMut::new(), now) {
            self.death = Some(format!("{error:?}"));
        }
        Ok(())
    }

    /// Offers what has arrived, as a driver does.
    fn offer(&mut self, now: Instant) -> Result<bool, String> {
        self.refused = !self.layer.wants_input();
        if self.is_dead() || self.refused || (self.input.is_empty() && !self.ended) {
            return Ok(false);
        }
        let before = self.input.clone();
        let result = self.layer.handle_input(&mut self.input, now);
        if let Err(error) = result {
            self.death = Some(format!("{error:?}"));
        } else if !before.ends_with(&self.input) {
            return Err("handle_input left something else than the end of its input".to_owned());
        }
        self.refused = !self.layer.wants_input();
        Ok(self.input.len() < before.len())
    }

    /// Offers what the layer did not want before, once it does.
    fn offer_refused(&mut self, now: Instant) -> Result<bool, String> {
        if self.refused && self.layer.wants_input() { self.offer(now) } else { Ok(false) }
    }

    fn take_events(&mut self, now: Instant) -> Result<usize, String> {
        let mut came = 0;
        while let Some(event) = self.layer.poll_event() {
            self.subject.event(&mut self.layer, event, now, &mut self.log);
            came += 1;
            if came > MAX_POLLS {
                return Err(format!("more than {MAX_POLLS} events at once"));
            }
        }
        Ok(came)
    }

    fn take_bytes(&mut self, now: Instant) -> Result<usize, String> {
        match self.writer {
            Writer::Prompt => self.take_all(usize::MAX, now),
            Writer::Small(max) => self.take_all(max, now),
            Writer::Rare if self.draw.below(4) == 0 => {
                let max = 1 + self.draw.below(64) as usize;
                self.take(max, now)
            }
            Writer::Rare | Writer::Last => Ok(0),
        }
    }

    fn take_all(&mut self, max: usize, now: Instant) -> Result<usize, String> {
        let mut took = 0;
        for _ in 0..MAX_POLLS {
            match self.take(max, now)? {
                0 => return Ok(took),
                more => took += more,
            }
        }
        Err(format!("bytes to send without end: {took} so far"))
    }

    fn take(&mut self, max: usize, now: Instant) -> Result<usize, String> {
        let mut out = BytesMut::from(SENTINEL);
        let none = self.layer.poll_transmit(&mut out, 0, now);
        if none != 0 || out != SENTINEL {
            return Err("poll_transmit with a max of 0 sent something".to_owned());
        }
        let count = self.layer.poll_transmit(&mut out, max, now);
        match out.strip_prefix(SENTINEL) {
            Some(bytes) if bytes.len() == count => self.sent.extend_from_slice(bytes),
            Some(bytes) => {
                return Err(format!("poll_transmit returned {count} but appended {} bytes", bytes.len()));
            }
            None => return Err("poll_transmit changed bytes that were there before".to_owned()),
        }
        Ok(count)
    }

    fn take_close(&mut self) -> Result<(), String> {
        let close = self.layer.poll_close();
        if self.close.is_some() && close != self.close && close != Some(Close::Now) {
            return Err(format!("poll_close went from {:?} to {close:?}", self.close));
        }
        self.close = close;
        Ok(())
    }

    /// Law 2 for what only layers have: the same input offered again changes nothing.
    fn inspect(&mut self, now: Instant, habit: Habit) -> Result<(), String> {
        if habit != Habit::Suspicious || self.is_dead() {
            return Ok(());
        }
        let deadline = self.poll_timeout();
        let took = self.offer(now)?;
        let came = self.settle(now)?;
        if took || came > 0 || self.death.is_some() || self.poll_timeout() != deadline {
            return Err(format!("input that had been offered before changed something: {came} outputs"));
        }
        Ok(())
    }

    fn expect_refused(&mut self, bytes: &Bytes, now: Instant) -> Result<(), String> {
        let result = self.layer.handle_input(&mut BytesMut::from(&bytes[..]), now);
        let answer = result.err().map(|error| format!("{error:?}"));
        if self.death.is_some() && answer != self.death {
            return Err(format!("the dead layer answered {answer:?} to input instead of {:?}", self.death));
        }
        Ok(())
    }
}

impl<S: LayerSubject> Clocked for Bench<'_, S> {
    fn handle_timeout(&mut self, now: Instant) {
        self.layer.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.layer.poll_timeout()
    }

    fn settle(&mut self, now: Instant) -> Result<usize, String> {
        let mut total = 0;
        for _ in 0..MAX_POLLS {
            let came = self.take_bytes(now)? + self.take_events(now)?;
            let took = self.offer_refused(now)?;
            total += came;
            if came == 0 && !took {
                self.take_close()?;
                return Ok(total);
            }
        }
        Err(format!("after {MAX_POLLS} rounds of polling there is still more"))
    }
}

impl Trace {
    /// The first thing that is not as in `expected`. `same` compares what was sent.
    pub(super) fn compare(
        &self,
        expected: &Self,
        same: impl FnOnce(&[u8], &[u8], bool) -> Result<(), String>,
    ) -> Result<(), String> {
        if self.death != expected.death {
            return Err(format!("the error is {:?} instead of {:?}", self.death, expected.death));
        }
        if self.close != expected.close {
            return Err(format!("poll_close is {:?} instead of {:?}", self.close, expected.close));
        }
        // Whoever reads the streams, or writes to the socket, may have come too late for what the layer then dropped.
        let torn = self.close == Some(Close::Now);
        self.log.compare_facts(&expected.log, false)?;
        self.log.compare_streams(&expected.log, torn)?;
        if let (Some(ours), Some(expected)) = (&self.rest, &expected.rest) {
            compare_bytes("left for the next layer", expected, ours, false)?;
        }
        if let Some(unflushed) = &self.unflushed {
            let early = |difference| format!("before anything was written: {difference}");
            unflushed.compare_facts(&expected.log, false).map_err(early)?;
        }
        same(&self.sent, &expected.sent, torn)
    }
}
