//! Targets that cannot be traced, and what doctor says of one that can: exit codes, and messages that say what failed, on
//! what, and what to do.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use gostall_rig::{Finished, Gostall, Server, Testbed, need_root};
use serde_json::Value;

const GOSTALL: &str = env!("CARGO_BIN_EXE_gostall");

fn run(args: &[&str]) -> Finished {
    Gostall::run(GOSTALL, args)
}

fn hello() -> Server {
    Server::start(&Testbed::local().program("hello"), ["-addr", "127.0.0.1:0"])
}

/// Exit code 2, one line on standard error that says what and what to do, nothing on standard output.
fn refused(args: &[&str], says: &[&str]) {
    let done = run(args);
    assert_eq!(
        done.status.code(),
        Some(2),
        "{args:?}: {}{}",
        done.stdout,
        done.stderr
    );
    assert_eq!(done.stdout, "", "{args:?}");
    for part in says {
        assert!(
            done.stderr.contains(part),
            "{args:?}: no {part:?} in {}",
            done.stderr
        );
    }
    assert!(
        !done.stderr.contains("panicked") && !done.stderr.contains("RUST_BACKTRACE"),
        "{}",
        done.stderr
    );
    assert!(
        done.took.as_secs() < 5,
        "{args:?}: an error at once, not after {:?}",
        done.took
    );
}

/// A process that is killed when its test ends.
struct Bystander(std::process::Child);

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn targets_that_cannot_be() {
    need_root();
    refused(&["report"], &["no target given", "--port"]);
    refused(&["trace"], &["no target given"]);
    refused(&["report", "-p", "0"], &["0"]);
    refused(&["report", "-p", "x"], &["x"]);
    // Above the kernel's greatest possible pid.
    refused(
        &["report", "-p", "4194305", "-d", "1s"],
        &["4194305", "no such process"],
    );
    refused(
        &["report", "-p", "2", "-d", "1s"],
        &["pid 2", "kernel thread"],
    );
    refused(
        &["report", "--name", "no-such-program-*", "-d", "1s"],
        &["no-such-program-*", "--wait"],
    );
    refused(&["report", "--port", "1", "-d", "1s"], &["port 1"]);
    refused(
        &["report", "--cgroup", "/no/such/group", "-d", "1s"],
        &["/no/such/group"],
    );
    refused(&["report", "--", "/no/such/command"], &["/no/such/command"]);
    refused(
        &["report", "-p", "1", "--", "/bin/true"],
        &["two kinds of target"],
    );
    refused(&["report", "-p", "1", "-d", "0s"], &["0s"]);
    refused(&["report", "-p", "1", "--format", "xml"], &["xml"]);
    refused(
        &["report", "-p", "1", "-o", "/no/such/dir/r.json"],
        &["/no/such/dir"],
    );
    refused(&["trace", "-p", "1", "-e", "nosuchcall"], &["nosuchcall"]);
    refused(&["trace", "-p", "1", "--errno", "ENOSUCH"], &["ENOSUCH"]);
    refused(&["diagnose", "-p", "1"], &["diagnose"]);
}

#[test]
fn programs_that_are_not_go() {
    need_root();
    for argv in [
        &["python3", "-c", "import time; time.sleep(60)"][..],
        &["sh", "-c", "sleep 60; true"],
        &["sleep", "60"],
    ] {
        // A group of its own: the shell's child ends with it.
        let child = Command::new(argv[0])
            .args(&argv[1..])
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let group = child.id();
        let bystander = Bystander(child);
        std::thread::sleep(std::time::Duration::from_millis(200));
        let pid = bystander.0.id().to_string();
        refused(
            &["report", "-p", &pid, "-d", "1s"],
            &[&pid, "not a Go executable"],
        );
        let doctor = run(&["doctor", "-p", &pid]);
        assert_eq!(doctor.status.code(), Some(2), "{}", doctor.stdout);
        // SAFETY: the group of the child above, which has not been waited for.
        unsafe { libc::kill(-(group as i32), libc::SIGKILL) };
    }
}

/// Damaged and foreign executables, looked at before they are started.
#[test]
fn executables_that_cannot_be() {
    need_root();
    let dir = tempfile::tempdir().unwrap();
    let whole = fs::read(Testbed::local().program("hello")).unwrap();
    let case = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        path.to_string_lossy().into_owned()
    };
    let mut other_class = whole.clone();
    other_class[4] = 1; // ELFCLASS32
    let mut other_machine = whole.clone();
    other_machine[18] = 0xf3; // EM_RISCV
    let cases = [
        case("empty", b""),
        case("text", b"hello\n"),
        case("truncated", &whole[..4096]),
        case("bits32", &other_class),
        case("riscv", &other_machine),
    ];
    for path in &cases {
        let doctor = run(&["doctor", "--", path]);
        assert_eq!(
            doctor.status.code(),
            Some(2),
            "{path}: {}{}",
            doctor.stdout,
            doctor.stderr
        );
        assert!(
            !doctor.stderr.contains("panicked"),
            "{path}: {}",
            doctor.stderr
        );
        let said = format!("{}{}", doctor.stdout, doctor.stderr);
        let name = path.rsplit('/').next().unwrap();
        assert!(said.contains(name), "{path}: {said}");
    }
}

#[test]
fn doctor_on_a_server() {
    need_root();
    let server = hello();
    let done = run(&["doctor", "--port", &server.port().to_string()]);
    assert_eq!(
        done.status.code(),
        Some(0),
        "{}{}",
        done.stdout,
        done.stderr
    );
    assert!(
        done.stdout.contains(&server.pid().to_string()),
        "{}",
        done.stdout
    );
    assert!(done.stdout.contains("go1."), "{}", done.stdout);
    let json = run(&[
        "doctor",
        "--port",
        &server.port().to_string(),
        "--format",
        "json",
    ]);
    let json: Value =
        serde_json::from_str(&json.stdout).unwrap_or_else(|e| panic!("{e}: {}", json.stdout));
    assert!(
        json["schema"]
            .as_str()
            .is_some_and(|s| s.starts_with("gostall.doctor/")),
        "{json:#}"
    );
}

/// Without privileges: a plain error with the remedy.
#[test]
fn without_privileges() {
    need_root();
    let server = hello();
    // The build directory may be closed to others.
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(
        dir.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let exe = dir.path().join("gostall");
    fs::copy(GOSTALL, &exe).unwrap();
    let done = Command::new(&exe)
        .args(["report", "-p", &server.pid().to_string(), "-d", "1s"])
        .uid(65534)
        .gid(65534)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(2));
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(said.contains("root") || said.contains("CAP_"), "{said}");
}
