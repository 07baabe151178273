//! Selecting real processes: by pid, name, port and cgroup, in namespaces, gone and half gone.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::{Process, can_unshare, eventually, listener, python, sleeper};
use gostall_targets::{
    Error, NameGlob, Selector, Target, descendants, fd_describe, maps, namespaces, wait,
};

fn by_pid(pid: u32) -> Selector {
    Selector {
        pids: vec![pid],
        ..Selector::default()
    }
}

fn by_name(glob: &str) -> Selector {
    Selector {
        names: vec![NameGlob::new(glob).unwrap()],
        ..Selector::default()
    }
}

fn by_port(port: u16) -> Selector {
    Selector {
        ports: vec![port],
        ..Selector::default()
    }
}

fn by_cgroup(path: impl Into<PathBuf>) -> Selector {
    Selector {
        cgroups: vec![path.into()],
        ..Selector::default()
    }
}

fn pids(selector: &Selector) -> BTreeSet<u32> {
    let found = selector.resolve().unwrap_or_else(|e| panic!("{e}"));
    found.iter().map(|t| t.pid).collect()
}

/// A copy of `sleep` under another name.
fn copy_of_sleep(dir: &Path, name: &str) -> PathBuf {
    let path = dir.join(name);
    fs::copy("/bin/sleep", &path).unwrap();
    path
}

/// `port pid` as the listener prints it.
fn port_and_pid(line: &str) -> (u16, u32) {
    let (port, pid) = line.split_once(' ').unwrap();
    (port.parse().unwrap(), pid.parse().unwrap())
}

#[test]
fn a_pid_and_what_is_known_of_it() {
    let process = sleeper();
    eventually("exec", || {
        Target::read(process.pid()).is_ok_and(|t| t.cmdline == ["sleep", "600"])
    });
    let found = by_pid(process.pid()).resolve().unwrap();
    let [target] = &found[..] else { panic!() };
    assert_eq!(target.comm, "sleep");
    assert_eq!(target.parent, std::process::id());
    assert_eq!(target.exe_display.file_name().unwrap(), "sleep");
    assert!(
        fs::read(&target.exe_open_path)
            .unwrap()
            .starts_with(b"\x7fELF")
    );
    assert_eq!(Some(target.net_ns), namespaces::own("net"));
    assert_eq!(target.ns_pids, [process.pid()]);
    assert!(!maps(process.pid()).unwrap().exe.is_empty());
}

#[test]
fn an_ended_process_and_its_zombie() {
    let mut process = sleeper();
    let pid = process.pid();
    let target = Target::read(pid).unwrap();
    assert!(target.is_alive());
    process.child.kill().unwrap();
    eventually("death", || !target.is_alive());
    // Not collected yet.
    let error = by_pid(pid).resolve().unwrap_err();
    assert!(
        matches!(error, Error::Zombie { parent, .. } if parent == std::process::id()),
        "{error}"
    );
    assert!(error.may_appear());
    process.kill();
    let error = by_pid(pid).resolve().unwrap_err();
    assert!(matches!(error, Error::NoSuchProcess { .. }), "{error}");
    assert!(matches!(target.pidfd(), Err(Error::Gone { .. })));
    assert!(matches!(maps(pid), Err(Error::Gone { .. })));
}

#[test]
fn a_kernel_thread_is_refused() {
    let comm = fs::read_to_string("/proc/2/comm").unwrap_or_default();
    if comm.trim() != "kthreadd" {
        eprintln!("skipped: pid 2 is not the kernel's here (a pid namespace)");
        return;
    }
    let error = by_pid(2).resolve().unwrap_err();
    assert!(
        matches!(error, Error::KernelThread { pid: 2, .. }),
        "{error}"
    );
    assert!(!error.may_appear());
    assert!(matches!(
        by_name("kthreadd").resolve(),
        Err(Error::NoSuchName { .. })
    ));
}

