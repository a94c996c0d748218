//! The two processes.

use crate::flags::{Flags, Pin};
use crate::meter::Counts;
use anyhow::{Context, Result, bail};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The server, as the client holds it. It ends with this value.
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: String,
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Server {
    /// Starts this program once more, and waits until it listens.
    pub(crate) fn start(flags: &Flags) -> Result<Self> {
        if flags.pin != Pin::None {
            // Processes inherit it.
            pin_to(flags.cpu)?;
        }
        let program = std::env::current_exe().context("this program does not know its own path")?;
        let mut child = Command::new(program)
            .args(std::env::args_os().skip(1))
            .arg("--server")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the server cannot be started")?;
        let questions = child.stdin.take().context("the server has no input")?;
        let answers = BufReader::new(child.stdout.take().context("the server has no output")?);
        let mut server = Self { address: String::new(), child, questions, answers };
        server.address = server.read_line()?;
        Ok(server)
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// What the server has counted.
    pub(crate) fn counts(&mut self) -> Result<Counts> {
        self.questions.write_all(b"\n").context("the server takes no questions")?;
        let answer = self.read_line()?;
        let counts = answer.split_once(' ').and_then(|(allocations, wake_ups)| {
            Some(Counts { allocations: allocations.parse().ok()?, wake_ups: wake_ups.parse().ok()? })
        });
        counts.context("the server does not know its counts")
    }

    fn read_line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.answers.read_line(&mut line).context("the server is not understood")? == 0 {
            bail!("the server has ended");
        }
        Ok(line.trim().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The server's side: answers questions until the client is gone, and ends the process then.
pub(crate) fn answer_client(flags: &Flags) -> Result<()> {
    if flags.pin == Pin::Split {
        pin_to(flags.cpu + 1)?;
    }
    std::thread::spawn(|| {
        while std::io::stdin().lines().next().is_some_and(|line| line.is_ok()) {
            let Counts { allocations, wake_ups } = Counts::own();
            println!("{allocations} {wake_ups}");
        }
        std::process::exit(0);
    });
    Ok(())
}

/// The server says where it listens: one line without spaces at its ends.
pub fn announce(address: impl std::fmt::Display) {
    println!("{address}");
}

fn pin_to(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu).and_then(|()| sched_setaffinity(Pid::from_raw(0), &set)).with_context(|| {
        format!("there is no processor {cpu} to run on; choose another with --cpu, or --pin none")
    })
}
