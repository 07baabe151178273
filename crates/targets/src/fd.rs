//! What a file descriptor of a process stands for, from `/proc/PID/fd` and the socket tables of
//! its network namespace.
//!
//! The kernel side usually knows better and at the right moment; this is the fall-back where it had
//! nothing. It is late: the descriptor may be another one by now.

use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::port::socket_inode;
use crate::proc::{self, parse_number};
use crate::sockets::{InetSocket, TCP_LISTEN, find_inet, find_unix, tcp_state_name};
use crate::target::ExeName;

/// What a descriptor stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FdInfo {
    /// A file or directory.
    File {
        /// Its path as the process itself sees it.
        path: PathBuf,
        /// Whether it has been deleted.
        deleted: bool,
    },
    /// A character or block device, a terminal among them.
    Device {
        /// Its path as the process itself sees it.
        path: PathBuf,
    },
    /// A pipe, or a named one (FIFO).
    Pipe {
        /// The inode: both ends have the same.
        inode: u64,
        /// The path of a named pipe.
        path: Option<PathBuf>,
    },
    /// A socket.
    Socket {
        /// The inode in sockfs.
        inode: u64,
        /// What kind of socket, with its addresses.
        socket: SocketInfo,
    },
    /// eventfd(2), with which Go's poller is woken.
    Eventfd,
    /// epoll(7).
    Epoll,
    /// timerfd_create(2).
    Timerfd,
    /// signalfd(2).
    Signalfd,
    /// inotify(7).
    Inotify,
    /// pidfd_open(2).
    Pidfd,
    /// memfd_create(2), with the name given there.
    Memfd(String),
    /// Anything else: the text of the link, such as `anon_inode:bpf-prog` or `mnt:[4026531841]`.
    Other(String),
}

/// What is known of a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketInfo {
    /// TCP over IPv4 or IPv6.
    Tcp {
        /// The local address.
        local: SocketAddr,
        /// The peer; `None` when the socket listens or is not connected.
        remote: Option<SocketAddr>,
        /// The name of its state, such as `ESTABLISHED`.
        state: &'static str,
    },
    /// UDP over IPv4 or IPv6.
    Udp {
        /// The local address.
        local: SocketAddr,
        /// The peer, when connected.
        remote: Option<SocketAddr>,
    },
    /// A unix socket.
    Unix {
        /// The path it is bound to (an abstract name begins with `@`); the connecting end has none.
        path: Option<PathBuf>,
    },
    /// In none of the tables: closed or never bound, netlink, packet, of another namespace.
    Unknown,
}

impl fmt::Display for FdInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, deleted } => {
                write!(f, "{}", path.display())?;
                f.write_str(if *deleted { " (deleted)" } else { "" })
            }
            Self::Device { path } => write!(f, "{}", path.display()),
            Self::Pipe { path: Some(p), .. } => write!(f, "{}", p.display()),
            Self::Pipe { inode, path: None } => write!(f, "pipe:[{inode}]"),
            Self::Socket {
                inode,
                socket: SocketInfo::Unknown,
            } => write!(f, "socket:[{inode}]"),
            Self::Socket { socket, .. } => socket.fmt(f),
            Self::Eventfd => f.write_str("eventfd"),
            Self::Epoll => f.write_str("epoll"),
            Self::Timerfd => f.write_str("timerfd"),
            Self::Signalfd => f.write_str("signalfd"),
            Self::Inotify => f.write_str("inotify"),
            Self::Pidfd => f.write_str("pidfd"),
            Self::Memfd(name) => write!(f, "memfd:{name}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for SocketInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp {
                local,
                remote: Some(remote),
                state,
            } => write!(f, "tcp {local}->{remote} {state}"),
            Self::Tcp { local, state, .. } => write!(f, "tcp {local} {state}"),
            Self::Udp {
                local,
                remote: Some(remote),
            } => write!(f, "udp {local}->{remote}"),
            Self::Udp { local, .. } => write!(f, "udp {local}"),
            Self::Unix { path: Some(path) } => write!(f, "unix {}", path.display()),
            Self::Unix { path: None } => f.write_str("unix"),
            Self::Unknown => f.write_str("socket"),
        }
    }
}

