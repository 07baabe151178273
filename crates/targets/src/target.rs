//! One process to watch: its identity, and what is worth knowing before attaching to it.
//!
//! A [`Target`] is a picture of one moment. It is not kept up to date; ask [`Target::is_alive`]
//! whether it still means the same process.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::error::Error;
use crate::proc::{self, Stat, Status};

/// A process, told from a later one with the same pid by its start time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The pid in the pid namespace of the mounted `/proc` (gostall's own, as a rule).
    pub pid: u32,
    /// When it started, in clock ticks since boot. (pid, start time) is the identity.
    pub start_time: u64,
    /// The command name, 15 bytes at most.
    pub comm: String,
    /// The executable as the process itself would name it: the path in its own mount namespace and
    /// below its own root, without the kernel's ` (deleted)`.
    pub exe_display: PathBuf,
    /// Whether the executable's directory entry is gone or names another file by now.
    pub exe_deleted: bool,
    /// `/proc/PID/exe`: opens the executable that really runs, even one that was deleted or lies in
    /// a container.
    pub exe_open_path: PathBuf,
    /// The arguments, lossily decoded.
    pub cmdline: Vec<String>,
    /// The effective user id.
    pub uid: u32,
    /// The parent's pid, 0 when it is outside our pid namespace.
    pub parent: u32,
    /// The inode of its pid namespace.
    pub pid_ns: u64,
    /// The inode of its network namespace.
    pub net_ns: u64,
    /// The inode of its mount namespace.
    pub mnt_ns: u64,
    /// Its pid in every pid namespace it is in, ours first, its own last.
    pub ns_pids: Vec<u32>,
}

impl Target {
    /// Reads a process that can be watched.
    ///
    /// # Errors
    /// [`Error::NoSuchProcess`], [`Error::IsThread`], [`Error::KernelThread`], [`Error::Zombie`],
    /// [`Error::PermissionDenied`], and [`Error::Gone`] when it ends meanwhile.
    pub fn read(pid: u32) -> Result<Self, Error> {
        let absent = |e: io::Error| {
            if proc::is_gone(&e) {
                Error::NoSuchProcess { pid }
            } else {
                io_error(e, proc::path(pid, "stat"))
            }
        };
        let stat = Stat::read(pid).map_err(absent)?;
        let status = Status::read(pid).map_err(absent)?;
        if status.tgid != pid {
            return Err(Error::IsThread {
                tid: pid,
                pid: status.tgid,
            });
        }
        if stat.is_kernel_thread() {
            return Err(Error::KernelThread {
                pid,
                comm: stat.comm,
            });
        }
        if proc::has_ended(pid, &stat) {
            return Err(Error::Zombie {
                pid,
                comm: stat.comm,
                parent: stat.ppid,
            });
        }

        let fail = |e: io::Error, name: &str| match e.kind() {
            io::ErrorKind::PermissionDenied => Error::PermissionDenied {
                pid,
                comm: stat.comm.clone(),
                uid: status.uid,
                path: proc::path(pid, name),
            },
            _ if proc::is_gone(&e) => Error::Gone { pid },
            _ => io_error(e, proc::path(pid, name)),
        };
        let namespace = |name: &str| {
            fs::metadata(proc::path(pid, name))
                .map(|m| m.ino())
                .map_err(|e| fail(e, name))
        };
        let exe = ExeName::read(pid).map_err(|e| fail(e, "exe"))?;
        let target = Self {
            pid,
            start_time: stat.start_time,
            exe_display: exe.display,
            exe_deleted: exe.deleted,
            exe_open_path: proc::path(pid, "exe"),
            cmdline: proc::cmdline(pid)
                .iter()
                .map(|a| String::from_utf8_lossy(a).into_owned())
                .collect(),
            uid: status.uid,
            parent: stat.ppid,
            pid_ns: namespace("ns/pid")?,
            net_ns: namespace("ns/net")?,
            mnt_ns: namespace("ns/mnt")?,
            ns_pids: status.ns_pids.clone(),
            comm: stat.comm.clone(),
        };
        // All of the above was read piece by piece: was it one and the same process?
        if target.is_alive() {
            Ok(target)
        } else {
            Err(Error::Gone { pid })
        }
    }

    /// Whether this very process still runs: same pid, same start time, not a zombie.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        Stat::read(self.pid)
            .is_ok_and(|s| s.start_time == self.start_time && !proc::has_ended(self.pid, &s))
    }

    /// A pidfd of this very process: readable (poll) once it has ended, and never another process.
    ///
    /// # Errors
    /// [`Error::Gone`] when it has ended, [`Error::Io`] when the kernel has no pidfds (before 5.3).
    pub fn pidfd(&self) -> Result<OwnedFd, Error> {
        let pid = i32::try_from(self.pid)
            .ok()
            .and_then(Pid::from_raw)
            .ok_or(Error::Gone { pid: self.pid })?;
        let fd = pidfd_open(pid, PidfdFlags::empty()).map_err(|e| {
            let e = io::Error::from(e);
            if proc::is_gone(&e) {
                Error::Gone { pid: self.pid }
            } else {
                Error::Io {
                    what: "cannot open a pidfd",
                    path: proc::path(self.pid, ""),
                    source: e,
                }
            }
        })?;
        // The pid may have been reused before the call; after it, the descriptor is fixed.
        if self.is_alive() {
            Ok(fd)
        } else {
            Err(Error::Gone { pid: self.pid })
        }
    }
}

