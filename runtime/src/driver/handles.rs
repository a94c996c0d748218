//! What the stream handles of a connection wait for.

use peerwork_core::muxer::StreamId;
use peerwork_core::protocols::StreamCloseCause;
use smallvec::SmallVec;
use std::task::Waker;

/// What a stream handle waits for.
#[derive(Default)]
pub(crate) struct Handle {
    pub(crate) reader: Option<Waker>,
    pub(crate) writer: Option<Waker>,
    pub(crate) cause: Option<Box<StreamCloseCause>>,
}

/// The stream handles of one connection, in the order of their streams. A single one is kept in place.
#[derive(Default)]
pub(crate) struct Handles(SmallVec<[(StreamId, Handle); 1]>);

impl Handles {
    fn find(&self, stream: StreamId) -> Result<usize, usize> {
        self.0.binary_search_by_key(&stream, |(stream, _)| *stream)
    }

    pub(crate) fn get_mut(&mut self, stream: StreamId) -> Option<&mut Handle> {
        self.find(stream).ok().map(|index| &mut self.0[index].1)
    }

    pub(crate) fn get(&self, stream: StreamId) -> Option<&Handle> {
        self.find(stream).ok().map(|index| &self.0[index].1)
    }

    /// The handle of the stream, a new one if there is none.
    pub(crate) fn of(&mut self, stream: StreamId) -> &mut Handle {
        let index = self.find(stream).unwrap_or_else(|index| {
            self.0.insert(index, (stream, Handle::default()));
            index
        });
        &mut self.0[index].1
    }

    pub(crate) fn remove(&mut self, stream: StreamId) {
        if let Ok(index) = self.find(stream) {
            self.0.remove(index);
        }
        if self.0.is_empty() {
            self.0 = SmallVec::new();
        }
    }
}
