//! Broken twins: adapters, and subjects, that are broken on purpose in one way each. Every case must notice at least one of them, or it
//! demands nothing.

mod runtime;
mod subject;

use peerwork_tests::conformance::{AsyncSubject, Options, Outcome, Report, Subject, case_names, run};
use runtime::BrokenTokio;
use std::collections::BTreeSet;
use std::time::Duration;
use subject::BrokenSubject;

/// What is broken in the runtime, and which cases notice.
const RUNTIMES: &[(runtime::Fault, &[&str])] = {
    use runtime::Fault::*;
    &[
        (
            NeverRings,
            &[
                "stops_though_nothing_can_be_written",
                "stops_beside_a_remote_that_hangs",
                "works_while_the_clock_stands",
                "forgives_sleeps_that_ring_wrong",
            ],
        ),
        (LosesReaders, &["connects"]),
        (LosesWriters, &["waits_for_a_full_socket"]),
        (BuffersWrites, &["sends_without_a_flush", "works_a_byte_at_a_time"]),
        (LeaksSockets, &["leaves_nothing_behind", "survives_errors_of_sockets"]),
        (LeaksTasks, &["stops_beside_a_silent_remote", "leaves_nothing_behind"]),
        (SwallowsShutdown, &["ends_in_order"]),
        (WakesOnOneThread, &["answers_other_threads"]),
        (TakesBothVersionsOfIp, &["listens_on_both_versions_of_ip"]),
        (KeepsConnecting, &["cancels_a_dial"]),
        (KeepsListening, &["stops_listening"]),
        (ForgetsErrors, &["says_why_it_cannot_dial", "says_why_it_cannot_listen"]),
        (PollsAllTheTime, &["is_quiet_when_idle"]),
    ]
};

/// What is broken in the subject, as in a loop of one's own, and which cases notice.
const SUBJECTS: &[(subject::Fault, &[&str])] = {
    use subject::Fault::*;
    &[
        (SwapsBytes, &["echoes_both_ways_at_once"]),
        (NeverCloses, &["half_closes"]),
        (ClosesForReset, &["resets_one_stream"]),
        (TakesEverything, &["holds_back_a_writer"]),
        (ForgetsReaders, &["carries_a_thousand_streams"]),
        (IgnoresDrop, &["stops_when_dropped"]),
        (StopsAtOnce, &["delivers_what_it_took_before_it_stops"]),
        (HidesEnds, &["survives_a_cut"]),
        (TellsTwice, &["lives_through_a_jump_of_the_clock"]),
    ]
};

fn expect_caught<S: Subject>(case: &str) {
    let options = Options {
        patience: Duration::from_millis(900),
        case_limit: Duration::from_secs(10),
        bulk_bytes: 1024 * 1024,
        only_case: Some(case.to_owned()),
    };
    let mut report = Report::default();
    run::<S>(&options, &mut report);
    let outcome = report.outcome(&S::name(), case);
    let is_caught = matches!(outcome, Some(Outcome::No(_) | Outcome::Skipped(_)));
    assert!(is_caught, "{case} does not notice {}: {outcome:?}", S::name());
}

#[test]
fn every_case_notices_a_broken_twin() {
    if std::env::var_os("PEERWORK_CONFORMANCE_ADAPTER").is_some() {
        return;
    }
    let mut caught = BTreeSet::new();
    for &(fault, cases) in RUNTIMES {
        runtime::set_fault(fault);
        for case in cases {
            expect_caught::<AsyncSubject<BrokenTokio>>(case);
            caught.insert(*case);
        }
    }
    for &(fault, cases) in SUBJECTS {
        subject::set_fault(fault);
        for case in cases {
            expect_caught::<BrokenSubject>(case);
            caught.insert(*case);
        }
    }
    let unproven: Vec<_> = case_names().into_iter().filter(|case| !caught.contains(case)).collect();
    assert!(unproven.is_empty(), "no twin shows that these notice anything: {unproven:?}");
}
