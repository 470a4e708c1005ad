//! The signals that end a program which runs for long.

#[cfg(not(unix))]
use std::future::Future;
use std::io;
use std::task::{Context, Poll};

/// SIGTERM and SIGINT.
#[cfg(unix)]
pub(crate) struct Signals([tokio::signal::unix::Signal; 2]);

/// SIGXFSZ, of Linux on usual machines, of macOS and of the BSDs: a file was to become larger than
/// `ulimit -f` permits. A process that listens to it is not ended by it, and its write fails.
#[cfg(unix)]
const FILE_TOO_LARGE: std::ffi::c_int = 25;

#[cfg(unix)]
impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        // Once listened to, a signal never again does what it does to others.
        let _heard_by_the_store = signal(SignalKind::from_raw(FILE_TOO_LARGE))?;
        let [terminate, interrupt] = [SignalKind::terminate(), SignalKind::interrupt()];
        Ok(Self([signal(terminate)?, signal(interrupt)?]))
    }

    /// Ready if one of them has come.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let has_come = self
            .0
            .iter_mut()
            .any(|signal| signal.poll_recv(context).is_ready());
        if has_come {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

/// Ctrl-C.
#[cfg(not(unix))]
pub(crate) struct Signals(std::pin::Pin<Box<dyn Future<Output = io::Result<()>>>>);

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(Box::pin(tokio::signal::ctrl_c())))
    }

    /// Ready if it has come.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context).map(|_| ())
    }
}
