//! minip2p-rs, its endpoint with its defaults. It speaks noise and yamux only, exchanges identify on every connection, and is polled rather than
//! awaited: so the work is done here once more, in its own terms.

use anyhow::{Result, anyhow, bail, ensure};
use bench_harness::streams::{BATCH_BYTES, ECHO, SINK};
use bench_harness::{Client, Flags, Implementation, Mode, Muxer, Security, announce};
use minip2p::{
    Bytes, ConnectOutcome, ConnectionId, Endpoint, EndpointEvent, EndpointWaitOutcome, Error, PeerAddr,
    StreamId, WaitDeadline,
};
use minip2p_tcp::TcpConfig;
use std::collections::HashMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};

/// minip2p-rs.
pub struct Minip2p;

impl Implementation for Minip2p {
    type Client = Polled;

    const NAME: &'static str = "minip2p";

    fn serve(flags: &Flags) -> Result<Infallible> {
        let mut endpoint = endpoint(flags)?;
        announce(endpoint.listen()?);
        Server { endpoint, closes: flags.mode == Mode::Conn, streams: HashMap::new() }.run()
    }

    fn client(flags: &Flags, address: &str) -> Result<Polled> {
        let address = address.parse().map_err(|error| anyhow!("{error:?}"))?;
        let mut client = Polled { flags: flags.clone(), endpoints: vec![endpoint(flags)?], address };
        if !matches!(flags.mode, Mode::Conn | Mode::Idleconn) {
            connect(&mut client.endpoints[0], &client.address)?;
        }
        Ok(client)
    }
}

type Key = (ConnectionId, StreamId);

fn endpoint(flags: &Flags) -> Result<Endpoint> {
    ensure!((flags.sec, flags.mux) == (Security::Noise, Muxer::Yamux), "minip2p has noise and yamux only");
    let mut config = TcpConfig::default();
    config.max_connections = 100_000;
    if flags.mode == Mode::Idlestream {
        config.yamux.max_streams = usize::try_from(flags.n)? + 64;
    }
    let builder = Endpoint::builder().protocol(SINK).protocol(ECHO).tcp_config(config);
    Ok(builder.listen_on("/ip4/127.0.0.1/tcp/0")?.bind()?)
}

fn next(endpoint: &mut Endpoint) -> Result<EndpointEvent> {
    loop {
        if let EndpointWaitOutcome::Event(event) = endpoint.wait(WaitDeadline::NEVER)? {
            return Ok(event);
        }
    }
}

struct Server {
    endpoint: Endpoint,
    closes: bool,
    streams: HashMap<Key, Stream>,
}

/// A stream at the server.
enum Stream {
    Echo,
    /// How much has come.
    Sink {
        total: u64,
    },
}

impl Server {
    fn run(mut self) -> Result<Infallible> {
        loop {
            match next(&mut self.endpoint)? {
                EndpointEvent::ConnectionEstablished { peer_id, .. } if self.closes => {
                    drop(self.endpoint.disconnect(&peer_id));
                }
                EndpointEvent::StreamReady {
                    conn_id,
                    stream_id,
                    protocol_id,
                    initiated_locally: false,
                    ..
                } => {
                    let stream = if protocol_id == ECHO { Stream::Echo } else { Stream::Sink { total: 0 } };
                    self.streams.insert((conn_id, stream_id), stream);
                }
                EndpointEvent::StreamData { conn_id, stream_id, data, .. } => {
                    match self.streams.get_mut(&(conn_id, stream_id)) {
                        Some(Stream::Echo) => self.endpoint.send_stream(conn_id, stream_id, data)?,
                        Some(Stream::Sink { total }) => *total += data.len() as u64,
                        None => {}
                    }
                }
                EndpointEvent::StreamRemoteWriteClosed { conn_id, stream_id, .. } => {
                    if let Some(Stream::Sink { total }) = self.streams.get(&(conn_id, stream_id)) {
                        self.endpoint.send_stream(conn_id, stream_id, total.to_be_bytes().to_vec())?;
                    }
                    drop(self.endpoint.close_stream_write(conn_id, stream_id));
                }
                EndpointEvent::StreamClosed { conn_id, stream_id, .. } => {
                    self.streams.remove(&(conn_id, stream_id));
                }
                _ => {}
            }
        }
    }
}

/// Endpoints that know the server. An endpoint has one connection to a peer only, so each further one takes an endpoint of its own.
pub struct Polled {
    flags: Flags,
    endpoints: Vec<Endpoint>,
    address: PeerAddr,
}

fn connect(endpoint: &mut Endpoint, address: &PeerAddr) -> Result<()> {
    endpoint.connect(address)?;
    loop {
        match next(endpoint)? {
            EndpointEvent::ConnectSettled { outcome, .. } => check(&outcome)?,
            EndpointEvent::PeerReady { .. } => return Ok(()),
            _ => {}
        }
    }
}

