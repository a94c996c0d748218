//! A name server on loopback.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread::spawn;

/// The number of A records.
const A: u16 = 1;

/// The number of TXT records; all other questions are for AAAA.
const TXT: u16 = 16;

/// How many addresses the name `many.example.org` has.
const MANY: u16 = 1_000;

/// What the name server says.
enum Answer {
    Addresses(Vec<IpAddr>),
    Texts(Vec<String>),
    /// Too long for UDP.
    Long(Vec<IpAddr>),
    NoSuchName,
    ServerFailure,
}

/// The TXT records, by name.
pub(crate) type Texts = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

fn answer(name: &str, kind: u16, texts: &Texts) -> Answer {
    let is_ip4 = kind == A;
    match name {
        _ if kind == TXT => match texts.lock().unwrap().get(name) {
            Some(texts) => Answer::Texts(texts.clone()),
            None => Answer::NoSuchName,
        },
        "both.example.org" if is_ip4 => Answer::Addresses(vec![Ipv4Addr::LOCALHOST.into()]),
        "both.example.org" => Answer::Addresses(vec![Ipv6Addr::LOCALHOST.into()]),
        "four.example.org" if is_ip4 => Answer::Addresses(vec![Ipv4Addr::LOCALHOST.into()]),
        "four.example.org" => Answer::Addresses(Vec::new()),
        "many.example.org" if is_ip4 => {
            let ip = |number: u16| IpAddr::from([127, 1, (number >> 8) as u8, number as u8]);
            Answer::Long((0..MANY).map(ip).collect())
        }
        "failure.example.org" => Answer::ServerFailure,
        _ => Answer::NoSuchName,
    }
}

/// Answers one query.
fn reply(query: &[u8], over_tcp: bool, texts: &Texts) -> Vec<u8> {
    let (mut name, mut at) = (Vec::new(), 12);
    while query[at] > 0 {
        let end = at + 1 + usize::from(query[at]);
        name.push(std::str::from_utf8(&query[at + 1..end]).unwrap().to_lowercase());
        at = end;
    }
    let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
    let question = &query[12..at + 5];
    let octets = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let (flags, records): (u16, Vec<Vec<u8>>) = match answer(&name.join("."), kind, texts) {
        Answer::Addresses(addresses) => (0x8180, addresses.into_iter().map(octets).collect()),
        Answer::Texts(texts) => {
            (0x8180, texts.iter().map(|text| [&[text.len() as u8], text.as_bytes()].concat()).collect())
        }
        Answer::Long(addresses) if over_tcp => (0x8180, addresses.into_iter().map(octets).collect()),
        Answer::Long(_) => (0x8380, Vec::new()),
        Answer::NoSuchName => (0x8183, Vec::new()),
        Answer::ServerFailure => (0x8182, Vec::new()),
    };
    let mut reply = query[..2].to_vec();
    for number in [flags, 1, records.len() as u16, 0, 0] {
        reply.extend(number.to_be_bytes());
    }
    reply.extend(question);
    for record in records {
        // The name in the question; the kind; the internet; a minute.
        reply.extend([0xc0, 12, 0, kind as u8, 0, 1, 0, 0, 0, 60]);
        reply.extend((record.len() as u16).to_be_bytes());
        reply.extend(record);
    }
    reply
}

/// Starts the name server, on the same port of UDP and TCP. It runs until the process ends.
pub(crate) fn start(texts: Texts) -> SocketAddr {
    let (udp, tcp, address) = loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = udp.local_addr().unwrap();
        if let Ok(tcp) = TcpListener::bind(address) {
            break (udp, tcp, address);
        }
    };
    let texts_over_udp = texts.clone();
    spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((len, from)) = udp.recv_from(&mut buffer) {
            udp.send_to(&reply(&buffer[..len], false, &texts_over_udp), from).unwrap();
        }
    });
    spawn(move || {
        for stream in tcp.incoming() {
            let texts = texts.clone();
            spawn(move || answer_stream(stream.unwrap(), &texts));
        }
    });
    address
}

/// Answers all that comes on a connection.
fn answer_stream(mut stream: TcpStream, texts: &Texts) {
    let mut len = [0; 2];
    while stream.read_exact(&mut len).is_ok() {
        let mut query = vec![0; u16::from_be_bytes(len).into()];
        stream.read_exact(&mut query).unwrap();
        let reply = reply(&query, true, texts);
        stream.write_all(&[&(reply.len() as u16).to_be_bytes()[..], &reply].concat()).unwrap();
    }
}
