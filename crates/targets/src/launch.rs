//! `-- CMD ARGS`: a command that is started, and held before its first instruction.
//!
//! A process traced from its beginning must be known to the tracer before it runs. So the child is
//! forked, waits on a pipe, and executes the command only when [`Launch::release`] is called; in
//! between, its pid can be marked. It uses no ptrace, which would keep other tracers out.
//!
//! The child inherits standard input, output and error, the environment and the working directory,
//! and stays in gostall's process group: on Ctrl-C the terminal sends SIGINT to both, the command
//! ends as it would without gostall, and gostall reports what it saw. If gostall dies before the
//! release, the pipe closes and the child exits without having run anything.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::thread::JoinHandle;

use rustix::fs::{Access, access};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::error::Error;

/// A command that has been forked and not yet executed.
///
/// Dropped without [`release`](Self::release), the command never runs.
#[derive(Debug)]
pub struct Launch {
    pid: u32,
    executable: PathBuf,
    /// One byte into it releases the child, closing it sends the child away.
    gate: Option<OwnedFd>,
    /// `Command::spawn` returns only after the exec, so it runs on a thread of its own.
    spawn: Option<JoinHandle<io::Result<Child>>>,
}

impl Launch {
    /// Forks the command `argv[0]` with the arguments `argv[1..]` and holds it.
    ///
    /// Until the release, `/proc/PID` shows a copy of gostall, not the command.
    ///
    /// # Errors
    /// Those of [`resolve_command`] for `argv[0]`, [`Error::Launch`] when the fork fails.
    pub fn hold(argv: &[OsString]) -> Result<Self, Error> {
        let name = argv.first().map_or(OsStr::new(""), OsString::as_os_str);
        let executable = resolve_command(name)?;
        let fail = |source: io::Error| Error::Launch {
            path: executable.clone(),
            source,
        };
        let new_pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(|e| fail(e.into()));
        let (gate_read, gate_write) = new_pipe()?;
        let (pid_read, pid_write) = new_pipe()?;

        let mut command = Command::new(&executable);
        command.arg0(name).args(argv.get(1..).unwrap_or_default());
        let gate_write_number = gate_write.as_raw_fd();
        let child_side = move || {
            // SAFETY: in the child the number still means the copy of `gate_write`, which nothing
            // there owns: the parent's `OwnedFd` lives in the parent, where fork left it open.
            unsafe { rustix::io::close(gate_write_number) };
            let pid = rustix::process::getpid().as_raw_nonzero().get();
            rustix::io::write(&pid_write, &pid.to_ne_bytes())?;
            wait_for_release(&gate_read)
        };
        // SAFETY: between fork and exec the closure only calls close, getpid, write and read, all
        // async-signal-safe, and allocates nothing (its errors are plain numbers).
        unsafe { command.pre_exec(child_side) };

        let spawn = std::thread::Builder::new()
            .name("launch".into())
            // `command` owns the closure and with it our copies of the child's pipe ends: dropped
            // here, so that a failed fork reads as an end of file below.
            .spawn(move || command.spawn())
            .map_err(&fail)?;

        let mut pid = [0u8; 4];
        if File::from(pid_read).read_exact(&mut pid).is_err() {
            // No pid came: the fork failed, and its reason is what the thread returns.
            drop(gate_write);
            let error = match spawn.join() {
                Ok(Err(error)) => error,
                _ => io::Error::other("the child ended before it started"),
            };
            return Err(fail(error));
        }
        Ok(Self {
            pid: u32::from_ne_bytes(pid),
            executable,
            gate: Some(gate_write),
            spawn: Some(spawn),
        })
    }

    /// The pid, in gostall's own pid namespace. It stays the same when the command is executed.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The file that will be executed.
    #[must_use]
    pub fn executable(&self) -> &Path {
        &self.executable
    }

    /// Lets the child execute the command, and returns once it has.
    ///
    /// # Errors
    /// [`Error::Launch`] when the command cannot be executed.
    pub fn release(mut self) -> Result<Launched, Error> {
        let fail = |source: io::Error| Error::Launch {
            path: self.executable.clone(),
            source,
        };
        if let Some(gate) = self.gate.take() {
            File::from(gate).write_all(&[1]).map_err(fail)?;
        }
        let result = match self.spawn.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            _ => Err(io::Error::other("the thread that starts it has ended")),
        };
        result.map(|child| Launched { child }).map_err(fail)
    }
}

impl Drop for Launch {
    fn drop(&mut self) {
        drop(self.gate.take());
        if let Some(spawn) = self.spawn.take() {
            // The child exits at once, and `spawn` has collected it when it returns.
            let _ = spawn.join();
        }
    }
}

