//! Reading `/proc/PID`: the raw files and the two that everything else needs, `stat` and `status`.
//!
//! Everything is bytes until it is shown. It does not interpret what it reads beyond splitting it.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// `/proc/PID/NAME`.
#[must_use]
pub fn path(pid: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

/// Every process in the pid namespace of the mounted `/proc`, in ascending order.
///
/// # Errors
/// When `/proc` cannot be listed.
pub fn pids() -> io::Result<Vec<u32>> {
    numbered_entries("/proc")
}

/// The entries of a directory whose names are numbers (processes, threads, descriptors), ascending.
///
/// # Errors
/// When the directory cannot be listed.
pub fn numbered_entries(dir: impl AsRef<std::path::Path>) -> io::Result<Vec<u32>> {
    let mut out = Vec::new();
    for entry in fs::read_dir(dir)? {
        // An entry that cannot be read belongs to a process that has just ended.
        let Ok(entry) = entry else { continue };
        if let Some(n) = parse_number(entry.file_name().as_bytes()) {
            out.push(n);
        }
    }
    out.sort_unstable();
    Ok(out)
}

/// A decimal number, and nothing else, from bytes.
pub(crate) fn parse_number<T: std::str::FromStr>(bytes: &[u8]) -> Option<T> {
    // `u32::from_str` would take a leading plus sign.
    if !bytes.first()?.is_ascii_digit() {
        return None;
    }
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// What `/proc/PID/stat` says, as far as it is needed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// The command name: 15 bytes at most, lossily decoded.
    pub comm: String,
    /// `R`, `S`, `D`, `T`, `Z`, ...
    pub state: u8,
    /// The parent's pid, 0 when it is outside our pid namespace.
    pub ppid: u32,
    /// `PF_*` flags of the kernel's task.
    pub flags: u64,
    /// When the process started, in clock ticks (`sysconf(_SC_CLK_TCK)`) since boot.
    pub start_time: u64,
    /// Page faults so far, its ended threads' too: served from memory, and from a disk.
    pub minor_faults: u64,
    #[allow(missing_docs, reason = "see above")]
    pub major_faults: u64,
}

/// `PF_KTHREAD` of the kernel's include/linux/sched.h.
const PF_KTHREAD: u64 = 0x0020_0000;

impl Stat {
    /// Reads `/proc/PID/stat`, which every user may.
    ///
    /// # Errors
    /// `NotFound` or `ESRCH` when the process is not there, `InvalidData` when the text is not as
    /// proc(5) says.
    pub fn read(pid: u32) -> io::Result<Self> {
        Self::parse(&fs::read(path(pid, "stat"))?)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "malformed stat"))
    }

    fn parse(text: &[u8]) -> Option<Self> {
        // The name stands in parentheses and may itself hold parentheses, spaces and newlines: it
        // ends at the last one.
        let open = text.iter().position(|&b| b == b'(')?;
        let close = text.iter().rposition(|&b| b == b')')?;
        let comm = String::from_utf8_lossy(text.get(open + 1..close)?).into_owned();
        let rest: Vec<&[u8]> = text
            .get(close + 1..)?
            .split(u8::is_ascii_whitespace)
            .filter(|f| !f.is_empty())
            .collect();
        // Field numbers of proc(5), counted from 1; the third is the first after the name.
        let field = |n: usize| rest.get(n - 3).copied();
        Some(Self {
            comm,
            state: *field(3)?.first()?,
            ppid: parse_number(field(4)?)?,
            flags: parse_number(field(9)?)?,
            start_time: parse_number(field(22)?)?,
            minor_faults: parse_number(field(10)?)?,
            major_faults: parse_number(field(12)?)?,
        })
    }

    /// Whether the kernel itself runs in it.
    #[must_use]
    pub fn is_kernel_thread(&self) -> bool {
        self.flags & PF_KTHREAD != 0
    }

    /// Whether it has ended: a zombie, or on its way from there.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// Whether a process has ended, all of it. The first thread alone may be a zombie: for a moment when
/// another thread executes a program (de_thread of the kernel's fs/exec.c), or for good when it
/// ended before the others.
#[must_use]
pub fn has_ended(pid: u32, stat: &Stat) -> bool {
    let others = || numbered_entries(path(pid, "task")).is_ok_and(|t| t.iter().any(|&t| t != pid));
    // Looked at again at last: the exec may have been over when the threads were listed.
    stat.is_dead() && !others() && Stat::read(pid).map_or(true, |s| s.is_dead())
}

