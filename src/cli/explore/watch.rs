//! What an exploration knows of the world around it: the time that has passed, whether somebody wants
//! it to end, and whether somebody is looking.

use std::future::poll_fn;
use std::io::{IsTerminal, Write};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::cli::exit::Exit;
use crate::cli::out;
use crate::cli::real::block_on;
use crate::cli::signals::Signals;
use crate::cli::table::counted;

/// How often progress is shown.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// The time since it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch(Instant);

impl Watch {
    #[expect(
        clippy::disallowed_methods,
        reason = "how long to go on, and how fast it goes; no run sees it"
    )]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn passed(self) -> Duration {
        self.0.elapsed()
    }
}

/// A flag that is true once Ctrl-C or SIGTERM has come. The second one ends the program at once.
pub(crate) fn stop_on_signals() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let listen = move || {
        block_on(async {
            let mut signals = Signals::new().context("cannot listen to signals")?;
            poll_fn(|context| signals.poll(context)).await;
            flag.store(true, Ordering::Relaxed);
            let mut again = Signals::new().context("cannot listen to signals")?;
            poll_fn(|context| again.poll(context)).await;
            process::exit(Exit::Failure as i32)
        })
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || -> anyhow::Result<()> { listen() })
        .context("a thread cannot be started")?;
    Ok(stop)
}

/// Progress on stderr, if somebody may be looking.
pub(crate) struct Progress {
    is_shown: bool,
    watch: Watch,
    shown_at: Duration,
    done: u64,
    /// Of these, runs that were done already when the watch was started.
    resumed: u64,
    violations: u64,
    /// How many runs there are; `None` if the time decides.
    all: Option<u64>,
}

impl Progress {
    pub(crate) fn new(all: Option<u64>) -> Self {
        Self {
            is_shown: std::io::stderr().is_terminal(),
            watch: Watch::start(),
            shown_at: Duration::ZERO,
            done: 0,
            resumed: 0,
            violations: 0,
            all,
        }
    }

    /// Counts runs that were done before, and how many of them break an expectation.
    pub(crate) fn resume(&mut self, runs: u64, violations: u64) {
        self.resumed += runs;
        self.add(runs, violations);
    }

    /// Counts runs, and how many of them break an expectation.
    pub(crate) fn add(&mut self, runs: u64, violations: u64) {
        self.done += runs;
        self.violations += violations;
        let now = self.watch.passed();
        if self.is_shown && now - self.shown_at >= PROGRESS_EVERY {
            self.shown_at = now;
            // Nobody depends on progress: if it cannot be shown, it is not.
            let _ = write!(out::stderr(), "\r\x1b[K{}", self.line(now));
        }
    }

    /// Wipes the line.
    pub(crate) fn end(&self) {
        if self.is_shown {
            let _ = write!(out::stderr(), "\r\x1b[K");
        }
    }

    fn line(&self, passed: Duration) -> String {
        let of = self.all.map(|all| format!(" of {all}")).unwrap_or_default();
        let passed_ms = passed.as_millis().max(1);
        let rate = u128::from(self.done - self.resumed) * 1_000 / passed_ms;
        let broken = counted(self.violations, "violation");
        format!("{}{of} runs, {rate}/s, {broken}", self.done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_tells_the_rate_and_the_violations() {
        let mut progress = Progress::new(Some(1_000));
        progress.add(300, 1);
        progress.add(300, 1);
        let line = progress.line(Duration::from_secs(2));
        assert_eq!(line, "600 of 1000 runs, 300/s, 2 violations");
        progress.resume(200, 0);
        let line = progress.line(Duration::from_secs(2));
        assert_eq!(line, "800 of 1000 runs, 300/s, 2 violations");
    }
}
