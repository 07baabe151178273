//! Real servers, as Debian ships them: Go 1.19, cgo, stripped. `./dev real` starts each, puts an exact number of requests
//! on it and holds doctor, report and trace against that; docs/real-servers.md has what all of them said. Three that are
//! small and quick stand for them here.

use std::path::Path;
use std::process::{Command, Stdio};

use gostall_rig::{need_root, target_dir};

const SERVERS: [&str; 3] = ["node-exporter", "docker-registry", "nats"];

#[test]
fn debians_servers_are_counted_exactly() {
    need_root();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    // A server that hangs must not hang the suite; on SIGTERM the script ends what it started.
    let done = Command::new("timeout")
        .args(["--kill-after=10", "300"])
        .arg(root.join("dev"))
        .arg("real")
        .args(SERVERS)
        .env("GOSTALL", env!("CARGO_BIN_EXE_gostall"))
        .env("CARGO_TARGET_DIR", target_dir())
        .stdin(Stdio::null())
        .output()
        .expect("timeout starts");
    let table = String::from_utf8_lossy(&done.stdout);
    println!("{table}");
    assert!(
        done.status.success(),
        "{}: {table}{}",
        done.status,
        String::from_utf8_lossy(&done.stderr)
    );
    for server in SERVERS {
        let exact = |line: &&str| line.starts_with(server) && line.ends_with(" exact");
        assert!(
            table.lines().any(|l| exact(&l)),
            "{server} has no line: {table}"
        );
    }
}
