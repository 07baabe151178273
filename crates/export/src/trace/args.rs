//! What the arguments of each syscall are, as data, and how each kind is written.
//!
//! Registers only: what a pointer points to is not known here (but for one path, which the tracer reads).
//! Syscalls without a row are shown with their six registers in hex.

use gostall_model::Arch;

use super::flags::{self, Names};

/// What an argument is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Arg {
    /// A file descriptor.
    Fd,
    /// A directory's file descriptor, or `AT_FDCWD`.
    Dir,
    /// A 32-bit signed number.
    Int,
    /// A 64-bit signed number, such as an offset.
    Long,
    /// An unsigned size or count.
    Size,
    /// An address.
    Ptr,
    /// An address of a path.
    Path,
    /// File permissions.
    Mode,
    /// Bits with names.
    Bits(Names),
    /// One of several named values.
    One(Names),
    /// Flags of `open`.
    Open,
    /// Type and flags of a socket.
    SockType,
    /// A futex command.
    Futex,
    /// A clone's flags and exit signal.
    Clone,
    /// Anything else, in hex.
    Hex,
}

/// What a call returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ret {
    /// A number.
    Int,
    /// A new file descriptor.
    Fd,
    /// An address.
    Ptr,
}

/// A syscall's arguments and result.
pub(super) type Row = (&'static str, &'static [Arg], Ret);

/// The row of a syscall, where there is one.
pub(super) fn row(name: &str) -> Option<&'static Row> {
    TABLE
        .binary_search_by_key(&name, |row| row.0)
        .ok()
        .map(|at| &TABLE[at])
}

/// How many of a call's arguments mean something: the rest of the registers hold what was there before.
pub(super) fn used(row: &Row, values: &[u64; 6]) -> usize {
    // O_CREAT, and the bit that makes O_TMPFILE of O_DIRECTORY (asm-generic/fcntl.h).
    const CREATES: u64 = 0o100 | 0o20000000;
    match row.0 {
        "open" if values[1] & CREATES == 0 => 2,
        "openat" if values[2] & CREATES == 0 => 3,
        "futex" => match values[1] & 0x7f {
            1 => 3,
            0 => 4,
            _ => 6,
        },
        _ => row.1.len(),
    }
}

/// One argument as text. File descriptors and paths are the caller's to write, who knows what they are.
pub(super) fn write(arg: Arg, value: u64, arch: Arch) -> String {
    match arg {
        Arg::Fd | Arg::Int => (value as i32).to_string(),
        Arg::Dir if value as i32 == -100 => "AT_FDCWD".to_owned(),
        Arg::Dir => (value as i32).to_string(),
        Arg::Long => (value as i64).to_string(),
        Arg::Size => value.to_string(),
        Arg::Ptr | Arg::Path if value == 0 => "NULL".to_owned(),
        Arg::Ptr | Arg::Path | Arg::Hex => format!("{value:#x}"),
        Arg::Mode => format!("{:#05o}", value & 0o7777).replacen("0o", "0", 1),
        Arg::Bits(names) => flags::bits(value & u64::from(u32::MAX), names),
        Arg::One(names) => flags::one(value & u64::from(u32::MAX), names),
        Arg::Open => open(value & u64::from(u32::MAX), arch),
        Arg::SockType => {
            let flag_bits: u64 = flags::SOCK_FLAGS.iter().map(|(bits, _)| bits).sum();
            with_flags(
                flags::one(value & 0xf, flags::SOCK_TYPE),
                value & flag_bits,
                flags::SOCK_FLAGS,
            )
        }
        Arg::Futex => {
            let mut text = flags::one(value & 0x7f, flags::FUTEX);
            for (bit, suffix) in flags::FUTEX_FLAGS {
                if value & bit != 0 {
                    text.push_str(suffix);
                }
            }
            text
        }
        Arg::Clone => {
            let signal = value & 0xff;
            let text = flags::bits(value & !0xff, flags::CLONE);
            if signal == 0 {
                text
            } else {
                format!("{text}|{}", flags::one(signal, flags::SIGNALS))
            }
        }
    }
}

fn with_flags(mut text: String, value: u64, names: Names) -> String {
    if value != 0 {
        text.push('|');
        text.push_str(&flags::bits(value, names));
    }
    text
}

fn open(value: u64, arch: Arch) -> String {
    let mode = match value & 3 {
        0 => "O_RDONLY",
        1 => "O_WRONLY",
        2 => "O_RDWR",
        _ => "O_ACCMODE",
    };
    with_flags(mode.to_owned(), value & !3, flags::open(arch))
}

