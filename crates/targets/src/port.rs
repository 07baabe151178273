//! `--port`: the processes that hold a socket listening on a TCP port, in every network namespace.
//!
//! Several processes may hold one listening socket: a parent that forked its workers, systemd and
//! the service it activated, a master that passes it on for an upgrade without downtime. All of
//! them can accept, so all are returned, children that inherited the socket as well as the parent;
//! the selector then keeps the Go programs among them if there are any, which drops systemd and
//! shells. Multipath TCP, which Go listens with by default since 1.24, is found alike, for the
//! kernel gives the subflow in its TCP table the inode of the socket that the process holds
//! (`mptcp_subflow_create_socket` of net/mptcp/subflow.c).
//!
//! A network namespace is found through the processes in it; one that holds no process (a thread
//! alone has entered it) is not looked into.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use crate::error::Error;
use crate::golike::is_go_process;
use crate::proc::{self, Stat, parse_number};
use crate::sockets::{InetSocket, listening};
use crate::threads::all_pids;

/// A process that listens on a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener {
    /// The TCP port.
    pub port: u16,
    /// The process that holds the socket.
    pub pid: u32,
    /// Its command name.
    pub comm: String,
}

/// How many other listeners a message names at most: one line of a terminal.
const MAX_HINTS: usize = 5;

/// Programs, written in Go, that hold a published port only to forward it into a container. With
/// the server itself among the holders they are not what was asked for.
const FORWARDERS: [&str; 2] = ["docker-proxy", "rootlessport"];

/// The listening sockets of the machine, read once.
struct Listening {
    sockets: Vec<InetSocket>,
    namespaces: usize,
    unreadable: usize,
    pids: Vec<u32>,
}

/// The processes that hold a socket listening on the port.
pub(crate) fn holders(port: u16) -> Result<BTreeSet<u32>, Error> {
    let listening = Listening::read()?;
    let wanted = listening.on(port);
    if wanted.is_empty() {
        return Err(Error::NobodyListens {
            port,
            namespaces: listening.namespaces,
            unreadable: listening.unreadable,
            others: listening.go_listeners(),
        });
    }
    let held = listening.held(&wanted);
    match held.by_port.get(&port) {
        Some(pids) => Ok(without_forwarders(pids)),
        None => Err(Error::ListenerUnseen {
            port,
            unreadable: held.unreadable,
        }),
    }
}

/// The same, and none where [`holders`] would say why there is none: quicker, for that takes a look
/// at every other listener.
pub(crate) fn holders_if_any(port: u16) -> Result<BTreeSet<u32>, Error> {
    let listening = Listening::read()?;
    let held = listening.held(&listening.on(port));
    Ok(held
        .by_port
        .get(&port)
        .map(without_forwarders)
        .unwrap_or_default())
}

fn without_forwarders(pids: &BTreeSet<u32>) -> BTreeSet<u32> {
    let servers: BTreeSet<u32> = pids
        .iter()
        .copied()
        .filter(|&pid| !Stat::read(pid).is_ok_and(|s| FORWARDERS.contains(&s.comm.as_str())))
        .collect();
    if servers.is_empty() {
        pids.clone()
    } else {
        servers
    }
}

struct Held {
    by_port: BTreeMap<u16, BTreeSet<u32>>,
    unreadable: usize,
}

impl Listening {
    fn read() -> Result<Self, Error> {
        let pids = all_pids()?;
        let mut spaces: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        let mut unreadable = 0;
        for &pid in &pids {
            match fs::metadata(proc::path(pid, "ns/net")) {
                Ok(meta) => spaces.entry(meta.ino()).or_default().push(pid),
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied => unreadable += 1,
                Err(_) => {}
            }
        }
        let mut sockets = Vec::new();
        for members in spaces.values() {
            // The first process may end before its table is read; another shows the same one.
            for &pid in members {
                let v4 = listening(&proc::path(pid, "net/tcp"));
                let v6 = listening(&proc::path(pid, "net/tcp6"));
                if let (Ok(v4), Ok(v6)) = (v4, v6) {
                    // A process that has gone has no tables either; one that is there is enough.
                    if v4.is_empty() && v6.is_empty() && Stat::read(pid).is_err() {
                        continue;
                    }
                    sockets.extend(v4);
                    sockets.extend(v6);
                    break;
                }
            }
        }
        Ok(Self {
            sockets,
            namespaces: spaces.len(),
            unreadable,
            pids,
        })
    }

    /// The sockets that listen on a port, as inode -> port.
    fn on(&self, port: u16) -> HashMap<u64, u16> {
        self.sockets
            .iter()
            .filter(|s| s.local.port() == port)
            .map(|s| (s.inode, port))
            .collect()
    }

    /// Who holds the sockets, given as inode -> port.
    fn held(&self, wanted: &HashMap<u64, u16>) -> Held {
        let mut held = Held {
            by_port: BTreeMap::new(),
            unreadable: 0,
        };
        if wanted.is_empty() {
            return held;
        }
        for &pid in &self.pids {
            match socket_inodes(pid) {
                Ok(inodes) => {
                    for port in inodes.iter().filter_map(|i| wanted.get(i)) {
                        held.by_port.entry(*port).or_default().insert(pid);
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied => held.unreadable += 1,
                Err(_) => {}
            }
        }
        held
    }

    /// What Go programs listen on: the likely meaning of a wrong port.
    fn go_listeners(&self) -> Vec<Listener> {
        let every = self
            .sockets
            .iter()
            .map(|s| (s.inode, s.local.port()))
            .collect();
        let mut out = Vec::new();
        for (port, pids) in self.held(&every).by_port {
            let Some(&pid) = pids.iter().find(|&&pid| is_go_process(pid)) else {
                continue;
            };
            let Ok(stat) = Stat::read(pid) else { continue };
            out.push(Listener {
                port,
                pid,
                comm: stat.comm,
            });
            if out.len() == MAX_HINTS {
                break;
            }
        }
        out
    }
}

/// The inodes of the sockets a process has open.
fn socket_inodes(pid: u32) -> io::Result<Vec<u64>> {
    let mut out = Vec::new();
    for entry in fs::read_dir(proc::path(pid, "fd"))? {
        let Ok(entry) = entry else { continue };
        // A descriptor may be closed between the listing and the reading.
        let Ok(link) = fs::read_link(entry.path()) else {
            continue;
        };
        if let Some(inode) = socket_inode(link.as_os_str().as_bytes()) {
            out.push(inode);
        }
    }
    Ok(out)
}

/// The inode in a descriptor's link text, `socket:[4711]`.
pub(crate) fn socket_inode(link: &[u8]) -> Option<u64> {
    parse_number(link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn socket_links() {
        assert_eq!(socket_inode(b"socket:[4711]"), Some(4711));
        assert_eq!(socket_inode(b"pipe:[4711]"), None);
        assert_eq!(socket_inode(b"socket:[]"), None);
    }

    #[test]
    fn own_listener_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let found = holders(port).unwrap();
        assert!(found.contains(&std::process::id()));
    }
}
