//! Who may be attached while something is measured: nobody, the empty pair, a bpftrace script, gostall.

use std::io::{BufRead, BufReader};
use std::mem::MaybeUninit;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gostall_rig::Gostall;
use libbpf_rs::skel::{OpenSkel, Skel, SkelBuilder};

mod skeleton {
    #![allow(
        missing_docs,
        dead_code,
        clippy::all,
        clippy::undocumented_unsafe_blocks
    )]
    include!(concat!(env!("OUT_DIR"), "/empty.skel.rs"));
}

/// A sort of tracer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tracer {
    /// None.
    Nobody,
    /// Two programs that do nothing.
    EmptyPair,
    /// A histogram of durations by syscall, as one writes it with bpftrace.
    Bpftrace,
    /// `gostall report`.
    Gostall,
}

/// Something attached; ends when dropped.
pub enum Attached {
    /// Nothing is.
    Nobody,
    /// Held by this process.
    Empty(Box<skeleton::EmptySkel<'static>>),
    /// A child.
    Bpftrace(Child),
    /// A child.
    Gostall(Gostall),
}

/// Counts durations by thread and syscall number.
const SCRIPT: &str = "tracepoint:raw_syscalls:sys_enter /pid == PID/ { @s[tid] = nsecs; } \
                      tracepoint:raw_syscalls:sys_exit /@s[tid]/ { @[args->id] = hist(nsecs - @s[tid]); delete(@s[tid]); }";

/// bpftrace wants tracefs; a mount of its own leaves the machine as it is.
const MOUNTED: &str = "mount -t debugfs none /sys/kernel/debug; mount -t tracefs none /sys/kernel/tracing; \
                       mount -t tracefs none /sys/kernel/debug/tracing; exec bpftrace -e \"$0\"";

impl Tracer {
    /// Its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::EmptyPair => "empty pair",
            Self::Bpftrace => "bpftrace histogram",
            Self::Gostall => "gostall report",
        }
    }

    /// Attaches it to a process.
    pub fn attach(self, gostall: &Path, pid: u32) -> Attached {
        match self {
            Self::Nobody => Attached::Nobody,
            Self::EmptyPair => {
                // A few bytes for each attach of a bench.
                let object = Box::leak(Box::new(MaybeUninit::uninit()));
                let open = skeleton::EmptySkelBuilder::default()
                    .open(object)
                    .expect("the empty pair opens");
                let mut skel = open.load().expect("the empty pair loads");
                skel.attach().expect("the empty pair attaches");
                Attached::Empty(Box::new(skel))
            }
            Self::Bpftrace => loop {
                if let Some(child) = bpftrace(pid) {
                    break Attached::Bpftrace(child);
                }
                println!("    bpftrace did not start; again");
            },
            Self::Gostall => {
                let pid = pid.to_string();
                let mut agent = Gostall::start(
                    gostall,
                    ["report", "-p", &pid, "-d", "10m", "--format", "json"],
                );
                agent.wait_attached();
                Attached::Gostall(agent)
            }
        }
    }
}

/// Starts the script; `None` when it is not attached in time, which happens to bpftrace now and then.
fn bpftrace(pid: u32) -> Option<Child> {
    let script = SCRIPT.replace("PID", &pid.to_string());
    let mut child = Command::new("unshare")
        .args(["-m", "sh", "-c", MOUNTED, &script])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("unshare starts");
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = out.read_line(&mut line);
        let _ = tell.send(line);
        // What it prints at its end must find a reader.
        let _ = std::io::copy(&mut out, &mut std::io::sink());
    });
    match told.recv_timeout(Duration::from_secs(15)) {
        Ok(line) if line.starts_with("Attaching") => {
            std::thread::sleep(Duration::from_millis(1500));
            Some(child)
        }
        _ => {
            end(&mut child);
            None
        }
    }
}

/// Ends a child as Ctrl-C does, and for certain after a while.
fn end(child: &mut Child) {
    // SAFETY: this process's child, not waited for yet.
    unsafe { libc::kill(child.id().cast_signed(), libc::SIGINT) };
    let deadline = std::time::Instant::now() + Duration::from_secs(5);
    while matches!(child.try_wait(), Ok(None)) {
        if std::time::Instant::now() > deadline {
            println!("    {} does not end at Ctrl-C; killed", child.id());
            let _ = child.kill();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Attached {
    /// Ends it, and what gostall reported.
    pub fn detach(mut self) -> Option<gostall_rig::Report> {
        match std::mem::replace(&mut self, Self::Nobody) {
            Self::Nobody => None,
            Self::Empty(skel) => {
                drop(skel);
                None
            }
            Self::Bpftrace(mut child) => {
                end(&mut child);
                None
            }
            Self::Gostall(agent) => {
                agent.signal(libc::SIGINT);
                Some(agent.finish().report())
            }
        }
    }
}
