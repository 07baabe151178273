//! A thread that ends the agent when its main loop stands still: nobody would then take the probes
//! away, nor empty the ring buffer. The safest act is the simplest: the process exits, and the
//! kernel removes every link with the descriptors.
//!
//! It does not judge a loop that waits for somebody else on purpose (a paused reader of its output).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How long the main loop may take for one round.
pub(crate) const STALL: Duration = Duration::from_secs(5);
/// The thread looks so many times in that time. It counts its own looks instead of reading a clock:
/// while the whole process (Ctrl-Z) or machine stands still, neither of them moves.
const LOOKS: u32 = 10;

#[derive(Debug, Default)]
struct Shared {
    ticks: AtomicU64,
    /// Not now: before the window, after it, and while waiting for somebody else.
    off: AtomicBool,
    ended: AtomicBool,
}

/// Watches from its start until it is dropped.
#[derive(Debug)]
pub(crate) struct Watchdog(Arc<Shared>);

impl Watchdog {
    /// `stalled` is called, once, when no tick came for `limit`.
    pub(crate) fn start(limit: Duration, stalled: impl FnOnce() + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let seen = Arc::clone(&shared);
        let watch = move || {
            let (mut last, mut still) = (0, 0);
            while !seen.ended.load(Ordering::Relaxed) {
                std::thread::sleep(limit / LOOKS);
                let ticks = seen.ticks.load(Ordering::Relaxed);
                let moves = ticks != last || seen.off.load(Ordering::Relaxed);
                (last, still) = (ticks, if moves { 0 } else { still + 1 });
                if still >= LOOKS {
                    return stalled();
                }
            }
        };
        // Without the thread the run is as good as any other tool's.
        let _ = std::thread::Builder::new()
            .name("watchdog".into())
            .spawn(watch);
        Self(shared)
    }

    /// The loop has come round.
    pub(crate) fn tick(&self) {
        self.0.ticks.fetch_add(1, Ordering::Relaxed);
    }

    /// Looks away, or looks again.
    pub(crate) fn set_off(&self, off: bool) {
        self.tick();
        self.0.off.store(off, Ordering::Relaxed);
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Relaxed);
    }
}

/// Ends the process, with a word if there is somebody to hear it.
pub(crate) fn exit() {
    // Standard error may be what everything waits for: the word gets a moment, the exit does not wait.
    std::thread::spawn(|| {
        eprintln!(
            "gostall: gostall itself stood still for {} s: it ends, and the kernel takes the probes away: please report what it was doing",
            STALL.as_secs()
        );
    });
    std::thread::sleep(Duration::from_millis(200));
    // SAFETY: ends the process at once, without running anything of ours that might wait.
    unsafe { libc::_exit(2) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{RecvTimeoutError, channel};

    const LIMIT: Duration = Duration::from_millis(200);

    #[test]
    fn a_loop_that_stands_still_is_found() {
        let (tx, rx) = channel();
        let dog = Watchdog::start(LIMIT, move || tx.send(()).unwrap());
        for _ in 0..30 {
            dog.tick();
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(rx.try_recv().ok(), None, "it moves");
        assert_eq!(rx.recv_timeout(LIMIT * 10), Ok(()));
    }

    #[test]
    fn waiting_on_purpose_is_no_stall() {
        let (tx, rx) = channel();
        let dog = Watchdog::start(LIMIT, move || tx.send(()).unwrap());
        dog.set_off(true);
        assert_eq!(rx.recv_timeout(LIMIT * 3), Err(RecvTimeoutError::Timeout));
        dog.set_off(false);
        assert_eq!(rx.recv_timeout(LIMIT * 10), Ok(()));
    }

    #[test]
    fn a_dropped_one_is_silent() {
        let (tx, rx) = channel();
        drop(Watchdog::start(LIMIT, move || tx.send(()).unwrap()));
        assert_eq!(
            rx.recv_timeout(LIMIT * 3),
            Err(RecvTimeoutError::Disconnected)
        );
    }
}
