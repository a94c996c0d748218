//! The contract: two traits and their laws. Start reading here.
//!
//! A **[`Layer`]** moves bytes: multistream-select, the handshake of a security protocol, a muxer, a whole
//! connection. A **[`Machine`]** moves facts: ping, identify, the swarm, the node. Neither opens a socket, reads a
//! clock, draws randomness or starts a thread: bytes or facts and a point in time go in, bytes or facts and a
//! deadline come out, and nothing moves until somebody calls.
//!
//! # How to drive one
//!
//! There are inputs (`handle_*`, and verbs such as `open_stream`), outputs (`poll_*`) and getters. After every input
//! call the `poll_*` methods until they have nothing more to say, in any order; then sleep until `poll_timeout`, or
//! until there is new input. `now` never goes backwards; where it does, the earlier value is ignored.
//!
//! # The laws
//!
//! 1. **Pure.** The same seed and the same inputs give the same outputs, byte for byte.
//! 2. **Visible.** After any `handle_*`, all that follows is there to be polled at once. Once the polls are empty,
//!    nothing changes before `poll_timeout`.
//! 3. **Chunk-blind.** Input cut anywhere gives the same bytes on each stream and the same other events, in order.
//! 4. **Slow-writer-safe.** However small `max` and however rare the polls, every byte still leaves. A phase change
//!    carries its unsent bytes along. Bytes that the socket did not take stay with the driver.
//! 5. **Soft, monotone time.** An early wake-up does nothing, a late one is safe, an earlier `now` is ignored.
//! 6. **Bounded.** Every queue, map and buffer has a named limit. Arithmetic on peers' numbers and on time is
//!    checked or saturating.
//! 7. **Dead means dead.** After an error last words may still be polled; every further input changes nothing.
//! 8. **Typed blame.** An error says whose fault it is ([`Blame`]). Bytes from the network never panic.
//! 9. **Ids are never reused.** They are counters of 64 bits.
//! 10. **One command, one outcome**, with the command's id, also when the connection dies meanwhile.
//! 11. **Order is output.** Ordered maps only, or hashed ones that are never iterated.
//! 12. **Local work first.** Outputs, then timers, then new input; the work of a call is bounded by its input.

use crate::time::{Deadline, Instant};
use bytes::BytesMut;

/// How the byte stream below a layer came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// In order: the remote will send nothing more (end of file).
    Closed,
    /// Broken: reset, unreachable, an error of the socket. Nothing can be sent either.
    Failed,
}

/// What a layer wants done with the byte stream below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// Write what `poll_transmit` still gives, then end the sending direction and go on reading.
    Flush,
    /// Drop it at once, whatever is unsent.
    Now,
}

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Blame {
    /// The remote broke the protocol or lied.
    Peer,
    /// One of our limits was reached.
    Limit,
    /// The remote, or the network, was too slow.
    Timeout,
    /// Nobody's: it was closed, here or there.
    Closed,
    /// The caller asked for what cannot be: an argument is wrong.
    Caller,
}

/// Bytes of the layer below in and out, events for the layer above. See the [module documentation](self) for the laws.
pub trait Layer {
    /// What the layer above learns.
    type Event;
    /// Why the layer died.
    type Error: Clone;

    /// Takes what it can use off the front of `input` and leaves the rest for the next call.
    ///
    /// What is left is either the start of something incomplete (offer it again with more behind it), or belongs to
    /// the layer that follows this one, or cannot be taken now (`wants_input` is false).
    ///
    /// # Errors
    /// The layer is dead; its documentation lists the reasons.
    fn handle_input(&mut self, input: &mut BytesMut, now: Instant) -> Result<(), Self::Error>;

    /// The byte stream below ended: no more input will come. What that means to the layer is the result of the next
    /// `handle_input`, which is called with empty input.
    fn handle_end(&mut self, end: End, now: Instant);

    /// A point in time was reached. Does nothing before the deadline.
    fn handle_timeout(&mut self, now: Instant);

    /// Appends bytes for the layer below to `out` and returns how many.
    ///
    /// Starts no new frame once it has appended `max` bytes, so it overshoots by one frame at most. Zero: nothing to send
    /// (or `max` is zero).
    fn poll_transmit(&mut self, out: &mut BytesMut, max: usize, now: Instant) -> usize;

    /// The next event for the layer above.
    fn poll_event(&mut self) -> Option<Self::Event>;

    /// When to call [`Layer::handle_timeout`], and why.
    fn poll_timeout(&self) -> Option<Deadline>;

    /// False: stop reading from the layer below. When it becomes true again, offer the bytes left over, even though
    /// none have arrived since.
    fn wants_input(&self) -> bool;

    /// What to do with the layer below. Once it is `Some`, it never is `None` again.
    fn poll_close(&mut self) -> Option<Close>;
}

/// Facts in, facts out. See the [module documentation](self) for the laws.
pub trait Machine {
    /// What happened, or what the user wants. `Debug + Clone + PartialEq`, so that a run can be recorded and replayed.
    type Input;
    /// What should happen, or what the user should know.
    type Output;

    /// Takes one fact.
    fn handle_input(&mut self, input: Self::Input, now: Instant);

    /// A point in time was reached. Does nothing before the deadline; nothing at all in a machine without timers.
    fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// The next output.
    fn poll_output(&mut self) -> Option<Self::Output>;

    /// When to call [`Machine::handle_timeout`], and why. Never, in a machine without timers.
    fn poll_timeout(&self) -> Option<Deadline> {
        None
    }
}