/// Describes a descriptor; `None` when the process has no such descriptor open (any more).
///
/// # Errors
/// [`Error::PermissionDenied`], [`Error::Gone`] when the process has ended, [`Error::Io`].
pub fn fd_describe(pid: u32, fd: u32) -> Result<Option<FdInfo>, Error> {
    let name = format!("fd/{fd}");
    let path = proc::path(pid, &name);
    let link = match fs::read_link(&path) {
        Ok(link) => link,
        Err(e) if proc::is_gone(&e) => {
            return if proc::Stat::read(pid).is_ok_and(|s| !s.is_dead()) {
                Ok(None)
            } else {
                Err(Error::Gone { pid })
            };
        }
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            return Err(Error::PermissionDenied {
                pid,
                comm: proc::Stat::read(pid).map(|s| s.comm).unwrap_or_default(),
                uid: proc::Status::read(pid).map(|s| s.uid).unwrap_or_default(),
                path,
            });
        }
        Err(source) => {
            return Err(Error::Io {
                what: "cannot read",
                path,
                source,
            });
        }
    };
    let text = link.as_os_str().as_bytes();
    if let Some(inode) = socket_inode(text) {
        let socket = socket(pid, inode);
        return Ok(Some(FdInfo::Socket { inode, socket }));
    }
    Ok(Some(
        without_path(text).unwrap_or_else(|| with_path(pid, &name, &link)),
    ))
}

/// Descriptors without a path in any file system.
fn without_path(text: &[u8]) -> Option<FdInfo> {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if let Some(inode) = text
        .strip_prefix(b"pipe:[")
        .and_then(|t| parse_number(t.strip_suffix(b"]")?))
    {
        return Some(FdInfo::Pipe { inode, path: None });
    }
    if let Some(name) = text.strip_prefix(b"/memfd:") {
        // The kernel keeps the files of memfd_create unlinked.
        let name = name.strip_suffix(b" (deleted)").unwrap_or(name);
        return Some(FdInfo::Memfd(lossy(name)));
    }
    // Inotify's name has no brackets (fs/notify/inotify/inotify_user.c); a pidfd was an anonymous
    // inode until Linux 6.9 gave it a file system of its own (fs/pidfs.c).
    Some(match text {
        b"anon_inode:[eventfd]" => FdInfo::Eventfd,
        b"anon_inode:[eventpoll]" => FdInfo::Epoll,
        b"anon_inode:[timerfd]" => FdInfo::Timerfd,
        b"anon_inode:[signalfd]" => FdInfo::Signalfd,
        b"anon_inode:inotify" | b"anon_inode:[inotify]" => FdInfo::Inotify,
        b"anon_inode:[pidfd]" => FdInfo::Pidfd,
        _ if text.starts_with(b"pidfd:[") => FdInfo::Pidfd,
        _ if !text.starts_with(b"/") => FdInfo::Other(lossy(text)),
        _ => return None,
    })
}

fn with_path(pid: u32, name: &str, link: &Path) -> FdInfo {
    let named = ExeName::of(link, pid, name);
    let path = named.display;
    // Follows the link, to the file that is open even if its path leads elsewhere.
    let meta = fs::metadata(proc::path(pid, name)).ok();
    match meta.as_ref().map(fs::Metadata::file_type) {
        Some(t) if t.is_char_device() || t.is_block_device() => FdInfo::Device { path },
        Some(t) if t.is_fifo() => FdInfo::Pipe {
            inode: meta.map_or(0, |m| std::os::unix::fs::MetadataExt::ino(&m)),
            path: Some(path),
        },
        _ => FdInfo::File {
            path,
            deleted: named.deleted,
        },
    }
}

