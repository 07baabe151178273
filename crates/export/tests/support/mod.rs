//! Snapshots as real runs give them, and stranger ones.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::sync::Arc;

use gostall_model::{
    Arch, Attribution, Chunk, Doing, FdInfo, Frame, LedgerState, Look, Losses, Model, Moment,
    MomentKind, NR_REQUEST, NodeKind, Overhead, PathNode, REQUEST_ABORTED, Role, SeriesKey,
    Snapshot, Tail, TargetInfo, Timeline, Window, bucket_of,
};

pub const START: u64 = 1_767_355_201_123_456_789;

/// Adds `n` values spread from `low` to `high` ns, most of them near `low`.
pub fn add(model: &mut Model, leaf: u32, nr: u16, res: u16, n: u32, low: u64, high: u64) {
    for i in 0..n {
        let x = f64::from(i) / f64::from(n.max(2) - 1);
        let value = low + ((high - low) as f64 * x.powi(8)) as u64;
        let bucket = bucket_of(value);
        let mut counts = [0; 32];
        counts[usize::from(bucket % 32)] = 1;
        model.add_chunk(&Chunk {
            key: SeriesKey { leaf, nr, res },
            octave: (bucket / 32) as u8,
            sum_ns: value,
            max_ns: value,
            counts,
        });
    }
}

pub fn node(model: &mut Model, id: u32, parent: u32, kind: NodeKind, text: &str) -> u32 {
    model.add_node(PathNode {
        id,
        parent,
        kind,
        text: text.to_owned(),
        overflowed: false,
    });
    id
}

pub fn target() -> TargetInfo {
    TargetInfo {
        pid: 4242,
        exe: "/srv/orders/bin/api".to_owned(),
        go_version: Some("go1.27.1".to_owned()),
        module: Some("example.com/orders".to_owned()),
        arch: Arch::X86_64,
        attribution: Attribution::Goroutines,
    }
}

pub fn frame(function: &str, file: &str, line: u32) -> Frame {
    Frame {
        function: function.to_owned(),
        file: Some(file.to_owned()),
        line: Some(line),
        inlined: false,
    }
}

fn head(model: &mut Model) {
    model.set_target(target());
    model.set_window(Window {
        start_unix_ns: START,
        duration_ns: 10_000_412_345,
    });
    model.set_overhead(Overhead {
        bpf_ns_per_syscall: Some(262.4),
        bpf_cpu_fraction: Some(0.0109),
        agent_cpu_fraction: Some(0.0042),
        agent_rss_bytes: Some(39_959_552),
        exact: None,
    });
}

/// A call on a socket that had to wait, as the write of an answer.
pub fn write_tail(leaf: u32) -> Tail {
    Tail {
        leaf,
        nr: 1,
        ret: 123,
        duration_ns: 12_345,
        ts_unix_ns: START,
        pid: 4242,
        tid: 4250,
        goid: Some(42),
        parent_goid: Some(1),
        args: [7, 0xc0_001a_6000, 123, 0, 0, 0],
        fd_number: Some(7),
        fd: Some(FdInfo::Socket {
            family: "TCP".to_owned(),
            local: Some("127.0.0.1:8080".to_owned()),
            remote: Some("127.0.0.1:51234".to_owned()),
            state: Some("ESTABLISHED".to_owned()),
        }),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()),
        span_id: Some("00f067aa0ba902b7".to_owned()),
        ..Tail::default()
    }
}

