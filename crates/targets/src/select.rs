//! From what the user asked for to the processes meant.
//!
//! `--pid` names a process and gets exactly that one or an error. `--name`, `--port` and `--cgroup`
//! are searches: they never find gostall, kernel threads or zombies, nor (but for `--port`) the
//! parents of gostall, the `sudo` and shell that started it; and as soon as one process found is a Go program, those that are not (a
//! wrapper script, an init, systemd) are left out. Every flag must find something: a typing error
//! must not hide behind another flag that matched.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::golike::is_go_process;
use crate::proc::{self, Stat, base_name};
use crate::target::{ExeName, Target};
use crate::threads::{all_pids, descendants, own_line};
use crate::{cgroup, port};

/// A pattern of `--name`: `*`, `?`, `[a-z]`; everything else stands for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameGlob(glob::Pattern);

impl NameGlob {
    /// Checks a pattern.
    ///
    /// # Errors
    /// [`Error::BadGlob`], also for an empty pattern and for one with a slash, which no name has.
    pub fn new(pattern: &str) -> Result<Self, Error> {
        let bad = |reason| Error::BadGlob {
            pattern: pattern.to_owned(),
            reason,
        };
        if pattern.is_empty() {
            return Err(bad("it is empty"));
        }
        if pattern.contains('/') {
            return Err(bad("a name has no slash; the base name is compared"));
        }
        glob::Pattern::new(pattern)
            .map(Self)
            .map_err(|e| bad(e.msg))
    }

    /// The pattern as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    fn matches(&self, name: &[u8]) -> bool {
        !name.is_empty() && self.0.matches(&String::from_utf8_lossy(name))
    }
}

/// What the target flags say; their union is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    /// `--pid`, as seen in gostall's own pid namespace.
    pub pids: Vec<u32>,
    /// `--name`.
    pub names: Vec<NameGlob>,
    /// `--port`: TCP, IPv4 and IPv6, in every network namespace.
    pub ports: Vec<u16>,
    /// `--cgroup`: directories below a cgroup mount, or paths as in `/proc/PID/cgroup`.
    pub cgroups: Vec<PathBuf>,
    /// `--children`: also the descendants these processes have now.
    pub children: bool,
}

impl Selector {
    /// Whether no flag was given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pids.is_empty()
            && self.names.is_empty()
            && self.ports.is_empty()
            && self.cgroups.is_empty()
    }

    /// Finds the processes, in ascending order of their pids, each once; at least one.
    ///
    /// # Errors
    /// The first flag that finds nothing gives its error; see [`Error`] for all of them.
    pub fn resolve(&self) -> Result<Vec<Target>, Error> {
        if self.is_empty() {
            return Err(Error::NothingSelected);
        }
        check_proc()?;
        let mut found = BTreeMap::new();
        for &pid in &self.pids {
            if pid == std::process::id() {
                return Err(Error::IsSelf { pid });
            }
            found.insert(pid, Target::read(pid)?);
        }
        for name in &self.names {
            found.extend(by_name(name)?);
        }
        for &port in &self.ports {
            // A parent of gostall may well be meant by its port (a Go service that starts gostall),
            // gostall itself never.
            let mut pids = port::holders(port)?;
            let own = std::process::id();
            if pids.remove(&own) && pids.is_empty() {
                return Err(Error::IsSelf { pid: own });
            }
            found.extend(searched(pids, || Error::ListenerUnseen {
                port,
                unreadable: 0,
            })?);
        }
        for path in &self.cgroups {
            let own = own_line();
            let mut pids = cgroup::members(path)?;
            pids.retain(|pid| !own.contains(pid));
            found.extend(searched(pids, || Error::EmptyCgroup {
                path: path.clone(),
            })?);
        }
        if self.children {
            add_descendants(&mut found)?;
        }
        Ok(found.into_values().collect())
    }

    /// The same selector without its pids: what a process that was started again can be found by.
    /// `None` when nothing is left.
    #[must_use]
    pub fn restartable(&self) -> Option<Self> {
        let searches = Self {
            pids: Vec::new(),
            ..self.clone()
        };
        (!searches.is_empty()).then_some(searches)
    }

    /// What `--name`, `--port` and `--cgroup` find at the moment, each for itself: one that finds
    /// nothing hides none of the others, and is no error. Cheaper than [`Selector::resolve`] where
    /// nothing is found, for it collects no hints.
    #[must_use]
    pub fn present(&self) -> Vec<Target> {
        // The error is not shown.
        let nothing = || Error::NothingSelected;
        let mut found = BTreeMap::new();
        for name in &self.names {
            found.extend(by_name(name).unwrap_or_default());
        }
        for &port in &self.ports {
            let mut pids = port::holders_if_any(port).unwrap_or_default();
            pids.remove(&std::process::id());
            found.extend(searched(pids, nothing).unwrap_or_default());
        }
        let own = own_line();
        for path in &self.cgroups {
            let mut pids = cgroup::members(path).unwrap_or_default();
            pids.retain(|pid| !own.contains(pid));
            found.extend(searched(pids, nothing).unwrap_or_default());
        }
        if self.children {
            // Those that could not be listed now are found by the next look.
            let _ = add_descendants(&mut found);
        }
        found.into_values().collect()
    }
}

