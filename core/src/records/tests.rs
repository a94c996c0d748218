use super::*;
use crate::identity::Keypair;
use crate::protocols::{FromSwarm, Protocol, ToSwarm};
use crate::time::Instant;
use std::collections::VecDeque;

const NOW: Instant = Instant::from_nanos(1_000);

/// Values are numbers in decimal; the largest is the best.
#[derive(Debug)]
struct Largest;

impl Validator for Largest {
    fn validate(&self, record: &Record) -> Result<(), InvalidRecord> {
        number(&record.value).map(drop).ok_or(InvalidRecord::Value("it is no number"))
    }

    fn select(&self, _key: &RecordKey, values: &[Bytes]) -> usize {
        (0..values.len()).max_by_key(|&place| number(&values[place])).unwrap_or(usize::MAX)
    }
}

fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Gives the answers that it was made with, in order; then none.
#[derive(Debug)]
struct Scripted {
    script: VecDeque<Answer>,
    answers: VecDeque<StoreOutput>,
}

#[derive(Debug, Clone)]
enum Answer {
    Value(Option<&'static str>),
    Stored,
    Broken,
}

impl Machine for Scripted {
    type Input = StoreInput;
    type Output = StoreOutput;

    fn handle_input(&mut self, input: StoreInput, _now: Instant) {
        let (StoreInput::Put { request, .. } | StoreInput::Get { request, .. }) = input else { return };
        let answer = match self.script.pop_front() {
            None => return,
            Some(Answer::Value(value)) => StoreOutput::Found { request, value: value.map(Bytes::from) },
            Some(Answer::Stored) => StoreOutput::Stored { request },
            Some(Answer::Broken) => StoreOutput::Failed { request, error: broken() },
        };
        self.answers.push_back(answer);
    }