#[test]
fn a_deleted_executable_still_opens() {
    let dir = tempfile::tempdir().unwrap();
    let exe = copy_of_sleep(dir.path(), "doomed");
    let process = Process::start(Command::new(&exe).arg("600"));
    eventually("exec", || {
        Target::read(process.pid()).is_ok_and(|t| t.comm == "doomed")
    });
    fs::remove_file(&exe).unwrap();
    let target = Target::read(process.pid()).unwrap();
    assert_eq!(target.exe_display, exe);
    assert!(target.exe_deleted);
    assert!(
        fs::read(&target.exe_open_path)
            .unwrap()
            .starts_with(b"\x7fELF")
    );
    // Replaced in place, as a deployment does: another file, the same name.
    copy_of_sleep(dir.path(), "doomed");
    assert!(Target::read(process.pid()).unwrap().exe_deleted);
    assert!(!maps(process.pid()).unwrap().exe.is_empty());
}

#[test]
fn names_are_command_executable_and_argument() {
    let dir = tempfile::tempdir().unwrap();
    let unique = format!("gst{}", std::process::id());
    // Longer than the 15 bytes of a command name.
    let exe = copy_of_sleep(dir.path(), &format!("{unique}-a-long-program-name"));
    let process = Process::start(Command::new(&exe).arg("600"));
    eventually("exec", || {
        Target::read(process.pid()).is_ok_and(|t| t.exe_display == exe)
    });
    let expected = BTreeSet::from([process.pid()]);
    assert_eq!(
        pids(&by_name(&format!("{unique}-a-long-program-name"))),
        expected
    );
    assert_eq!(pids(&by_name(&format!("{unique}*"))), expected);
    assert_eq!(
        pids(&by_name(&format!("{unique}-a-lo???????????????"))),
        expected
    );

    let mut other = Command::new("sleep");
    std::os::unix::process::CommandExt::arg0(&mut other, format!("/x/{unique}-by-argument"));
    let other = Process::start(other.arg("600"));
    eventually("exec", || {
        by_name(&format!("{unique}-by-argument")).resolve().is_ok()
    });
    assert_eq!(
        pids(&by_name(&format!("{unique}*"))),
        BTreeSet::from([process.pid(), other.pid()])
    );
    let error = by_name(&format!("{unique}-none")).resolve().unwrap_err();
    assert!(matches!(error, Error::NoSuchName { .. }), "{error}");
}

#[test]
fn a_union_fails_with_its_first_failure() {
    let (a, b) = (sleeper(), sleeper());
    let mut selector = by_pid(a.pid());
    selector.pids.push(b.pid());
    selector.pids.push(a.pid());
    assert_eq!(pids(&selector), BTreeSet::from([a.pid(), b.pid()]));
    selector
        .names
        .push(NameGlob::new("no-such-program-here").unwrap());
    assert!(matches!(selector.resolve(), Err(Error::NoSuchName { .. })));
}

#[test]
fn a_port_v4_v6_and_multipath() {
    for how in [
        "",
        "s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)",
        "import contextlib
with contextlib.suppress(OSError):
    s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM, 262)",
    ] {
        let mut process = Process::start(&mut python(&listener(how)));
        let (port, pid) = port_and_pid(&process.line());
        assert_eq!(pids(&by_port(port)), BTreeSet::from([pid]), "{how}");
    }
    let v4 = "import os, socket, time
s = socket.create_server(('127.0.0.1', 0))
print(s.getsockname()[1], os.getpid(), flush=True)
time.sleep(600)";
    let mut process = Process::start(&mut python(v4));
    let (port, pid) = port_and_pid(&process.line());
    assert_eq!(pids(&by_port(port)), BTreeSet::from([pid]));
    process.kill();
    let error = by_port(port).resolve().unwrap_err();
    assert!(matches!(error, Error::NobodyListens { .. }), "{error}");
}