impl fmt::Display for Selector {
    /// As a person would say it: `a process named 'api-*' or one that listens on port 8080`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.pids.iter().map(|pid| format!("with pid {pid}")));
        parts.extend(self.names.iter().map(|n| format!("named '{}'", n.as_str())));
        let ports = self.ports.iter();
        parts.extend(ports.map(|port| format!("that listens on TCP port {port}")));
        let cgroups = self.cgroups.iter();
        parts.extend(cgroups.map(|path| format!("in the cgroup {}", path.display())));
        write!(f, "a process {}", parts.join(", and one "))
    }
}

/// A pid read from `/proc` is handed to the kernel later: both must mean the same process by it.
fn check_proc() -> Result<(), Error> {
    let own = std::process::id();
    match std::fs::read_link("/proc/self") {
        Ok(link) if link.as_os_str().to_str() != Some(&own.to_string()) => {
            Err(Error::ForeignProc {
                shown: link.display().to_string(),
                own,
            })
        }
        // None is mounted, or not all of it: whoever looks up a process says so.
        _ => Ok(()),
    }
}

/// Adds the processes that came from those found.
fn add_descendants(found: &mut BTreeMap<u32, Target>) -> Result<(), Error> {
    for pid in found.keys().copied().collect::<Vec<_>>() {
        for child in descendants(pid)? {
            // gostall itself may be one; and one that just ended is no error.
            if child != std::process::id()
                && let Ok(target) = Target::read(child)
            {
                found.insert(child, target);
            }
        }
    }
    Ok(())
}

/// A good interval for [`wait`]: soon enough to see a server's first requests, and on a machine of
/// some thousand processes still little work (a look at one reads up to three small files).
pub const POLL: Duration = Duration::from_millis(100);

/// So many times the length of a look is rested before the next.
const REST: u32 = 20;

/// Resolves again and again until every flag of the selector finds something.
///
/// Returns `Ok(None)` when `cancelled` says so, which is asked at least every 50 ms.
///
/// # Errors
/// Those of [`Selector::resolve`] that waiting does not mend (see [`Error::may_appear`]).
pub fn wait(
    selector: &Selector,
    poll: Duration,
    cancelled: impl Fn() -> bool,
) -> Result<Option<Vec<Target>>, Error> {
    /// A person who presses Ctrl-C takes less than this for at once.
    const SLICE: Duration = Duration::from_millis(50);
    loop {
        if cancelled() {
            return Ok(None);
        }
        let began = Instant::now();
        match selector.resolve() {
            Ok(targets) => return Ok(Some(targets)),
            Err(e) if e.may_appear() => {}
            Err(e) => return Err(e),
        }
        // On a machine of many processes a look takes long: waiting must not keep a processor busy.
        let mut left = poll.max(began.elapsed() * REST);
        while !left.is_zero() && !cancelled() {
            let slice = left.min(SLICE);
            std::thread::sleep(slice);
            left -= slice;
        }
    }
}

fn by_name(pattern: &NameGlob) -> Result<BTreeMap<u32, Target>, Error> {
    let own = own_line();
    let mut looked_at = 0;
    let mut hits = Vec::new();
    for pid in all_pids()? {
        if own.contains(&pid) {
            continue;
        }
        let Ok(stat) = Stat::read(pid) else { continue };
        if stat.is_kernel_thread() || stat.is_dead() {
            continue;
        }
        looked_at += 1;
        if pattern.matches(stat.comm.as_bytes())
            || proc::cmdline(pid)
                .first()
                .is_some_and(|a| pattern.matches(base_name(a)))
            || ExeName::read(pid).is_ok_and(|exe| {
                pattern.matches(base_name(exe.display.as_os_str().as_encoded_bytes()))
            })
        {
            hits.push(pid);
        }
    }
    searched(hits, || Error::NoSuchName {
        pattern: pattern.as_str().to_owned(),
        looked_at,
    })
}

