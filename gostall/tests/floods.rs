//! Hostile and huge loads on a server that is watched: the agent stays small, and an ordinary endpoint's requests are
//! still counted to the last one. GOSTALL_FULL=1 makes them larger.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use gostall_rig::{Gostall, Report, Server, Testbed, get, need_root, rss_bytes, wrk};

const GOSTALL: &str = env!("CARGO_BIN_EXE_gostall");
const MEMORY: u64 = 80_000_000;
/// Ordinary requests before, during and after the flood.
const ORDINARY: usize = 40;

fn scale(normal: usize, whole: usize) -> usize {
    if std::env::var("GOSTALL_FULL").as_deref() == Ok("1") {
        whole
    } else {
        normal
    }
}

fn ordinary(addr: &str) {
    for _ in 0..ORDINARY {
        assert!(get(addr, "/hello").ends_with("hello\n"));
    }
}

/// Runs `flood` on a watched server, which answers ordinary requests before, during and after it.
fn under(server_flags: &[&str], flood: impl FnOnce(&str)) -> Report {
    need_root();
    let mut args = vec!["-addr", "127.0.0.1:0"];
    args.extend(server_flags);
    let mut server = Server::start(&Testbed::local().program("hello"), args);
    let pid = server.pid().to_string();
    let mut agent = Gostall::start(
        GOSTALL,
        ["report", "-p", &pid, "-d", "10m", "--format", "json"],
    );
    agent.wait_attached();
    ordinary(&server.addr);
    std::thread::scope(|s| {
        let during = s.spawn(|| ordinary(&server.addr));
        flood(&server.addr);
        during.join().unwrap();
    });
    ordinary(&server.addr);
    assert!(agent.is_running() && server.is_running());
    let rss = rss_bytes(agent.pid());
    assert!(rss <= MEMORY, "{rss} bytes");
    agent.signal(libc::SIGINT);
    let report = agent.finish().report();
    assert!(report.int("/overhead/agent_rss_bytes") <= MEMORY);
    let routes = report.endpoints().iter();
    let routes: Vec<_> = routes
        .map(|e| (&e["method"], &e["route"], &e["statuses"]))
        .collect();
    let hello = report.endpoint("GET", "/hello");
    let hello = hello.unwrap_or_else(|| panic!("no /hello among {routes:?}"));
    assert_eq!(hello["requests"], 3 * ORDINARY);
    assert_eq!(hello["statuses"]["200"], 3 * ORDINARY);
    assert_eq!(report.int("/coverage/losses/calls_lost"), 0);
    report
}

fn connect(addr: &str) -> TcpStream {
    let conn = TcpStream::connect(addr).unwrap();
    conn.set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    conn
}

#[test]
fn distinct_urls() {
    let wanted = scale(100_000, 1_000_000) as u64;
    let mut script = tempfile::NamedTempFile::new().unwrap();
    writeln!(
        script,
        "local n = 0\nfunction request()\n n = n + 1\n return wrk.format('GET', '/x' .. n .. '/y' .. (n * 7919))\nend"
    )
    .unwrap();
    let mut sent = 0;
    let report = under(&["-bare"], |addr| {
        let began = Instant::now();
        while sent < wanted && began.elapsed() < Duration::from_secs(120) {
            // The numbers begin anew in each round: most of the paths are distinct all the same.
            sent += wrk(
                addr,
                "/",
                16,
                Duration::from_secs(scale(8, 40) as u64),
                Some(script.path()),
            )
            .requests;
        }
    });
    assert!(sent >= wanted, "{sent} were sent");
    // wrk does not count what is in flight when it ends.
    let seen = report.requests();
    assert!(seen >= sent && seen < sent + 5_000, "{seen} of {sent}");
    assert!(
        report.endpoints().len() < 200,
        "{}",
        report.endpoints().len()
    );
}

/// Bytes that are no HTTP: random ones, and some that begin like it.
#[test]
fn garbage() {
    let report = under(&[], |addr| {
        let mut state = 88_172_645_463_325_252u64;
        for i in 0..scale(300, 5_000) {
            let mut bytes = Vec::new();
            if i % 3 == 0 {
                bytes.extend(b"GET /");
            }
            while bytes.len() < 4_000 {
                // xorshift64
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                bytes.extend(state.to_le_bytes());
            }
            let mut conn = connect(addr);
            // The server may close before it has read all of it.
            let _ = conn.write_all(&bytes);
            let _ = conn.shutdown(std::net::Shutdown::Write);
            let _ = conn.read_to_end(&mut Vec::new());
        }
    });
    assert!(report.int("/coverage/losses/malformed_requests") > 0);
}

#[test]
fn request_lines_of_64_kb() {
    let n = scale(60, 1_000);
    let report = under(&["-bare"], |addr| {
        for i in 0..n {
            let mut line = format!("GET /long/{i}/");
            while line.len() < 65_000 {
                let _ = write!(line, "{i:x}abcdefghijklmnopqrstuvwxyz");
            }
            let mut conn = connect(addr);
            write!(
                conn,
                "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            )
            .unwrap();
            let mut answer = Vec::new();
            conn.read_to_end(&mut answer).unwrap();
            assert!(
                answer.starts_with(b"HTTP/1.1 200"),
                "{}",
                String::from_utf8_lossy(&answer)
            );
        }
    });
    assert_eq!(report.requests(), (n + 3 * ORDINARY) as u64);
}

/// Requests that arrive a byte at a time and never end.
#[test]
fn slow_requests() {
    let n = scale(200, 2_000);
    under(&[], |addr| {
        let mut conns: Vec<_> = (0..n).map(|_| connect(addr)).collect();
        for byte in b"GET /slow HTTP/1.1\r\nX-A: b" {
            for conn in &mut conns {
                conn.write_all(&[*byte]).unwrap();
            }
            std::thread::sleep(Duration::from_millis(30));
        }
    });
}

#[test]
fn idle_connections() {
    let n = scale(2_000, 5_000);
    // SAFETY: getrlimit and setrlimit read and write the struct given.
    unsafe {
        let mut limit = std::mem::zeroed::<libc::rlimit>();
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
    }
    let mut conns = Vec::new();
    let report = under(&[], |addr| {
        for _ in 0..n {
            let mut conn = connect(addr);
            conn.write_all(b"GET /s/idle HTTP/1.1\r\nHost: x\r\n\r\n")
                .unwrap();
            let mut answer = [0; 512];
            let len = conn.read(&mut answer).unwrap();
            assert!(answer[..len].starts_with(b"HTTP/1.1 200"));
            conns.push(conn);
        }
        std::thread::sleep(Duration::from_secs(1));
    });
    assert_eq!(report.requests(), (n + 3 * ORDINARY) as u64);
}

#[test]
fn goroutines() {
    let n = scale(20_000, 100_000).to_string();
    let report = under(&["-goroutines", &n], |addr| ordinary_slugs(addr, 200));
    assert_eq!(report.requests(), 200 + 3 * ORDINARY as u64);
}

fn ordinary_slugs(addr: &str, n: usize) {
    for i in 0..n {
        assert!(get(addr, &format!("/s/{i}")).ends_with("hello\n"));
    }
}