/// Blocks in the child until a byte comes; an end of file means that gostall is gone.
fn wait_for_release(gate: &OwnedFd) -> io::Result<()> {
    let mut byte = [0u8];
    loop {
        match rustix::io::read(gate, &mut byte) {
            Ok(1) => return Ok(()),
            Ok(_) => return Err(rustix::io::Errno::CANCELED.into()),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

/// A command that runs, or has run.
#[derive(Debug)]
pub struct Launched {
    child: Child,
}

impl Launched {
    /// The pid, in gostall's own pid namespace.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The exit status if the command has ended. It also collects the zombie.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses to say.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>, Error> {
        let pid = self.pid();
        self.child.try_wait().map_err(|e| wait_error(pid, e))
    }

    /// Waits for the command to end.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses to say.
    pub fn wait(&mut self) -> Result<ExitStatus, Error> {
        let pid = self.pid();
        self.child.wait().map_err(|e| wait_error(pid, e))
    }

    /// Asks the command to end, with SIGTERM; nothing happens if it has ended and was waited for.
    pub fn terminate(&mut self) {
        // Until it is waited for, the pid cannot be another process.
        if matches!(self.child.try_wait(), Ok(None))
            && let Some(pid) = i32::try_from(self.pid())
                .ok()
                .and_then(rustix::process::Pid::from_raw)
        {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
    }
}

fn wait_error(pid: u32, source: io::Error) -> Error {
    Error::Io {
        what: "cannot wait for the command",
        path: crate::proc::path(pid, ""),
        source,
    }
}

/// The file that executing `command` would execute: itself if it has a slash, else the first
/// executable of that name in PATH, as execvp(3) looks for it.
///
/// # Errors
/// [`Error::CommandNotFound`], or [`Error::NotExecutable`] when there is such a file only without
/// the permission.
pub fn resolve_command(command: &OsStr) -> Result<PathBuf, Error> {
    /// What glibc searches when PATH is not set (`confstr(_CS_PATH)`).
    const DEFAULT_PATH: &str = "/bin:/usr/bin";
    let path = std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
    resolve_in(command, &path)
}

fn resolve_in(command: &OsStr, search: &OsStr) -> Result<PathBuf, Error> {
    let not_found = |searched| Error::CommandNotFound {
        command: command.to_owned(),
        searched,
    };
    if command.is_empty() {
        return Err(not_found(false));
    }
    if command.as_bytes().contains(&b'/') {
        let path = PathBuf::from(command);
        return match executable(&path) {
            Found::Yes => Ok(path),
            Found::No(reason) => Err(Error::NotExecutable { path, reason }),
            Found::Absent => Err(not_found(false)),
        };
    }
    let mut refused = None;
    for dir in search.as_bytes().split(|&b| b == b':') {
        // An empty entry is the working directory.
        let dir = if dir.is_empty() { &b"."[..] } else { dir };
        let path = Path::new(OsStr::from_bytes(dir)).join(command);
        match executable(&path) {
            Found::Yes => return Ok(path),
            Found::No(reason) => {
                refused.get_or_insert(Error::NotExecutable { path, reason });
            }
            Found::Absent => {}
        }
    }
    Err(refused.unwrap_or_else(|| not_found(true)))
}

enum Found {
    Yes,
    No(&'static str),
    Absent,
}

fn executable(path: &Path) -> Found {
    match path.metadata() {
        Ok(meta) if meta.is_dir() => Found::No("it is a directory: give the program in it"),
        Ok(_) if access(path, Access::EXEC_OK).is_ok() => Found::Yes,
        Ok(_) => Found::No("permission denied: make it executable (chmod +x)"),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            Found::No("permission denied on a directory of the path")
        }
        Err(_) => Found::Absent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn file(dir: &Path, name: &str, mode: u32) {
        fs::write(dir.join(name), "#!/bin/sh\n").unwrap();
        fs::set_permissions(dir.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn path_is_searched_as_execvp_does() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        file(a.path(), "tool", 0o644);
        fs::create_dir(a.path().join("dir")).unwrap();
        file(b.path(), "tool", 0o755);
        let search = std::env::join_paths([a.path(), b.path()]).unwrap();
        let find = |name: &str| resolve_in(OsStr::new(name), &search);
        // The one without permission is passed over.
        assert_eq!(find("tool").unwrap(), b.path().join("tool"));
        assert!(matches!(find("dir"), Err(Error::NotExecutable { .. })));
        assert!(matches!(
            find("none"),
            Err(Error::CommandNotFound { searched: true, .. })
        ));
        assert!(matches!(
            find("./none"),
            Err(Error::CommandNotFound {
                searched: false,
                ..
            })
        ));
        let refused = a.path().join("tool");
        assert!(matches!(
            resolve_in(refused.as_os_str(), OsStr::new("")),
            Err(Error::NotExecutable { .. })
        ));
        assert!(resolve_in(OsStr::new(""), &search).is_err());
    }
}
