#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerwork_tests::fuzz::stored_peer(data));
