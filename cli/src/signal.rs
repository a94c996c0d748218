//! The signals that end the program.

use crate::failure::Failure;

/// Does `work`, unless the user or the system wants the program to end before.
///
/// # Errors
/// That of `work`; or [`Failure::Interrupted`].
pub(crate) async fn unless_stopped<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let signal = stop_signal()?;
    tokio::select! {
        result = work => result,
        () = signal => Err(Failure::Interrupted),
    }
}

/// Completes when the user or the system wants the program to end.
///
/// # Errors
/// The system gives no signals.
#[cfg(unix)]
pub(crate) fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let of = |kind| signal(kind).map_err(Failure::System);
    let (mut interrupt, mut terminate) = (of(SignalKind::interrupt())?, of(SignalKind::terminate())?);
    let mut hangup = of(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

/// Completes when the user wants the program to end.
///
/// # Errors
/// None here.
#[cfg(not(unix))]
pub(crate) fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    // Without a handler, Ctrl-C ends the program at once; that will do.
    Ok(async { drop(tokio::signal::ctrl_c().await) })
}
