//! Writing results: to standard output, whole to a file, or line by line.
//!
//! Two failures have a meaning of their own. When the reader of a pipe has gone (`| head`), nobody
//! wants the rest: the command ends quietly with exit code 0, as ripgrep does, for the user got what
//! he asked for. Everything else that cannot be written, a full disk above all, is an error with
//! exit code 2: a report cut short must never pass for a whole one.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Access, access};

use super::config::Destination;

/// Why something could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The reader of the pipe has gone.
    #[error("the reader of the output has gone")]
    ReaderGone,
    /// Anything else.
    #[error("cannot write the output: {to}: {source}{}", remedy(.source))]
    Failed {
        /// A path, or `standard output`.
        to: String,
        /// The system's reason.
        source: io::Error,
    },
}

impl WriteError {
    /// Prints what there is to say and gives the exit code.
    pub fn report(&self) -> ExitCode {
        match self {
            Self::ReaderGone => ExitCode::SUCCESS,
            Self::Failed { .. } => super::fail(self),
        }
    }

    fn new(to: &str, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::BrokenPipe {
            Self::ReaderGone
        } else {
            Self::Failed {
                to: to.to_owned(),
                source,
            }
        }
    }
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ": free some space, or write elsewhere with -o FILE"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            ": write elsewhere with -o FILE"
        }
        _ => "",
    }
}

/// Whether a file can be written, as far as one can know before writing it.
///
/// # Errors
/// The message why not.
pub fn check_writable(path: &Path) -> Result<(), String> {
    let fail = |why: &str| {
        Err(format!(
            "cannot write the output: {}: {why}",
            path.display()
        ))
    };
    if path.is_dir() {
        return fail("it is a directory: give a file");
    }
    if path.exists() && !is_replaceable(path) {
        return match access(path, Access::WRITE_OK) {
            Ok(()) => Ok(()),
            Err(e) => fail(&format!("{}: choose another file", io::Error::from(e))),
        };
    }
    let dir = directory(path);
    if !dir.is_dir() {
        return fail("its directory does not exist: create it, or choose another file");
    }
    match access(dir, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => Ok(()),
        Err(e) => fail(&format!(
            "its directory: {}: choose another file",
            io::Error::from(e)
        )),
    }
}

/// Whether a new file may take the place of this one: it is a plain file. A device, a pipe or what
/// a symbolic link leads to (/dev/stdout) is written in place.
fn is_replaceable(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|m| m.is_file())
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

/// Whether standard output was closed when gostall began (`>&-`). Rust's runtime then puts
/// /dev/null in its place before `main`, and a report would vanish without a word.
static STDOUT_CLOSED: AtomicBool = AtomicBool::new(false);

extern "C" fn look_at_stdout() {
    // SAFETY: asks for the flags of a number that need not be a descriptor.
    let closed = unsafe { libc::fcntl(1, libc::F_GETFD) } == -1;
    STDOUT_CLOSED.store(closed, Ordering::Relaxed);
}

// SAFETY: the C library calls what stands in this section before the Rust runtime begins; the
// function uses nothing of that runtime, and has the C signature.
#[unsafe(link_section = ".init_array")]
#[used]
static LOOK_AT_STDOUT: extern "C" fn() = look_at_stdout;

/// The message that there is no standard output, where there is none.
///
/// # Errors
/// That message.
pub fn check_stdout() -> Result<(), String> {
    if STDOUT_CLOSED.load(Ordering::Relaxed) {
        return Err(
            "cannot write the output: standard output is closed: write to a file with -o FILE"
                .into(),
        );
    }
    Ok(())
}

/// Writes a whole result. A file appears, mode 0600, only when all of it is on the disk; until then
/// an older one of that name stays as it is.
///
/// # Errors
/// [`WriteError`].
pub fn write_whole(destination: &Destination, bytes: &[u8]) -> Result<(), WriteError> {
    match destination {
        Destination::File(path) if !path.exists() || is_replaceable(path) => {
            replace(path, bytes).map_err(|e| WriteError::new(&path.display().to_string(), e))
        }
        other => {
            let mut stream = Stream::open(other)?;
            stream.write(bytes)?;
            stream.flush()
        }
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Mode 0600 is what tempfile creates: a report may hold paths, addresses and stacks.
    let mut file = tempfile::Builder::new()
        .prefix(".gostall-")
        .tempfile_in(directory(path))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Output line by line.
///
/// On a terminal every line is shown at once; else lines are gathered, and [`flush`](Self::flush)
/// sends them on: call it whenever there is nothing to do for a moment.
pub struct Stream {
    to: String,
    inner: BufWriter<Target>,
    eager: bool,
}

enum Target {
    Stdout(io::Stdout),
    File(File),
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File(file) => file.flush(),
        }
    }
}

