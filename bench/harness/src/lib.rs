//! What the programs that are measured have in common.
//!
//! Each program is a client that starts itself once more as the server, gives it work over real sockets, and says what the work cost both
//! of them: CPU time, resident memory, heap allocations. CPU time is that of user and system together, because much of the work is done in
//! the kernel and an implementation decides how much. It repeats within a few per cent on a busy machine, which wall time does not.
//!
//! An implementation is an [`Implementation`]. One with streams of futures-io on tokio is a [`streams::Node`] and gets the work from there, on any
//! [`Executor`].

mod executor;
mod flags;
mod meter;
mod outcome;
mod process;
pub mod streams;
mod work;

pub use executor::{Executor, Tokio};
pub use flags::{Flags, Mode, Muxer, Pin, Runtime, Security};
pub use meter::{HEAP, WAKE_UPS};
pub use outcome::{Outcome, Unit};
pub use process::announce;
pub use work::Client;

use anyhow::{Context, Result};
use clap::Parser;
use std::convert::Infallible;
use std::process::ExitCode;

/// Something to measure.
pub trait Implementation {
    /// Its end that does the asking.
    type Client: Client;

    /// What the table calls it.
    const NAME: &'static str;

    /// Listens, [`announce`]s where, and serves until the process is ended.
    ///
    /// # Errors
    /// It cannot listen, or not with such flags.
    fn serve(flags: &Flags) -> Result<Infallible>;

    /// A client of the server that announced `address`. It has a connection, unless the work is to make some.
    ///
    /// # Errors
    /// It cannot be made with such flags, or not connect.
    fn client(flags: &Flags, address: &str) -> Result<Self::Client>;
}

/// A program's `main`.
pub fn run<I: Implementation>() -> ExitCode {
    let flags = Flags::parse();
    let done = if flags.server { serve::<I>(&flags) } else { measure::<I>(&flags) };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error:#}", I::NAME);
            ExitCode::FAILURE
        }
    }
}

fn serve<I: Implementation>(flags: &Flags) -> Result<()> {
    process::answer_client(flags)?;
    match I::serve(flags).context("the server failed")? {}
}

fn measure<I: Implementation>(flags: &Flags) -> Result<()> {
    let mut server = process::Server::start(flags)?;
    let mut client = I::client(flags, &server.address).context("the client cannot be made")?;
    let outcome = work::measure(I::NAME, flags, &mut client, &mut server)?;
    if flags.json {
        println!("{}", serde_json::to_string(&outcome)?);
    } else {
        println!("{outcome}");
    }
    // What is still open ends with the process; ending it in order is not part of the work.
    std::process::exit(0);
}
