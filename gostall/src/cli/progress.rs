//! One line of progress on standard error, where that is a terminal, erased at the end.
//!
//! It shows that something is going on; it is never part of the result.

use std::fmt::Write as _;
use std::io::Write;
use std::time::Duration;

/// More often than this a person sees only flicker.
const INTERVAL: Duration = Duration::from_millis(100);

/// Back to the first column, and erase to the end of the line.
const ERASE: &str = "\r\x1b[K";

/// A line of progress.
#[derive(Debug)]
pub struct Progress {
    enabled: bool,
    total: Option<Duration>,
    shown_at: Option<Duration>,
    print: fn(&str),
}

impl Progress {
    /// Progress towards `total`, or of something without a known end. Not `enabled`, it shows
    /// nothing.
    pub fn new(enabled: bool, total: Option<Duration>) -> Self {
        Self {
            enabled,
            total,
            shown_at: None,
            print: to_stderr,
        }
    }

    /// Shows the state, unless it was shown just now; costs nothing then.
    pub fn update(&mut self, elapsed: Duration, requests: u64) {
        let recent = self
            .shown_at
            .is_some_and(|at| elapsed.saturating_sub(at) < INTERVAL);
        if self.enabled && !recent {
            self.show(&line(elapsed, self.total, requests));
            self.shown_at = Some(elapsed);
        }
    }

    /// Shows what is being waited for, such as a target or the probes.
    pub fn message(&mut self, text: &str) {
        if self.enabled {
            self.show(text);
            self.shown_at = Some(Duration::ZERO);
        }
    }

    fn show(&self, text: &str) {
        (self.print)(&format!("{ERASE}gostall: {text}"));
    }

    /// Erases the line. Dropping it does the same.
    pub fn finish(&mut self) {
        if self.shown_at.take().is_some() {
            (self.print)(ERASE);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

fn to_stderr(text: &str) {
    // Progress that cannot be shown is no error.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

fn line(elapsed: Duration, total: Option<Duration>, requests: u64) -> String {
    let mut out = format!("{:.1} s", elapsed.as_secs_f64());
    if let Some(total) = total {
        let _ = write!(out, " of {} s", total.as_secs_f64());
    }
    let _ = write!(
        out,
        ", {requests} {} (Ctrl-C ends early)",
        if requests == 1 { "request" } else { "requests" }
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let second = Duration::from_secs(1);
        assert_eq!(
            line(second * 3, Some(second * 10), 1),
            "3.0 s of 10 s, 1 request (Ctrl-C ends early)"
        );
        assert_eq!(
            line(second / 2, None, 12),
            "0.5 s, 12 requests (Ctrl-C ends early)"
        );
    }

    #[test]
    fn updates_are_rare() {
        let mut progress = Progress::new(true, None);
        progress.print = |_| {};
        progress.update(Duration::from_millis(0), 0);
        progress.update(Duration::from_millis(50), 0);
        assert_eq!(progress.shown_at, Some(Duration::ZERO));
        progress.update(Duration::from_millis(150), 0);
        assert_eq!(progress.shown_at, Some(Duration::from_millis(150)));
        progress.finish();
        assert_eq!(progress.shown_at, None);
    }
}
