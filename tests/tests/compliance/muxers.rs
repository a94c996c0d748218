//! Every muxer, in every configuration that matters.

use peerwork_core::muxer::mplex::{Mplex, WhenFull};
use peerwork_core::muxer::yamux::Yamux;
use peerwork_tests::compliance::muxer::StreamLimits;
use peerwork_tests::compliance::{self, MuxerSuite};
use peerwork_tests::muxer_compliance;
use peerwork_tests::toy::mux::ToyMux;

fn small_mplex() -> Mplex {
    Mplex { max_send_payload_bytes: 100, max_inbound_streams: 5, max_outbound_streams: 3, ..Mplex::default() }
}

/// Buffers that are full at once.
fn tiny_mplex(when_full: WhenFull) -> Mplex {
    Mplex { max_stream_buffer_bytes: 50, max_connection_buffer_bytes: 120, when_full, ..Mplex::default() }
}

muxer_compliance!(mplex, MuxerSuite::new(Mplex::default()).max_unread_bytes(2 << 20));
muxer_compliance!(
    mplex_that_resets,
    MuxerSuite::new(Mplex {
        max_stream_buffer_bytes: 10_000,
        max_connection_buffer_bytes: 30_000,
        max_send_payload_bytes: 3_000,
        when_full: WhenFull::Reset,
        ..Mplex::default()
    })
    .max_unread_bytes(20_000)
);
muxer_compliance!(
    mplex_small,
    MuxerSuite::new(small_mplex()).limits(StreamLimits { outbound: 3, inbound: 5 })
);
muxer_compliance!(yamux, MuxerSuite::new(Yamux::default()).isolates_streams().max_unread_bytes(256 << 10));
muxer_compliance!(
    yamux_small,
    MuxerSuite::new(Yamux {
        max_send_payload_bytes: 100,
        max_inbound_streams: 5,
        max_outbound_streams: 3,
        ..Yamux::default()
    })
    .isolates_streams()
    .limits(StreamLimits { outbound: 3, inbound: 5 })
);
muxer_compliance!(
    yamux_that_accepts_little,
    MuxerSuite::new(Yamux { max_inbound_streams: 3, max_outbound_streams: 5, ..Yamux::default() })
        .limits(StreamLimits { outbound: 5, inbound: 3 })
);
muxer_compliance!(toy, MuxerSuite::new(ToyMux::default()).isolates_streams().max_unread_bytes(64 << 10));
muxer_compliance!(
    toy_small,
    MuxerSuite::new(ToyMux { max_outbound_streams: 5, max_inbound_streams: 3 })
        .limits(StreamLimits { outbound: 5, inbound: 3 })
);

#[test]
fn mplex_agrees_with_a_model_when_its_buffers_are_full() {
    for when_full in [Mplex::default().when_full, WhenFull::Reset] {
        compliance::assert(&MuxerSuite::new(tiny_mplex(when_full)), "agrees_with_a_model");
    }
}
