//! multistream-select 1.0: agreeing on a protocol by name.

mod protocol_id;

pub use protocol_id::{InvalidProtocolId, ProtocolId};
