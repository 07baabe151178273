//! The program under test, run as a user runs it.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::bound;

/// A running gostall.
#[derive(Debug)]
pub struct Gostall {
    child: Child,
    ready: (UnixDatagram, tempfile::TempPath),
    started: Instant,
}

/// A gostall that has ended.
#[derive(Debug)]
pub struct Finished {
    /// How.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// From its start to its end.
    pub took: Duration,
}

impl Gostall {
    /// Starts it.
    pub fn start<I: AsRef<OsStr>>(
        exe: impl AsRef<Path>,
        args: impl IntoIterator<Item = I>,
    ) -> Self {
        let mut command = Command::new(exe.as_ref());
        command
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let ready = notify_socket();
        command.env("NOTIFY_SOCKET", &ready.1);
        let started = Instant::now();
        let child = bound(&mut command).spawn().expect("gostall starts");
        Self {
            child,
            ready,
            started,
        }
    }

    /// Starts it and waits for its end.
    pub fn run<I: AsRef<OsStr>>(
        exe: impl AsRef<Path>,
        args: impl IntoIterator<Item = I>,
    ) -> Finished {
        Self::start(exe, args).finish()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until its probes are attached and its window is open.
    pub fn wait_attached(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut word = [0; 64];
        while self.ready.0.recv(&mut word).is_err() {
            if let Ok(Some(status)) = self.child.try_wait() {
                let mut text = String::new();
                let _ = self
                    .child
                    .stderr
                    .take()
                    .map(|mut e| e.read_to_string(&mut text));
                panic!("gostall ended before it was attached: {status}: {text}");
            }
            assert!(
                Instant::now() < deadline,
                "gostall was not attached in time"
            );
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: i32) {
        // SAFETY: a child that has not been waited for; its pid is nobody else's.
        unsafe { libc::kill(self.pid().cast_signed(), signal) };
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Finished {
        let mut stderr = self.child.stderr.take().expect("piped");
        let errors = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut stdout = Vec::new();
        let _ = self
            .child
            .stdout
            .take()
            .expect("piped")
            .read_to_end(&mut stdout);
        let status = self.child.wait().expect("a child");
        Finished {
            status,
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: errors.join().expect("it only reads"),
            took: self.started.elapsed(),
        }
    }
}

impl Drop for Gostall {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Finished {
    /// The report it printed.
    pub fn report(&self) -> Report {
        assert!(
            self.status.success(),
            "gostall: {}: {}",
            self.status,
            self.stderr
        );
        let json =
            serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}", self.stdout));
        Report(json)
    }
}

/// Where gostall says that it is ready, and the name of the place. Reading from it waits for a moment only.
pub fn notify_socket() -> (UnixDatagram, tempfile::TempPath) {
    let place = tempfile::Builder::new()
        .prefix("gostall-ready")
        .make(|path| UnixDatagram::bind(path))
        .expect("a socket");
    let (ready, path) = place.into_parts();
    ready
        .set_read_timeout(Some(Duration::from_millis(20)))
        .expect("a timeout");
    (ready, path)
}

/// A report's JSON.
#[derive(Debug, Clone)]
pub struct Report(pub Value);

impl Report {
    /// A value by JSON pointer.
    pub fn at(&self, pointer: &str) -> &Value {
        self.0
            .pointer(pointer)
            .unwrap_or_else(|| panic!("no {pointer} in {:#}", self.0))
    }

    /// An integer by JSON pointer.
    pub fn int(&self, pointer: &str) -> u64 {
        let v = self.at(pointer);
        v.as_u64()
            .unwrap_or_else(|| panic!("{pointer} is {v}, not an integer"))
    }

    /// What it says of itself: what a failure is to be explained by.
    pub fn of_itself(&self) -> String {
        let at = |pointer| self.at(pointer).to_string();
        [at("/sampling"), at("/window"), at("/coverage")].join(" ")
    }

    /// The endpoints.
    pub fn endpoints(&self) -> &[Value] {
        self.at("/endpoints").as_array().expect("an array")
    }

    /// One endpoint by verb and route.
    pub fn endpoint(&self, method: &str, route: &str) -> Option<&Value> {
        self.endpoints()
            .iter()
            .find(|e| e["method"] == method && e["route"] == route)
    }

    /// Requests of all endpoints.
    pub fn requests(&self) -> u64 {
        self.endpoints()
            .iter()
            .filter_map(|e| e["requests"].as_u64())
            .sum()
    }
}