use Arg::{
    Bits, Clone as CloneFlags, Dir, Fd, Futex, Hex, Int, Long, Mode, One, Open, Path, Ptr, Size,
    SockType,
};

/// Ascending by name (a test checks). Prototypes: `include/linux/syscalls.h` of Linux 6.18.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    ("accept", &[Fd, Ptr, Ptr], Ret::Fd),
    ("accept4", &[Fd, Ptr, Ptr, Bits(flags::SOCK_FLAGS)], Ret::Fd),
    ("access", &[Path, Bits(flags::ACCESS)], Ret::Int),
    ("arch_prctl", &[Hex, Ptr], Ret::Int),
    ("bind", &[Fd, Ptr, Size], Ret::Int),
    ("brk", &[Ptr], Ret::Ptr),
    ("chdir", &[Path], Ret::Int),
    ("chmod", &[Path, Mode], Ret::Int),
    ("clock_gettime", &[One(flags::CLOCK), Ptr], Ret::Int),
    ("clock_nanosleep", &[One(flags::CLOCK), Bits(flags::TIMER), Ptr, Ptr], Ret::Int),
    ("clone", &[CloneFlags, Ptr, Ptr, Ptr, Ptr], Ret::Int),
    ("clone3", &[Ptr, Size], Ret::Int),
    ("close", &[Fd], Ret::Int),
    ("close_range", &[Fd, Fd, Hex], Ret::Int),
    ("connect", &[Fd, Ptr, Size], Ret::Int),
    ("copy_file_range", &[Fd, Ptr, Fd, Ptr, Size, Hex], Ret::Int),
    ("dup", &[Fd], Ret::Fd),
    ("dup2", &[Fd, Int], Ret::Fd),
    ("dup3", &[Fd, Int, Open], Ret::Fd),
    ("epoll_create1", &[Bits(flags::EPOLL_CREATE)], Ret::Fd),
    ("epoll_ctl", &[Fd, One(flags::EPOLL_OP), Fd, Ptr], Ret::Int),
    ("epoll_pwait", &[Fd, Ptr, Int, Int, Ptr, Size], Ret::Int),
    ("epoll_pwait2", &[Fd, Ptr, Int, Ptr, Ptr, Size], Ret::Int),
    ("epoll_wait", &[Fd, Ptr, Int, Int], Ret::Int),
    ("eventfd2", &[Size, Bits(flags::EVENTFD)], Ret::Fd),
    ("execve", &[Path, Ptr, Ptr], Ret::Int),
    ("exit", &[Int], Ret::Int),
    ("exit_group", &[Int], Ret::Int),
    ("faccessat", &[Dir, Path, Bits(flags::ACCESS)], Ret::Int),
    ("faccessat2", &[Dir, Path, Bits(flags::ACCESS), Bits(flags::AT)], Ret::Int),
    ("fadvise64", &[Fd, Long, Size, One(flags::FADVISE)], Ret::Int),
    ("fallocate", &[Fd, Hex, Long, Long], Ret::Int),
    ("fchmod", &[Fd, Mode], Ret::Int),
    ("fchmodat", &[Dir, Path, Mode], Ret::Int),
    ("fchown", &[Fd, Int, Int], Ret::Int),
    ("fchownat", &[Dir, Path, Int, Int, Bits(flags::AT)], Ret::Int),
    ("fcntl", &[Fd, One(flags::FCNTL), Hex], Ret::Int),
    ("fdatasync", &[Fd], Ret::Int),
    ("flock", &[Fd, Bits(flags::FLOCK)], Ret::Int),
    ("fstat", &[Fd, Ptr], Ret::Int),
    ("fstatfs", &[Fd, Ptr], Ret::Int),
    ("fsync", &[Fd], Ret::Int),
    ("ftruncate", &[Fd, Long], Ret::Int),
    ("futex", &[Ptr, Futex, Int, Ptr, Ptr, Hex], Ret::Int),
    ("getcwd", &[Ptr, Size], Ret::Int),
    ("getdents64", &[Fd, Ptr, Size], Ret::Int),
    ("getpeername", &[Fd, Ptr, Ptr], Ret::Int),
    ("getpid", &[], Ret::Int),
    ("getppid", &[], Ret::Int),
    ("getrandom", &[Ptr, Size, Bits(flags::GETRANDOM)], Ret::Int),
    ("getsockname", &[Fd, Ptr, Ptr], Ret::Int),
    ("getsockopt", &[Fd, One(flags::SOL), Int, Ptr, Ptr], Ret::Int),
    ("gettid", &[], Ret::Int),
    ("getuid", &[], Ret::Int),
    ("inotify_add_watch", &[Fd, Path, Hex], Ret::Int),
    ("io_uring_enter", &[Fd, Size, Size, Hex, Ptr, Size], Ret::Int),
    ("ioctl", &[Fd, Hex, Hex], Ret::Int),
    ("kill", &[Int, One(flags::SIGNALS)], Ret::Int),
    ("linkat", &[Dir, Path, Dir, Ptr, Bits(flags::AT)], Ret::Int),
    ("listen", &[Fd, Int], Ret::Int),
    ("lseek", &[Fd, Long, One(flags::WHENCE)], Ret::Int),
    ("lstat", &[Path, Ptr], Ret::Int),
    ("madvise", &[Ptr, Size, One(flags::MADVISE)], Ret::Int),
    ("mincore", &[Ptr, Size, Ptr], Ret::Int),
    ("mkdir", &[Path, Mode], Ret::Int),
    ("mkdirat", &[Dir, Path, Mode], Ret::Int),
    ("mmap", &[Ptr, Size, Bits(flags::PROT), Bits(flags::MAP), Fd, Hex], Ret::Ptr),
    ("mprotect", &[Ptr, Size, Bits(flags::PROT)], Ret::Int),
    ("mremap", &[Ptr, Size, Size, Hex, Ptr], Ret::Ptr),
    ("msync", &[Ptr, Size, Hex], Ret::Int),
    ("munmap", &[Ptr, Size], Ret::Int),
    ("nanosleep", &[Ptr, Ptr], Ret::Int),
    ("newfstatat", &[Dir, Path, Ptr, Bits(flags::AT)], Ret::Int),
    ("open", &[Path, Open, Mode], Ret::Fd),
    ("openat", &[Dir, Path, Open, Mode], Ret::Fd),
    ("openat2", &[Dir, Path, Ptr, Size], Ret::Fd),
    ("pidfd_open", &[Int, Hex], Ret::Fd),
    ("pidfd_send_signal", &[Fd, One(flags::SIGNALS), Ptr, Hex], Ret::Int),
    ("pipe2", &[Ptr, Open], Ret::Int),
    ("poll", &[Ptr, Size, Int], Ret::Int),
    ("ppoll", &[Ptr, Size, Ptr, Ptr, Size], Ret::Int),
    ("prctl", &[Int, Hex, Hex, Hex, Hex], Ret::Int),
    ("pread64", &[Fd, Ptr, Size, Long], Ret::Int),
    ("preadv", &[Fd, Ptr, Size, Long], Ret::Int),
    ("prlimit64", &[Int, Int, Ptr, Ptr], Ret::Int),
    ("pwrite64", &[Fd, Ptr, Size, Long], Ret::Int),
    ("pwritev", &[Fd, Ptr, Size, Long], Ret::Int),
    ("read", &[Fd, Ptr, Size], Ret::Int),
    ("readlink", &[Path, Ptr, Size], Ret::Int),
    ("readlinkat", &[Dir, Path, Ptr, Size], Ret::Int),
    ("readv", &[Fd, Ptr, Int], Ret::Int),
    ("recvfrom", &[Fd, Ptr, Size, Bits(flags::MSG), Ptr, Ptr], Ret::Int),
    ("recvmmsg", &[Fd, Ptr, Int, Bits(flags::MSG), Ptr], Ret::Int),
    ("recvmsg", &[Fd, Ptr, Bits(flags::MSG)], Ret::Int),
    ("rename", &[Path, Ptr], Ret::Int),
    ("renameat", &[Dir, Path, Dir, Ptr], Ret::Int),
    ("renameat2", &[Dir, Path, Dir, Ptr, Bits(flags::RENAME)], Ret::Int),
    ("restart_syscall", &[], Ret::Int),
    ("rmdir", &[Path], Ret::Int),
    ("rt_sigaction", &[One(flags::SIGNALS), Ptr, Ptr, Size], Ret::Int),
    ("rt_sigprocmask", &[One(flags::SIGMASK), Ptr, Ptr, Size], Ret::Int),
    ("rt_sigreturn", &[], Ret::Int),
    ("sched_getaffinity", &[Int, Size, Ptr], Ret::Int),
    ("sched_yield", &[], Ret::Int),
    ("sendfile", &[Fd, Fd, Ptr, Size], Ret::Int),
    ("sendmmsg", &[Fd, Ptr, Int, Bits(flags::MSG)], Ret::Int),
    ("sendmsg", &[Fd, Ptr, Bits(flags::MSG)], Ret::Int),
    ("sendto", &[Fd, Ptr, Size, Bits(flags::MSG), Ptr, Size], Ret::Int),
    ("setsockopt", &[Fd, One(flags::SOL), Int, Ptr, Size], Ret::Int),
    ("shutdown", &[Fd, One(flags::SHUTDOWN)], Ret::Int),
    ("sigaltstack", &[Ptr, Ptr], Ret::Int),
    ("socket", &[One(flags::FAMILY), SockType, Int], Ret::Fd),
    ("socketpair", &[One(flags::FAMILY), SockType, Int, Ptr], Ret::Int),
    ("splice", &[Fd, Ptr, Fd, Ptr, Size, Bits(flags::SPLICE)], Ret::Int),
    ("stat", &[Path, Ptr], Ret::Int),
    ("statfs", &[Path, Ptr], Ret::Int),
    ("statx", &[Dir, Path, Bits(flags::AT), Hex, Ptr], Ret::Int),
    ("symlinkat", &[Path, Dir, Ptr], Ret::Int),
    ("sync_file_range", &[Fd, Long, Long, Bits(flags::SYNC_RANGE)], Ret::Int),
    ("tgkill", &[Int, Int, One(flags::SIGNALS)], Ret::Int),
    ("timer_create", &[One(flags::CLOCK), Ptr, Ptr], Ret::Int),
    ("timer_settime", &[Int, Bits(flags::TIMER), Ptr, Ptr], Ret::Int),
    ("truncate", &[Path, Long], Ret::Int),
    ("uname", &[Ptr], Ret::Int),
    ("unlink", &[Path], Ret::Int),
    ("unlinkat", &[Dir, Path, Bits(flags::AT)], Ret::Int),
    ("utimensat", &[Dir, Path, Ptr, Bits(flags::AT)], Ret::Int),
    ("wait4", &[Int, Ptr, Bits(flags::WAIT), Ptr], Ret::Int),
    ("waitid", &[Int, Int, Ptr, Bits(flags::WAIT), Ptr], Ret::Int),
    ("write", &[Fd, Ptr, Size], Ret::Int),
    ("writev", &[Fd, Ptr, Int], Ret::Int),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_ascend_and_name_real_syscalls() {
        assert!(TABLE.windows(2).all(|w| w[0].0 < w[1].0));
        for (name, args, _) in TABLE {
            assert!(Arch::X86_64.syscall_number(name).is_ok(), "{name}");
            assert!(args.len() <= 6);
        }
        assert!(row("write").is_some());
        assert!(row("bpf").is_none());
    }

    #[test]
    fn flags_by_name() {
        let x86 = |arg, value| write(arg, value, Arch::X86_64);
        assert_eq!(x86(Open, 0o2000000), "O_RDONLY|O_CLOEXEC");
        assert_eq!(x86(Open, 0o102101), "O_WRONLY|O_CREAT|O_APPEND|O_LARGEFILE");
        assert_eq!(x86(Open, 0o4010002), "O_RDWR|O_SYNC");
        assert_eq!(x86(Open, 0o200000), "O_RDONLY|O_DIRECTORY");
        assert_eq!(write(Open, 0o40000, Arch::Aarch64), "O_RDONLY|O_DIRECTORY");
        assert_eq!(x86(Futex, 128), "FUTEX_WAIT_PRIVATE");
        assert_eq!(x86(Futex, 129), "FUTEX_WAKE_PRIVATE");
        assert_eq!(
            x86(SockType, 0o2004001),
            "SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK"
        );
        assert_eq!(x86(Bits(flags::PROT), 0), "0");
        assert_eq!(
            x86(Bits(flags::MSG), 0x4000 | 0x80000000),
            "MSG_NOSIGNAL|0x80000000"
        );
        assert_eq!(x86(One(flags::SIGNALS), 23), "SIGURG");
        assert_eq!(x86(One(flags::MADVISE), 77), "0x4d");
        assert_eq!(
            x86(CloneFlags, 0x50f00),
            "CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM"
        );
        assert_eq!(x86(CloneFlags, 0x4111), "CLONE_VM|CLONE_VFORK|SIGCHLD");
    }

    #[test]
    fn plain_arguments() {
        let x86 = |arg, value| write(arg, value, Arch::X86_64);
        assert_eq!(x86(Dir, 0xffff_ff9c), "AT_FDCWD");
        assert_eq!(x86(Dir, -100i64 as u64), "AT_FDCWD");
        assert_eq!(x86(Fd, u64::from(u32::MAX)), "-1");
        assert_eq!(x86(Ptr, 0), "NULL");
        assert_eq!(x86(Ptr, 0xc000_01a0), "0xc00001a0");
        assert_eq!(x86(Long, u64::MAX), "-1");
        assert_eq!(x86(Mode, 0o100_644), "0644");
        assert_eq!(x86(Mode, 0), "0000");
        assert_eq!(x86(Hex, 0), "0x0");
    }
}