pub fn fsync_tail(leaf: u32) -> Tail {
    Tail {
        leaf,
        nr: 74,
        ret: 0,
        duration_ns: 412_345_678,
        ts_unix_ns: START + 5_000_000_000,
        pid: 4242,
        tid: 4251,
        goid: Some(1042),
        parent_goid: Some(42),
        args: [9, 0, 0, 0, 0, 0],
        fd_number: Some(9),
        fd: Some(FdInfo::File {
            path: "/var/lib/orders/wal/000017.log".to_owned(),
        }),
        stack: vec![
            frame(
                "internal/runtime/syscall/linux.Syscall6",
                "/usr/local/go/src/internal/runtime/syscall/linux/asm_linux_amd64.s",
                36,
            ),
            frame(
                "syscall.Syscall",
                "/usr/local/go/src/syscall/syscall_linux.go",
                88,
            ),
            frame(
                "syscall.Fsync",
                "/usr/local/go/src/syscall/zsyscall_linux_amd64.go",
                567,
            ),
            frame(
                "internal/poll.(*FD).Fsync",
                "/usr/local/go/src/internal/poll/fd_fsync_posix.go",
                17,
            ),
            frame("os.(*File).Sync", "/usr/local/go/src/os/file_posix.go", 169),
            frame(
                "example.com/orders/internal/storage/wal.(*Log).commit",
                "/build/orders/internal/storage/wal/log.go",
                211,
            ),
            frame(
                "main.(*server).createOrder",
                "/build/orders/cmd/api/orders.go",
                88,
            ),
            frame(
                "net/http.HandlerFunc.ServeHTTP",
                "/usr/local/go/src/net/http/server.go",
                2294,
            ),
            frame(
                "net/http.(*ServeMux).ServeHTTP",
                "/usr/local/go/src/net/http/server.go",
                2822,
            ),
            frame(
                "net/http.serverHandler.ServeHTTP",
                "/usr/local/go/src/net/http/server.go",
                3301,
            ),
            frame(
                "net/http.(*conn).serve",
                "/usr/local/go/src/net/http/server.go",
                2102,
            ),
            frame(
                "net/http.(*Server).Serve.gowrap3",
                "/usr/local/go/src/net/http/server.go",
                3454,
            ),
            frame(
                "runtime.goexit",
                "/usr/local/go/src/runtime/asm_amd64.s",
                1693,
            ),
        ],
        ..Tail::default()
    }
}

/// A small order service with a slow disk.
pub fn orders() -> Model {
    let mut m = Model::new(Arch::X86_64);
    head(&mut m);
    node(&mut m, 40, 0, NodeKind::Method, "GET");
    node(&mut m, 41, 40, NodeKind::Literal, "api");
    node(&mut m, 42, 41, NodeKind::Literal, "users");
    let user = node(&mut m, 43, 42, NodeKind::Wild, "");
    let health = node(&mut m, 44, 40, NodeKind::Literal, "healthz");
    node(&mut m, 50, 0, NodeKind::Method, "POST");
    node(&mut m, 51, 50, NodeKind::Literal, "api");
    let order = node(&mut m, 52, 51, NodeKind::Literal, "orders");

    add(&mut m, user, NR_REQUEST, 200, 4000, 350_000, 9_000_000);
    add(&mut m, user, NR_REQUEST, 404, 31, 200_000, 400_000);
    add(&mut m, user, 0, 0, 8062, 900, 40_000);
    add(&mut m, user, 0, 11, 4031, 400, 9_000);
    add(&mut m, user, 1, 0, 8062, 4_000, 900_000);
    add(&mut m, user, 281, 0, 300, 700, 12_000);
    add(&mut m, user, 202, 0, 210, 1_000, 2_000_000);
    add(&mut m, user, 202, 11, 12, 1_000, 9_000);

    add(&mut m, order, NR_REQUEST, 201, 500, 4_000_000, 420_000_000);
    add(&mut m, order, NR_REQUEST, 503, 7, 30_000_000, 450_000_000);
    add(
        &mut m,
        order,
        NR_REQUEST,
        REQUEST_ABORTED,
        1,
        900_000_000,
        900_000_000,
    );
    add(&mut m, order, 74, 0, 507, 3_500_000, 412_345_678);
    add(&mut m, order, 1, 0, 1014, 5_000, 200_000_000);
    add(&mut m, order, 1, 28, 7, 5_000, 20_000);
    add(&mut m, order, 257, 0, 12, 5_000, 20_000);
    add(&mut m, order, 0, 11, 500, 500, 2_000);

    add(&mut m, health, NR_REQUEST, 200, 10, 50_000, 90_000);
    add(&mut m, health, 1, 0, 10, 5_000, 9_000);

    for (role, nr, n) in [
        (Role::Scheduler, 202, 4800),
        (Role::Scheduler, 35, 900),
        (Role::Netpoll, 281, 5100),
        (Role::Gc, 28, 12),
        (Role::Sysmon, 35, 3100),
        (Role::Sysmon, 281, 90),
        (Role::Connection, 0, 400),
        (Role::Connection, 288, 50),
        (Role::Connection, 233, 100),
        (Role::Connection, 54, 200),
        (Role::Background, 1, 77),
    ] {
        add(&mut m, role.leaf(), nr, 0, n, 1_000, 3_000_000);
    }
    m.add_tail(fsync_tail(order));
    m.add_tail(write_tail(user));
    m.add_tail(Tail {
        nr: 1,
        ret: -28,
        duration_ns: 20_000,
        fd: Some(FdInfo::File {
            path: "/var/lib/orders/wal/000017.log".to_owned(),
        }),
        ..write_tail(order)
    });
    m.set_losses(Losses {
        requests_in_flight_at_attach: 3,
        calls_in_flight_at_attach: 9,
        ..Losses::default()
    });
    m
}

