//! The threads of a process, and the processes that came from it.
//!
//! Both are pictures of one moment: whoever must not miss one watches the kernel's fork events.

use std::collections::{BTreeSet, HashMap};
use std::io;

use crate::error::Error;
use crate::proc::{self, Stat};

/// The thread ids of a process, ascending; the first to have started has the pid itself.
///
/// # Errors
/// [`Error::NoSuchProcess`] when it is not there (or not any more), [`Error::Io`] otherwise.
pub fn threads(pid: u32) -> Result<Vec<u32>, Error> {
    let dir = proc::path(pid, "task");
    let gone = |e: io::Error| {
        if proc::is_gone(&e) {
            Error::NoSuchProcess { pid }
        } else {
            Error::Io {
                what: "cannot list the threads",
                path: dir.clone(),
                source: e,
            }
        }
    };
    let tids = proc::numbered_entries(&dir).map_err(gone)?;
    if tids.is_empty() {
        return Err(Error::NoSuchProcess { pid });
    }
    Ok(tids)
}

/// The children of a process, their children, and so on, ascending; not the process itself.
///
/// A child whose parent has ended was taken over by init and is not found.
///
/// # Errors
/// [`Error::Io`] when `/proc` cannot be listed.
pub fn descendants(pid: u32) -> Result<Vec<u32>, Error> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for other in all_pids()? {
        if let Ok(stat) = Stat::read(other) {
            children.entry(stat.ppid).or_default().push(other);
        }
    }
    let mut found = BTreeSet::new();
    let mut todo = vec![pid];
    while let Some(parent) = todo.pop() {
        for &child in children.get(&parent).map_or(&[][..], Vec::as_slice) {
            // A pid that was reused while we read could close a circle.
            if child != pid && found.insert(child) {
                todo.push(child);
            }
        }
    }
    Ok(found.into_iter().collect())
}

/// gostall and its parents up to init: what a search by name or cgroup must never return.
///
/// `sudo gostall report --name 'go*'` would otherwise find the sudo, the shell and gostall.
pub(crate) fn own_line() -> BTreeSet<u32> {
    let mut line = BTreeSet::new();
    let mut pid = std::process::id();
    while pid != 0 && line.insert(pid) {
        pid = Stat::read(pid).map_or(0, |s| s.ppid);
    }
    line
}

/// Every process, with this crate's error.
pub(crate) fn all_pids() -> Result<Vec<u32>, Error> {
    proc::pids().map_err(|source| Error::Io {
        what: "cannot list the processes",
        path: "/proc".into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_threads_hold_the_pid() {
        let pid = std::process::id();
        assert!(threads(pid).unwrap().contains(&pid));
        assert!(matches!(
            threads(u32::MAX),
            Err(Error::NoSuchProcess { .. })
        ));
    }

    #[test]
    fn own_line_ends() {
        let line = own_line();
        assert!(line.contains(&std::process::id()));
        assert!(
            line.contains(
                &rustix::process::getppid()
                    .unwrap()
                    .as_raw_nonzero()
                    .get()
                    .try_into()
                    .unwrap()
            )
        );
    }
}
