//! Programs that speak the command line of `README.md`: started, asked, and ended.

use serde_json::Value;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

/// How long a listener may take to say its address, and a command to answer.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// How often the exit of a program that has closed its output is looked for.
const EXIT_POLL: Duration = Duration::from_millis(5);

/// A program and the arguments that come before the command.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    path: PathBuf,
    before_command: Vec<OsString>,
}

impl Program {
    /// An executable file.
    pub(crate) fn executable(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), before_command: Vec::new() }
    }

    /// A script for node.
    pub(crate) fn node(script: impl Into<OsString>) -> Self {
        Self { path: "node".into(), before_command: vec![script.into()] }
    }

    /// The program with an argument on every call.
    pub(crate) fn with_argument(mut self, argument: &str) -> Self {
        self.before_command.push(argument.into());
        self
    }

    /// Starts a listener. It ends when the value is dropped.
    ///
    /// # Errors
    /// Why it did not say its address in time.
    pub(crate) fn listen(&self, options: &[&str]) -> Result<Listener, String> {
        let mut running = Running::start(self, &["listen"], options)?;
        while let Ok(line) = running.next_line() {
            if line["event"] == "listening"
                && let Some(addr) = line["addr"].as_str()
            {
                return Ok(Listener { addr: addr.to_owned(), _running: running });
            }
        }
        Err(running.fail("did not start to listen"))
    }

    /// Runs a command to its end and gives its last line of output.
    ///
    /// # Errors
    /// Why it did not succeed, with what it printed.
    pub(crate) fn run(&self, command: &[&str], options: &[&str]) -> Result<Value, String> {
        let mut running = Running::start(self, command, options)?;
        let mut last = Value::Null;
        let ended = loop {
            match running.next_line() {
                Ok(line) => last = line,
                Err(ended) => break ended,
            }
        };
        if ended == RecvTimeoutError::Timeout {
            return Err(running.fail("took too long"));
        }
        match running.wait() {
            Some(status) if status.success() && last["ok"] == true => Ok(last),
            Some(status) => Err(running.fail(&format!("ended with {status} and {last}"))),
            None => Err(running.fail("closed its output and did not end")),
        }
    }
}

/// A listening program.
#[derive(Debug)]
pub(crate) struct Listener {
    addr: String,
    _running: Running,
}

impl Listener {
    /// Its address, with its peer id.
    pub(crate) fn addr(&self) -> &str {
        &self.addr
    }

    /// Its peer id, as text.
    pub(crate) fn peer(&self) -> &str {
        self.addr.rsplit('/').next().unwrap_or_default()
    }
}

/// A running process. Dropping it ends it.
#[derive(Debug)]
struct Running {
    command: String,
    child: Child,
    deadline: Instant,
    /// Standard output, drained all along so that the process never blocks on it.
    lines: Receiver<Value>,
    /// Standard error, for the report of a failure.
    stderr: Option<JoinHandle<String>>,
}

impl Running {
    fn start(program: &Program, command: &[&str], options: &[&str]) -> Result<Self, String> {
        let mut process = Command::new(&program.path);
        process.args(&program.before_command).args(command).args(options);
        process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let command = format!("{process:?}");
        let mut child = process.spawn().map_err(|error| format!("{command}: {error}"))?;
        let stdout = child.stdout.take().expect("it is piped");
        let mut stderr = child.stderr.take().expect("it is piped");
        let (sender, lines) = channel();
        spawn(move || {
            let json = |line: String| serde_json::from_str(&line).ok().filter(Value::is_object);
            for line in BufReader::new(stdout).lines().map_while(Result::ok).filter_map(json) {
                // The receiver is gone once nobody asks any more; reading on keeps the pipe empty.
                let _ = sender.send(line);
            }
        });
        let stderr = spawn(move || {
            let mut bytes = Vec::new();
            let _ = stderr.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        Ok(Self { command, child, deadline: Instant::now() + TIME_LIMIT, lines, stderr: Some(stderr) })
    }

    /// The next line of output that is a JSON object.
    fn next_line(&self) -> Result<Value, RecvTimeoutError> {
        self.lines.recv_timeout(self.deadline.saturating_duration_since(Instant::now()))
    }

    /// The exit status, once there is one; `None` if there is none in time.
    fn wait(&mut self) -> Option<ExitStatus> {
        loop {
            match self.child.try_wait() {
                Ok(None) if Instant::now() < self.deadline => sleep(EXIT_POLL),
                Ok(status) => return status,
                Err(_) => return None,
            }
        }
    }

    /// Ends the process and makes a report.
    fn fail(&mut self, what: &str) -> String {
        self.end();
        let stderr = self.stderr.take().and_then(|reader| reader.join().ok()).unwrap_or_default();
        format!("{} {what}\n{stderr}", self.command)
    }

    fn end(&mut self) {
        // Both fail only for a process that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}
