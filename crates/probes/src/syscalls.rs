//! What each syscall number is to the kernel side: its class for the wire parser, whose
//! it is when no goroutine runs, and the filters the user asked for.

use gostall_bpf::abi;
use gostall_model::{Arch, Role};

use crate::loader::Probes;

const CLASSES: &[(&str, u32)] = &[
    ("read", abi::GS_C_READ),
    ("recvfrom", abi::GS_C_READ),
    ("readv", abi::GS_C_READV),
    ("recvmsg", abi::GS_C_RECVMSG),
    ("write", abi::GS_C_WRITE),
    ("sendto", abi::GS_C_WRITE),
    ("writev", abi::GS_C_WRITEV),
    ("sendmsg", abi::GS_C_SENDMSG),
    ("sendfile", abi::GS_C_SENDFILE),
    ("splice", abi::GS_C_SPLICE),
    ("accept", abi::GS_C_ACCEPT),
    ("accept4", abi::GS_C_ACCEPT),
    ("connect", abi::GS_C_CONNECT),
    ("close", abi::GS_C_CLOSE),
    ("dup2", abi::GS_C_DUP2),
    ("dup3", abi::GS_C_DUP2),
    ("close_range", abi::GS_C_CLOSE_RANGE),
    ("shutdown", abi::GS_C_SHUTDOWN),
    ("setsockopt", abi::GS_C_CONNOPT),
    ("getsockopt", abi::GS_C_CONNOPT),
    ("getsockname", abi::GS_C_CONNOPT),
    ("getpeername", abi::GS_C_CONNOPT),
    ("epoll_ctl", abi::GS_C_EPOLL_CTL),
    ("epoll_wait", abi::GS_C_EPOLL_WAIT),
    ("epoll_pwait", abi::GS_C_EPOLL_WAIT),
    ("epoll_pwait2", abi::GS_C_EPOLL_WAIT),
    ("rt_sigreturn", abi::GS_C_SIGRETURN),
    ("open", abi::GS_C_PATH0),
    ("stat", abi::GS_C_PATH0),
    ("lstat", abi::GS_C_PATH0),
    ("access", abi::GS_C_PATH0),
    ("execve", abi::GS_C_PATH0),
    ("chdir", abi::GS_C_PATH0),
    ("rename", abi::GS_C_PATH0),
    ("mkdir", abi::GS_C_PATH0),
    ("rmdir", abi::GS_C_PATH0),
    ("creat", abi::GS_C_PATH0),
    ("link", abi::GS_C_PATH0),
    ("unlink", abi::GS_C_PATH0),
    ("symlink", abi::GS_C_PATH0),
    ("readlink", abi::GS_C_PATH0),
    ("chmod", abi::GS_C_PATH0),
    ("chown", abi::GS_C_PATH0),
    ("statfs", abi::GS_C_PATH0),
    ("truncate", abi::GS_C_PATH0),
    ("openat", abi::GS_C_PATH1),
    ("openat2", abi::GS_C_PATH1),
    ("mkdirat", abi::GS_C_PATH1),
    ("newfstatat", abi::GS_C_PATH1),
    ("unlinkat", abi::GS_C_PATH1),
    ("renameat", abi::GS_C_PATH1),
    ("renameat2", abi::GS_C_PATH1),
    ("linkat", abi::GS_C_PATH1),
    ("readlinkat", abi::GS_C_PATH1),
    ("fchmodat", abi::GS_C_PATH1),
    ("faccessat", abi::GS_C_PATH1),
    ("faccessat2", abi::GS_C_PATH1),
    ("statx", abi::GS_C_PATH1),
    ("utimensat", abi::GS_C_PATH1),
    ("fstat", abi::GS_C_FD0),
    ("lseek", abi::GS_C_FD0),
    ("ioctl", abi::GS_C_FD0),
    ("pread64", abi::GS_C_FD0),
    ("pwrite64", abi::GS_C_FD0),
    ("preadv", abi::GS_C_FD0),
    ("pwritev", abi::GS_C_FD0),
    ("preadv2", abi::GS_C_FD0),
    ("pwritev2", abi::GS_C_FD0),
    ("fcntl", abi::GS_C_FD0),
    ("flock", abi::GS_C_FD0),
    ("fsync", abi::GS_C_FD0),
    ("fdatasync", abi::GS_C_FD0),
    ("sync_file_range", abi::GS_C_FD0),
    ("syncfs", abi::GS_C_FD0),
    ("ftruncate", abi::GS_C_FD0),
    ("fallocate", abi::GS_C_FD0),
    ("getdents64", abi::GS_C_FD0),
    ("fchmod", abi::GS_C_FD0),
    ("fchown", abi::GS_C_FD0),
    ("fchdir", abi::GS_C_FD0),
    ("fstatfs", abi::GS_C_FD0),
    ("fadvise64", abi::GS_C_FD0),
    ("readahead", abi::GS_C_FD0),
    ("tee", abi::GS_C_FD0),
    ("copy_file_range", abi::GS_C_FD0),
    ("bind", abi::GS_C_FD0),
    ("listen", abi::GS_C_FD0),
    ("recvmmsg", abi::GS_C_FD0),
    ("sendmmsg", abi::GS_C_FD0),
];

