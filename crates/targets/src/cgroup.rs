//! `--cgroup`: the processes in a cgroup and below it, on cgroup v1, v2 and the hybrid of both.
//!
//! A path is either a directory below a cgroup mount, which names one hierarchy, or a path as it
//! stands in `/proc/PID/cgroup`, which is looked for in all of them. It compares with what
//! `/proc/PID/cgroup` says now and follows no later moves.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::proc;
use crate::threads::all_pids;

/// A mounted cgroup hierarchy, from `/proc/self/mountinfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mount {
    /// The cgroup that is shown at the mount point.
    root: Vec<u8>,
    point: Vec<u8>,
    /// `None` for v2, else the v1 controllers and the name (`name=systemd`).
    controllers: Option<Vec<Vec<u8>>>,
}

/// A line of `/proc/PID/cgroup`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The v1 controllers (or `name=...`), empty for the v2 hierarchy.
    pub controllers: Vec<String>,
    /// The cgroup's path in its hierarchy, relative to our cgroup namespace.
    pub path: PathBuf,
}

/// The cgroups a process is in: one on v2, one for every hierarchy on v1.
#[must_use]
pub fn memberships(pid: u32) -> Vec<Membership> {
    let text = fs::read(proc::path(pid, "cgroup")).unwrap_or_default();
    lines(&text)
        .map(|(controllers, path)| Membership {
            controllers: controllers
                .split(|&b| b == b',')
                .filter(|c| !c.is_empty())
                .map(|c| String::from_utf8_lossy(c).into_owned())
                .collect(),
            path: proc::path_of(path),
        })
        .collect()
}

/// Where a path of the user's points: one hierarchy and a cgroup in it, or a cgroup in any.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    /// As in [`Mount`]; the outer `None` means every hierarchy.
    hierarchy: Option<Option<Vec<Vec<u8>>>>,
    path: Vec<u8>,
}

/// The processes in the cgroup and below it.
pub(crate) fn members(given: &Path) -> Result<BTreeSet<u32>, Error> {
    let mounts = mounts();
    let place = place(given, &mounts);
    let mut out = BTreeSet::new();
    for pid in all_pids()? {
        // Every user may read this file; an error means that the process has ended.
        if fs::read(proc::path(pid, "cgroup")).is_ok_and(|text| place.holds(&text)) {
            out.insert(pid);
        }
    }
    if !out.is_empty() {
        return Ok(out);
    }
    let path = given.to_path_buf();
    if place.exists(&mounts) {
        Err(Error::EmptyCgroup { path })
    } else {
        Err(Error::NoSuchCgroup { path })
    }
}

fn place(given: &Path, mounts: &[Mount]) -> Place {
    // /sys/fs/cgroup/cpu is a symbolic link to cpu,cpuacct on many v1 systems.
    let real = fs::canonicalize(given).unwrap_or_else(|_| given.to_path_buf());
    let real = real.as_os_str().as_bytes();
    let mount = mounts
        .iter()
        .filter(|m| below(real, &m.point))
        .max_by_key(|m| m.point.len());
    if let Some(mount) = mount {
        let rest = if mount.point == b"/" {
            real
        } else {
            &real[mount.point.len()..]
        };
        return Place {
            hierarchy: Some(mount.controllers.clone()),
            path: normal(&[&mount.root, rest]),
        };
    }
    Place {
        hierarchy: None,
        path: normal(&[given.as_os_str().as_bytes()]),
    }
}

impl Place {
    /// Whether `/proc/PID/cgroup` with this text puts the process here or below.
    fn holds(&self, text: &[u8]) -> bool {
        lines(text).any(|(controllers, path)| {
            let hierarchy = match &self.hierarchy {
                None => true,
                Some(None) => controllers.is_empty(),
                Some(Some(wanted)) => {
                    !controllers.is_empty()
                        && controllers
                            .split(|&b| b == b',')
                            .all(|c| wanted.iter().any(|w| w == c))
                }
            };
            hierarchy && below(path, &self.path)
        })
    }

    fn exists(&self, mounts: &[Mount]) -> bool {
        mounts
            .iter()
            .filter(|m| {
                self.hierarchy
                    .as_ref()
                    .is_none_or(|wanted| *wanted == m.controllers)
            })
            .filter(|m| below(&self.path, &m.root))
            .any(|m| {
                let rest = self.path.strip_prefix(&m.root[..]).unwrap_or_default();
                proc::path_of(&normal(&[&m.point, rest])).is_dir()
            })
    }
}

