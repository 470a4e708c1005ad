//! Logs, on stderr.

use tracing_subscriber::EnvFilter;

/// Lets logs be seen: warnings, or with `verbose` more; `RUST_LOG` says it in detail.
pub(crate) fn init(verbose: u8) {
    let usual = match verbose {
        0 => "warn",
        1 => "wavetank=info",
        _ => "wavetank=debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .with_target(false)
        .init();
}
