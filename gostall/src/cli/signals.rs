//! Ctrl-C and its kin: a first signal asks to stop, a second one ends gostall at once.
//!
//! SIGINT, SIGTERM and SIGHUP set a flag and wake an eventfd, so that a loop waiting in poll or
//! epoll notices without delay; what was seen until then is still reported. A second signal means
//! that this takes too long: the process exits with 128 + the signal's number (130 for Ctrl-C), as a
//! shell would say, and the kernel detaches every probe with the closed descriptors. SIGPIPE is not
//! handled here: Rust's runtime ignores it, and `output` treats the error it becomes.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level;

/// The request to stop, from a signal or from within.
#[derive(Debug, Clone)]
pub struct Signals {
    stop: Arc<AtomicBool>,
    wake: Arc<OwnedFd>,
}

impl Signals {
    /// Installs the handlers, for the rest of the process's life. SIGHUP is left alone where it was
    /// ignored (nohup); SIGINT is not, for shells ignore it in background jobs, and scripts end
    /// those with `kill -INT`.
    ///
    /// # Errors
    /// The system refuses an eventfd or a handler.
    pub fn install() -> io::Result<Self> {
        let signals = Self::unconnected()?;
        for signal in [SIGINT, SIGTERM] {
            signals.connect(signal)?;
        }
        if !is_ignored(SIGHUP)? {
            signals.connect(SIGHUP)?;
        }
        Ok(signals)
    }

    /// One that no signal reaches.
    fn unconnected() -> io::Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self {
            stop: Arc::new(AtomicBool::new(false)),
            wake: Arc::new(wake),
        })
    }

    fn connect(&self, signal: i32) -> io::Result<()> {
        let this = self.clone();
        let handler = move || {
            if this.stop.swap(true, Ordering::SeqCst) {
                low_level::exit(128 + signal);
            }
            this.wake();
        };
        // SAFETY: the handler swaps an atomic, writes to a descriptor that lives as long as the
        // handler, and calls _exit; all are async-signal-safe, and nothing allocates or locks.
        unsafe { low_level::register(signal, handler) }.map(drop)
    }

    fn wake(&self) {
        // Full is as good as woken, and there is no other failure.
        let _ = rustix::io::write(&*self.wake, &1u64.to_ne_bytes());
    }

    /// Whether it is time to stop.
    pub fn stop_requested(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

impl AsFd for Signals {
    /// Readable once it is time to stop, and from then on.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

impl AsRawFd for Signals {
    fn as_raw_fd(&self) -> i32 {
        self.wake.as_raw_fd()
    }
}

/// Whether the process was started with the signal ignored.
fn is_ignored(signal: i32) -> io::Result<bool> {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: with a null new action the call only fills in `action`, which is large enough.
    let result = unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded and has written all of it.
    let action = unsafe { action.assume_init() };
    Ok(action.sa_sigaction == libc::SIG_IGN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, poll};

    fn readable(signals: &Signals) -> bool {
        let mut fds = [PollFd::new(signals, PollFlags::IN)];
        poll(&mut fds, Some(&rustix::time::Timespec::default())).unwrap() == 1
    }

    #[test]
    fn a_signal_sets_the_flag_and_wakes() {
        // One that nothing else in the tests uses.
        let signals = Signals::unconnected().unwrap();
        signals.connect(signal_hook::consts::SIGUSR2).unwrap();
        assert!(!signals.stop_requested() && !readable(&signals));
        low_level::raise(signal_hook::consts::SIGUSR2).unwrap();
        assert!(signals.stop_requested() && readable(&signals));
    }

    /// Set where this test program runs as the child of the test below.
    const AS_CHILD: &str = "GOSTALL_TEST_SIGNALS_CHILD";

    /// The child's part: does nothing when the tests are run as usual.
    #[test]
    fn child_of_the_next_test() {
        if std::env::var_os(AS_CHILD).is_none() {
            return;
        }
        let signals = Signals::install().unwrap();
        eprintln!("ready");
        let mut fds = [PollFd::new(&signals, PollFlags::IN)];
        while poll(&mut fds, None).is_err() {}
        eprintln!("stopped {}", signals.stop_requested());
        std::thread::sleep(std::time::Duration::from_secs(60));
    }

    #[test]
    fn a_second_signal_ends_the_process() {
        use std::io::{BufRead, BufReader};
        use std::process::{Command, Stdio};
        for (first, second, code) in [
            ("INT", "INT", 130),
            ("TERM", "INT", 130),
            ("INT", "TERM", 143),
        ] {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "cli::signals::tests::child_of_the_next_test"])
                .arg("--nocapture")
                .env(AS_CHILD, "1")
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
            let mut next = || lines.next().unwrap().unwrap();
            let kill = |signal: &str| {
                let pid = child.id().to_string();
                let status = Command::new("kill").args(["-s", signal, &pid]).status();
                assert!(status.unwrap().success());
            };
            assert_eq!(next(), "ready");
            kill(first);
            assert_eq!(next(), "stopped true");
            kill(second);
            assert_eq!(child.wait().unwrap().code(), Some(code));
        }
    }
}