fn io_error(source: io::Error, path: PathBuf) -> Error {
    Error::Io {
        what: "cannot read",
        path,
        source,
    }
}

/// What a process's executable is called, and whether that name still leads to it.
pub(crate) struct ExeName {
    pub(crate) display: PathBuf,
    pub(crate) deleted: bool,
}

/// What the kernel (fs/d_path.c) appends to the path of an unlinked file.
const DELETED: &[u8] = b" (deleted)";

impl ExeName {
    pub(crate) fn read(pid: u32) -> io::Result<Self> {
        let link = fs::read_link(proc::path(pid, "exe"))?;
        Ok(Self::of(&link, pid, "exe"))
    }

    /// Names the file behind a `/proc/PID` link whose text is `link`.
    pub(crate) fn of(link: &Path, pid: u32, name: &str) -> Self {
        let root = fs::read_link(proc::path(pid, "root")).unwrap_or_else(|_| PathBuf::from("/"));
        let seen = below_root(link.as_os_str().as_bytes(), root.as_os_str().as_bytes());
        let Some(stripped) = seen.strip_suffix(DELETED) else {
            return Self {
                display: proc::path_of(seen),
                deleted: false,
            };
        };
        // A file may really be called "x (deleted)": then that name, looked up in the process's own
        // root, leads to the same inode as the link.
        let mut by_name = proc::path(pid, "root")
            .into_os_string()
            .into_encoded_bytes();
        by_name.extend_from_slice(seen);
        let same = match (
            fs::metadata(proc::path_of(&by_name)),
            fs::metadata(proc::path(pid, name)),
        ) {
            (Ok(a), Ok(b)) => a.dev() == b.dev() && a.ino() == b.ino(),
            _ => false,
        };
        Self {
            display: proc::path_of(if same { seen } else { stripped }),
            deleted: !same,
        }
    }
}

/// Cuts a process's root directory (chroot) off a path the kernel gave relative to our own root.
fn below_root<'a>(path: &'a [u8], root: &[u8]) -> &'a [u8] {
    if root == b"/" {
        return path;
    }
    match path.strip_prefix(root) {
        Some(rest) if rest.starts_with(b"/") => rest,
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_cut_at_a_slash_only() {
        assert_eq!(below_root(b"/srv/c/bin/x", b"/"), b"/srv/c/bin/x");
        assert_eq!(below_root(b"/srv/c/bin/x", b"/srv/c"), b"/bin/x");
        assert_eq!(below_root(b"/srv/cx/bin/x", b"/srv/c"), b"/srv/cx/bin/x");
    }

    #[test]
    fn own_process_is_a_target() {
        let target = Target::read(std::process::id()).unwrap();
        assert!(target.is_alive());
        assert!(!target.exe_deleted);
        assert_eq!(target.exe_display, std::env::current_exe().unwrap());
        assert!(target.pidfd().is_ok());
    }

    #[test]
    fn a_reused_pid_is_another_process() {
        let mut target = Target::read(std::process::id()).unwrap();
        target.start_time += 1;
        assert!(!target.is_alive());
        assert!(matches!(target.pidfd(), Err(Error::Gone { .. })));
    }

    /// exit(2), not exit_group(2), of the first thread: a zombie in /proc/PID/stat, while others run.
    #[test]
    fn a_process_outlives_its_first_thread() {
        const CODE: &str = "import threading, time, ctypes
threading.Thread(target=time.sleep, args=(60,)).start()
ctypes.CDLL(None).syscall(60 if __import__('platform').machine() == 'x86_64' else 93, 0)";
        let mut child = std::process::Command::new("python3")
            .args(["-c", CODE])
            .spawn()
            .unwrap();
        let target = Target::read(child.id());
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !Stat::read(child.id()).unwrap().is_dead() {
            assert!(std::time::Instant::now() < deadline);
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let alive = target.unwrap().is_alive();
        child.kill().unwrap();
        // Dead and not waited for.
        std::thread::sleep(std::time::Duration::from_millis(300));
        let dead = proc::has_ended(child.id(), &Stat::read(child.id()).unwrap());
        child.wait().unwrap();
        assert!(alive && dead, "{alive} {dead}");
    }

    #[test]
    fn a_thread_is_not_a_process() {
        let (tx, rx) = std::sync::mpsc::channel();
        let (stop_tx, stop_rx) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            tx.send(rustix::thread::gettid().as_raw_nonzero().get())
                .unwrap();
            let _ = stop_rx.recv();
        });
        let tid = u32::try_from(rx.recv().unwrap()).unwrap();
        let error = Target::read(tid).unwrap_err();
        assert!(
            matches!(error, Error::IsThread { pid, .. } if pid == std::process::id()),
            "{error}"
        );
        drop(stop_tx);
        thread.join().unwrap();
    }
}
