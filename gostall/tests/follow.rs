//! Targets that do not stay: started again, executing another program in place, ending one by one, and a pid that
//! goes to somebody else.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use gostall_rig::{Gostall, Server, Testbed, cpu_ns, get, need_root};

const GOSTALL: &str = env!("CARGO_BIN_EXE_gostall");

/// A server of its own name, so that no other test's process is found by it.
fn named(dir: &Path, name: &str) -> PathBuf {
    let exe = dir.join(name);
    std::fs::copy(Testbed::local().program("morph"), &exe).unwrap();
    exe
}

fn start(exe: &Path, addr: &str) -> Server {
    Server::start(exe, ["-addr", addr])
}

fn requests(addr: &str, n: usize) {
    for _ in 0..n {
        assert!(get(addr, "/hello").ends_with("hello\n"));
    }
}

/// Longer than a look for successors takes to come, and the warm-up after it.
const FOUND: Duration = Duration::from_millis(2500);

fn report(flags: &[&str]) -> Gostall {
    let mut args = vec!["report", "-d", "10m", "--format", "json"];
    args.extend(flags);
    let mut agent = Gostall::start(GOSTALL, args);
    agent.wait_attached();
    agent
}

fn pids(report: &gostall_rig::Report) -> Vec<u64> {
    let all = report.0.get("targets").and_then(|t| t.as_array()).cloned();
    all.unwrap_or_else(|| vec![report.at("/target").clone()])
        .iter()
        .map(|t| t["pid"].as_u64().unwrap())
        .collect()
}

#[test]
fn a_restart_under_the_same_port() {
    need_root();
    let dir = tempfile::tempdir().unwrap();
    let exe = named(dir.path(), "again-port");
    let first = start(&exe, "127.0.0.1:0");
    let addr = first.addr.clone();
    let agent = report(&["--port", &first.port().to_string()]);
    requests(&addr, 10);
    let mut all = vec![u64::from(first.pid())];
    drop(first);
    for round in 0..2 {
        std::thread::sleep(Duration::from_millis(100));
        // The second time it is another file: a deployment.
        let exe = if round == 0 {
            exe.clone()
        } else {
            named(dir.path(), "another")
        };
        let next = start(&exe, &addr);
        all.push(u64::from(next.pid()));
        std::thread::sleep(FOUND);
        requests(&addr, 20);
    }
    agent.signal(libc::SIGINT);
    let done = agent.finish();
    let report = done.report();
    assert_eq!(report.requests(), 50, "{}", done.stderr);
    assert_eq!(pids(&report), all);
    assert!(
        done.stderr
            .contains("has ended: waiting for a process that listens on TCP port")
            && done.stderr.contains("now watching"),
        "{}",
        done.stderr
    );
    assert_eq!(report.int("/coverage/losses/calls_lost"), 0);
}

/// By name, with one more instance, and instances that end at different times.
#[test]
fn instances_come_and_go() {
    need_root();
    let dir = tempfile::tempdir().unwrap();
    let exe = named(dir.path(), "again-name");
    let one = start(&exe, "127.0.0.1:0");
    let two = start(&exe, "127.0.0.1:0");
    let mut agent = report(&["--name", "again-name"]);
    requests(&one.addr, 3);
    requests(&two.addr, 3);
    drop(one);
    requests(&two.addr, 5);
    let three = start(&exe, "127.0.0.1:0");
    std::thread::sleep(FOUND);
    requests(&three.addr, 7);
    drop(two);
    requests(&three.addr, 11);
    drop(three);
    std::thread::sleep(FOUND);
    assert!(agent.is_running(), "it waits for the next one");
    agent.signal(libc::SIGINT);
    let done = agent.finish();
    assert_eq!(done.report().requests(), 29, "{}", done.stderr);
    assert_eq!(
        done.stderr.matches("has ended").count(),
        3,
        "{}",
        done.stderr
    );
    assert_eq!(pids(&done.report()).len(), 3);
}

/// A cgroup that is gone when its test ends.
struct Cgroup(PathBuf);

