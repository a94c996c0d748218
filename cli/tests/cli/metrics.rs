//! What a node tells Prometheus, over a web server that holds out.

use crate::program::{Running, SECIO_MPLEX, json, node, peerwork};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// How long an answer may take: longer than the server puts up with silent clients.
const PATIENCE: Duration = Duration::from_secs(30);

const REQUEST: &str = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";

/// A listening node with metrics.
struct Observed {
    running: Running,
    /// Of the node.
    address: String,
    /// Of the metrics.
    socket_address: String,
}

impl Observed {
    #[track_caller]
    fn start() -> Self {
        let options = [&["--json", "listen", "--metrics", "127.0.0.1:0"], &SECIO_MPLEX[..]].concat();
        let running = Running::start(&options);
        let metrics = json(&running.line());
        assert_eq!(metrics["event"], "metrics");
        let url = metrics["url"].as_str().expect("a URL");
        let socket_address = url.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/metrics"));
        let socket_address = socket_address.expect("it ends with the path").to_owned();
        assert!(!socket_address.ends_with(":0"), "the real port is needed: {url}");
        let address = json(&running.line())["addr"].as_str().expect("an address").to_owned();
        Self { running, address, socket_address }
    }

    fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(&self.socket_address).expect("the metrics are served");
        client.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        client
    }

    /// The whole answer to some bytes.
    #[track_caller]
    fn ask(&self, request: &[u8]) -> String {
        let mut client = self.connect();
        client.write_all(request).expect("it takes bytes");
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("an answer comes in time");
        answer
    }

    /// The numbers, by their names and labels.
    #[track_caller]
    fn numbers(&self) -> Numbers {
        let answer = self.ask(REQUEST.as_bytes());
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
        assert!(head.contains(kind), "{head}");
        assert!(body.ends_with("# EOF\n"), "{body}");
        let samples = body.lines().filter(|line| !line.starts_with('#'));
        let parsed = samples.map(|sample| {
            let (name, number) = sample.rsplit_once(' ').expect("a name and a number");
            (name.to_owned(), number.parse().expect("a number"))
        });
        Numbers(parsed.collect())
    }
}

struct Numbers(BTreeMap<String, u64>);

impl Numbers {
    #[track_caller]
    fn of(&self, name: &str) -> u64 {
        *self.0.get(&format!("peerwork_{name}")).unwrap_or_else(|| panic!("there is no {name}"))
    }

    /// All numbers of a name.
    fn sum(&self, name: &str) -> u64 {
        let prefix = format!("peerwork_{name}{{");
        self.0.iter().filter(|(name, _)| name.starts_with(&prefix)).map(|(_, number)| number).sum()
    }
}

const OPEN: &str = r#"connections{direction="inbound",state="open"}"#;
const OPENED: &str = r#"connections_opened_total{direction="inbound"}"#;
const STREAMS: &str = r#"streams_opened_total{direction="inbound"}"#;

