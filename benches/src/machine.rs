//! The page around the table: on what machine, when, how.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Effort;
use crate::bars::Table;

/// The workspace's directory.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .expect("it was built there")
}

/// Where something runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On the first processor.
    First,
    /// On any but the first.
    Others,
    /// Wherever the kernel puts it.
    Anywhere,
}

impl Place {
    /// What `start` starts runs there, and so does what that starts.
    pub fn run<T>(self, start: impl FnOnce() -> T) -> T {
        let all = affinity();
        let (mut set, mut seen) = (all, 0);
        for cpu in 0..libc::CPU_SETSIZE as usize {
            // SAFETY: cpu is below CPU_SETSIZE.
            unsafe {
                if libc::CPU_ISSET(cpu, &all) {
                    if self != Self::Anywhere && (self == Self::First) != (seen == 0) {
                        libc::CPU_CLR(cpu, &mut set);
                    }
                    seen += 1;
                }
            }
        }
        assert!(
            seen > 1 || self == Self::Anywhere,
            "two processors are needed"
        );
        set_affinity(&set);
        let started = start();
        set_affinity(&all);
        started
    }
}

fn affinity() -> libc::cpu_set_t {
    // SAFETY: zeros are a set; the kernel fills as much as it has room for.
    unsafe {
        let mut set = std::mem::zeroed();
        assert_eq!(libc::sched_getaffinity(0, size_of_val(&set), &mut set), 0);
        set
    }
}

fn set_affinity(set: &libc::cpu_set_t) {
    // SAFETY: the set is whole.
    let done = unsafe { libc::sched_setaffinity(0, size_of_val(set), set) };
    assert_eq!(done, 0, "sched_setaffinity");
}

fn said_by(program: &str, args: &[&str]) -> String {
    let out = Command::new(program)
        .args(args)
        .current_dir("/")
        .env("GOTOOLCHAIN", "local")
        .output();
    out.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
        .unwrap_or_default()
}

fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let value = info.lines().find_map(|l| {
            l.strip_prefix(name)?
                .trim()
                .strip_prefix(':')
                .map(str::trim)
        });
        value.unwrap_or("unknown").to_owned()
    };
    let count = info.lines().filter(|l| l.starts_with("processor")).count();
    let guest = if info.contains(" hypervisor") {
        ", a virtual machine"
    } else {
        ""
    };
    format!("{count} x {}{guest}", field("model name"))
}

/// BENCHMARKS.md.
pub fn page(table: &Table, effort: Effort, took: Duration) -> String {
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kb = memory.lines().find_map(|l| {
        l.strip_prefix("MemTotal:")?
            .trim()
            .strip_suffix(" kB")?
            .trim()
            .parse::<u64>()
            .ok()
    });
    let commit = Command::new("git")
        .args(["rev-parse", "--short", "HEAD"])
        .current_dir(workspace())
        .output();
    format!(
        "# Benchmarks\n\nWritten by `./dev bench`; do not edit. {date}, commit {commit}, {minutes} minutes.\n\n\
         - machine: {cpu}, {memory} GB\n- kernel: {kernel}\n- {go}, {wrk}, {bpftrace}\n\n\
         Server, client and gostall share these processors. What is compared is measured in turns within one run, {rounds} \
         rounds or more, every value against its own untraced neighbours; the value is the median of the rounds, least and \
         greatest in brackets. docs/bars.md says what each line means and how it is measured.\n\n{table}",
        date = said_by("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        commit = commit
            .map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
            .unwrap_or_default(),
        minutes = took.as_secs() / 60 + 1,
        cpu = processor(),
        memory = kb.unwrap_or(0) / 1_000_000,
        kernel = said_by("uname", &["-sr"]),
        go = said_by("go", &["env", "GOVERSION"]),
        wrk = said_by("sh", &["-c", "wrk -v 2>&1 | head -n1 | cut -d' ' -f1,2"]),
        bpftrace = said_by("bpftrace", &["--version"]),
        rounds = effort.rounds,
        table = table.markdown(),
    )
}
