//! Running the program, bounded in time.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

/// How long the program may take for anything in these tests.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// How often the end of the program is looked for.
const EXIT_POLL: Duration = Duration::from_millis(5);

/// What the nodes of these tests speak.
pub(crate) const SECIO_MPLEX: [&str; 4] = ["--security", "secio", "--muxer", "mplex"];

/// What a run of the program left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    /// The exit status; `None` if a signal ended it.
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// Standard output as one JSON object a line.
    pub(crate) fn json(&self) -> Vec<Value> {
        self.stdout.lines().map(json).collect()
    }

    /// Asserts success and gives standard output.
    #[track_caller]
    pub(crate) fn success(self) -> String {
        assert_eq!(self.status, Some(0), "{self:?}");
        self.stdout
    }

    /// Asserts failure and gives the one line on standard error, without its label.
    #[track_caller]
    pub(crate) fn failure(&self) -> &str {
        assert_eq!(self.status, Some(1), "{self:?}");
        let line = self.stderr.strip_prefix("error: ").and_then(|line| line.strip_suffix('\n'));
        let line = line.unwrap_or_else(|| panic!("one line with a label is expected: {self:?}"));
        assert!(!line.contains('\n'), "{self:?}");
        line
    }
}

/// A line of JSON.
#[track_caller]
pub(crate) fn json(line: &str) -> Value {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert!(value.is_object(), "{line}");
    value
}

/// Runs the program to its end.
#[track_caller]
pub(crate) fn peerwork(arguments: &[&str]) -> Finished {
    Running::start(arguments).finish()
}

/// Runs a command with a node that speaks secio and mplex to its end.
#[track_caller]
pub(crate) fn node(arguments: &[&str]) -> Finished {
    peerwork(&[arguments, &SECIO_MPLEX].concat())
}

/// The program, to be started in a way of the caller's.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peerwork"));
    command.env_remove("RUST_LOG").env_remove("LIBP2P_FORCE_PNET").args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The program at work. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    deadline: Instant,
    /// Standard output line by line, drained all along so that the program never waits for us.
    stdout: Receiver<String>,
    stderr: Option<JoinHandle<String>>,
}

impl Running {
    #[track_caller]
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with_output(arguments, Stdio::piped(), Stdio::piped())
    }

    /// Starts the program with an output of the caller's; what goes there is not seen here.
    #[track_caller]
    pub(crate) fn start_with_output(arguments: &[&str], stdout: Stdio, stderr: Stdio) -> Self {
        Self::start_in(&[], arguments, stdout, stderr)
    }

    /// The same with these variables in its environment.
    #[track_caller]
    pub(crate) fn start_in(
        environment: &[(&str, &str)],
        arguments: &[&str],
        stdout: Stdio,
        stderr: Stdio,
    ) -> Self {
        let mut command = command(arguments);
        command.envs(environment.iter().copied()).stdout(stdout).stderr(stderr);
        Self::spawn(command)
    }

    /// Starts what [`command`] made.
    #[track_caller]
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the program starts");
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (sender, lines) = channel();
        spawn(move || {
            for line in stdout.into_iter().flat_map(|pipe| BufReader::new(pipe).lines().map_while(Result::ok))
            {
                // Nobody may listen any more; the pipe is emptied nevertheless.
                drop(sender.send(line));
            }
        });
        let stderr = spawn(move || {
            let mut text = String::new();
            if let Some(mut stderr) = stderr {
                stderr.read_to_string(&mut text).expect("it is text");
            }
            text
        });
        Self { child, deadline: Instant::now() + TIME_LIMIT, stdout: lines, stderr: Some(stderr) }
    }

    /// The next line on standard output.
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        let left = self.deadline.saturating_duration_since(Instant::now());
        self.stdout.recv_timeout(left).expect("the program prints another line in time")
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Finished {
        let status = loop {
            match self.child.try_wait().expect("the program can be waited for") {
                Some(status) => break status,
                None => assert!(Instant::now() < self.deadline, "the program does not end"),
            }
            sleep(EXIT_POLL);
        };
        let stdout = self.stdout.iter().map(|line| line + "\n").collect();
        let stderr = self.stderr.take().and_then(|reader| reader.join().ok()).expect("it is read once");
        Finished { status: status.code(), stdout, stderr }
    }

    #[cfg(unix)]
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal such as `TERM`.
    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        let kill = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(kill.expect("kill runs").success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only for a program that has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A listening node.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) running: Running,
    /// Its address, with its peer id.
    pub(crate) address: String,
}

impl Listener {
    /// Starts a node on a free port that speaks secio and mplex and prints JSON.
    #[track_caller]
    pub(crate) fn start(options: &[&str]) -> Self {
        let running = Running::start(&[&["--json", "listen"], options, &SECIO_MPLEX].concat());
        let listening = json(&running.line());
        assert_eq!(listening["event"], "listening");
        let address = listening["addr"].as_str().expect("an address").to_owned();
        Self { running, address }
    }

    /// Its address without the peer id.
    pub(crate) fn transport_address(&self) -> &str {
        self.address.split("/p2p/").next().expect("something is in front")
    }

    pub(crate) fn peer(&self) -> &str {
        self.address.rsplit('/').next().expect("something is at the end")
    }
}

/// An empty folder for a test.
pub(crate) fn folder(test: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    drop(std::fs::remove_dir_all(&path));
    std::fs::create_dir_all(&path).expect("a folder can be made");
    path
}