/// Calls of a thread without a goroutine, by what makes them; all others are `runtime`.
const RUNTIME_ROLES: &[(&str, Role)] = &[
    ("futex", Role::Scheduler),
    ("nanosleep", Role::Scheduler),
    ("clock_nanosleep", Role::Scheduler),
    ("sched_yield", Role::Scheduler),
    ("epoll_wait", Role::Netpoll),
    ("epoll_pwait", Role::Netpoll),
    ("epoll_pwait2", Role::Netpoll),
    ("epoll_ctl", Role::Netpoll),
    ("epoll_create1", Role::Netpoll),
    ("eventfd2", Role::Netpoll),
    // The poller's own eventfd or pipe (netpollBreak).
    ("read", Role::Netpoll),
    ("write", Role::Netpoll),
];

/// Calls that wait because that is their purpose; alone, slowness says nothing of them.
const WAITS: &[&str] = &[
    "futex",
    "nanosleep",
    "clock_nanosleep",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "pause",
    "rt_sigtimedwait",
    "rt_sigsuspend",
    "wait4",
    "waitid",
    "accept",
    "accept4",
    "restart_syscall",
];

/// What a call waits for when it blocks its thread; all others: something else.
const BLOCKS: &[(&[&str], u32)] = &[
    (
        &[
            "fsync",
            "fdatasync",
            "sync",
            "syncfs",
            "sync_file_range",
            "msync",
            "open",
            "openat",
            "openat2",
            "creat",
            "stat",
            "lstat",
            "newfstatat",
            "statx",
            "access",
            "faccessat",
            "faccessat2",
            "rename",
            "renameat",
            "renameat2",
            "mkdir",
            "mkdirat",
            "rmdir",
            "link",
            "linkat",
            "unlink",
            "unlinkat",
            "symlink",
            "symlinkat",
            "readlink",
            "readlinkat",
            "truncate",
            "ftruncate",
            "fallocate",
            "getdents64",
            "fadvise64",
            "readahead",
            "copy_file_range",
            "chmod",
            "fchmod",
            "fchmodat",
            "chown",
            "fchown",
            "fchownat",
            "statfs",
            "fstatfs",
            "execve",
            "mount",
        ],
        abi::GS_B_DISK,
    ),
    (&["flock", "fcntl", "futex", "futex_wait"], abi::GS_B_LOCK),
    (
        &[
            "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev",
            "preadv2", "pwritev2", "recvfrom", "sendto", "recvmsg", "sendmsg", "recvmmsg",
            "sendmmsg", "sendfile", "splice", "tee", "connect", "accept", "accept4", "close",
        ],
        abi::GS_B_FD,
    ),
];

/// What a call of this name waits for when it blocks its thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocks {
    /// A disk or file system.
    Disk,
    /// A lock.
    Lock,
    /// What its descriptor stands for.
    Descriptor,
    /// Something else.
    Else,
}

/// What a call waits for when it blocks its thread.
pub fn blocks(syscall: &str) -> Blocks {
    let found = BLOCKS.iter().find(|(names, _)| names.contains(&syscall));
    match found.map(|f| f.1) {
        Some(abi::GS_B_DISK) => Blocks::Disk,
        Some(abi::GS_B_LOCK) => Blocks::Lock,
        Some(abi::GS_B_FD) => Blocks::Descriptor,
        _ => Blocks::Else,
    }
}

/// What is recorded; everything by default.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only these syscall numbers.
    pub syscalls: Option<Vec<u16>>,
    /// One request in this many; 0 and 1: all.
    pub one_request_in: u32,
    /// Only calls at least this slow, ns.
    pub slower_than_ns: u64,
}

