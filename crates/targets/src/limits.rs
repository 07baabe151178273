//! The resource limits of a process that findings speak of, from `/proc/PID/limits`.

use std::fs;

use crate::error::Error;
use crate::proc;

/// A limit; `None` is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limit {
    /// What the kernel enforces.
    pub soft: Option<u64>,
    /// What the process may raise the soft limit to.
    pub hard: Option<u64>,
}

/// The limits of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// `RLIMIT_NOFILE`: descriptors; beyond it calls fail with EMFILE.
    pub open_files: Limit,
    /// `RLIMIT_NPROC`: processes and threads of the user; beyond it clone fails with EAGAIN.
    pub processes: Limit,
    /// `RLIMIT_AS`, in bytes.
    pub address_space: Limit,
    /// `RLIMIT_MEMLOCK`, in bytes.
    pub locked_memory: Limit,
    /// `RLIMIT_FSIZE`, in bytes; beyond it write fails with EFBIG.
    pub file_size: Limit,
}

/// Reads the limits of a process.
///
/// # Errors
/// [`Error::Gone`] when it has ended, [`Error::Io`] when the file cannot be read.
pub fn limits(pid: u32) -> Result<Limits, Error> {
    match fs::read_to_string(proc::path(pid, "limits")) {
        Ok(text) => Ok(parse(&text)),
        Err(e) if proc::is_gone(&e) => Err(Error::Gone { pid }),
        Err(source) => Err(Error::Io {
            what: "cannot read",
            path: proc::path(pid, "limits"),
            source,
        }),
    }
}

fn parse(text: &str) -> Limits {
    let limit = |name: &str| {
        let mut values = text
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or_default()
            .split_whitespace()
            // "unlimited" is no number
            .map(|v| v.parse().ok());
        Limit {
            soft: values.next().flatten(),
            hard: values.next().flatten(),
        }
    };
    Limits {
        open_files: limit("Max open files"),
        processes: limit("Max processes"),
        address_space: limit("Max address space"),
        locked_memory: limit("Max locked memory"),
        file_size: limit("Max file size"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table() {
        let limits = parse(
            "Limit                     Soft Limit           Hard Limit           Units
Max file size             unlimited            unlimited            bytes
Max processes             31337                31338                processes
Max open files            1024                 1048576              files
",
        );
        assert_eq!(limits.open_files.soft, Some(1024));
        assert_eq!(limits.open_files.hard, Some(1_048_576));
        assert_eq!(limits.processes.soft, Some(31337));
        assert_eq!(limits.file_size, Limit::default());
    }

    #[test]
    fn own_limits() {
        let expected = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let limits = limits(std::process::id()).unwrap();
        assert_eq!(limits.open_files.soft, expected.current);
        assert_eq!(limits.open_files.hard, expected.maximum);
    }
}