/// [`orders`] with slow requests kept whole: one that waits for its children and a disk, one of which much was cut.
pub fn kept() -> Model {
    let mut m = orders();
    m.keep_slowest(2);
    let order = 52; // as in orders()
    let call = |at_us: u64, us: u64, nr: u16, fd: Option<i32>, ret: i64, what: &str| Moment {
        kind: MomentKind::Call,
        at_ns: at_us * 1000,
        duration_ns: us * 1000,
        nr,
        ret,
        own: true,
        goid: None,
        runtime: false,
        again: ret == -11,
        blocked_ns: 0,
        runq_ns: 0,
        throttled_ns: 0,
        state: (ret == -11).then_some(LedgerState::NetUpstreamRead),
        fd,
        what: (!what.is_empty()).then(|| what.into()),
    };
    let client = "203.0.113.7:51234";
    let wal = "/var/lib/orders/very/deep/directories/down/to/the/wal/000017.log";
    let child = |m: Moment| Moment {
        own: false,
        goid: Some(1044),
        ..m
    };
    let mut moments = vec![
        call(0, 4, 0, Some(7), 412, client),
        call(60, 2, 257, None, 12, wal),
        child(call(90, 1, 0, Some(7), -11, client)),
        child(call(120, 30, 42, Some(13), -115, "10.0.0.5:5432")),
        child(call(190, 9, 1, Some(13), 210, "10.0.0.5:5432")),
        child(call(200, 1, 0, Some(13), -11, "10.0.0.5:5432")),
        child(call(22_000, 6, 0, Some(13), 96, "10.0.0.5:5432")),
        Moment {
            blocked_ns: 41_000_000,
            runq_ns: 6_000_000,
            state: Some(LedgerState::SyscallDisk),
            ..call(30_000, 48_000, 74, Some(12), 0, wal)
        },
        call(78_100, 3, 257, None, -24, "/etc/\u{1b}[31mhosts\u{202e}"),
        Moment {
            runtime: true,
            ..call(78_200, 2, 202, None, 1, "")
        },
        call(99_900, 60, 1, Some(7), 173, client),
    ];
    moments.extend((0..14).map(|i| call(79_000 + i * 40, 3, 1, Some(12), 512, wal)));
    moments.push(Moment {
        kind: MomentKind::Runq,
        ..call(80_000, 9_000, 0, None, 0, "")
    });
    let look = |at_ms: u64, doing| Look {
        at_ns: at_ms * 1_000_000,
        until_ns: at_ms * 1_000_000,
        looks: 1,
        doing,
    };
    let mut slow = Timeline {
        leaf: order,
        res: 201,
        start_unix_ns: START,
        duration_ns: 100_000_000,
        pid: 4242,
        goid: Some(42),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()),
        span_id: Some("00f067aa0ba902b7".to_owned()),
        slow: false,
        slowest: true,
        moments,
        looks: vec![
            look(9, Doing::State(LedgerState::Lock)),
            look(19, Doing::State(LedgerState::Lock)),
            look(92, Doing::Running),
            look(97, Doing::State(LedgerState::RunqGo)),
        ],
        cut: 0,
    };
    m.add_timeline(slow.clone());
    slow.duration_ns = 8_000_000;
    slow.res = 503 | REQUEST_ABORTED;
    slow.goid = None;
    slow.trace_id = None;
    slow.cut = 1234;
    slow.looks.clear();
    slow.moments = (0..200)
        .map(|i| call(i * 30, 15 + i % 7, 1 - (i % 2) as u16, Some(12), 5, wal))
        .collect();
    m.add_timeline(slow);
    m
}

