//! What the work costs at least: blocking sockets and the same crypto, and nothing else.
//!
//! - `bulk`: the client seals a buffer in place and writes it, the server reads it whole and opens it in place. Nothing is copied, framed
//!   or muxed. Frames are as long as the security protocol allows.
//! - `ping`: 32 bytes there and back. Sealing them would be a small part, and is left out.
//! - `conn`: connecting and accepting, and at both ends what the handshake must compute: a fresh key, the agreements, the check of the
//!   remote's signature. Our own signature is left out, since it can be made once.

mod crypto;

use anyhow::{Context, Result, bail, ensure};
use bench_harness::{Client, Flags, Implementation, Mode, announce};
use crypto::{Handshake, Sealer};
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// About how many bytes of bulk the processor looks at the clock for.
const BATCH_BYTES: usize = 1024 * 1024;

fn main() -> ExitCode {
    bench_harness::run::<Floor>()
}

struct Floor;

impl Implementation for Floor {
    type Client = Sockets;

    const NAME: &'static str = "floor";

    fn serve(flags: &Flags) -> Result<Infallible> {
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen")?;
        announce(listener.local_addr()?);
        let handshake = Handshake::of(flags)?;
        loop {
            let (mut socket, _) = listener.accept()?;
            socket.set_nodelay(true)?;
            match flags.mode {
                Mode::Bulk => sink(socket, flags)?,
                Mode::Ping => {
                    let mut buffer = [0; 32];
                    while socket.read_exact(&mut buffer).is_ok() {
                        socket.write_all(&buffer)?;
                    }
                }
                Mode::Conn => handshake.compute()?,
                other => bail!("sockets have no {other:?}"),
            }
        }
    }

    fn client(flags: &Flags, address: &str) -> Result<Sockets> {
        Ok(Sockets { address: address.to_owned(), flags: flags.clone(), handshake: Handshake::of(flags)? })
    }
}

/// Reads and opens frames to the end, and says how much was in them.
fn sink(mut socket: TcpStream, flags: &Flags) -> Result<()> {
    let mut sealer = Sealer::new(flags.sec, flags.chunk)?;
    let mut total = 0_u64;
    while socket.read_exact(sealer.frames()).is_ok() {
        total += sealer.open()? as u64;
    }
    Ok(socket.write_all(&total.to_be_bytes())?)
}

struct Sockets {
    address: String,
    flags: Flags,
    handshake: Handshake,
}

impl Sockets {
    fn connect(&self) -> Result<TcpStream> {
        let socket = TcpStream::connect(&self.address).context("cannot connect")?;
        socket.set_nodelay(true)?;
        Ok(socket)
    }
}

impl Client for Sockets {
    fn bulk(&mut self, time: Duration, chunk: usize) -> Result<u64> {
        let mut socket = self.connect()?;
        let mut sealer = Sealer::new(self.flags.sec, chunk)?;
        let start = Instant::now();
        let mut total = 0;
        while start.elapsed() < time {
            for _ in 0..BATCH_BYTES.div_ceil(chunk) {
                let (len, frames) = sealer.seal()?;
                socket.write_all(frames)?;
                total += len as u64;
            }
        }
        socket.shutdown(Shutdown::Write)?;
        let mut read = [0; 8];
        socket.read_exact(&mut read).context("the server does not say what it has read")?;
        ensure!(u64::from_be_bytes(read) == total, "bytes were lost");
        Ok(total)
    }

    fn round_trips(&mut self, time: Duration) -> Result<u64> {
        let mut socket = self.connect()?;
        let mut buffer = [7; 32];
        let start = Instant::now();
        let mut count = 0;
        while start.elapsed() < time {
            socket.write_all(&buffer)?;
            socket.read_exact(&mut buffer)?;
            count += 1;
        }
        Ok(count)
    }

    fn new_streams(&mut self, _: Duration, _: usize) -> Result<u64> {
        bail!("sockets have no streams")
    }

    fn connections(&mut self, time: Duration) -> Result<u64> {
        let start = Instant::now();
        let mut count = 0;
        while start.elapsed() < time {
            let mut socket = self.connect()?;
            self.handshake.compute()?;
            ensure!(socket.read(&mut [0])? == 0, "the server sends something");
            count += 1;
        }
        Ok(count)
    }

    fn hold_connections(&mut self, _: u64) -> Result<()> {
        bail!("a socket's memory is not in its process")
    }

    fn hold_streams(&mut self, _: u64) -> Result<()> {
        bail!("sockets have no streams")
    }

    fn rest(&mut self, time: Duration) {
        std::thread::sleep(time);
    }
}
