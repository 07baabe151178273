//! A real Go program: told from other programs, preferred among the holders of a port, and named
//! as a hint when the port is wrong.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Process, eventually};
use gostall_targets::{Error, NameGlob, Selector, Target, descendants, golike};

/// Listens, hands the listening socket to a `sleep`, and prints the port.
const PROGRAM: &str = r#"package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
)

func main() {
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		panic(err)
	}
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		panic(err)
	}
	child := exec.Command("sleep", "600")
	child.ExtraFiles = []*os.File{file}
	if err := child.Start(); err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	listener.Accept()
}
"#;

fn build(dir: &Path) -> Option<PathBuf> {
    fs::write(dir.join("main.go"), PROGRAM).unwrap();
    let exe = dir.join(format!("gsg{}", std::process::id()));
    let status = Command::new("go")
        .args(["build", "-ldflags=-s -w", "-o"])
        .arg(&exe)
        .arg("main.go")
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "")
        .env("GO111MODULE", "off")
        .current_dir(dir)
        .status();
    match status {
        Ok(status) => {
            assert!(status.success());
            Some(exe)
        }
        Err(e) => {
            eprintln!("skipped: no Go toolchain: {e}");
            None
        }
    }
}

#[test]
fn a_go_server_and_its_helper() {
    let dir = tempfile::tempdir().unwrap();
    let Some(exe) = build(dir.path()) else { return };
    assert!(golike::is_go_like(&exe));
    let mut server = Process::start(&mut Command::new(&exe));
    let port: u16 = server.line().parse().unwrap();
    let helpers = descendants(server.pid()).unwrap();
    let [helper] = helpers[..] else {
        panic!("{helpers:?}")
    };
    eventually("the helper's exec", || {
        Target::read(helper).is_ok_and(|t| t.comm == "sleep")
    });

    // Both hold the socket; only one is a Go program.
    let mut selector = Selector {
        ports: vec![port],
        ..Selector::default()
    };
    let found = selector.resolve().unwrap();
    let pids: Vec<u32> = found.iter().map(|t| t.pid).collect();
    assert_eq!(pids, [server.pid()]);
    // Asked for by its pid, the helper is there.
    selector.pids.push(helper);
    assert_eq!(selector.resolve().unwrap().len(), 2);

    // A wrapper script of the same name is left out as well.
    let script = dir
        .path()
        .join(format!("gsg{}-wrapper", std::process::id()));
    fs::write(&script, "#!/bin/sh\nsleep 600\nexit 0\n").unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let wrapper = Process::start(&mut Command::new(&script));
    let glob = format!("gsg{}*", std::process::id());
    let by_name = Selector {
        names: vec![NameGlob::new(&glob).unwrap()],
        ..Selector::default()
    };
    let pids: Vec<u32> = by_name.resolve().unwrap().iter().map(|t| t.pid).collect();
    assert_eq!(pids, [server.pid()]);
    drop(wrapper);

    // A port nobody has: bound and not listening.
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let wrong = Selector {
        ports: vec![free.local_addr().unwrap().port()],
        ..Selector::default()
    };
    match wrong.resolve() {
        Err(error @ Error::NobodyListens { .. }) => {
            let text = error.to_string();
            assert!(text.contains("Go programs listen on"), "{text}");
        }
        // Some other program happens to listen on that TCP port.
        other => assert!(other.is_ok()),
    }
}
