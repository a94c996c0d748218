//! Feeding a layer, whole and in pieces.

use bytes::{Buf, BytesMut};
use peerwork_core::machine::{End, Layer};
use peerwork_core::time::Instant;

/// What came of a layer that was fed all there was.
#[derive(Debug, PartialEq)]
pub(super) struct Outcome<E, X> {
    pub(super) events: Vec<E>,
    /// What it left for the layer that follows it.
    pub(super) rest: BytesMut,
    /// What it sent, unless it died: then it depends on when the error came.
    pub(super) sent: Result<BytesMut, X>,
}

/// Feeds `data` to `layer`, at most `chunk` bytes at a time, and then the end of the byte stream.
pub(super) fn feed<L: Layer + ?Sized>(
    layer: &mut L,
    data: &[u8],
    chunk: usize,
) -> Outcome<L::Event, L::Error> {
    let now = Instant::ORIGIN;
    let mut pieces = data.chunks(chunk.max(1));
    let (mut input, mut sent, mut events) = (BytesMut::new(), BytesMut::new(), Vec::new());
    let mut result = Ok(());
    while result.is_ok() && layer.wants_input() {
        match pieces.next() {
            Some(piece) => input.extend_from_slice(piece),
            None => layer.handle_end(End::Closed, now),
        }
        result = layer.handle_input(&mut input, now);
        while layer.poll_transmit(&mut sent, 1, now) > 0 {}
        events.extend(std::iter::from_fn(|| layer.poll_event()));
    }
    if let Err(error) = result {
        assert!(layer.handle_input(&mut input, now).is_err(), "dead means dead");
        assert!(layer.poll_close().is_some() && layer.poll_event().is_none());
        return Outcome { events, rest: BytesMut::new(), sent: Err(error) };
    }
    pieces.for_each(|piece| input.extend_from_slice(piece));
    Outcome { events, rest: input, sent: Ok(sent) }
}

/// Takes the size of the chunks off the front of `data`, so that the fuzzer chooses it.
pub(super) fn split_chunk(mut data: &[u8]) -> (usize, &[u8]) {
    let chunk = data.try_get_u8().unwrap_or_default();
    (chunk.into(), data)
}
