//! The ground-truth server, its driver and its judge.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::build::Testbed;
use crate::gostall::{Gostall, Report};
use crate::process::{Server, bound};

/// A running testbed/cmd/truth, or another server that obeys as it does.
#[derive(Debug)]
pub struct Truth {
    server: Server,
    dir: TempDir,
    testbed: Testbed,
    driver: &'static str,
}

impl Truth {
    /// Starts it; `testbed` also lends driver and judge.
    pub fn start(testbed: &Testbed, flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let tmp = dir.path().to_string_lossy().into_owned();
        let flags: Vec<&str> = ["-tmp", &tmp].iter().chain(flags).copied().collect();
        Self::start_in(dir, testbed, "truth", "drive", &flags)
    }

    /// Starts another server that knows the truth, such as `grpc-truth`, with its driver.
    pub fn start_other(
        testbed: &Testbed,
        server: &str,
        driver: &'static str,
        flags: &[&str],
    ) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        Self::start_in(dir, testbed, server, driver, flags)
    }

    /// Starts testbed/cmd/waits, whose truth is where its requests' time goes; judge it with `-ledger`.
    pub fn start_waits(testbed: &Testbed, flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let tmp = dir.path().to_string_lossy().into_owned();
        let flags: Vec<&str> = ["-tmp", &tmp].iter().chain(flags).copied().collect();
        Self::start_in(dir, testbed, "waits", "waits-drive", &flags)
    }

    fn start_in(
        dir: TempDir,
        testbed: &Testbed,
        server: &str,
        driver: &'static str,
        flags: &[&str],
    ) -> Self {
        let server = Server::start(&testbed.program(server), Self::args(&dir, flags));
        Self {
            server,
            dir,
            testbed: testbed.clone(),
            driver,
        }
    }

    fn args(dir: &TempDir, flags: &[&str]) -> Vec<String> {
        let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
        let own = ["-addr", "127.0.0.1:0", "-truth", &path("truth.json")].map(String::from);
        own.into_iter()
            .chain(flags.iter().map(ToString::to_string))
            .collect()
    }

    /// The server.
    pub fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// A place for files of this run.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn command(&mut self, what: &str) {
        writeln!(self.server.input(), "{what}").expect("the server reads");
        assert_eq!(self.server.line(), format!("{what} done"));
    }

    /// Forgets what was counted so far.
    pub fn reset(&mut self) {
        self.command("reset");
    }

    /// Everything counted since the last reset.
    pub fn dump(&mut self) -> Value {
        self.command("dump");
        read_json(&self.dir.path().join("truth.json"))
    }

    /// Makes requests; every answer must be right.
    pub fn drive(&self, flags: &[&str]) {
        drive(
            &self.testbed.program(self.driver),
            &self.server.addr,
            &self.dir.path().join("drive.json"),
            flags,
        );
    }

    /// Holds a report against the truth of the last [`Truth::dump`] (and the last drive): judge's verdict.
    pub fn judge(&self, report: &Value, flags: &[&str]) -> Value {
        judge(&self.testbed, self.dir.path(), report, flags)
    }
}

/// A run of testbed/cmd/waits under `gostall report` with further flags: some groups of its endpoints (`waits-drive -list`
/// shows them), each once unseen and then `requests` times, one after the other and over four connections at once.
#[derive(Debug, Clone, Copy)]
pub struct WaitsRun<'a> {
    /// The program under test.
    pub gostall: &'a str,
    /// What `report` is given beside target, window and format.
    pub report: &'a [&'a str],
    /// The server's Go.
    pub release: &'a str,
    /// The server's flags.
    pub server: &'a [&'a str],
    /// The driver's, beside endpoints and number.
    pub drive: &'a [&'a str],
    /// The endpoints.
    pub groups: &'a str,
    /// How often.
    pub requests: &'a str,
    /// The judge's flags, beside `-ledger`.
    pub judge: &'a [&'a str],
}

impl WaitsRun<'_> {
    /// The report, and what the judge says of it.
    pub fn judged(self) -> (Report, Value) {
        let mut truth = Truth::start_waits(&Testbed::of(self.release, "static"), self.server);
        let drive = |n| [&["-n", n, "-only", self.groups], self.drive].concat();
        truth.drive(&drive("1"));
        truth.reset();
        let pid = truth.pid().to_string();
        let args = ["report", "--pid", &pid, "-d", "60s", "--format", "json"];
        let mut agent = Gostall::start(self.gostall, args.iter().chain(self.report));
        agent.wait_attached();
        truth.drive(&drive(self.requests));
        truth.dump();
        agent.signal(libc::SIGINT);
        let report = agent.finish().report();
        let verdict = truth.judge(&report.0, &[&["-ledger"], self.judge].concat());
        (report, verdict)
    }
}

/// Runs a driver to success.
pub fn drive(driver: &Path, addr: &str, out: &Path, flags: &[&str]) {
    let mut command = Command::new(driver);
    command
        .args(["-addr", addr, "-out"])
        .arg(out)
        .args(flags)
        .stdin(Stdio::null());
    let done = bound(&mut command).output().expect("drive starts");
    assert!(
        done.status.success(),
        "drive {flags:?}: {}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
}

/// Runs cmd/judge on `dir`'s truth.json and drive.json.
pub fn judge(testbed: &Testbed, dir: &Path, report: &Value, flags: &[&str]) -> Value {
    let file = dir.join("report.json");
    std::fs::write(&file, report.to_string()).expect("a file");
    let mut command = Command::new(testbed.program("judge"));
    command
        .arg("-json")
        .arg("-truth")
        .arg(dir.join("truth.json"))
        .arg("-report")
        .arg(&file);
    let driven: PathBuf = dir.join("drive.json");
    if driven.exists() {
        command.arg("-drive").arg(driven);
    }
    let done = command.args(flags).output().expect("judge starts");
    serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|e| panic!("judge: {e}: {}", String::from_utf8_lossy(&done.stderr)))
}

/// A file of JSON.
pub fn read_json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
