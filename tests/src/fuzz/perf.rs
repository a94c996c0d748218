//! perf.

use super::layers::split_chunk;
use peerwork_core::protocols::perf::{CHUNK_BYTES, Measurement, PerfError, Step};

/// The most bytes that are taken of a server.
const MAX_ANSWER_BYTES: u64 = 1 << 20;

/// A client's request and upload at a server, and a server's answer at a client: what comes of it does not depend on how it is cut.
pub fn perf(data: &[u8]) {
    let (chunk, data) = split_chunk(data);
    for end in [Measurement::server, || Measurement::client(0, 300)] {
        let whole = feed(end(), data, data.len());
        assert_eq!(whole, feed(end(), data, chunk));
    }
}

/// Feeds one end, and gives how much it has received and sent.
fn feed(mut end: Measurement, data: &[u8], chunk: usize) -> Result<(u64, u64), PerfError> {
    write(&mut end);
    data.chunks(chunk.max(1)).try_for_each(|piece| end.handle_input(piece))?;
    end.handle_end()?;
    assert!(end.received() <= data.len() as u64);
    write(&mut end);
    Ok((end.received(), end.sent()))
}

fn write(end: &mut Measurement) {
    while end.sent() < MAX_ANSWER_BYTES {
        match end.step() {
            Step::Write(bytes) => {
                let len = bytes.len();
                assert!((1..=CHUNK_BYTES).contains(&len));
                end.handle_written(len);
            }
            Step::Close => end.handle_closed(),
            Step::Read | Step::Done => return,
        }
    }
}
