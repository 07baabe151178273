//! The program under test, run as a user runs it.

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::bound;

/// A running gostall.
#[derive(Debug)]
pub struct Gostall {
    child: Child,
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
        let started = Instant::now();
        let child = bound(&mut command).spawn().expect("gostall starts");
        Self { child, started }
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
        // Four tp_btf links; then the marks on the threads and 100 ms of warm-up, which a busy machine stretches.
        while links_of(self.pid()) < 4 {
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
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(700));
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

fn links_of(pid: u32) -> usize {
    let Ok(dir) = std::fs::read_dir(format!("/proc/{pid}/fdinfo")) else {
        return 0;
    };
    dir.flatten()
        .filter_map(|e| std::fs::read_to_string(e.path()).ok())
        .filter(|text| text.contains("link_id:"))
        .count()
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
