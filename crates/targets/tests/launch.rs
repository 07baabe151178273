//! Commands that are held before they run.

mod common;

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use common::eventually;
use gostall_targets::{Error, Launch, Target};

fn argv(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

#[test]
fn nothing_runs_before_the_release() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ran");
    let script = format!("echo $$ > {}; exit 3", file.display());
    let held = Launch::hold(&argv(&["sh", "-c", &script])).unwrap();
    let pid = held.pid();
    assert!(held.executable().is_absolute());
    // Held, it is a process that can be looked at and marked.
    let before = Target::read(pid).unwrap();
    assert_eq!(before.exe_display, std::env::current_exe().unwrap());
    std::thread::sleep(Duration::from_millis(100));
    assert!(!file.exists() && before.is_alive());

    let mut launched = held.release().unwrap();
    assert_eq!(launched.pid(), pid);
    let status = launched.wait().unwrap();
    assert_eq!(status.code(), Some(3));
    assert_eq!(fs::read_to_string(&file).unwrap().trim(), pid.to_string());
    assert_eq!(launched.try_wait().unwrap(), Some(status));
}

#[test]
fn the_command_sees_its_own_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("name");
    let script = format!(
        "tr '\\0' '\\n' < /proc/$$/cmdline | head -1 > {}",
        file.display()
    );
    let mut launched = Launch::hold(&argv(&["sh", "-c", &script]))
        .unwrap()
        .release()
        .unwrap();
    launched.wait().unwrap();
    // As typed, not the path it was found at.
    assert_eq!(fs::read_to_string(&file).unwrap(), "sh\n");
}

#[test]
fn dropped_it_never_runs() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ran");
    let held = Launch::hold(&argv(&["touch", file.to_str().unwrap()])).unwrap();
    let target = Target::read(held.pid()).unwrap();
    drop(held);
    assert!(!target.is_alive());
    assert!(!file.exists());
}

#[test]
fn several_are_held_independently() {
    let dir = tempfile::tempdir().unwrap();
    let file = |i: usize| dir.path().join(i.to_string());
    let held: Vec<Launch> = (0..3)
        .map(|i| Launch::hold(&argv(&["touch", file(i).to_str().unwrap()])).unwrap())
        .collect();
    for (i, held) in held.into_iter().enumerate().rev() {
        assert!(!file(i).exists());
        assert!(held.release().unwrap().wait().unwrap().success());
        assert!(file(i).exists());
    }
}

#[test]
fn it_stays_in_the_process_group_and_ends_when_asked() {
    let held = Launch::hold(&argv(&["sleep", "600"])).unwrap();
    let mut launched = held.release().unwrap();
    let group = |pid: u32| {
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap());
        rustix::process::getpgid(pid).unwrap()
    };
    assert_eq!(group(launched.pid()), group(std::process::id()));
    assert_eq!(launched.try_wait().unwrap(), None);
    launched.terminate();
    assert_eq!(launched.wait().unwrap().signal(), Some(15));
    launched.terminate();
}

#[test]
fn what_cannot_be_executed() {
    let error = Launch::hold(&argv(&["no-such-command-here"])).unwrap_err();
    assert!(
        matches!(error, Error::CommandNotFound { searched: true, .. }),
        "{error}"
    );
    let error = Launch::hold(&argv(&["/nonexistent/server"])).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/server"), "{error}");
    assert!(Launch::hold(&[]).is_err());

    // Found and executable, but not a program: only exec can tell, after the release.
    let dir = tempfile::tempdir().unwrap();
    let bad = dir.path().join("bad");
    fs::write(&bad, b"#!/nonexistent/interpreter\n").unwrap();
    fs::set_permissions(&bad, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let held = Launch::hold(&argv(&[bad.to_str().unwrap()])).unwrap();
    let target = Target::read(held.pid()).unwrap();
    let error = held.release().unwrap_err();
    assert!(
        matches!(&error, Error::Launch { path, .. } if *path == bad),
        "{error}"
    );
    assert!(!target.is_alive());
}

#[test]
fn the_wait_is_not_busy() {
    let held = Launch::hold(&argv(&["true"])).unwrap();
    let stat = |pid| fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // Fields 14 and 15: CPU ticks.
    let ticks = |pid| -> u64 {
        let text = stat(pid);
        let rest: Vec<&str> = text
            .rsplit_once(')')
            .unwrap()
            .1
            .split_whitespace()
            .collect();
        rest[11].parse::<u64>().unwrap() + rest[12].parse::<u64>().unwrap()
    };
    let start = Instant::now();
    eventually("half a second", || {
        start.elapsed() > Duration::from_millis(500)
    });
    assert!(ticks(held.pid()) < 5);
}
