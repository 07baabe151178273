//! The kernel's text tables of sockets, `/proc/PID/net/{tcp,tcp6,udp,udp6,unix}`.
//!
//! They show the network namespace of that process. It parses lines and finds entries; which
//! process holds a socket, its callers find out.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use crate::proc::parse_number;

/// One line of a TCP or UDP table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InetSocket {
    /// The local address; v4-mapped v6 addresses are kept as they are.
    pub local: SocketAddr,
    /// The peer's address; unspecified (all zeros, port 0) when there is none.
    pub remote: SocketAddr,
    /// The TCP state's number (for UDP: 1 connected, 7 not).
    pub state: u8,
    /// The socket's inode in sockfs; 0 when no descriptor holds it (time-wait).
    pub inode: u64,
}

/// `TCP_LISTEN` of the kernel's include/net/tcp_states.h.
pub const TCP_LISTEN: u8 = 10;

/// The name of a TCP state as in include/net/tcp_states.h, the way `ss` and `netstat` print it.
#[must_use]
pub fn tcp_state_name(state: u8) -> &'static str {
    match state {
        1 => "ESTABLISHED",
        2 => "SYN_SENT",
        3 => "SYN_RECV",
        4 => "FIN_WAIT1",
        5 => "FIN_WAIT2",
        6 => "TIME_WAIT",
        7 => "CLOSE",
        8 => "CLOSE_WAIT",
        9 => "LAST_ACK",
        TCP_LISTEN => "LISTEN",
        11 => "CLOSING",
        12 => "NEW_SYN_RECV",
        _ => "UNKNOWN",
    }
}

impl InetSocket {
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line
            .split(u8::is_ascii_whitespace)
            .filter(|f| !f.is_empty());
        let local = address(fields.nth(1)?)?;
        let remote = address(fields.next()?)?;
        let state = u8::try_from(hex(fields.next()?)?).ok()?;
        // tx:rx, tr:when, retransmits, uid, timeout, inode
        let inode = parse_number(fields.nth(5)?)?;
        Some(Self {
            local,
            remote,
            state,
            inode,
        })
    }
}

/// The sockets that listen. The kernel prints those first (`tcp_seq_next` of net/ipv4/tcp_ipv4.c),
/// so that the connections, of which there may be hundreds of thousands, need not be read.
///
/// # Errors
/// When the table cannot be read; a missing one (no IPv6) is empty.
pub fn listening(table: &Path) -> io::Result<Vec<InetSocket>> {
    let mut out = Vec::new();
    each_line(table, |line| {
        let Some(socket) = InetSocket::parse(line) else {
            return true;
        };
        if socket.state == TCP_LISTEN {
            out.push(socket);
        }
        socket.state == TCP_LISTEN
    })?;
    Ok(out)
}

/// The entry with the inode in a TCP or UDP table.
///
/// # Errors
/// As [`listening`].
pub fn find_inet(table: &Path, inode: u64) -> io::Result<Option<InetSocket>> {
    let mut found = None;
    each_line(table, |line| {
        found = InetSocket::parse(line).filter(|s| s.inode == inode);
        found.is_none()
    })?;
    Ok(found)
}

/// The bound path of the unix socket with the inode: `Some(None)` when it has no name.
///
/// # Errors
/// As [`listening`].
pub fn find_unix(table: &Path, inode: u64) -> io::Result<Option<Option<Vec<u8>>>> {
    let mut found = None;
    each_line(table, |line| {
        // Num RefCount Protocol Flags Type St Inode Path; the path may hold spaces.
        let mut rest = line;
        let mut fields = Vec::with_capacity(7);
        for _ in 0..7 {
            rest = rest.trim_ascii_start();
            let end = rest
                .iter()
                .position(u8::is_ascii_whitespace)
                .unwrap_or(rest.len());
            fields.push(&rest[..end]);
            rest = &rest[end..];
        }
        if parse_number(fields[6]) == Some(inode) {
            let path = rest.strip_prefix(b" ").unwrap_or(rest);
            found = Some((!path.is_empty()).then(|| path.to_vec()));
        }
        found.is_none()
    })?;
    Ok(found)
}

/// Calls `f` with every line but the heading, until it returns false.
fn each_line(table: &Path, mut f: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
    let file = match File::open(table) {
        Ok(file) => file,
        // IPv6 may be compiled out or disabled.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut line = Vec::new();
    let mut heading = true;
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        if !heading && !f(&line) {
            return Ok(());
        }
        heading = false;
    }
}

/// `0100007F:1F90`, or 32 digits for IPv6: each group of eight is a 32-bit word of the address (in
/// network byte order in memory) printed as the machine's own number.
fn address(text: &[u8]) -> Option<SocketAddr> {
    let colon = text.iter().rposition(|&b| b == b':')?;
    let port = u16::try_from(hex(&text[colon + 1..])?).ok()?;
    let mut bytes = [0u8; 16];
    let digits = &text[..colon];
    if digits.len() != 8 && digits.len() != 32 {
        return None;
    }
    for (word, out) in digits.chunks(8).zip(bytes.chunks_mut(4)) {
        let word = u32::try_from(hex(word)?).ok()?;
        out.copy_from_slice(&word.to_ne_bytes());
    }
    let ip = if digits.len() == 8 {
        let [a, b, c, d, ..] = bytes;
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    } else {
        IpAddr::V6(Ipv6Addr::from(bytes))
    };
    Some(SocketAddr::new(ip, port))
}

fn hex(text: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1F90 0200007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0000000000000000 20 4 30 10 -1
   2: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0000000000000000 100 0 0 10 0
";

    fn table(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn tcp_lines() {
        let file = table(TCP);
        let found = find_inet(file.path(), 4712).unwrap().unwrap();
        assert_eq!(found.local, "127.0.0.1:8080".parse().unwrap());
        assert_eq!(found.remote, "127.0.0.2:50000".parse().unwrap());
        assert_eq!(tcp_state_name(found.state), "ESTABLISHED");
        assert_eq!(find_inet(file.path(), 1).unwrap(), None);
    }

    #[test]
    fn reading_ends_after_the_listeners() {
        let file = table(TCP);
        let inodes: Vec<u64> = listening(file.path())
            .unwrap()
            .iter()
            .map(|s| s.inode)
            .collect();
        assert_eq!(inodes, [4711]);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn ipv6_addresses() {
        assert_eq!(
            address(b"00000000000000000000000001000000:1F90"),
            Some("[::1]:8080".parse().unwrap())
        );
        assert_eq!(
            address(b"B80D01200000000000000000010000FF:0001"),
            Some("[2001:db8::ff00:1]:1".parse().unwrap())
        );
        assert_eq!(address(b"01:0001"), None);
        assert_eq!(address(b"0100007F"), None);
    }

    #[test]
    fn unix_lines() {
        let file = table(
            "Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 77 /run/a b.sock
0000000000000000: 00000003 00000000 00000000 0001 03 78
",
        );
        assert_eq!(
            find_unix(file.path(), 77).unwrap(),
            Some(Some(b"/run/a b.sock".to_vec()))
        );
        assert_eq!(find_unix(file.path(), 78).unwrap(), Some(None));
        assert_eq!(find_unix(file.path(), 79).unwrap(), None);
    }

    #[test]
    fn a_missing_table_is_empty() {
        assert_eq!(listening(Path::new("/nonexistent/tcp6")).unwrap(), []);
    }
}
