//! The story with one tie more, each time another one. The check has to find each of them.

#![allow(clippy::print_stdout, reason = "it is one of the ties")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "they are the ties")]

use std::collections::HashMap;
use std::error::Error;
use std::fs::File;
use std::net::{TcpStream, UdpSocket};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

type Told = Result<(), Box<dyn Error>>;

/// Reads the clock.
#[inline(never)]
pub fn clock() -> Told {
    let _ = Instant::now();
    super::story()
}

/// Reads the wall clock.
#[inline(never)]
pub fn wall_clock() -> Told {
    let _ = SystemTime::now();
    super::story()
}

/// Waits.
#[inline(never)]
pub fn sleep() -> Told {
    thread::sleep(Duration::ZERO);
    super::story()
}

/// Starts a thread.
#[inline(never)]
pub fn thread() -> Told {
    thread::spawn(|| {}).join().map_err(|_| "a panic")?;
    super::story()
}

/// Takes a lock.
#[inline(never)]
pub fn lock() -> Told {
    drop(Mutex::new(()).lock().unwrap_or_else(PoisonError::into_inner));
    super::story()
}

/// Opens a connection.
#[inline(never)]
pub fn connection() -> Told {
    TcpStream::connect(("127.0.0.1", 0))?;
    super::story()
}

/// Sends a datagram.
#[inline(never)]
pub fn datagram() -> Told {
    UdpSocket::bind(("127.0.0.1", 0))?.send_to(&[], ("127.0.0.1", 0))?;
    super::story()
}

/// Makes a hash map with random keys.
#[inline(never)]
pub fn hash_map() -> Told {
    drop(HashMap::<u8, u8>::new());
    super::story()
}

/// Asks the system for randomness.
#[inline(never)]
pub fn randomness() -> Told {
    getrandom::fill(&mut [0])?;
    super::story()
}

/// Opens a file, which may be a source of randomness.
#[inline(never)]
pub fn file() -> Told {
    File::open("/dev/urandom")?;
    super::story()
}

/// Prints.
#[inline(never)]
pub fn print() -> Told {
    println!();
    super::story()
}
