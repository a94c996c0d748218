//! The dialer's promises on random schedules. `cargo test --release -p peerwork-tests --test dialer -- --nocapture` prints how often each
//! was checked. `PEERWORK_DIALER_CASES=10000` runs that many cases, `PEERWORK_DIALER_SECONDS=150` as many as fit into that time, and
//! `PEERWORK_DIALER_CASE=17` repeats one.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use peerwork_tests::dialer::{Promise, Tally, Twin, Violation, run};
use std::env;
use std::thread;
use std::time::{Duration, Instant};

const DEFAULT_CASES: u64 = 500;

/// More cases than any twin needs to be noticed.
const TWIN_CASES: u64 = 400;

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")))
}

/// Runs a case twice, for the same must come out.
fn run_twice(case: u64) -> Result<Tally, Violation> {
    let (mut tally, log) = run(case, None)?;
    let (_, again) = run(case, None)?;
    *tally.entry(Promise::SameAgain).or_default() += 1;
    match log.iter().zip(&again).find(|(one, other)| one != other) {
        None if log.len() == again.len() => Ok(tally),
        difference => {
            let what = format!("two runs differ: {difference:?}");
            Err(Violation { case, promise: Promise::SameAgain, what })
        }
    }
}

#[test]
fn every_promise_is_kept() {
    if let Some(case) = number("PEERWORK_DIALER_CASE") {
        run_twice(case).unwrap_or_else(|violation| panic!("{violation}"));
        return;
    }
    let (start, time) = (Instant::now(), number("PEERWORK_DIALER_SECONDS").map(Duration::from_secs));
    let default = if time.is_some() { u64::MAX } else { DEFAULT_CASES };
    let wanted = number("PEERWORK_DIALER_CASES").unwrap_or(default);
    let threads = thread::available_parallelism().map_or(2, |count| count.get() as u64);
    let work = |first: u64| {
        let mut sum = (0, Tally::new());
        for case in (first..wanted).step_by(threads as usize) {
            if time.is_some_and(|time| start.elapsed() > time) {
                break;
            }
            for (promise, count) in run_twice(case)? {
                *sum.1.entry(promise).or_default() += count;
            }
            sum.0 += 1;
        }
        Ok::<_, Violation>(sum)
    };
    let results: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|first| scope.spawn(move || work(first))).collect();
        running.into_iter().map(|running| running.join().unwrap()).collect()
    });
    let (mut ran, mut tally) = (0, Tally::new());
    for result in results {
        let (cases, counts) = result.unwrap_or_else(|violation| panic!("{violation}"));
        ran += cases;
        for (promise, count) in counts {
            *tally.entry(promise).or_default() += count;
        }
    }
    println!("{ran} cases in {:?}", start.elapsed());
    for promise in Promise::ALL {
        let count = tally.get(&promise).copied().unwrap_or_default();
        println!("{count:>10}  {promise:?}");
        assert!(count > 0, "{promise:?} was never checked");
    }
}

#[test]
fn every_broken_twin_is_noticed() {
    for (twin, promises) in Twin::ALL {
        let violation = (0..TWIN_CASES).find_map(|case| run(case, Some(twin)).err());
        let violation = violation.unwrap_or_else(|| panic!("{twin:?} is not noticed"));
        assert!(promises.contains(&violation.promise), "{twin:?}: expected {promises:?}\n{violation}");
    }
}
