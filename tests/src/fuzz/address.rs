//! Addresses.

use peerwork_core::address::{
    from_bytes, from_socket_address, parse, split_peer_id, tcp_socket_address, with_peer_id,
};

/// An address that is let in, as bytes or as text, means the same in both forms.
pub fn address(data: &[u8]) {
    let from_text = parse(&String::from_utf8_lossy(data));
    if let Ok(address) = from_bytes(data) {
        assert_eq!(address.as_ref(), data);
    }
    for address in [from_bytes(data), from_text].into_iter().flatten() {
        assert_eq!(from_bytes(address.as_ref()).as_ref(), Ok(&address));
        assert_eq!(parse(&address.to_string()).as_ref(), Ok(&address), "{address}");
        if let Ok((rest, Some(peer))) = split_peer_id(&address) {
            // Of two peer ids at the end, the last one counts.
            let doubled = matches!(split_peer_id(&rest), Ok((_, Some(_))));
            assert!(doubled || with_peer_id(rest, &peer) == address, "{address}");
        }
        if let Ok(socket) = tcp_socket_address(&address) {
            assert_eq!(from_socket_address(socket), address);
        }
    }
}