fn check(outcome: &ConnectOutcome) -> Result<()> {
    ensure!(matches!(outcome, ConnectOutcome::Connected { .. }), "the dial failed: {outcome:?}");
    Ok(())
}

impl Polled {
    fn open(&mut self, protocol: &str) -> Result<Key> {
        let endpoint = &mut self.endpoints[0];
        let key = endpoint.open_stream(self.address.peer_id(), protocol)?;
        loop {
            match next(endpoint)? {
                EndpointEvent::StreamReady { conn_id, stream_id, .. } if (conn_id, stream_id) == key => {
                    return Ok(key);
                }
                EndpointEvent::Error(error) => bail!("the stream cannot be opened: {error:?}"),
                _ => {}
            }
        }
    }

    fn read<const N: usize>(&mut self, key: Key) -> Result<[u8; N]> {
        let mut read = Vec::with_capacity(N);
        while read.len() < N {
            match next(&mut self.endpoints[0])? {
                EndpointEvent::StreamData { conn_id, stream_id, data, .. } if (conn_id, stream_id) == key => {
                    read.extend_from_slice(&data);
                }
                _ => {}
            }
        }
        read.try_into().map_err(|_| anyhow!("more was read than sent"))
    }

    fn write(&mut self, (connection, stream): Key, mut data: Bytes) -> Result<()> {
        let endpoint = &mut self.endpoints[0];
        loop {
            match endpoint.send_stream(connection, stream, data) {
                Ok(()) => return Ok(()),
                Err(Error::Full { unsent, .. }) => data = unsent,
                Err(error) => return Err(error.into()),
            }
            loop {
                match next(endpoint)? {
                    EndpointEvent::StreamWritable { conn_id, stream_id, .. }
                        if (conn_id, stream_id) == (connection, stream) =>
                    {
                        break;
                    }
                    _ => {}
                }
            }
        }
    }

    fn round_trip(&mut self, key: Key) -> Result<()> {
        let sent = [7; 32];
        self.write(key, Bytes::from(sent.to_vec()))?;
        ensure!(self.read(key)? == sent, "the echo is not what was sent");
        Ok(())
    }
}

impl Client for Polled {
    fn bulk(&mut self, time: Duration, chunk: usize) -> Result<u64> {
        let key = self.open(SINK)?;
        let chunk = Bytes::from(vec![0x5a; chunk]);
        let start = Instant::now();
        let mut total = 0;
        while start.elapsed() < time {
            for _ in 0..BATCH_BYTES / chunk.len() {
                // It takes buffers, and is spared the cost of filling them.
                self.write(key, chunk.clone())?;
                total += chunk.len() as u64;
            }
        }
        self.endpoints[0].close_stream_write(key.0, key.1)?;
        let read = u64::from_be_bytes(self.read(key)?);
        ensure!(read == total, "{total} bytes were sent and {read} arrived");
        Ok(total)
    }

    fn round_trips(&mut self, time: Duration) -> Result<u64> {
        let key = self.open(ECHO)?;
        let start = Instant::now();
        let mut count = 0;
        while start.elapsed() < time {
            self.round_trip(key)?;
            count += 1;
        }
        Ok(count)
    }

    fn new_streams(&mut self, time: Duration, parallel: usize) -> Result<u64> {
        ensure!(parallel == 1, "streams of an endpoint are used one at a time here");
        let start = Instant::now();
        let mut count = 0;
        while start.elapsed() < time {
            let key = self.open(ECHO)?;
            self.round_trip(key)?;
            self.endpoints[0].close_stream_write(key.0, key.1)?;
            count += 1;
        }
        Ok(count)
    }

    fn connections(&mut self, time: Duration) -> Result<u64> {
        let endpoint = &mut self.endpoints[0];
        let start = Instant::now();
        let mut count = 0;
        while start.elapsed() < time {
            endpoint.connect(&self.address)?;
            let (mut settled, mut closed) = (false, false);
            while !(settled && closed) {
                match next(endpoint)? {
                    EndpointEvent::ConnectSettled { outcome, .. } => {
                        check(&outcome)?;
                        settled = true;
                    }
                    EndpointEvent::ConnectionClosed { .. } => closed = true,
                    _ => {}
                }
            }
            count += 1;
        }
        Ok(count)
    }

    fn hold_connections(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            let mut endpoint = endpoint(&self.flags)?;
            connect(&mut endpoint, &self.address)?;
            self.endpoints.push(endpoint);
        }
        Ok(())
    }

    fn hold_streams(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            let key = self.open(ECHO)?;
            self.round_trip(key)?;
        }
        Ok(())
    }

    fn rest(&mut self, time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            for endpoint in &mut self.endpoints {
                // Errors of a connection are events too.
                drop(endpoint.poll());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
