//! Names in, addresses out.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use super::*;
use futures_util::FutureExt;
use std::future::ready;

const BOTH: &[Family] = &[Family::Ip6, Family::Ip4];

type Answer = Result<Vec<IpAddr>, ResolveError>;

/// Gives each family its answer, and takes no other name than this one.
struct Fixed {
    ip6: Answer,
    ip4: Answer,
}

const NAME: &str = "example.com";

impl Resolver for Fixed {
    fn resolve(&self, name: &str, family: Family) -> BoxFuture<Answer> {
        assert_eq!(name, NAME);
        Box::pin(ready(match family {
            Family::Ip6 => self.ip6.clone(),
            Family::Ip4 => self.ip4.clone(),
        }))
    }
}

fn ip4(number: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, number])
}

fn ip6(number: u16) -> IpAddr {
    IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, number])
}

fn resolved(answers: (Answer, Answer), name: &str, families: &[Family]) -> Answer {
    let resolver = Fixed { ip6: answers.0, ip4: answers.1 };
    resolve(&resolver, name, families).now_or_never().unwrap()
}

#[test]
fn the_families_take_turns() {
    let answers = || (Ok(vec![ip6(1)]), Ok(vec![ip4(1), ip4(2)]));
    assert_eq!(resolved(answers(), NAME, BOTH), Ok(vec![ip6(1), ip4(1), ip4(2)]));
    assert_eq!(resolved(answers(), NAME, &[Family::Ip4]), Ok(vec![ip4(1), ip4(2)]));
    assert_eq!(resolved(answers(), NAME, &[Family::Ip6]), Ok(vec![ip6(1)]));
}

#[test]
fn an_endless_answer_is_cut() {
    let (many6, many4) = ((0..2_000).map(ip6).collect(), vec![ip4(7); 70_000]);
    let addresses = resolved((Ok(many6), Ok(many4)), NAME, BOTH).unwrap();
    let expected: Vec<_> = (0..8).flat_map(|number| [ip6(number), ip4(7)]).collect();
    assert_eq!(addresses, expected);
    assert_eq!(addresses.len(), MAX_RESOLVED_ADDRESSES);
    let one_family = resolved((Ok(Vec::new()), Ok(vec![ip4(7); 70_000])), NAME, BOTH);
    assert_eq!(one_family, Ok(vec![ip4(7); MAX_RESOLVED_ADDRESSES]));
}

#[test]
fn one_answer_is_enough_and_the_telling_error_is_kept() {
    let (missing, failed) = (ResolveError::NotFound, ResolveError::Failed("silence".to_owned()));
    let table = [
        (Err(missing.clone()), Ok(vec![ip4(1)]), Ok(vec![ip4(1)])),
        (Ok(vec![ip6(1)]), Err(failed.clone()), Ok(vec![ip6(1)])),
        (Err(missing.clone()), Err(missing.clone()), Err(missing.clone())),
        (Err(missing.clone()), Err(failed.clone()), Err(failed.clone())),
        (Err(failed.clone()), Err(missing.clone()), Err(failed)),
        (Ok(Vec::new()), Ok(Vec::new()), Err(missing)),
    ];
    for (ip6, ip4, expected) in table {
        assert_eq!(resolved((ip6, ip4), NAME, BOTH), expected);
    }
}

#[test]
fn bad_names_do_not_reach_the_resolver() {
    let long_name = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(62)].join(".");
    let too_long = "a name has at most 253 bytes";
    let letters =
        "a name has letters, digits, '-', '_' and dots; write other alphabets in punycode (xn--...)";
    let part = "each part of a name has 1 to 63 bytes and does not start with '-'";
    let table = [
        (&*long_name, too_long),
        ("", part),
        (".", part),
        ("a..b", part),
        (".a", part),
        ("a..", part),
        ("-a.b", part),
        (&"a".repeat(64), part),
        ("bücher.example", letters),
        ("a b", letters),
        ("a/b", letters),
        ("a\0b", letters),
        ("::1", letters),
        ("user@host", letters),
        ("host:53", letters),
    ];
    for (name, reason) in table {
        let answer = resolved((Ok(vec![]), Ok(vec![])), name, BOTH);
        assert_eq!(answer, Err(ResolveError::BadName(reason)), "{name}");
    }
    for name in ["localhost", "a.b.", "_x.1-2.xn--bcher-kva", &long_name[2..]] {
        assert_eq!(check_name(name), Ok(()), "{name}");
    }
}

#[test]
fn an_ip_address_needs_no_resolver() {
    let answer = resolved((Ok(vec![]), Ok(vec![])), "192.0.2.7", BOTH);
    assert_eq!(answer, Ok(vec![ip4(7)]));
}
