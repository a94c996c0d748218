//! The adapters, and the table of what they do.

use crate::loops::{Frames, LoopSubject, Mio, Threads};
use peerwork_async_std::AsyncStd;
use peerwork_smol::Smol;
use peerwork_tests::conformance::{Adapter, AsyncSubject, Options, Report, run};
use peerwork_tokio::Tokio;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

/// tokio, on the calling thread alone.
pub(crate) struct TokioOneThread(Runtime);

impl Adapter for TokioOneThread {
    type Runtime = Tokio;

    fn name() -> String {
        "tokio-current-thread".to_owned()
    }

    fn new() -> Self {
        Self(Builder::new_current_thread().enable_all().build().unwrap())
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.block_on(future)
    }
}

/// tokio, on threads of its own.
pub(crate) struct TokioThreads(Runtime);

impl Adapter for TokioThreads {
    type Runtime = Tokio;

    fn name() -> String {
        "tokio-multi-thread".to_owned()
    }

    fn new() -> Self {
        Self(Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap())
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.block_on(future)
    }
}

/// smol, with an executor on the calling thread alone.
struct SmolOneThread(Arc<smol::Executor<'static>>);

impl Adapter for SmolOneThread {
    type Runtime = Smol;

    fn name() -> String {
        "smol-own-executor".to_owned()
    }

    fn new() -> Self {
        Self(Arc::default())
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        smol::block_on(self.0.run(future))
    }

    fn runtime(&self) -> Smol {
        Smol::on(&self.0)
    }
}

/// smol, with its global executor.
struct SmolGlobal;

impl Adapter for SmolGlobal {
    type Runtime = Smol;

    fn name() -> String {
        "smol".to_owned()
    }

    fn new() -> Self {
        Self
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        smol::block_on(future)
    }
}

/// async-std.
struct AsyncStdGlobal;

impl Adapter for AsyncStdGlobal {
    type Runtime = AsyncStd;

    fn name() -> String {
        "async-std".to_owned()
    }

    fn new() -> Self {
        Self
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        async_std::task::block_on(future)
    }
}

#[test]
fn every_adapter_and_loop_passes_every_case() {
    let options = Options::from_env();
    let mut report = Report::default();
    run::<AsyncSubject<TokioOneThread>>(&options, &mut report);
    run::<AsyncSubject<TokioThreads>>(&options, &mut report);
    run::<AsyncSubject<SmolOneThread>>(&options, &mut report);
    run::<AsyncSubject<SmolGlobal>>(&options, &mut report);
    run::<AsyncSubject<AsyncStdGlobal>>(&options, &mut report);
    run::<LoopSubject<Threads>>(&options, &mut report);
    run::<LoopSubject<Mio>>(&options, &mut report);
    run::<LoopSubject<Frames>>(&options, &mut report);
    println!("{report}");
    for (adapter, case, took) in report.times() {
        println!("{adapter:24} {case:40} {:6} ms", took.as_millis());
    }
    report.assert_all();
    let is_whole = options.only_case.is_none() && std::env::var_os("PEERWORK_CONFORMANCE_ADAPTER").is_none();
    let table = report.table();
    if is_whole && !table.contains("skipped") {
        let is_told = include_str!("../../README.md").contains(&table);
        assert!(is_told, "tests/README.md should say:\n\n{table}");
    }
}
