//! Programs that speak the command line of `README.md`: started, asked, and ended.

use serde_json::Value;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

/// How long a listener may take to say its address, and a command to answer.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// How often the exit of a program that has closed its output is looked for.
const EXIT_POLL: Duration = Duration::from_millis(5);

/// How long the last output of a program that was ended may take to arrive.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// How many of the last lines of a program a report shows.
const REPORTED_LINES: usize = 60;

/// A program and its options.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    path: PathBuf,
    /// What comes before the command.
    script: Option<OsString>,
    /// What comes behind it.
    options: Vec<String>,
}

impl Program {
    /// An executable file.
    pub(crate) fn executable(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), script: None, options: Vec::new() }
    }

    /// A script for node.
    pub(crate) fn node(script: impl Into<OsString>) -> Self {
        Self { path: "node".into(), script: Some(script.into()), options: Vec::new() }
    }

    /// The program with further options on every call, separated by spaces.
    pub(crate) fn with_options(mut self, options: &str) -> Self {
        self.options.extend(options.split_whitespace().map(str::to_owned));
        self
    }

    /// Starts a listener. It ends when the value is dropped.
    ///
    /// # Errors
    /// Why it did not say its address in time.
    pub(crate) fn listen(&self) -> Result<Listener, String> {
        let mut running = Running::start(self, &["listen"])?;
        let listening = running.next_event("listening")?;
        let addr = listening["addr"].as_str().unwrap_or_default().to_owned();
        Ok(Listener { addr, running })
    }

    /// Runs a command to its end and gives its output, of which the last line is the result.
    ///
    /// # Errors
    /// Why it did not succeed, with what it printed.
    pub(crate) fn run(&self, command: &[&str]) -> Result<Vec<Value>, String> {
        let mut running = Running::start(self, command)?;
        let mut lines = Vec::new();
        let ended = loop {
            match running.next_line() {
                Ok(line) => lines.push(line),
                Err(ended) => break ended,
            }
        };
        if ended == RecvTimeoutError::Timeout {
            return Err(running.fail("took too long"));
        }
        let is_ok = lines.last().is_some_and(|result| result["ok"] == true);
        match running.wait() {
            Some(status) if status.success() && is_ok => Ok(lines),
            Some(status) => Err(running.fail(&format!("ended with {status}"))),
            None => Err(running.fail("closed its output and did not end")),
        }
    }
}

/// A listening program.
#[derive(Debug)]
pub(crate) struct Listener {
    addr: String,
    running: Running,
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

    /// What it has printed since it said its address, or since the last call.
    pub(crate) fn new_lines(&self) -> impl Iterator<Item = Value> {
        self.running.objects.try_iter()
    }

    /// The next event of this name.
    ///
    /// # Errors
    /// It did not come in time; with what the program printed.
    pub(crate) fn next(&mut self, event: &str) -> Result<Value, String> {
        self.running.next_event(event)
    }

    /// All that it has printed.
    pub(crate) fn transcript(&self) -> String {
        self.running.report("listens")
    }
}

/// A running process. Dropping it ends it.
#[derive(Debug)]
struct Running {
    command: String,
    child: Child,
    deadline: Instant,
    /// The objects on standard output, which is drained all along so that the process never blocks on it.
    objects: Receiver<Value>,
    transcript: Transcript,
}

impl Running {
    fn start(program: &Program, command: &[&str]) -> Result<Self, String> {
        let mut process = Command::new(&program.path);
        process.args(&program.script).args(command).args(&program.options);
        process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let command = format!("{process:?}");
        let mut child = process.spawn().map_err(|error| format!("{command}: {error}"))?;
        let (sender, objects) = channel();
        let transcript = Transcript::default();
        transcript.keep(child.stdout.take().expect("it is piped"), Some(sender));
        transcript.keep(child.stderr.take().expect("it is piped"), None);
        Ok(Self { command, child, deadline: Instant::now() + TIME_LIMIT, objects, transcript })
    }

    /// The next line of output that is a JSON object.
    fn next_line(&self) -> Result<Value, RecvTimeoutError> {
        self.objects.recv_timeout(self.deadline.saturating_duration_since(Instant::now()))
    }

    /// The next line of output that reports this event.
    fn next_event(&mut self, event: &str) -> Result<Value, String> {
        while let Ok(line) = self.next_line() {
            if line["event"] == event {
                return Ok(line);
            }
        }
        Err(self.fail(&format!("did not report {event}")))
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
        sleep(LAST_WORDS);
        self.report(what)
    }

    fn report(&self, what: &str) -> String {
        format!("{} {what}; its output:\n{}", self.command, self.transcript.end())
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

/// All lines that a program has printed.
#[derive(Debug, Clone, Default)]
struct Transcript(Arc<Mutex<Vec<String>>>);

impl Transcript {
    /// Keeps what comes out of `pipe` until its end, and sends on what are JSON objects.
    fn keep(&self, pipe: impl Read + Send + 'static, objects: Option<Sender<Value>>) {
        let lines = Arc::clone(&self.0);
        spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let object = serde_json::from_str(&line).ok().filter(Value::is_object);
                lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                if let (Some(object), Some(objects)) = (object, &objects) {
                    // The receiver is gone once nobody asks any more; reading on keeps the pipe empty.
                    let _ = objects.send(object);
                }
            }
        });
    }

    /// The last lines.
    fn end(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let skipped = lines.len().saturating_sub(REPORTED_LINES);
        lines[skipped..].iter().map(|line| format!("    {line}\n")).collect()
    }
}
