//! perf, `/perf/1.0.0`: how fast is it?
//!
//! ```text
//! client                                       server
//!   how many bytes it wants, 8 bytes     -->
//!   any number of bytes, then its end    -->   reads to the end
//!                                        <--   as many bytes as were asked for, then its end
//! ```
//!
//! It runs on raw streams, whose payload never passes through the node, and there is nothing to say about a peer between two
//! streams. So it is no machine on the swarm: [`Measurement`] is one end of one stream. It owns no buffer and sees no clock. It says
//! what to do next ([`Step`]), and is told what was done; whoever owns the stream does it, and measures.
//!
//! **It gives work to whoever asks.** A client may ask for 2^64 bytes. That costs a server no memory, but time and traffic until the
//! stream is reset, so serve it only where it is wanted, and only so many streams at a time.
//!
//! ```
//! use peerwork_core::protocols::perf::{Measurement, Step};
//!
//! let (mut client, mut server) = (Measurement::client(100_000, 3), Measurement::server());
//! for (from, to) in [(0, 1), (1, 0)] {
//!     let mut ends = [&mut client, &mut server];
//!     loop {
//!         match ends[from].step() {
//!             Step::Write(bytes) => {
//!                 let bytes = bytes.to_vec();
//!                 ends[from].handle_written(bytes.len());
//!                 ends[to].handle_input(&bytes)?;
//!             }
//!             Step::Close => {
//!                 ends[from].handle_closed();
//!                 ends[to].handle_end()?;
//!             }
//!             Step::Read | Step::Done => break,
//!         }
//!     }
//! }
//! assert_eq!((client.sent(), client.received()), (100_000, 3));
//! # Ok::<(), peerwork_core::protocols::perf::PerfError>(())
//! ```

#[cfg(test)]
mod tests;

use crate::machine::Blame;
use crate::negotiation::ProtocolId;

/// The protocol's name.
pub const PROTOCOL: ProtocolId = ProtocolId::from_static("/perf/1.0.0");

/// The most bytes that are written in one piece, and a good number to read at once.
pub const CHUNK_BYTES: usize = 64 * 1024;

const HEADER_BYTES: usize = 8;

/// What all payload is made of.
static ZEROS: [u8; CHUNK_BYTES] = [0; CHUNK_BYTES];

/// What is to be done with the stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Write at least some of these bytes, at least one, and tell [`Measurement::handle_written`].
    Write(&'a [u8]),
    /// End our direction, and tell [`Measurement::handle_closed`].
    Close,
    /// Read, and tell [`Measurement::handle_input`] or [`Measurement::handle_end`].
    Read,
    /// Nothing: it is over.
    Done,
}

/// Why a measurement failed. Blame: the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PerfError {
    /// The client ended before it had said how much it wants.
    #[error("the peer ended the stream before it said how many bytes it wants")]
    NoRequest,
    /// The server sent less than it was asked for.
    #[error("the peer sent only {received} of the {wanted} bytes that it was asked for")]
    TooFew {
        /// How much was asked for.
        wanted: u64,
        /// How much came.
        received: u64,
    },
    /// The server sent more than it was asked for.
    #[error("the peer sent more than the {wanted} bytes that it was asked for")]
    TooMany {
        /// How much was asked for.
        wanted: u64,
    },
}

impl PerfError {
    /// Whose fault it is: the peer's.
    pub fn blame(&self) -> Blame {
        Blame::Peer
    }
}

/// One end of one stream. See the [module documentation](self).
#[derive(Debug)]
pub struct Measurement {
    state: State,
    sent: u64,
    received: u64,
}

#[derive(Debug)]
enum State {
    /// Client: so much of the header has left.
    Asking {
        header: [u8; HEADER_BYTES],
        sent: usize,
        upload: u64,
    },
    /// Client: so many bytes have yet to leave.
    Uploading {
        left: u64,
        wanted: u64,
    },
    /// Client.
    Downloading {
        wanted: u64,
    },
    /// Server: so much of the header has come.
    Asked {
        header: [u8; HEADER_BYTES],
        came: usize,
    },
    /// Server: the client has yet to end.
    Draining {
        wanted: u64,
    },
    /// Server: so many bytes have yet to leave.
    Answering {
        left: u64,
    },
    Done,
    Dead(PerfError),
}