/// Whether `path` is `base` or lies below it.
fn below(path: &[u8], base: &[u8]) -> bool {
    base == b"/"
        || path
            .strip_prefix(base)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// Joins the parts with one slash between any two components, one in front and none at the end.
fn normal(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for component in parts
        .iter()
        .flat_map(|p| p.split(|&b| b == b'/'))
        .filter(|c| !c.is_empty())
    {
        out.push(b'/');
        out.extend_from_slice(component);
    }
    if out.is_empty() {
        out.push(b'/');
    }
    out
}

/// (controllers, path) of every line `ID:CONTROLLERS:PATH`; the path may hold colons.
fn lines(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    text.split(|&b| b == b'\n').filter_map(|line| {
        let mut parts = line.splitn(3, |&b| b == b':');
        parts.next()?;
        Some((parts.next()?, parts.next()?))
    })
}

fn mounts() -> Vec<Mount> {
    // Without the file nothing is mounted, and only paths as in /proc/PID/cgroup are understood.
    fs::read("/proc/self/mountinfo")
        .map(|text| parse_mounts(&text))
        .unwrap_or_default()
}

fn parse_mounts(text: &[u8]) -> Vec<Mount> {
    text.split(|&b| b == b'\n')
        .filter_map(|line| {
            let fields: Vec<&[u8]> = line.split(|&b| b == b' ').collect();
            // proc(5): id parent major:minor root point options [tags...] - type source options
            let dash = fields.iter().position(|f| *f == b"-")?;
            let controllers = match *fields.get(dash + 1)? {
                b"cgroup2" => None,
                b"cgroup" => Some(
                    fields
                        .get(dash + 3)?
                        .split(|&b| b == b',')
                        .map(<[u8]>::to_vec)
                        .collect(),
                ),
                _ => return None,
            };
            Some(Mount {
                root: unescape(fields.get(3)?),
                point: unescape(fields.get(4)?),
                controllers,
            })
        })
        .collect()
}

/// Undoes the kernel's octal escapes of space, tab, newline and backslash (`mangle` of
/// fs/proc_namespace.c).
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        let octal = tail
            .get(..3)
            .filter(|_| first == b'\\')
            .and_then(|d| std::str::from_utf8(d).ok())
            .and_then(|d| u8::from_str_radix(d, 8).ok());
        match octal {
            Some(byte) => {
                out.push(byte);
                rest = &tail[3..];
            }
            None => {
                out.push(first);
                rest = tail;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &[u8] = b"\
30 23 0:26 / /sys/fs/cgroup ro,nosuid shared:4 - tmpfs tmpfs ro,mode=755
31 30 0:27 / /sys/fs/cgroup/unified rw shared:5 - cgroup2 cgroup2 rw,nsdelegate
32 30 0:28 / /sys/fs/cgroup/systemd rw shared:6 - cgroup cgroup rw,xattr,name=systemd
33 30 0:31 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct
34 30 0:32 /docker/ab /mnt/my\\040memory rw shared:9 - cgroup cgroup rw,memory
";

    #[test]
    fn mounts_of_a_hybrid_system() {
        let mounts = parse_mounts(HYBRID);
        assert_eq!(mounts.len(), 4);
        assert_eq!(mounts[0].controllers, None);
        assert_eq!(mounts[3].root, b"/docker/ab");
        assert_eq!(mounts[3].point, b"/mnt/my memory");
    }

    fn at(path: &str) -> Place {
        place(Path::new(path), &parse_mounts(HYBRID))
    }

    const PROCESS: &[u8] = b"\
5:memory:/docker/ab/inner
4:cpu,cpuacct:/docker/ab
1:name=systemd:/system.slice/docker.service
0::/system.slice/docker.service
";

    #[test]
    fn a_directory_names_one_hierarchy() {
        assert!(at("/sys/fs/cgroup/cpu,cpuacct/docker").holds(PROCESS));
        assert!(at("/sys/fs/cgroup/cpu,cpuacct/docker/ab/").holds(PROCESS));
        assert!(!at("/sys/fs/cgroup/cpu,cpuacct/docker/a").holds(PROCESS));
        assert!(at("/sys/fs/cgroup/unified/system.slice").holds(PROCESS));
        assert!(at("/sys/fs/cgroup/systemd/system.slice/docker.service").holds(PROCESS));
        assert!(!at("/sys/fs/cgroup/unified/docker/ab").holds(PROCESS));
        assert!(at("/sys/fs/cgroup/unified").holds(PROCESS));
    }

    #[test]
    fn a_mount_of_a_part_of_a_hierarchy() {
        assert!(at("/mnt/my memory").holds(PROCESS));
        assert!(at("/mnt/my memory/inner").holds(PROCESS));
        assert!(!at("/mnt/my memory/other").holds(PROCESS));
    }

    #[test]
    fn a_path_as_in_proc_names_any_hierarchy() {
        assert!(at("/docker/ab/inner").holds(PROCESS));
        assert!(at("/system.slice").holds(PROCESS));
        assert!(at("system.slice/docker.service").holds(PROCESS));
        assert!(!at("/docker/abc").holds(PROCESS));
        assert!(at("/").holds(PROCESS));
    }

    #[test]
    fn pure_v2_at_the_usual_place() {
        let mounts =
            parse_mounts(b"29 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n");
        let place = place(Path::new("/sys/fs/cgroup/user.slice"), &mounts);
        assert!(place.holds(b"0::/user.slice/a:b.scope\n"));
        assert!(!place.holds(b"0::/system.slice\n"));
    }
}