/// What is raised call by call.
#[derive(Debug, Clone, Default)]
pub struct TailRule {
    /// Raise snapshots of slow calls.
    pub snapshots: bool,
    /// A fixed threshold, ns; `None`: adaptive.
    pub threshold_ns: Option<u64>,
    /// Raise snapshots of calls that failed with one of these.
    pub errnos: Vec<u16>,
    /// Snapshots a second and CPU at most.
    pub per_second: u32,
    /// Raise a line for each call (`gostall trace`), of these numbers (`None`: all).
    pub trace: bool,
    /// See `trace`.
    pub trace_syscalls: Option<Vec<u16>>,
    /// Lines for calls at least this slow only, ns.
    pub trace_slower_ns: u64,
    /// Lines for calls that failed with one of these only (empty: all calls).
    pub trace_errnos: Vec<u16>,
    /// Take a stack with each line.
    pub trace_stacks: bool,
}

/// Slow whatever the rest of its kind does.
pub(crate) const ALWAYS_SLOW_NS: u64 = 100_000_000;
/// Slow while too few calls were seen to know what is usual.
pub(crate) const AT_FIRST_SLOW_NS: u64 = 10_000_000;

fn bitmap(errnos: &[u16]) -> [u64; abi::GS_ERRNO_WORDS as usize] {
    let mut set = [0; abi::GS_ERRNO_WORDS as usize];
    for &e in errnos {
        if let Some(word) = set.get_mut(usize::from(e) / 64) {
            *word |= 1 << (e % 64);
        }
    }
    set
}

impl Probes {
    /// Tells the kernel side what the numbers of this architecture mean.
    pub(crate) fn syscalls_write(&mut self, arch: Arch) {
        let bss = self.bss();
        bss.nr_role.fill(Role::Runtime.leaf() as u8);
        for nr in &mut bss.nr_flags {
            *nr = (abi::GS_NRF_COUNT | abi::GS_NRF_TRACE) as u8;
        }
        let index = |name: &str| arch.syscall_number(name).ok().map(usize::from);
        for (names, blocks) in BLOCKS {
            for nr in names.iter().filter_map(|n| index(n)) {
                bss.nr_blocks[nr] = *blocks as u8;
            }
        }
        for (name, class) in CLASSES {
            if let Some(nr) = index(name) {
                bss.nr_flags[nr] |= *class as u8;
            }
        }
        for name in WAITS {
            if let Some(nr) = index(name) {
                bss.nr_flags[nr] |= abi::GS_NRF_WAITS as u8;
            }
        }
        for (name, role) in RUNTIME_ROLES {
            if let Some(nr) = index(name) {
                bss.nr_role[nr] = role.leaf() as u8;
            }
        }
    }

    /// Sets what is recorded. May be changed at any time.
    pub fn set_filter(&mut self, filter: &Filter) {
        let bss = self.bss();
        bss.settings.sample_n = filter.one_request_in;
        bss.settings.slower_ns = filter.slower_than_ns;
        set_flag(
            &mut bss.nr_flags,
            abi::GS_NRF_COUNT as u8,
            filter.syscalls.as_deref(),
        );
    }

    /// Sets what is raised call by call. May be changed at any time.
    pub fn set_tail(&mut self, rule: &TailRule) {
        self.threshold_ns = rule.threshold_ns;
        let bss = self.bss();
        let s = &mut bss.settings;
        s.tail = rule.snapshots.into();
        s.tail_always_ns = ALWAYS_SLOW_NS;
        s.tail_errno = bitmap(&rule.errnos);
        s.tail_per_sec = rule.per_second;
        s.trace_min_ns = rule.trace_slower_ns;
        s.trace_any_errno = (!rule.trace_errnos.is_empty()).into();
        s.trace_errno = bitmap(&rule.trace_errnos);
        s.trace_stacks = rule.trace_stacks.into();
        s.trace = rule.trace.into();
        bss.tail_ns
            .fill(rule.threshold_ns.unwrap_or(AT_FIRST_SLOW_NS));
        set_flag(
            &mut bss.nr_flags,
            abi::GS_NRF_TRACE as u8,
            rule.trace_syscalls.as_deref(),
        );
    }

    /// Opens or closes the window: nothing is recorded while it is closed.
    pub fn set_counting(&mut self, on: bool) {
        self.bss().settings.counting = on.into();
    }
}

fn set_flag(flags: &mut [u8], flag: u8, only: Option<&[u16]>) {
    for (nr, f) in flags.iter_mut().enumerate() {
        let on = only.is_none_or(|set| set.iter().any(|&n| usize::from(n) == nr));
        *f = if on { *f | flag } else { *f & !flag };
    }
}
