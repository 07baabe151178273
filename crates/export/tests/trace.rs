//! Lines of a trace, as strace's readers expect them.

mod support;

use gostall_export::{Clock, EventExporter, TraceJson, TraceText};
use gostall_model::{Arch, Event, FdInfo, Role, Tail};
use support::{START, orders, write_tail};

fn events(tails: Vec<Tail>) -> Vec<Event> {
    let mut model = orders();
    tails.iter().map(|tail| model.event(tail)).collect()
}

fn text(event: &Event, colour: bool) -> String {
    let trace = TraceText {
        clock: Clock::utc(),
        arch: Arch::X86_64,
        colour,
    };
    let mut out = Vec::new();
    trace.export(event, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn background(name: &str, args: [u64; 6], ret: i64) -> Tail {
    Tail {
        leaf: Role::Background.leaf(),
        nr: Arch::X86_64.syscall_number(name).unwrap(),
        ret,
        args,
        tid: 9,
        duration_ns: 870,
        ts_unix_ns: START,
        ..Tail::default()
    }
}

const USER_LEAF: u32 = 43;

#[test]
fn lines() {
    let socket = |family: &str, local: Option<&str>, remote: Option<&str>, state: Option<&str>| {
        Some(FdInfo::Socket {
            family: family.to_owned(),
            local: local.map(str::to_owned),
            remote: remote.map(str::to_owned),
            state: state.map(str::to_owned),
        })
    };
    let cwd = -100i64 as u64;
    let tails = vec![
        write_tail(USER_LEAF),
        Tail {
            ret: -11,
            ..write_tail(USER_LEAF)
        },
        Tail {
            ret: -512,
            goid: None,
            ..write_tail(Role::Netpoll.leaf())
        },
        Tail {
            ret: -524,
            ..write_tail(0)
        },
        Tail {
            path: Some("/etc/\"x\"\n\\".to_owned()),
            ..background("openat", [cwd, 0x1000, 0o2000000, 0, 0, 0], 5)
        },
        Tail {
            path: Some("/etc/hosts".to_owned()),
            fd_number: Some(5),
            fd: Some(FdInfo::File {
                path: "/etc/hosts".to_owned(),
            }),
            ..background("openat", [cwd, 0x1000, 0o2000000, 0, 0, 0], 5)
        },
        Tail {
            path: Some("/gone".to_owned()),
            ..background("newfstatat", [cwd, 0x1000, 0xc000, 0x100, 0, 0], -2)
        },
        Tail {
            fd_number: Some(12),
            fd: socket("TCP", Some("[::1]:80"), Some("[::1]:9"), Some("CLOSE_WAIT")),
            ..background("epoll_ctl", [4, 1, 12, 0xc000, 0, 0], 0)
        },
        Tail {
            fd_number: Some(9),
            fd: socket("TCP", Some("0.0.0.0:8080"), Some("10.0.0.7:40000"), None),
            ..background("accept4", [3, 0xc000, 0xc010, 0o2004000, 0, 0], 9)
        },
        Tail {
            fd: socket("UNIX", None, Some("@bus"), None),
            ..background("connect", [8, 0xc000, 19, 0, 0, 0], -115)
        },
        Tail {
            fd: socket("NETLINK", None, None, None),
            ..background("recvmsg", [8, 0xc000, 0, 0, 0, 0], 20)
        },
        Tail {
            fd: Some(FdInfo::Other {
                text: "pipe:[17]".to_owned(),
            }),
            ..background("read", [3, 0xc000, 512, 0, 0, 0], 0)
        },
        background("futex", [0xc000_0148, 128, 0, 0, 0, 0], 0),
        background("futex", [0xc000_0148, 129, 1, 0, 0, 0], 1),
        Tail {
            path: Some("/tmp/x".to_owned()),
            ..background("openat", [cwd, 0x1000, 0o101, 0o644, 0, 0], 5)
        },
        background(
            "mmap",
            [0, 4096, 3, 0x22, u64::from(u32::MAX), 0],
            0x7f00_1234_5000,
        ),
        background("madvise", [0xc000_0000, 65536, 4, 0, 0, 0], 0),
        background("tgkill", [42, 43, 23, 0, 0, 0], 0),
        background("nanosleep", [0x7ffc_0000, 0, 0, 0, 0, 0], 0),
        background("getpid", [1, 2, 3, 4, 5, 6], 42),
        background("bpf", [1, 0xffff, 3, 0, 0, 0], -1),
    ];
    let page: String = events(tails).iter().map(|e| text(e, false)).collect();
    insta::assert_snapshot!(page);
}

#[test]
fn errors_stand_out_in_colour() {
    let event = &events(vec![Tail {
        ret: -11,
        ..write_tail(USER_LEAF)
    }])[0];
    let line = text(event, true);
    assert!(
        line.contains("\u{1b}[31m-1 EAGAIN (Resource temporarily unavailable)\u{1b}[0m"),
        "{line:?}"
    );
}

#[test]
fn json_lines_are_entries_of_snapshots() {
    for event in events(vec![write_tail(USER_LEAF), write_tail(Role::Gc.leaf())]) {
        let mut out = Vec::new();
        TraceJson.export(&event, &mut out).unwrap();
        assert_eq!(out.iter().filter(|b| **b == b'\n').count(), 1);
        assert_eq!(serde_json::from_slice::<Event>(&out).unwrap(), event);
    }
}
