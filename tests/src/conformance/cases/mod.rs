//! The cases, in the order in which they are played.

mod clock;
mod connecting;
mod ending;
mod full;
mod listening;
mod quiet;
mod sockets;
mod streams;

use super::Subject;
use super::stage::Bed;
use clock::{
    forgives_sleeps_that_ring_wrong, lives_through_a_jump_of_the_clock, works_while_the_clock_stands,
};
use connecting::{answers_other_threads, cancels_a_dial, connects, says_why_it_cannot_dial};
use ending::{
    ends_in_order, leaves_nothing_behind, stops_beside_a_remote_that_hangs, stops_beside_a_silent_remote,
    stops_though_nothing_can_be_written, stops_when_dropped, survives_a_cut,
};
use full::{delivers_what_it_took_before_it_stops, waits_for_a_full_socket};
use listening::{listens_on_both_versions_of_ip, says_why_it_cannot_listen, stops_listening};
use quiet::is_quiet_when_idle;
use sockets::{survives_errors_of_sockets, works_a_byte_at_a_time};
use streams::{
    carries_a_thousand_streams, echoes_both_ways_at_once, half_closes, holds_back_a_writer,
    resets_one_stream, sends_without_a_flush,
};

/// A case.
pub(super) struct Case<S> {
    pub(super) name: &'static str,
    /// What it demands.
    pub(super) why: &'static str,
    pub(super) needs: Needs,
    pub(super) run: fn(&Bed<S>),
}

/// What a case needs of its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// What every subject has.
    Nothing,
    /// A runtime that can be broken.
    Runtime,
    /// A count of its wake-ups.
    WakeUps,
    /// A handle that other threads can use.
    Handle,
}

macro_rules! cases {
    ($($(#[doc = $why:literal])+ $needs:ident $name:ident;)+) => {
        /// All cases, for any subject.
        pub(super) fn all<S: Subject>() -> Vec<Case<S>> {
            vec![$(Case {
                name: stringify!($name),
                why: concat!($($why),+),
                needs: Needs::$needs,
                run: $name,
            },)+]
        }

        /// What the cases are called.
        pub fn case_names() -> Vec<&'static str> {
            vec![$(stringify!($name)),+]
        }

        /// What the cases demand, as the lines of a Markdown table.
        pub fn table() -> String {
            let mut table = String::new();
            $(table += &format!("| `{}` | {} |\n", stringify!($name), concat!($($why),+).trim());)+
            table
        }
    };
}

cases! {
    /// Two nodes connect, and each learns who the other is; when one disconnects, the other hears of the end of the byte stream at once.
    Nothing connects;
    /// A dial that cannot work fails with the error that says why: nobody listens, somebody else answers, no transport takes the address,
    /// it is the node's own.
    Nothing says_why_it_cannot_dial;
    /// A dial to an address that neither answers nor refuses is given up: its socket is closed, and later dials work.
    Nothing cancels_a_dial;
    /// Handles wake the node from other threads than its own.
    Handle answers_other_threads;
    /// 64 MiB go out on one stream and come back on it at the same time, unaltered.
    Nothing echoes_both_ways_at_once;
    /// Either end may end its direction first; the other direction goes on.
    Nothing half_closes;
    /// Either end may reset a stream: the other sees a reset, and the streams beside it go on.
    Nothing resets_one_stream;
    /// A reader that stops makes the writer stop, after a bounded number of bytes; other streams go on, and so does this one when the
    /// reader does.
    Nothing holds_back_a_writer;
    /// A socket that is full is waited for: when the remote reads again, everything leaves.
    Nothing waits_for_a_full_socket;
    /// A connection carries a thousand streams at a time.
    Nothing carries_a_thousand_streams;
    /// Small writes leave without a flush.
    Nothing sends_without_a_flush;
    /// A listener that is closed refuses, and its port can be had again; connections that came by it go on.
    Nothing stops_listening;
    /// IPv4 and IPv6 are listened on side by side on one port; who listens on IPv6 does not get IPv4.
    Nothing listens_on_both_versions_of_ip;
    /// An address that cannot be listened on fails with the error that says why.
    Nothing says_why_it_cannot_listen;
    /// The end of the byte stream alone, without a word of the muxer's, ends a connection in order on both sides.
    Nothing ends_in_order;
    /// A connection that is cut ends on both sides, with its streams, and the one beside it goes on.
    Nothing survives_a_cut;
    /// What streams have taken before their node stops still arrives, though the socket was full.
    Nothing delivers_what_it_took_before_it_stops;
    /// A node whose handles are dropped in the middle of a transfer stops: the peer hears of it, and nothing is left.
    Nothing stops_when_dropped;
    /// A remote that takes the byte stream and never says a word does not keep a node from stopping.
    Nothing stops_beside_a_silent_remote;
    /// Nor does one that hangs later on.
    Nothing stops_beside_a_remote_that_hangs;
    /// Nor do sockets that take no bytes any more.
    Runtime stops_though_nothing_can_be_written;
    /// A node that has stopped leaves no task, no socket, no sleep and no descriptor behind, whatever was under way.
    Nothing leaves_nothing_behind;
    /// A node with a hundred connections and nothing to do does nothing, and no more than that when it pings its peers.
    WakeUps is_quiet_when_idle;
    /// Data flows while the clock stands; nothing is due, and nobody turns in circles meanwhile.
    Runtime works_while_the_clock_stands;
    /// When the clock jumps by an hour, what is due happens once, and the node goes on.
    Runtime lives_through_a_jump_of_the_clock;
    /// Sleeps may ring early, late or never: nothing happens before its time, and data flows.
    Runtime forgives_sleeps_that_ring_wrong;
    /// Any error of a socket, at any operation, costs its own connection alone, and is reported as what it is.
    Runtime survives_errors_of_sockets;
    /// Sockets may take and give a byte at a time.
    Runtime works_a_byte_at_a_time;
}