impl Cgroup {
    /// In whatever hierarchy can be written here.
    fn make() -> Self {
        let name = format!("gostall-test-{}", std::process::id());
        let bases = [
            "/sys/fs/cgroup/cpu",
            "/sys/fs/cgroup/unified",
            "/sys/fs/cgroup",
        ];
        let made = bases.map(|base| Path::new(base).join(&name)).into_iter();
        let path = made
            .filter(|path| std::fs::create_dir(path).is_ok())
            .find(|path| path.join("cgroup.procs").exists());
        Self(path.expect("a cgroup hierarchy that can be written"))
    }

    fn take(&self, pid: u32) {
        std::fs::write(self.0.join("cgroup.procs"), pid.to_string()).unwrap();
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Whoever was in it has been waited for.
        for _ in 0..50 {
            if std::fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A cgroup whose only server ends and comes again.
#[test]
fn a_restart_in_a_cgroup() {
    need_root();
    let cgroup = Cgroup::make();
    let dir = tempfile::tempdir().unwrap();
    let exe = named(dir.path(), "again-group");
    let first = start(&exe, "127.0.0.1:0");
    cgroup.take(first.pid());
    let agent = report(&["--cgroup", &cgroup.0.to_string_lossy()]);
    requests(&first.addr, 6);
    drop(first);
    let next = start(&exe, "127.0.0.1:0");
    cgroup.take(next.pid());
    std::thread::sleep(FOUND);
    requests(&next.addr, 7);
    agent.signal(libc::SIGINT);
    let done = agent.finish();
    assert_eq!(done.report().requests(), 13, "{}", done.stderr);
}

/// Looking for a target that does not come back costs next to nothing.
#[test]
fn waiting_is_cheap() {
    need_root();
    let dir = tempfile::tempdir().unwrap();
    let exe = named(dir.path(), "again-cheap");
    let server = start(&exe, "127.0.0.1:0");
    let agent = report(&["--port", &server.port().to_string()]);
    drop(server);
    std::thread::sleep(Duration::from_secs(1));
    let before = cpu_ns(agent.pid());
    std::thread::sleep(Duration::from_secs(4));
    let share = (cpu_ns(agent.pid()) - before) as f64 / 4e9;
    // 1 % is what the looks may take; the rest of the agent is there too, unoptimized and on a busy machine.
    assert!(share < 0.08, "{share} of a processor");
    agent.signal(libc::SIGINT);
    agent.finish();
}

/// `-p` is that process: with it the report ends, whoever comes later.
#[test]
fn a_pid_is_not_followed() {
    need_root();
    let dir = tempfile::tempdir().unwrap();
    let exe = named(dir.path(), "again-pid");
    let first = start(&exe, "127.0.0.1:0");
    let addr = first.addr.clone();
    let agent = report(&["-p", &first.pid().to_string()]);
    requests(&addr, 4);
    drop(first);
    let _next = start(&exe, &addr);
    let done = agent.finish();
    assert!(done.took < Duration::from_secs(8), "{:?}", done.took);
    assert_eq!(done.report().requests(), 4);
}

/// exec replaces the program under the same pid: requests before and after it count.
#[test]
fn exec_in_place() {
    need_root();
    let dir = tempfile::tempdir().unwrap();
    let mut server = start(&named(dir.path(), "again-exec"), "127.0.0.1:0");
    let agent = report(&["-p", &server.pid().to_string()]);
    let addr = server.addr.clone();
    requests(&addr, 6);
    for _ in 0..2 {
        // SAFETY: the server above, which has not been waited for.
        unsafe { libc::kill(server.pid() as i32, libc::SIGHUP) };
        assert_eq!(server.line(), format!("ready {addr}"));
        // The new image's executable is being read.
        std::thread::sleep(Duration::from_millis(700));
        requests(&addr, 8);
    }
    agent.signal(libc::SIGINT);
    let report = agent.finish().report();
    assert_eq!(report.requests(), 22);
    assert_eq!(pids(&report), [u64::from(server.pid())]);
}

/// A child is nobody's business without --children, and does not end the report.
#[test]
fn fork() {
    need_root();
    let dir = tempfile::tempdir().unwrap();
    let server = start(&named(dir.path(), "again-fork"), "127.0.0.1:0");
    let agent = report(&["-p", &server.pid().to_string()]);
    for _ in 0..5 {
        assert!(get(&server.addr, "/spawn").starts_with("HTTP/1.1 200"));
    }
    requests(&server.addr, 5);
    agent.signal(libc::SIGINT);
    let report = agent.finish().report();
    assert_eq!(report.requests(), 10);
    assert_eq!(pids(&report).len(), 1);
    let spawn = report.endpoint("GET", "/spawn").unwrap();
    let calls = spawn["syscalls"].as_array().unwrap();
    // What execve and the dynamic linker do in the child would be here.
    assert!(
        calls
            .iter()
            .all(|s| s["name"] != "execve" && s["name"] != "arch_prctl")
    );
    assert!(
        calls
            .iter()
            .any(|s| s["name"] == "clone" || s["name"] == "clone3")
    );
}

/// The pid of the target goes to another server at once: in a pid namespace of its own, where the next pid can be
/// chosen. `-p` ends; `--name` takes the newcomer for what it is, a second process.
#[test]
fn a_pid_that_is_used_again() {
    need_root();
    let dir = tempfile::tempdir().unwrap();
    let exe = named(dir.path(), "again-ns");
    let script = r#"
        set -u
        "$SERVER" -addr 127.0.0.1:0 > "$DIR/one" & P=$!
        until grep -q ready "$DIR/one"; do sleep 0.05; done
        "$GOSTALL" report $TARGET -d 60s --format json > "$DIR/report" 2> "$DIR/stderr" & G=$!
        sleep 2.5
        ask() { for i in 1 2 3; do curl -s "http://$(sed 's/ready //' "$1")/hello" > /dev/null; done; }
        ask "$DIR/one"
        kill -9 $P; wait $P
        echo $((P - 1)) > /proc/sys/kernel/ns_last_pid
        "$SERVER" -addr 127.0.0.1:0 > "$DIR/two" & Q=$!
        echo $P $Q > "$DIR/pids"
        sleep 3
        ask "$DIR/two"
        ask "$DIR/two"
        kill -INT $G; wait $G
        echo $? > "$DIR/status"
        kill -9 $Q
    "#;
    for (target, expected) in [("-p 2", 3), ("--name again-ns", 9)] {
        let status = Command::new("timeout")
            .args([
                "60",
                "unshare",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
                "bash",
                "-c",
                script,
            ])
            .env("SERVER", &exe)
            .env("GOSTALL", GOSTALL)
            .env("TARGET", target)
            .env("DIR", dir.path())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        let used = read("pids");
        let used: Vec<_> = used.split_whitespace().collect();
        assert_eq!((used[0], used[1]), ("2", "2"), "the pid was used again");
        assert_eq!(read("status").trim(), "0", "{target}: {}", read("stderr"));
        let json = serde_json::from_str(&read("report")).unwrap();
        assert_eq!(
            gostall_rig::Report(json).requests(),
            expected,
            "{target}: {}",
            read("stderr")
        );
    }
}

/// `--wait` says that it waits and for what; Ctrl-C ends that at once, and is no success.
#[test]
fn wait_for_a_target() {
    need_root();
    let dir = tempfile::tempdir().unwrap();
    let exe = named(dir.path(), "again-wait");
    let agent = Gostall::start(GOSTALL, ["report", "--name", "again-wait", "--wait"]);
    std::thread::sleep(Duration::from_millis(700));
    let asked = Instant::now();
    agent.signal(libc::SIGINT);
    let done = agent.finish();
    assert!(asked.elapsed() < Duration::from_secs(1));
    assert_eq!((done.status.code(), done.stdout.as_str()), (Some(2), ""));
    assert!(
        done.stderr
            .starts_with("gostall: waiting for a process named 'again-wait'"),
        "{}",
        done.stderr
    );

    let mut agent = Gostall::start(
        GOSTALL,
        [
            "report",
            "--name",
            "again-wait",
            "--wait",
            "-d",
            "10m",
            "--format",
            "json",
        ],
    );
    std::thread::sleep(Duration::from_millis(500));
    let server = start(&exe, "127.0.0.1:0");
    agent.wait_attached();
    requests(&server.addr, 5);
    agent.signal(libc::SIGINT);
    assert_eq!(agent.finish().report().requests(), 5);
}