fn socket(pid: u32, inode: u64) -> SocketInfo {
    let inet = |table: &str| find_inet(&proc::path(pid, table), inode).ok().flatten();
    let peer = |s: &InetSocket| (s.remote.port() != 0).then_some(s.remote);
    if let Some(s) = inet("net/tcp").or_else(|| inet("net/tcp6")) {
        return SocketInfo::Tcp {
            local: s.local,
            remote: peer(&s).filter(|_| s.state != TCP_LISTEN),
            state: tcp_state_name(s.state),
        };
    }
    if let Some(s) = inet("net/udp").or_else(|| inet("net/udp6")) {
        return SocketInfo::Udp {
            local: s.local,
            remote: peer(&s),
        };
    }
    match find_unix(&proc::path(pid, "net/unix"), inode) {
        Ok(Some(path)) => SocketInfo::Unix {
            path: path.as_deref().map(proc::path_of),
        },
        _ => SocketInfo::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::fd::{AsFd, AsRawFd};
    use std::os::unix::net::UnixListener;

    fn describe(fd: &impl AsFd) -> FdInfo {
        let fd = u32::try_from(fd.as_fd().as_raw_fd()).unwrap();
        fd_describe(std::process::id(), fd).unwrap().unwrap()
    }

    #[test]
    fn files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a (deleted)");
        let file = fs::File::create(&path).unwrap();
        let described = |deleted| FdInfo::File {
            path: path.clone(),
            deleted,
        };
        // A name that only looks deleted, and one that is.
        assert_eq!(describe(&file), described(false));
        fs::remove_file(&path).unwrap();
        assert_eq!(describe(&file), described(true));
        let null = fs::File::open("/dev/null").unwrap();
        assert_eq!(describe(&null).to_string(), "/dev/null");
        assert!(matches!(describe(&null), FdInfo::Device { .. }));
    }

    #[test]
    fn tcp_sockets() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(
            describe(&listener).to_string(),
            format!("tcp {address} LISTEN")
        );
        let client = TcpStream::connect(address).unwrap();
        let own = client.local_addr().unwrap();
        assert_eq!(
            describe(&client).to_string(),
            format!("tcp {own}->{address} ESTABLISHED")
        );
        let v6 = TcpListener::bind("[::1]:0").unwrap();
        let address = v6.local_addr().unwrap();
        assert_eq!(describe(&v6).to_string(), format!("tcp {address} LISTEN"));
    }

    #[test]
    fn other_sockets() {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = udp.local_addr().unwrap();
        assert_eq!(describe(&udp).to_string(), format!("udp {address}"));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let unix = UnixListener::bind(&path).unwrap();
        assert_eq!(
            describe(&unix).to_string(),
            format!("unix {}", path.display())
        );
        let client = std::os::unix::net::UnixStream::connect(&path).unwrap();
        assert_eq!(describe(&client).to_string(), "unix");
    }

    #[test]
    fn everything_else() {
        let (reader, writer) = std::io::pipe().unwrap();
        assert_eq!(describe(&reader), describe(&writer));
        assert!(matches!(describe(&reader), FdInfo::Pipe { path: None, .. }));
        let pidfd = crate::Target::read(std::process::id()).unwrap().pidfd();
        assert_eq!(describe(&pidfd.unwrap()), FdInfo::Pidfd);
        assert_eq!(without_path(b"anon_inode:[eventfd]"), Some(FdInfo::Eventfd));
        assert_eq!(without_path(b"anon_inode:[eventpoll]"), Some(FdInfo::Epoll));
        assert_eq!(
            without_path(b"/memfd:jit (deleted)"),
            Some(FdInfo::Memfd("jit".into()))
        );
        assert_eq!(
            without_path(b"anon_inode:bpf-prog"),
            Some(FdInfo::Other("anon_inode:bpf-prog".into()))
        );
        assert_eq!(without_path(b"/etc/passwd"), None);
    }

    #[test]
    fn a_closed_descriptor_is_none() {
        assert_eq!(fd_describe(std::process::id(), 1 << 20).unwrap(), None);
        assert!(matches!(fd_describe(u32::MAX, 0), Err(Error::Gone { .. })));
    }
}