/// Nothing was seen but an idle runtime.
pub fn idle() -> Model {
    let mut m = Model::new(Arch::X86_64);
    head(&mut m);
    add(&mut m, Role::Sysmon.leaf(), 35, 0, 100, 1_000, 90_000);
    m.set_losses(Losses {
        tls_connections: 4,
        requests_in_flight_at_attach: 1,
        ..Losses::default()
    });
    m
}

/// Three hundred endpoints with names as clients and attackers make them.
pub fn crowd() -> Model {
    let mut m = Model::new(Arch::X86_64);
    head(&mut m);
    let mut second = target();
    second.pid = 4300;
    second.go_version = None;
    second.exe = format!("/opt/{}/worker", "deep/".repeat(40));
    second.attribution = Attribution::Threads;
    m.set_target(second);
    node(&mut m, 40, 0, NodeKind::Method, "GET");
    for i in 0..300u32 {
        let name = match i {
            0 => "\u{1b}[31mred\u{202e}\r\n".to_owned(),
            1 => "日本語のとても長いパスセグメントであり端末の幅を超えるもの".to_owned(),
            2 => "x".repeat(56),
            // Words without a digit, so that they stay apart.
            _ => ["alpha", "beta", "gamma", "delta"][i as usize % 4].to_owned(),
        };
        let parent = if i < 3 {
            40
        } else {
            node(&mut m, 1000 + i, 40, NodeKind::Literal, &spell(i))
        };
        let leaf = node(&mut m, 2000 + i, parent, NodeKind::Literal, &name);
        add(
            &mut m,
            leaf,
            NR_REQUEST,
            200,
            2,
            1_000_000 * u64::from(301 - i),
            2_000_000 * u64::from(301 - i),
        );
        add(&mut m, leaf, NR_REQUEST, 500, i % 2, 1_000, 2_000);
        add(&mut m, leaf, 1, 0, 2, 1_000, 900_000_000);
    }
    m.set_routes(vec![]);
    m.set_losses(Losses {
        calls_lost: 1_234_567,
        ring_full: 89,
        spilled: 1,
        paths_full: 77,
        ..Losses::default()
    });
    m
}

/// A name of letters: resources are told by words, and these are in no list.
fn spell(i: u32) -> String {
    let letters = [
        "users", "orders", "items", "carts", "teams", "rooms", "files", "tags", "jobs", "notes",
    ];
    format!(
        "{}-{}-{}",
        letters[(i / 100) as usize],
        letters[(i / 10 % 10) as usize],
        letters[(i % 10) as usize]
    )
}

pub fn snapshot(mut model: Model) -> Arc<Snapshot> {
    model.snapshot()
}
