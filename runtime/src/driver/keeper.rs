//! Keeping the peers that a node knows from one run to the next.

use crate::runtime::{BoxFuture, Runtime};
use futures_channel::oneshot;
use futures_util::FutureExt;
use peerwork_core::peer_book::{PeerBook, PeerChange, PeerStore, PeerStoreError, StoredPeer};
use peerwork_core::time::Instant;
use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::mpsc;
use std::task::{Context, Poll, ready};
use std::thread;
use std::time::Duration;

/// How often a node saves what has changed in its peer book; a crash loses no more than that.
pub const SAVE_INTERVAL: Duration = Duration::from_secs(30);

/// How many changes are saved at once; if there are more, the next ones follow at once. Bounds the copy that is made of the peer book.
const MAX_CHANGES: usize = 1_000;

/// The driver's end of a peer store. The store itself is on a thread of its own, since its calls may block.
pub(crate) struct Keeper<R> {
    runtime: R,
    /// What was stored, until it is restored.
    stored: Vec<StoredPeer>,
    jobs: mpsc::Sender<Job>,
    /// Ends when the store is dropped.
    ended: oneshot::Receiver<Infallible>,
    saving: Option<Saving>,
    /// When it is time to save again.
    due: std::time::Instant,
    sleep: BoxFuture<()>,
}

/// What the store has to save.
struct Job {
    changes: Vec<PeerChange>,
    /// Takes what could not be saved.
    reply: oneshot::Sender<Vec<PeerChange>>,
}

/// What is being saved.
struct Saving {
    unsaved: oneshot::Receiver<Vec<PeerChange>>,
    /// Whether there may be more to save.
    is_full: bool,
}

impl<R: Runtime> Keeper<R> {
    /// Starts the thread of a store and reads what is stored.
    ///
    /// # Errors
    /// The store's, or the system gives no thread.
    pub(crate) async fn start(store: Box<dyn PeerStore>, runtime: R) -> Result<Self, PeerStoreError> {
        let (jobs, queue) = mpsc::channel();
        let (read, stored) = oneshot::channel();
        let (end, ended) = oneshot::channel::<Infallible>();
        thread::Builder::new().name("peer store".to_owned()).spawn(move || {
            serve(store, read, &queue);
            drop(end);
        })?;
        let stored = match stored.await.map_err(Into::into).flatten() {
            Ok(stored) => stored,
            Err(error) => {
                drop(jobs);
                // Nothing is ever sent.
                let _ = ended.await;
                return Err(error);
            }
        };
        let (due, sleep) = (runtime.now() + SAVE_INTERVAL, runtime.sleep(SAVE_INTERVAL));
        Ok(Self { runtime, stored, jobs, ended, saving: None, due, sleep })
    }

    /// Puts what was stored into the peer book.
    pub(crate) fn restore(&mut self, book: &mut PeerBook, now: Instant) {
        for stored in std::mem::take(&mut self.stored) {
            book.restore(&stored, self.runtime.since_1970(), now);
        }
    }

    /// Saves what has changed when it is time to.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, book: &mut PeerBook, now: Instant) {
        if self.poll_saved(cx, book, now).is_pending() || self.sleep.poll_unpin(cx).is_pending() {
            return;
        }
        let time = self.runtime.now();
        if time >= self.due {
            self.due = time + SAVE_INTERVAL;
            self.save(book, now);
        }
        self.sleep = self.runtime.sleep(self.due.saturating_duration_since(time));
        // For the new sleep, and what may have been saved at once.
        cx.waker().wake_by_ref();
    }

    /// Saves what has changed, and ends the store.
    pub(crate) async fn finish(mut self, book: &mut PeerBook, now: Instant) {
        poll_fn(|cx| self.poll_saved(cx, book, now)).await;
        self.save(book, now);
        poll_fn(|cx| self.poll_saved(cx, book, now)).await;
        drop(self.jobs);
        // Nothing is ever sent.
        let _ = self.ended.await;
    }

    fn save(&mut self, book: &mut PeerBook, now: Instant) {
        let since_1970 = self.runtime.since_1970();
        let changes: Vec<_> =
            std::iter::from_fn(|| book.take_change(since_1970, now)).take(MAX_CHANGES).collect();
        if changes.is_empty() {
            return;
        }
        let (reply, unsaved) = oneshot::channel();
        self.saving = Some(Saving { unsaved, is_full: changes.len() == MAX_CHANGES });
        // The thread is gone only if the store has panicked: then there is nothing left to save with.
        drop(self.jobs.send(Job { changes, reply }));
    }

    /// Whether nothing is being saved any more.
    fn poll_saved(&mut self, cx: &mut Context<'_>, book: &mut PeerBook, now: Instant) -> Poll<()> {
        while let Some(Saving { unsaved, is_full }) = &mut self.saving {
            let (unsaved, is_full) = (ready!(unsaved.poll_unpin(cx)).unwrap_or_default(), *is_full);
            self.saving = None;
            if unsaved.is_empty() && is_full {
                self.save(book, now);
            }
            unsaved.iter().for_each(|change| book.put_back(change.peer));
        }
        Poll::Ready(())
    }
}

/// Does a store's work, until nobody can give it any more.
fn serve(
    mut store: Box<dyn PeerStore>,
    read: oneshot::Sender<Result<Vec<StoredPeer>, PeerStoreError>>,
    jobs: &mpsc::Receiver<Job>,
) {
    // Whoever started the node may have gone.
    drop(read.send(store.peers()));
    let mut was_failing = false;
    for Job { changes, reply } in jobs {
        let saved = store.save(&changes);
        let is_failing = saved.is_err();
        match saved {
            Err(error) if !was_failing => tracing::warn!(%error, "new peers cannot be saved for now"),
            Ok(()) if was_failing => tracing::info!("new peers can be saved again"),
            _ => {}
        }
        was_failing = is_failing;
        drop(reply.send(if is_failing { changes } else { Vec::new() }));
    }
}