/// What `/proc/PID/status` says, as far as it is needed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The process this thread belongs to; equal to the pid for a process.
    pub tgid: u32,
    /// The effective user id.
    pub uid: u32,
    /// The pid in every pid namespace, from the one of the mounted `/proc` to the innermost.
    pub ns_pids: Vec<u32>,
}

impl Status {
    /// Reads `/proc/PID/status`, which every user may.
    ///
    /// # Errors
    /// As [`Stat::read`].
    pub fn read(pid: u32) -> io::Result<Self> {
        Self::parse(&fs::read(path(pid, "status"))?)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "malformed status"))
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let field = |name: &[u8]| {
            text.split(|&b| b == b'\n')
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(b":"))
                .map(|value| {
                    value
                        .split(u8::is_ascii_whitespace)
                        .filter_map(parse_number)
                        .collect::<Vec<u32>>()
                })
        };
        let tgid = *field(b"Tgid")?.first()?;
        Some(Self {
            tgid,
            // Real, effective, saved, file system.
            uid: *field(b"Uid")?.get(1)?,
            // A kernel without pid namespaces has no such line.
            ns_pids: field(b"NSpid").unwrap_or_else(|| vec![tgid]),
        })
    }
}

/// The arguments of a process; empty when it has none or they cannot be read.
#[must_use]
pub fn cmdline(pid: u32) -> Vec<Vec<u8>> {
    let Ok(text) = fs::read(path(pid, "cmdline")) else {
        return Vec::new();
    };
    split_cmdline(&text)
}

fn split_cmdline(text: &[u8]) -> Vec<Vec<u8>> {
    if text.is_empty() {
        return Vec::new();
    }
    // Every argument ends with a NUL, so the last piece is empty; a process that rewrote its title
    // may have left the NUL out.
    let text = text.strip_suffix(b"\0").unwrap_or(text);
    text.split(|&b| b == 0).map(<[u8]>::to_vec).collect()
}

/// The part of a path after its last slash.
pub(crate) fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&b| b == b'/').next().unwrap_or(path)
}

/// A path from the bytes the kernel gave.
pub(crate) fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// Whether an error says that the process is not there: the file is missing, or the read found the
/// task dead.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_with_a_hostile_name() {
        let text =
            b"42 (a) R 1 (\n x) S 7 42 42 0 -1 2097408 1 2 3 4 5 6 7 8 20 0 9 0 12345 1 2 3\n";
        let stat = Stat::parse(text).unwrap();
        assert_eq!(stat.comm, "a) R 1 (\n x");
        assert_eq!(stat.state, b'S');
        assert_eq!(stat.ppid, 7);
        assert!(stat.is_kernel_thread());
        assert_eq!(stat.start_time, 12345);
    }

    #[test]
    fn stat_cut_short_is_refused() {
        let text = b"42 (x) S 7 42 42 0 -1 0 1 2 3";
        assert_eq!(Stat::parse(text), None);
        assert_eq!(Stat::parse(b""), None);
        assert_eq!(Stat::parse(b")("), None);
    }

    #[test]
    fn stat_with_a_name_that_is_not_utf8() {
        let text = b"42 (\xff\xfe) Z 7 42 42 0 -1 0 1 2 3 4 5 6 7 8 20 0 9 0 1 1 2 3\n";
        let stat = Stat::parse(text).unwrap();
        assert_eq!(stat.comm, "\u{fffd}\u{fffd}");
        assert!(stat.is_dead());
    }

    #[test]
    fn status_in_a_pid_namespace() {
        let text = b"Name:\tserver\nTgid:\t900\nPid:\t900\nUid:\t1\t2\t3\t4\nNSpid:\t900\t12\t1\n";
        let status = Status::parse(text).unwrap();
        assert_eq!(status.tgid, 900);
        assert_eq!(status.uid, 2);
        assert_eq!(status.ns_pids, [900, 12, 1]);
    }

    #[test]
    fn cmdline_is_split_at_nul() {
        assert_eq!(split_cmdline(b"a\0b c\0\0"), [&b"a"[..], b"b c", b""]);
        assert_eq!(split_cmdline(b"title"), [b"title"]);
        assert!(split_cmdline(b"").is_empty());
    }

    #[test]
    fn own_stat_is_readable() {
        let stat = Stat::read(std::process::id()).unwrap();
        assert!(!stat.is_dead() && !stat.is_kernel_thread());
    }
}