#[test]
fn the_numbers_of_a_visit() {
    let observed = Observed::start();
    let before = observed.numbers();
    for name in [OPEN, OPENED, STREAMS, "peers", "received_bytes_total", "sent_bytes_total"] {
        assert_eq!(before.of(name), 0, "{name}");
    }
    assert_eq!(before.of(concat!(r#"build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""}"#)), 1);
    assert!(before.of("start_time_seconds") > 1_700_000_000);

    let mut stream_bytes = 0;
    for bytes in [0, 100_000] {
        node(&["echo", &observed.address, &bytes.to_string()]).success();
        stream_bytes += bytes;
    }
    let deadline = Instant::now() + PATIENCE;
    let after = loop {
        let now = observed.numbers();
        if now.sum("connections_closed_total") == 2 {
            break now;
        }
        assert!(Instant::now() < deadline, "the visitors have left");
    };
    assert_eq!((after.of(OPENED), after.of(OPEN), after.of("peers")), (2, 0, 0));
    assert_eq!(after.sum("connections"), 0);
    assert!(after.of(STREAMS) >= 2, "an echo each");
    assert_eq!(after.sum("streams_opened_total"), after.sum("streams_closed_total"));
    for name in ["received_bytes_total", "sent_bytes_total"] {
        let overhead = after.of(name) - stream_bytes;
        assert!((1_000..50_000).contains(&overhead), "{name}: {overhead} beside the payload");
    }
    assert_eq!((after.sum("dials_total"), after.sum("dial_tokens")), (0, 0), "it dialled nobody");
}

#[test]
fn a_failed_visit_is_counted() {
    let observed = Observed::start();
    let address = observed.address.split('/').collect::<Vec<_>>();
    let mut stranger =
        TcpStream::connect((address[2], address[4].parse().expect("a port"))).expect("it listens");
    stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("it takes bytes");
    drop(stranger);
    let failed = json(&observed.running.line());
    assert_eq!(failed["event"], "incoming-failed");
    let now = observed.numbers();
    assert_eq!(
        (now.of(r#"incoming_failed_total{reason="failed"}"#), now.sum("incoming_failed_total")),
        (1, 1)
    );
}

#[test]
fn bad_requests_have_their_answers_and_harm_nobody() {
    let observed = Observed::start();
    // As many bytes as make the head too long, and not one that is left unread.
    let long = |start: &str| format!("{start}{}", "a".repeat(8 * 1024 - start.len()));
    let fields = "X: y\r\n".repeat(100);
    let cases = [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "404 Not Found"),
        ("GET /metrics/ HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "404 Not Found"),
        ("GET /Metrics HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "404 Not Found"),
        ("POST / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "404 Not Found"),
        (
            "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".to_owned(),
            "405 Method Not Allowed",
        ),
        ("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "405 Method Not Allowed"),
        ("BREW /metrics HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "405 Method Not Allowed"),
        ("GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "200 OK"),
        ("GET /metrics HTTP/1.0\r\n\r\n".to_owned(), "200 OK"),
        ("\u{16}\u{3}\u{1}\r\n\r\n".to_owned(), "400 Bad Request"),
        ("GET /metrics HTTP/7.7\r\n\r\n".to_owned(), "400 Bad Request"),
        ("/metrics\r\n\r\n".to_owned(), "400 Bad Request"),
        (long("GET /metrics HTTP/1.1\r\nX: "), "431 Request Header Fields Too Large"),
        (long("GET /"), "431 Request Header Fields Too Large"),
        (format!("GET /metrics HTTP/1.1\r\n{fields}\r\n"), "431 Request Header Fields Too Large"),
    ];
    for (request, expected) in cases {
        let answer = observed.ask(request.as_bytes());
        let status =
            answer.split_once(' ').and_then(|(_, rest)| rest.split_once("\r\n")).map(|(status, _)| status);
        assert_eq!(status, Some(expected), "{request:.40}: {answer}");
        assert_eq!(answer.contains("\r\nallow: GET\r\n"), expected.starts_with("405"), "{answer}");
    }
    observed.numbers();
}

/// More silent clients than are served at a time.
#[test]
fn silent_clients_lose_their_places() {
    let observed = Observed::start();
    let silent = [0; 15].map(|_| observed.connect());
    observed.numbers();
    let more = [0; 10].map(|_| observed.connect());
    for mut client in &more {
        client.write_all(b"GET /metr").expect("it takes bytes");
    }
    observed.numbers();
    for mut client in silent {
        assert_eq!(client.read(&mut [0]).expect("it is cut off"), 0);
    }
}

#[cfg(unix)]
#[test]
fn the_metrics_end_with_the_node() {
    let observed = Observed::start();
    let mut client = observed.connect();
    client.write_all(b"GET").expect("it takes bytes");
    observed.numbers();
    observed.running.signal("TERM");
    let Observed { running, socket_address, .. } = observed;
    running.finish().success();
    assert!(TcpStream::connect(socket_address).is_err(), "nobody is there any more");
}

#[test]
fn addresses_that_will_not_do() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let taken = listener.local_addr().expect("it has an address").to_string();
    let cases = [
        (
            "localhost:9090",
            "'localhost:9090': an IP address and a port are needed, such as 127.0.0.1:9090, or a port alone"
                .to_owned(),
        ),
        (
            &taken,
            format!(
                "cannot serve metrics on {taken}: the address is in use; choose another port, or 0 for any"
            ),
        ),
        (
            "192.0.2.1:0",
            "cannot serve metrics on 192.0.2.1:0: the address is not one of this machine's".to_owned(),
        ),
    ];
    for (address, expected) in cases {
        assert_eq!(peerwork(&["listen", "--metrics", address]).failure(), expected);
    }
}

#[test]
fn people_are_told_where_the_metrics_are() {
    let running = Running::start(&["listen", "--metrics", "0"]);
    let line = running.line();
    let port =
        line.strip_prefix("metrics at http://127.0.0.1:").and_then(|rest| rest.strip_suffix("/metrics"));
    assert!(port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0)), "{line}");
}
