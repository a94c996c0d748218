//! Alerts of TLS: how a peer says why it ends a connection.

use std::fmt;

/// A peer's reason to end a TLS connection (RFC 8446, section 6). Shown by the name that the specification gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alert(pub u8);

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0 => "close_notify",
            10 => "unexpected_message",
            20 => "bad_record_mac",
            22 => "record_overflow",
            40 => "handshake_failure: it finds no common cipher, key exchange or signature",
            42 => "bad_certificate: it does not accept our certificate",
            43 => "unsupported_certificate: it does not support our certificate's key",
            44 => "certificate_revoked",
            45 => "certificate_expired: to its clock, our certificate is not valid now",
            46 => "certificate_unknown: it does not accept our certificate",
            47 => "illegal_parameter",
            48 => "unknown_ca",
            49 => "access_denied: it does not accept who we are",
            50 => "decode_error",
            51 => "decrypt_error: it finds a signature or a hash wrong",
            70 => "protocol_version: it does not speak TLS 1.3",
            71 => "insufficient_security",
            80 => "internal_error",
            86 => "inappropriate_fallback",
            90 => "user_canceled",
            109 => "missing_extension",
            110 => "unsupported_extension",
            112 => "unrecognized_name",
            116 => "certificate_required",
            120 => "no_application_protocol: it speaks neither libp2p nor one of our muxers in TLS",
            other => return write!(f, "number {other}"),
        })
    }
}