impl Measurement {
    /// The end that opened the stream: it sends `upload_bytes` and wants `download_bytes`.
    pub fn client(upload_bytes: u64, download_bytes: u64) -> Self {
        let header = download_bytes.to_be_bytes();
        Self::new(State::Asking { header, sent: 0, upload: upload_bytes })
    }

    /// The end that serves.
    pub fn server() -> Self {
        Self::new(State::Asked { header: [0; HEADER_BYTES], came: 0 })
    }

    fn new(state: State) -> Self {
        Self { state, sent: 0, received: 0 }
    }

    /// How many bytes were written so far, without the header.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// How many bytes came so far, without the header.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// What is to be done next.
    pub fn step(&self) -> Step<'_> {
        match &self.state {
            State::Asking { header, sent, .. } => Step::Write(&header[*sent..]),
            State::Uploading { left: 0, .. } | State::Answering { left: 0 } => Step::Close,
            State::Uploading { left, .. } | State::Answering { left } => {
                Step::Write(&ZEROS[..usize::try_from(*left).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES)])
            }
            State::Downloading { .. } | State::Asked { .. } | State::Draining { .. } => Step::Read,
            State::Done | State::Dead(_) => Step::Done,
        }
    }

    /// So many bytes of the last [`Step::Write`] were written.
    pub fn handle_written(&mut self, bytes: usize) {
        match &mut self.state {
            State::Asking { header, sent, upload } => {
                *sent = sent.saturating_add(bytes).min(HEADER_BYTES);
                if *sent == HEADER_BYTES {
                    self.state = State::Uploading { left: *upload, wanted: u64::from_be_bytes(*header) };
                }
            }
            State::Uploading { left, .. } | State::Answering { left } => {
                let written = (*left).min(bytes as u64);
                *left -= written;
                self.sent = self.sent.saturating_add(written);
            }
            _ => {}
        }
    }

    /// Our direction was ended, after [`Step::Close`].
    pub fn handle_closed(&mut self) {
        match self.state {
            State::Uploading { wanted, .. } => self.state = State::Downloading { wanted },
            State::Answering { .. } => self.state = State::Done,
            _ => {}
        }
    }

    /// The client has uploaded for long enough: it sends no more.
    pub fn stop_upload(&mut self) {
        if let State::Asking { upload: left, .. } | State::Uploading { left, .. } = &mut self.state {
            *left = 0;
        }
    }

    /// Whether the server has begun to answer, so that it has all that the client sent.
    pub fn is_answered(&self) -> bool {
        match self.state {
            State::Downloading { .. } => self.received > 0,
            State::Answering { .. } | State::Done => true,
            _ => false,
        }
    }

    /// Bytes were read.
    ///
    /// # Errors
    /// [`PerfError::TooMany`].
    pub fn handle_input(&mut self, mut bytes: &[u8]) -> Result<(), PerfError> {
        if let State::Asked { header, came } = &mut self.state {
            let (piece, rest) = bytes.split_at(bytes.len().min(HEADER_BYTES - *came));
            header[*came..][..piece.len()].copy_from_slice(piece);
            *came += piece.len();
            if *came < HEADER_BYTES {
                return Ok(());
            }
            bytes = rest;
            self.state = State::Draining { wanted: u64::from_be_bytes(*header) };
        }
        match self.state {
            State::Draining { .. } => self.received = self.received.saturating_add(bytes.len() as u64),
            State::Downloading { wanted } => {
                self.received = self.received.saturating_add(bytes.len() as u64);
                if self.received > wanted {
                    return self.die(PerfError::TooMany { wanted });
                }
            }
            State::Dead(error) => return Err(error),
            _ => {}
        }
        Ok(())
    }

    /// The remote has ended its direction.
    ///
    /// # Errors
    /// [`PerfError::NoRequest`], [`PerfError::TooFew`].
    pub fn handle_end(&mut self) -> Result<(), PerfError> {
        match self.state {
            State::Asked { .. } => return self.die(PerfError::NoRequest),
            State::Draining { wanted } => self.state = State::Answering { left: wanted },
            State::Downloading { wanted } if self.received < wanted => {
                return self.die(PerfError::TooFew { wanted, received: self.received });
            }
            State::Downloading { .. } => self.state = State::Done,
            State::Dead(error) => return Err(error),
            _ => {}
        }
        Ok(())
    }

    fn die(&mut self, error: PerfError) -> Result<(), PerfError> {
        self.state = State::Dead(error);
        Err(error)
    }
}
