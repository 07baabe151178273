//! Real processes for the tests: started here, ended when the test ends, found by their pid.
#![allow(dead_code, reason = "every test file uses a part of it")]

use std::io::{BufRead, BufReader, ErrorKind};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};

/// A process of a test's own; killed and collected when dropped.
pub struct Process {
    pub child: Child,
    out: BufReader<std::process::ChildStdout>,
}

impl Process {
    pub fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        // A group of its own, so that its children can be ended with it.
        command.process_group(0);
        let mut child = loop {
            match command.spawn() {
                Ok(child) => break child,
                // Another test forked while the copy of this program was being written, and its
                // child still has it open for a moment.
                Err(e) if e.kind() == ErrorKind::ExecutableFileBusy => {}
                Err(e) => panic!("{command:?}: {e}"),
            }
        };
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line it prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub fn kill(&mut self) {
        let pid = Pid::from_child(&self.child);
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        // As long as it has not been collected, the number of its group cannot be another's.
        if waitid(WaitId::Pid(pid), look).is_ok() {
            let _ = rustix::process::kill_process_group(pid, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A Python program that prints what it has to say and then sleeps.
pub fn python(program: &str) -> Command {
    let mut command = Command::new("python3");
    command.arg("-c").arg(program);
    command
}

/// `sleep` for longer than any test takes.
pub fn sleeper() -> Process {
    Process::start(Command::new("sleep").arg("600"))
}

/// Prints the port it listens on; `how` changes the socket before.
pub fn listener(how: &str) -> String {
    format!(
        "import os, socket, sys, time
s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
{how}
s.bind(('::', 0)); s.listen()
print(s.getsockname()[1], os.getpid(), flush=True)
time.sleep(600)"
    )
}

pub fn eventually(what: &str, f: impl Fn() -> bool) {
    let start = Instant::now();
    while !f() {
        assert!(start.elapsed() < Duration::from_secs(10), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether namespaces can be made here; says why a test is skipped when not.
pub fn can_unshare(flags: &[&str]) -> bool {
    let status = Command::new("unshare")
        .args(flags)
        .arg("true")
        .stderr(Stdio::null())
        .status();
    let can = matches!(status, Ok(s) if s.success());
    if !can {
        eprintln!(
            "skipped: `unshare {}` is not possible here (needs root)",
            flags.join(" ")
        );
    }
    can
}
