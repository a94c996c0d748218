//! What a connection has to tell the node: state for each stream, merged, from which messages are made when they are polled.

use super::messages::{ConnectionMessage, OpenId};
use super::negotiating::Agreed;
use super::streams::{FramedReport, StreamPhase};
use super::{Carrier, Connection, ConnectionError, Established, ToNode};
use crate::collections::Queue;
use crate::muxer::StreamId;
use crate::protocols::{StreamCloseCause, StreamError};
use crate::time::Instant;

/// What the node has yet to hear. Bounded: one entry for each wish and each stream.
#[derive(Default)]
pub(super) struct Reports {
    pub(super) established: Option<Box<Established>>,
    pub(super) failed: Queue<(OpenId, StreamError)>,
    /// Streams with something to report.
    pub(super) line: Queue<StreamId>,
    pub(super) life: Life,
}

#[derive(Default)]
pub(super) enum Life {
    #[default]
    Opening,
    Open,
    /// To be closed when everything that the node has sent is with the carrier.
    Draining(Box<Draining>),
    /// Over, and the node does not know yet.
    Closed(Box<ConnectionError>),
    Dead,
}

pub(super) struct Draining {
    pub(super) reason: ConnectionError,
    /// When to close in any case.
    pub(super) until: Instant,
}

impl Life {
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Closed(_) | Self::Dead)
    }
}

impl<C: Carrier> Connection<C> {
    /// The next message for the node.
    pub fn poll_message(&mut self) -> Option<ToNode> {
        if let Some(established) = self.reports.established.take() {
            return Some(ToNode(ConnectionMessage::Established(established)));
        }
        if let Some((open, error)) = self.reports.failed.pop() {
            return Some(ToNode(ConnectionMessage::OpenFailed { open, error }));
        }
        while let Some(&id) = self.reports.line.front() {
            if let Some(report) = self.poll_stream_report(id) {
                return Some(ToNode(report));
            }
            self.reports.line.pop();
        }
        if !self.reports.life.is_over() {
            return None;
        }
        match std::mem::replace(&mut self.reports.life, Life::Dead) {
            Life::Closed(error) => Some(ToNode(ConnectionMessage::Closed(*error))),
            _ => None,
        }
    }

    /// The next report of a stream; forgets the stream after the last one.
    fn poll_stream_report(&mut self, id: StreamId) -> Option<ConnectionMessage> {
        let stream = self.streams.get_mut(&id)?;
        if let Some((Agreed { protocol, options }, open)) = stream.take_agreed() {
            return Some(ConnectionMessage::StreamOpened { stream: id, protocol, options, open });
        }
        if std::mem::take(&mut stream.became_raw) {
            return Some(ConnectionMessage::Raw { stream: id });
        }
        if let StreamPhase::Framed(framed) = &mut stream.phase {
            if let Some(report) = framed.poll_report() {
                return Some(match report {
                    FramedReport::Message(message, received_at) => {
                        ConnectionMessage::Message { stream: id, message, received_at }
                    }
                    FramedReport::Sent(bytes) => ConnectionMessage::Sent { stream: id, bytes },
                    FramedReport::RemoteClosed => ConnectionMessage::RemoteClosed { stream: id },
                });
            }
            if framed.is_over() && stream.over.is_none() {
                stream.over = Some(StreamCloseCause::Ended);
            }
        }
        stream.queued = false;
        let cause = stream.over.take()?;
        stream.reported = true;
        let is_wanted = matches!(&stream.phase, StreamPhase::Raw(raw) if !raw.discard);
        if !(self.reports.life.is_over() && is_wanted) {
            // A raw stream of a dead connection may hold bytes that the application has yet to read.
            self.forget(id);
            self.update_idle(self.latest.get());
        }
        Some(ConnectionMessage::StreamClosed { stream: id, cause })
    }

    /// Whether [`Connection::poll_message`] may have something.
    pub fn has_messages(&self) -> bool {
        let reports = &self.reports;
        reports.established.is_some()
            || !reports.failed.is_empty()
            || !reports.line.is_empty()
            || matches!(reports.life, Life::Closed(_))
    }

    /// Puts the stream in the line of those with reports.
    pub(super) fn queue_report(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(&id)
            && !std::mem::replace(&mut stream.queued, true)
        {
            self.reports.line.push(id);
        }
    }
}