    fn poll_output(&mut self) -> Option<StoreOutput> {
        self.answers.pop_front()
    }
}

fn broken() -> StoreError {
    StoreError::Other("the disk is gone".to_owned())
}

fn scripted(script: &[Answer]) -> Box<dyn RecordStore> {
    Box::new(Scripted { script: script.to_vec().into(), answers: VecDeque::new() })
}

fn records(stores: Vec<Box<dyn RecordStore>>) -> Records {
    let mut validators = Validators::default();
    validators.add("n", Largest);
    Records::new(stores, validators)
}

fn in_memory() -> Records {
    records(vec![Box::new(MemoryStore::default())])
}

fn key() -> RecordKey {
    RecordKey::new("/n/a").unwrap()
}

fn record(value: &'static str) -> Record {
    Record { key: key(), value: Bytes::from(value) }
}

fn put(records: &mut Records, id: u64, record: Record) -> Option<RecordsEvent> {
    run(records, RecordsCommand::Put { id: RecordsId(id), record })
}

fn get(records: &mut Records, id: u64) -> Option<RecordsEvent> {
    run(records, RecordsCommand::Get { id: RecordsId(id), key: key() })
}

fn run(records: &mut Records, command: RecordsCommand) -> Option<RecordsEvent> {
    records.handle_input(FromSwarm::Command(command), NOW);
    event(records)
}

fn event(records: &mut Records) -> Option<RecordsEvent> {
    let output = records.poll_output()?;
    assert_eq!(records.poll_output(), None);
    if let ToSwarm::Event(event) = output { Some(event) } else { panic!("{output:?}") }
}

fn stored(id: u64, stores: usize) -> Option<RecordsEvent> {
    Some(RecordsEvent::Stored { id: RecordsId(id), stores })
}

fn found(id: u64, value: Option<&'static str>) -> Option<RecordsEvent> {
    Some(RecordsEvent::Found { id: RecordsId(id), record: value.map(record) })
}

fn failed(id: u64, error: RecordsError) -> Option<RecordsEvent> {
    Some(RecordsEvent::Failed { id: RecordsId(id), error })
}

#[test]
fn what_is_put_is_got_and_the_better_value_stays() {
    let mut records = in_memory();
    assert_eq!(get(&mut records, 1), found(1, None));
    assert_eq!(put(&mut records, 2, record("5")), stored(2, 1));
    assert_eq!(put(&mut records, 3, record("5")), stored(3, 1));
    assert_eq!(put(&mut records, 4, record("4")), failed(4, RecordsError::Outdated));
    assert_eq!(put(&mut records, 5, record("60")), stored(5, 1));
    assert_eq!(get(&mut records, 6), found(6, Some("60")));
    assert_eq!(records.poll_timeout(), None);
}

#[test]
fn the_best_valid_value_of_all_stores() {
    use Answer::Value;
    let cases: [(&[Answer], Option<&str>); 5] = [
        (&[Value(Some("1")), Value(Some("3")), Value(Some("2"))], Some("3")),
        (&[Value(Some("1")), Value(Some("lie")), Value(None)], Some("1")),
        (&[Value(Some("lie")), Value(None)], None),
        (&[Answer::Broken, Value(Some("1"))], Some("1")),
        (&[Answer::Broken, Value(None)], None),
    ];
    for (answers, best) in cases {
        let stores = answers.iter().map(|answer| scripted(std::slice::from_ref(answer))).collect();
        assert_eq!(get(&mut records(stores), 1), found(1, best), "{answers:?}");
    }
}

#[test]
fn stores_that_fail_or_stay_silent() {
    let mut all_broken = records(vec![scripted(&[Answer::Broken]), scripted(&[Answer::Broken])]);
    assert_eq!(get(&mut all_broken, 1), failed(1, RecordsError::Stores(vec![broken(), broken()])));

    let empty = || scripted(&[Answer::Value(None), Answer::Stored]);
    let reads_only = || scripted(&[Answer::Value(None), Answer::Broken]);
    assert_eq!(put(&mut records(vec![empty(), reads_only()]), 1, record("1")), stored(1, 1));
    assert_eq!(
        put(&mut records(vec![reads_only()]), 1, record("1")),
        failed(1, RecordsError::Stores(vec![broken()]))
    );

    let mut one_is_silent = records(vec![scripted(&[Answer::Value(Some("1"))]), scripted(&[])]);
    assert_eq!(get(&mut one_is_silent, 1), None);
    one_is_silent.handle_timeout(NOW + OPERATION_TIMEOUT);
    assert_eq!(event(&mut one_is_silent), found(1, Some("1")));

    let mut silent = records(vec![scripted(&[])]);
    assert_eq!(get(&mut silent, 1), None);
    silent.handle_timeout(NOW + OPERATION_TIMEOUT);
    assert_eq!(event(&mut silent), failed(1, RecordsError::Timeout));
}

#[test]
fn a_node_that_shuts_down_ends_its_commands() {
    let mut silent = records(vec![scripted(&[Answer::Value(None)]), scripted(&[])]);
    assert_eq!(put(&mut silent, 1, record("1")), None);
    silent.shut_down(NOW);
    assert_eq!(event(&mut silent), failed(1, RecordsError::ShutDown));
    assert_eq!(get(&mut silent, 2), failed(2, RecordsError::ShutDown));
    assert_eq!(silent.poll_timeout(), None);
}

#[test]
fn limits() {
    assert_eq!(get(&mut records(Vec::new()), 1), failed(1, RecordsError::NoStore));

    let mut busy = records(vec![scripted(&[])]);
    for id in 0..MAX_OPERATIONS as u64 {
        assert_eq!(get(&mut busy, id), None);
    }
    assert_eq!(get(&mut busy, 1_000), failed(1_000, RecordsError::TooMany));

    let config = MemoryStoreConfig { max_records: 1, max_value_bytes: 3 };
    let mut small = records(vec![Box::new(MemoryStore::new(config))]);
    let refused = |error| failed(1, RecordsError::Stores(vec![error]));
    assert_eq!(put(&mut small, 1, record("1234")), refused(StoreError::TooLarge { len: 4, max: 3 }));
    assert_eq!(put(&mut small, 1, record("123")), stored(1, 1));
    assert_eq!(put(&mut small, 1, record("124")), stored(1, 1));
    let other = Record { key: RecordKey::new("/n/b").unwrap(), ..record("1") };
    assert_eq!(put(&mut small, 1, other), refused(StoreError::Full { max: 1 }));
}

#[test]
fn records_that_cannot_be_checked_are_refused() {
    let mut records = in_memory();
    let unknown = Record { key: RecordKey::new("/v/a").unwrap(), ..record("1") };
    let error = InvalidRecord::UnknownNamespace("v".to_owned());
    assert_eq!(put(&mut records, 1, unknown), failed(1, error.into()));
    let error = InvalidRecord::Value("it is no number");
    assert_eq!(put(&mut records, 1, record("x")), failed(1, error.into()));
}

/// A key with fewer parts once went past every validator of another implementation (CVE-2026-45783).
#[test]
fn keys_without_a_namespace_are_no_keys() {
    let bad: [&[u8]; 9] = [b"", b"/", b"//", b"/n", b"/n/", b"n/a", b"//a", b"/\xff/a", b"a"];
    for key in bad {
        let error = InvalidRecord::Key("it must look like /namespace/name");
        assert_eq!(RecordKey::new(key), Err(error), "{key:?}");
    }
    let long = [b"/n/".as_slice(), &[b'a'; MAX_KEY_BYTES]].concat();
    assert_eq!(RecordKey::new(long), Err(InvalidRecord::Key("it is too long")));
    let key = RecordKey::new(b"/n/a/\xff".as_slice()).unwrap();
    assert_eq!((key.namespace(), key.name()), ("n", b"a/\xff".as_slice()));
    assert_eq!(format!("{key:?} {:?}", self::key()), "/n/612fff /n/a");
}

#[test]
fn public_keys() {
    let keys = [1, 2].map(|number| Keypair::ed25519_from_secret(&[number; 32]).public().clone());
    let of = |peer: &[u8]| RecordKey::new([b"/pk/".as_slice(), peer].concat()).unwrap();
    let own = of(keys[0].to_peer_id().as_bytes());
    let check = |key: &RecordKey, value: Vec<u8>| {
        Validators::default().validate(&Record { key: key.clone(), value: value.into() })
    };
    assert_eq!(check(&own, keys[0].to_protobuf()), Ok(()));
    assert_eq!(check(&own, keys[1].to_protobuf()), Err(InvalidRecord::Value("it is another peer's key")));
    let garbage = InvalidRecord::Value("it is no public key in protobuf form");
    assert_eq!(check(&own, b"key".to_vec()), Err(garbage));
    let no_peer = InvalidRecord::Value("the key does not end in the bytes of a peer id");
    assert_eq!(check(&of(b"peer"), keys[0].to_protobuf()), Err(no_peer));
}

#[test]
fn a_place_that_does_not_exist_counts_as_the_first() {
    #[derive(Debug)]
    struct Lost;
    impl Validator for Lost {
        fn validate(&self, _: &Record) -> Result<(), InvalidRecord> {
            Ok(())
        }
        fn select(&self, _: &RecordKey, values: &[Bytes]) -> usize {
            values.len()
        }
    }
    let mut validators = Validators::default();
    validators.add("n", Lost);
    let stores = vec![scripted(&[Answer::Value(Some("a"))]), scripted(&[Answer::Value(Some("b"))])];
    assert_eq!(get(&mut Records::new(stores, validators), 1), found(1, Some("a")));
}