#[test]
fn a_port_shared_after_fork() {
    let program = listener("").replace(
        "time.sleep(600)",
        "os.write(1, b'%d\\n' % (os.fork() or os.getpid()))\ntime.sleep(600)",
    );
    let mut process = Process::start(&mut python(&program));
    let (port, parent) = port_and_pid(&process.line());
    // Parent and child each print a number: the parent the child's pid, the child its own.
    let child: u32 = process.line().parse().unwrap();
    assert_eq!(child, process.line().parse::<u32>().unwrap());
    assert_eq!(pids(&by_port(port)), BTreeSet::from([parent, child]));

    let mut with_children = by_pid(parent);
    with_children.children = true;
    assert_eq!(pids(&with_children), BTreeSet::from([parent, child]));
    assert_eq!(descendants(parent).unwrap(), [child]);
    assert!(descendants(std::process::id()).unwrap().contains(&child));

    let child = Target::read(child).unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(i32::try_from(child.pid).unwrap()).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    eventually("the child's end", || !child.is_alive());
}

#[test]
fn a_port_in_another_network_namespace() {
    if !can_unshare(&["-n"]) {
        return;
    }
    let mut command = Command::new("unshare");
    command.args(["-n", "python3", "-c", &listener("")]);
    let mut process = Process::start(&mut command);
    let (port, pid) = port_and_pid(&process.line());
    let found = by_port(port).resolve().unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].pid, pid);
    assert!(namespaces::place(&found[0]).other_net);
    // Its socket stands in its own namespace's table.
    let fd = (0..10)
        .filter_map(|fd| fd_describe(pid, fd).unwrap())
        .map(|fd| fd.to_string())
        .find(|text| text.starts_with("tcp"));
    assert_eq!(fd, Some(format!("tcp [::]:{port} LISTEN")));
}

#[test]
fn a_process_in_a_pid_namespace() {
    let flags = ["-n", "-p", "-f", "--mount-proc", "--kill-child"];
    if !can_unshare(&flags) {
        return;
    }
    let mut command = Command::new("unshare");
    command.args(flags).args(["python3", "-c", &listener("")]);
    let mut process = Process::start(&mut command);
    let (port, inner) = port_and_pid(&process.line());
    assert_eq!(inner, 1);
    let found = by_port(port).resolve().unwrap();
    let [target] = &found[..] else { panic!() };
    assert_ne!(target.pid, 1);
    assert_eq!(target.ns_pids, [target.pid, 1]);
    let place = namespaces::place(target);
    assert_eq!(place.inner_pid, Some(1));
    assert!(place.other_net && place.other_mnt);
    let mut with_children = by_pid(process.pid());
    with_children.children = true;
    assert_eq!(
        pids(&with_children),
        BTreeSet::from([process.pid(), target.pid])
    );
}

#[test]
fn an_executable_below_a_changed_root() {
    if !can_unshare(&["-m"]) {
        return;
    }
    // A bind mount of the machine's root as the root of a chroot: every path is there twice.
    let root = tempfile::tempdir().unwrap();
    let script = format!(
        "mount --bind / {0} && exec chroot {0} /bin/sleep 600",
        root.path().display()
    );
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &script]);
    let process = Process::start(&mut command);
    eventually("chroot", || {
        Target::read(process.pid()).is_ok_and(|t| t.comm == "sleep")
    });
    let target = Target::read(process.pid()).unwrap();
    assert_eq!(target.exe_display, fs::canonicalize("/bin/sleep").unwrap());
    assert!(!target.exe_deleted);
    assert!(fs::read(&target.exe_open_path).is_ok());
}

/// Makes a cgroup in some hierarchy that lets us; the directory, and the path in the hierarchy.
fn make_cgroup(name: &str) -> Option<(PathBuf, String)> {
    for mount in [
        "/sys/fs/cgroup",
        "/sys/fs/cgroup/unified",
        "/sys/fs/cgroup/systemd",
        "/sys/fs/cgroup/cpuacct",
    ] {
        let dir = Path::new(mount).join(name);
        // On v1, /sys/fs/cgroup is a tmpfs: a directory can be made there and is no cgroup.
        if fs::create_dir(&dir).is_ok() {
            if dir.join("cgroup.procs").exists() {
                return Some((dir, format!("/{name}")));
            }
            let _ = fs::remove_dir(&dir);
        }
    }
    eprintln!("skipped: no cgroup can be made here (needs root and a writable cgroup mount)");
    None
}

