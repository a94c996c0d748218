//! Both ends, and what a remote can do wrong.

use super::*;

/// Everything that an end writes until it wants to read, taken at most `max` bytes at a time; and whether it ended its direction.
fn written(end: &mut Measurement, max: usize) -> (Vec<u8>, bool) {
    let mut wire = Vec::new();
    loop {
        match end.step() {
            Step::Write(bytes) => {
                assert!(!bytes.is_empty(), "there is something to write");
                let len = bytes.len().min(max);
                wire.extend_from_slice(&bytes[..len]);
                end.handle_written(len);
            }
            Step::Close => {
                end.handle_closed();
                return (wire, true);
            }
            Step::Read | Step::Done => return (wire, false),
        }
    }
}

fn feed(end: &mut Measurement, bytes: &[u8], chunk: usize) -> Result<(), PerfError> {
    bytes.chunks(chunk).try_for_each(|piece| end.handle_input(piece))?;
    end.handle_end()
}

#[test]
fn what_is_asked_for_is_sent_however_it_is_cut() {
    for (upload, download) in [(0, 0), (0, 1), (1, 0), (7, 9), (200_000, 65_536), (65_537, 300_000)] {
        for cut in [1, 3, 7, 8, 9, 1_000, usize::MAX] {
            let (mut client, mut server) = (Measurement::client(upload, download), Measurement::server());
            assert_eq!(server.step(), Step::Read);
            let (wire, ended) = written(&mut client, cut);
            assert!(ended && !client.is_answered());
            assert_eq!(wire[..8], download.to_be_bytes());
            assert_eq!(wire.len() as u64, 8 + upload);
            feed(&mut server, &wire, cut).unwrap();
            assert_eq!(server.received(), upload);
            let (wire, ended) = written(&mut server, cut);
            assert_eq!((wire.len() as u64, ended), (download, true));
            feed(&mut client, &wire, cut).unwrap();
            assert!(client.is_answered());
            assert_eq!((client.sent(), client.received()), (upload, download));
            assert_eq!((server.sent(), server.received()), (download, upload));
            assert_eq!((client.step(), server.step()), (Step::Done, Step::Done));
        }
    }
}

#[test]
fn the_largest_wish_costs_no_memory() {
    let mut server = Measurement::server();
    feed(&mut server, &[0xff; 8], 8).unwrap();
    for _ in 0..100 {
        let Step::Write(bytes) = server.step() else { panic!("there is more to write") };
        let len = bytes.len();
        assert_eq!(len, CHUNK_BYTES);
        server.handle_written(len);
    }
    assert_eq!(server.sent(), 100 * CHUNK_BYTES as u64);
    assert!(size_of::<Measurement>() <= 48, "{}", size_of::<Measurement>());
}

#[test]
fn an_upload_can_be_stopped_at_any_time() {
    for bytes in [0, 3, 8, 5_000] {
        let mut client = Measurement::client(u64::MAX, 4);
        let mut sent = 0;
        while sent < bytes {
            let Step::Write(chunk) = client.step() else { panic!("there is more to write") };
            let len = chunk.len().min(bytes - sent);
            sent += len;
            client.handle_written(len);
        }
        client.stop_upload();
        let (rest, ended) = written(&mut client, usize::MAX);
        assert_eq!((sent + rest.len(), ended), (bytes.max(8), true), "the header is sent in any case");
        client.stop_upload();
        assert_eq!(client.step(), Step::Read);
    }
}

#[test]
fn bad_remotes() {
    let client = |answer: &[u8], chunk| {
        let mut client = Measurement::client(5, 10);
        written(&mut client, usize::MAX);
        let result = feed(&mut client, answer, chunk);
        (client, result)
    };
    let server = |request: &[u8], chunk| {
        let mut server = Measurement::server();
        let result = feed(&mut server, request, chunk);
        (server, result)
    };
    for chunk in [1, 100] {
        let table = [
            (
                "an answer that ends early",
                client(&[0; 9], chunk),
                PerfError::TooFew { wanted: 10, received: 9 },
            ),
            ("no answer", client(&[], chunk), PerfError::TooFew { wanted: 10, received: 0 }),
            ("an answer that is too long", client(&[0; 11], chunk), PerfError::TooMany { wanted: 10 }),
            ("no request", server(&[], chunk), PerfError::NoRequest),
            ("seven bytes of a request", server(&[0; 7], chunk), PerfError::NoRequest),
        ];
        for (what, (mut end, result), expected) in table {
            assert_eq!(result, Err(expected), "{what}");
            assert_eq!(expected.blame(), Blame::Peer);
            assert_eq!(end.step(), Step::Done, "{what}");
            assert_eq!(
                (end.handle_input(&[0]), end.handle_end()),
                (Err(expected), Err(expected)),
                "dead means dead"
            );
        }
    }
}