/// Reads what a search found and keeps what can be meant; `nothing` is the error if that is none.
fn searched(
    pids: impl IntoIterator<Item = u32>,
    nothing: impl FnOnce() -> Error,
) -> Result<BTreeMap<u32, Target>, Error> {
    let mut found = BTreeMap::new();
    let mut denied = None;
    for pid in pids {
        match Target::read(pid) {
            Ok(target) => {
                found.insert(pid, target);
            }
            Err(e @ Error::PermissionDenied { .. }) => denied = Some(e),
            // Ended in between, or no program: not what a search looks for.
            Err(_) => {}
        }
    }
    if found.is_empty() {
        return Err(denied.unwrap_or_else(nothing));
    }
    let go: Vec<u32> = found
        .keys()
        .copied()
        .filter(|&p| is_go_process(p))
        .collect();
    if !go.is_empty() {
        found.retain(|pid, _| go.contains(pid));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_are_checked() {
        assert!(NameGlob::new("api-*").is_ok());
        for bad in ["", "a/b", "[a", "***"] {
            let error = NameGlob::new(bad).unwrap_err().to_string();
            assert!(error.starts_with("not a valid name pattern"), "{error}");
        }
    }

    #[test]
    fn globs_match_whole_names() {
        let glob = NameGlob::new("api-?").unwrap();
        assert!(glob.matches(b"api-1"));
        assert!(!glob.matches(b"my-api-1"));
        assert!(!glob.matches(b""));
    }

    #[test]
    fn gostall_is_never_found() {
        let own = std::process::id();
        let by_pid = Selector {
            pids: vec![own],
            ..Selector::default()
        };
        assert!(matches!(by_pid.resolve(), Err(Error::IsSelf { .. })));
        let every = Selector {
            names: vec![NameGlob::new("*").unwrap()],
            ..Selector::default()
        };
        // There need not be any other process; if there is, it is none of ours.
        if let Ok(found) = every.resolve() {
            let line = own_line();
            assert!(found.iter().all(|t| !line.contains(&t.pid)));
        }
    }

    #[test]
    fn a_selector_in_words() {
        let selector = Selector {
            names: vec![NameGlob::new("api-*").unwrap()],
            ports: vec![8080],
            ..Selector::default()
        };
        assert_eq!(
            selector.to_string(),
            "a process named 'api-*', and one that listens on TCP port 8080"
        );
    }

    #[test]
    fn a_pid_cannot_come_again() {
        let mut selector = Selector {
            pids: vec![1],
            ..Selector::default()
        };
        assert_eq!(selector.restartable(), None);
        selector.ports.push(80);
        let searches = selector.restartable().unwrap();
        assert_eq!((searches.pids.len(), &searches.ports[..]), (0, &[80][..]));
    }

    #[test]
    fn what_is_present_hides_behind_nothing() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut child = Killed(
            std::process::Command::new("sleep")
                .arg("5")
                .spawn()
                .unwrap(),
        );
        let selector = Selector {
            names: vec![
                NameGlob::new("no-such-program-*").unwrap(),
                NameGlob::new("sleep").unwrap(),
            ],
            // Our own: never found.
            ports: vec![listener.local_addr().unwrap().port()],
            ..Selector::default()
        };
        let found = selector.present();
        assert!(found.iter().any(|t| t.pid == child.0.id()), "{found:?}");
        assert!(found.iter().all(|t| t.pid != std::process::id()));
        child.0.kill().unwrap();
    }

    struct Killed(std::process::Child);

    impl Drop for Killed {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn an_empty_selector_is_an_error() {
        assert!(matches!(
            Selector::default().resolve(),
            Err(Error::NothingSelected)
        ));
    }

    #[test]
    fn waiting_ends_when_cancelled() {
        let selector = Selector {
            names: vec![NameGlob::new("no-such-program-*").unwrap()],
            ..Selector::default()
        };
        let asked = std::cell::Cell::new(0);
        let result = wait(&selector, Duration::from_millis(1), || {
            asked.set(asked.get() + 1);
            asked.get() > 5
        });
        assert!(matches!(result, Ok(None)));
    }
}