#[test]
fn a_cgroup_and_what_lies_below() {
    let name = format!("gostall-test-{}", std::process::id());
    let Some((dir, path)) = make_cgroup(&name) else {
        return;
    };
    let error = by_cgroup(&dir).resolve().unwrap_err();
    assert!(matches!(error, Error::EmptyCgroup { .. }), "{error}");
    let error = by_cgroup(dir.join("none")).resolve().unwrap_err();
    assert!(matches!(error, Error::NoSuchCgroup { .. }), "{error}");

    let below = dir.join("below");
    fs::create_dir(&below).unwrap();
    let (mut a, mut b) = (sleeper(), sleeper());
    fs::write(dir.join("cgroup.procs"), a.pid().to_string()).unwrap();
    fs::write(below.join("cgroup.procs"), b.pid().to_string()).unwrap();
    let both = BTreeSet::from([a.pid(), b.pid()]);
    assert_eq!(pids(&by_cgroup(&dir)), both);
    assert_eq!(pids(&by_cgroup(&path)), both);
    assert_eq!(pids(&by_cgroup(&path[1..])), both);
    assert_eq!(
        pids(&by_cgroup(format!("{path}/below/"))),
        BTreeSet::from([b.pid()])
    );
    a.kill();
    b.kill();
    fs::remove_dir(&below).unwrap();
    fs::remove_dir(&dir).unwrap();
}

#[test]
fn waiting_for_a_program_to_start() {
    let dir = tempfile::tempdir().unwrap();
    let name = format!("gsw{}", std::process::id());
    let exe = copy_of_sleep(dir.path(), &name);
    let starter = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        Process::start(Command::new(exe).arg("600"))
    });
    let found = wait(&by_name(&name), Duration::from_millis(10), || false)
        .unwrap()
        .unwrap();
    let process = starter.join().unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].pid, process.pid());
    // What does not come by waiting is an error at once.
    let error = wait(&by_pid(std::process::id()), Duration::from_secs(60), || {
        false
    });
    assert!(matches!(error, Err(Error::IsSelf { .. })));
}

/// Set to a pid where this test program runs as another user, for the test below.
const OF_ROOT: &str = "GOSTALL_TEST_PID_OF_ROOT";

/// The other user's part: does nothing when the tests are run as usual.
#[test]
fn other_user_of_the_next_test() {
    let Some(pid) = std::env::var_os(OF_ROOT) else {
        return;
    };
    let pid = pid.to_str().unwrap().parse().unwrap();
    let error = by_pid(pid).resolve().unwrap_err();
    assert!(
        matches!(error, Error::PermissionDenied { pid: p, uid: 0, .. } if p == pid),
        "{error}"
    );
    assert!(error.to_string().contains("run gostall as root"), "{error}");
    assert!(!error.may_appear());
    assert!(matches!(maps(pid), Err(Error::PermissionDenied { .. })));
    assert!(matches!(
        fd_describe(pid, 0),
        Err(Error::PermissionDenied { .. })
    ));
    // A search finds by what every user may read, and then says the same.
    let error = by_name("sleep").resolve();
    assert!(
        matches!(error, Err(Error::PermissionDenied { .. })),
        "{error:?}"
    );
}

#[test]
fn a_process_of_another_user() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: needs root to become another user");
        return;
    }
    // The build directory may be closed to other users; a copy in /tmp is not.
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let exe = dir.path().join("tests");
    fs::copy(std::env::current_exe().unwrap(), &exe).unwrap();
    let process = sleeper();
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&exe)
        .args(["--exact", "other_user_of_the_next_test"])
        .env(OF_ROOT, process.pid().to_string());
    let mut other = Process::start(&mut command);
    let mut said = String::new();
    while let line = other.line()
        && !line.starts_with("test result")
    {
        said += &line;
        assert!(said.len() < 10_000, "{said}");
    }
    assert!(other.child.wait().unwrap().success(), "{said}");
}