/// A pipe's size: what can be handed over without waiting for the reader.
const BUFFER: usize = 1 << 16;

impl Stream {
    /// A stream to standard output.
    pub fn stdout() -> Self {
        let out = io::stdout();
        Self {
            to: "standard output".into(),
            eager: out.is_terminal(),
            inner: BufWriter::with_capacity(BUFFER, Target::Stdout(out)),
        }
    }

    /// A stream to a destination; a file is created with mode 0600, or emptied.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(destination: &Destination) -> Result<Self, WriteError> {
        let path: &PathBuf = match destination {
            Destination::Stdout => return Ok(Self::stdout()),
            Destination::File(path) => path,
        };
        let to = path.display().to_string();
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .map_err(|e| WriteError::new(&to, e))?;
        if is_replaceable(path) {
            // One that was there before keeps the mode it had; what comes into it is as private as
            // what comes into a new one.
            file.set_permissions(Permissions::from_mode(0o600))
                .map_err(|e| WriteError::new(&to, e))?;
        }
        Ok(Self {
            to,
            eager: file.is_terminal(),
            inner: BufWriter::with_capacity(BUFFER, Target::File(file)),
        })
    }

    /// Writes some bytes, whole lines as a rule.
    ///
    /// # Errors
    /// [`WriteError`], perhaps for bytes of an earlier call.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let result = self.inner.write_all(bytes);
        result.map_err(|e| WriteError::new(&self.to, e))?;
        if self.eager { self.flush() } else { Ok(()) }
    }

    /// Sends on what was gathered.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn flush(&mut self) -> Result<(), WriteError> {
        let result = self.inner.flush();
        result.map_err(|e| WriteError::new(&self.to, e))
    }

    /// Whether the reader of the pipe has gone: lets a command end that has nothing to write and
    /// so would not notice.
    pub fn reader_gone(&self) -> bool {
        let fd = match self.inner.get_ref() {
            Target::Stdout(out) => out.as_fd(),
            Target::File(file) => file.as_fd(),
        };
        // A pipe without readers polls as an error, whatever is asked for.
        let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::empty())];
        let no_wait = rustix::time::Timespec::default();
        poll(&mut fds, Some(&no_wait)).is_ok_and(|n| n > 0)
            && fds[0].revents().contains(PollFlags::ERR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &Path) -> Destination {
        Destination::File(path.to_owned())
    }

    #[test]
    fn a_file_is_written_whole_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.json");
        std::fs::write(&path, "old").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        check_writable(&path).unwrap();
        write_whole(&file(&path), b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        // Nothing is left beside it.
        assert_eq!(dir.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let full = file(Path::new("/dev/full"));
        let error = write_whole(&full, b"x").unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("cannot write the output: /dev/full: "),
            "{text}"
        );
        assert!(text.contains("free some space"), "{text}");
        assert!(Path::new("/dev/full").exists());
    }

    #[test]
    fn a_symbolic_link_is_written_through() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        std::fs::write(&real, "a longer old text").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        write_whole(&file(&link), b"new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&real).unwrap(), b"new");
    }

    #[test]
    fn what_cannot_be_written_is_said_beforehand() {
        let dir = tempfile::tempdir().unwrap();
        for (path, says) in [
            (dir.path().to_owned(), "it is a directory"),
            (dir.path().join("no/r.json"), "its directory does not exist"),
            (PathBuf::from("/proc/self/x"), "its directory"),
        ] {
            let error = check_writable(&path).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
        assert_eq!(check_writable(Path::new("/dev/null")), Ok(()));
        assert_eq!(
            check_writable(Path::new("r-that-does-not-exist.json")),
            Ok(())
        );
    }

    #[test]
    fn a_reader_that_has_gone() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let mut stream = Stream {
            to: "pipe".into(),
            inner: BufWriter::new(Target::File(File::from(writer))),
            eager: true,
        };
        stream.write(b"x").unwrap();
        assert!(!stream.reader_gone());
        drop(reader);
        assert!(stream.reader_gone());
        let error = stream.write(b"x").unwrap_err();
        assert!(matches!(error, WriteError::ReaderGone));
    }
}
