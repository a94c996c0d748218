//! The suite for muxers: two ends of one back to back, on a wire that the suite holds.

mod memory;
mod model;
mod pair;
mod pressure;
mod streams;
mod wire;

use super::LAW_CASES;
use crate::laws::Cases;
use crate::laws::layer;
use crate::laws::muxer::MuxerSubject;
use model::agrees_with_a_model;
use pair::Pair;
use peerwork_core::muxer::MuxerProtocol;
use peerwork_core::security::Role;
use pressure::{
    holds_back_a_fast_writer, keeps_to_its_limits_of_streams, keeps_unread_streams_from_the_others,
    lets_a_blocked_writer_end, tells_a_blocked_writer_to_go_on,
};
use std::sync::Arc;
use streams::{
    carries_behind_a_half_close, carries_both_ways_and_forgets, carries_many_streams_at_once,
    closes_from_both_ends_at_once, drops_what_arrives_for_a_stream_that_was_reset, knows_no_other_streams,
    never_uses_an_id_again, resets_from_both_ends_at_once, tells_of_a_reset, wakes_a_reader_once,
};
use wire::{
    is_blind_to_chunks, keeps_within_the_room_given, makes_progress_in_little_room, survives_any_flipped_bit,
    survives_garbage, survives_the_end_at_every_byte, tells_a_cut_stream_from_a_whole_one,
    wakes_a_reader_at_the_end,
};

/// A muxer, and what it promises beyond the traits.
#[derive(Debug, Clone)]
pub struct MuxerSuite {
    pub(super) protocol: Arc<dyn MuxerProtocol>,
    pub(super) name: String,
    pub(super) cases: Cases,
    pub(super) limits: Option<StreamLimits>,
    pub(super) max_unread_bytes: usize,
    pub(super) isolates_streams: bool,
}

/// How many streams a muxer allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// How many it opens. One more is `Blocked`.
    pub outbound: usize,
    /// How many it lets the remote open. One more is reset.
    pub inbound: usize,
}

impl MuxerSuite {
    /// The suite for `protocol`, which promises nothing beyond the traits.
    pub fn new(protocol: impl MuxerProtocol) -> Self {
        let name = protocol.id().to_string();
        Self {
            protocol: Arc::new(protocol),
            name,
            cases: Cases::from_env(),
            limits: None,
            max_unread_bytes: 16 * 1024 * 1024,
            isolates_streams: false,
        }
    }

    /// Names the implementation, where failures could mean several. Default: its protocol id.
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Which cases to check. Default: [`Cases::from_env`].
    pub fn cases(self, cases: Cases) -> Self {
        Self { cases, ..self }
    }

    /// The limits of streams with which `protocol` was configured; at least two each. Default: they are not checked, and are
    /// at least 50.
    pub fn limits(self, limits: StreamLimits) -> Self {
        Self { limits: Some(limits), ..self }
    }

    /// How much a writer may get rid of on one stream while nobody reads it. Default: 16 MiB.
    pub fn max_unread_bytes(self, max_unread_bytes: usize) -> Self {
        Self { max_unread_bytes, ..self }
    }

    /// Promises that a stream which is not read does not hold up the others, as muxers with flow control can.
    pub fn isolates_streams(self) -> Self {
        Self { isolates_streams: true, ..self }
    }

    fn subject_name(&self) -> String {
        self.name.clone()
    }

    fn pair(&self) -> Pair {
        Pair::new(&*self.protocol)
    }

    /// How many streams each end can open with nothing refused, up to `wanted`.
    fn streams(&self, wanted: usize) -> usize {
        self.limits.map_or(wanted, |limits| wanted.min(limits.outbound).min(limits.inbound))
    }
}

requirements! { $ MuxerSuite, muxer_compliance:
    /// What is written on either end arrives whole and in order at the other, then the end; a stream that both have closed and read is
    /// forgotten, so that its memory and its place among the allowed streams are free.
    Once carries_both_ways_and_forgets;
    /// Both ends open streams at the same moment and write to them in any order: nothing gets into another stream.
    Drawn carries_many_streams_at_once;
    /// The end of one direction leaves the other open: many protocols end their question to have the answer.
    Once carries_behind_a_half_close;
    /// Both ends may close at the same moment; both learn of the other's end.
    Once closes_from_both_ends_at_once;
    /// A reset ends both directions at once and is told to the other end alone: whoever reset it knows.
    Once tells_of_a_reset;
    /// Both ends may reset at the same moment; neither is told, and the connection lives on.
    Once resets_from_both_ends_at_once;
    /// Frames for a stream that was reset meanwhile are nobody's fault: they are dropped, whole.
    Once drops_what_arrives_for_a_stream_that_was_reset;
    /// `Readable` comes once, and only if the reader was told to wait or the stream is new: else busy streams flood the application.
    Once wakes_a_reader_once;
    /// A stream that does not exist is closed, for every verb: an application may be late.
    Once knows_no_other_streams;
    /// The id of a stream is never that of an earlier one: what is late must not hit a new stream.
    Once never_uses_an_id_again;
    /// However little room is given at a time, everything leaves: a slow socket must not stop a stream.
    Once makes_progress_in_little_room;
    /// No more is appended than there is room for: what exceeds it would not fit into the channel's frame.
    Once keeps_within_the_room_given;
    /// Where the input is cut makes no difference to what the streams carry and when they end.
    Once is_blind_to_chunks;
    /// The connection may end after any byte: every reader learns of it, and an unfinished stream never looks whole.
    Once survives_the_end_at_every_byte;
    /// After the end of the connection a stream that was closed gives `Ended`, any other `Closed`; what had arrived can be read first.
    Once tells_a_cut_stream_from_a_whole_one;
    /// A reader that waits is woken when the connection ends: it would wait for ever.
    Once wakes_a_reader_at_the_end;
    /// Bytes that make no sense end in an error that blames the peer, and the muxer is dead for good. They never panic.
    Drawn survives_garbage;
    /// The same for sensible bytes with one bit wrong, whichever it is.
    Drawn survives_any_flipped_bit;
    /// A writer whose reader does not read is stopped, or its stream is reset, before `max_unread_bytes`: else it fills our memory.
    Once holds_back_a_fast_writer;
    /// A writer that was `Blocked` is told once when it may go on, and then everything arrives.
    Once tells_a_blocked_writer_to_go_on;
    /// A writer that is `Blocked` can end its stream all the same: the reader gets what was taken, and then the end.
    Once lets_a_blocked_writer_end;
    /// Where `isolates_streams` is promised: an unread stream does not hold up another.
    Once keeps_unread_streams_from_the_others;
    /// Where `limits` are given: a stream too many is `Blocked` here, and reset there, and when one ends there is room again.
    Once keeps_to_its_limits_of_streams;
    /// Whatever two applications do in any order, the streams do what a simple model of them does, and nothing is left.
    Drawn agrees_with_a_model;
    /// The laws of every layer hold, in both roles, and the checks notice when they are broken.
    Once obeys_the_laws;
}

fn obeys_the_laws(suite: &MuxerSuite) {
    for role in [Role::Dialer, Role::Listener] {
        let subject = MuxerSubject::new(Arc::clone(&suite.protocol), role);
        if let Err(violation) = layer::prove(&subject, &suite.cases.or_count(LAW_CASES)) {
            panic!("{violation}");
        }
    }
}
