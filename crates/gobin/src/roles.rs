//! Which goroutine is which, by the function it was started with (`g.startpc`): the runtime's own goroutines, and
//! those of net/http that serve a connection rather than run a handler.
//!
//! `go f(x)` starts a wrapper that the compiler names after the *caller* (`runtime.gcenable.func1`, since Go 1.22
//! `runtime.gcenable.gowrap1`), numbered in order of appearance. So a wrapper is known by what it calls, not by number.

use crate::binary::{Binary, Function};

/// What a goroutine (or, for sysmon, a thread) is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// The program's main goroutine.
    Main,
    /// A background mark worker of the garbage collector.
    GcWorker,
    /// The background sweeper.
    Sweeper,
    /// The background scavenger, which returns memory to the system.
    Scavenger,
    /// The goroutine that starts a collection every two minutes.
    ForceGc,
    /// Runs finalizers.
    Finalizer,
    /// Runs cleanups (`runtime.AddCleanup`).
    Cleanup,
    /// The system monitor: a thread without goroutine; its range tells a stack's bottom, not a startpc.
    Sysmon,
    /// `os/signal`'s receiver.
    SignalLoop,
    /// Serves an HTTP connection; HTTP/1 handlers run on it.
    HttpConnection,
    /// Reads one byte ahead on an HTTP/1 connection while the handler runs.
    HttpBackgroundRead,
    /// Reads the responses of an HTTP client's connection.
    HttpClientRead,
    /// Writes the requests of an HTTP client's connection.
    HttpClientWrite,
    /// Reads the frames of an HTTP/2 server's connection.
    Http2ReadFrames,
    /// Writes one frame of an HTTP/2 server's connection.
    Http2WriteFrame,
    /// Runs an HTTP/2 handler.
    Http2Handler,
    /// Reads the frames of a gRPC server's connection, or writes them.
    GrpcConnection,
}

/// A function that goroutines of a role start with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleEntry {
    /// The role.
    pub role: Role,
    /// The function; `entry` is the value of `g.startpc`.
    pub function: Function,
}

/// A role's function under its names through the releases, and the functions whose `go` statements start it.
struct Known {
    role: Role,
    targets: &'static [&'static str],
    starters: &'static [&'static str],
}

/// From the `go` statements of runtime/{proc,mgc,mfinal,mcleanup}.go and net/http/{server,transport,h2_bundle}.go.
const KNOWN: &[Known] = &[
    Known {
        role: Role::Main,
        targets: &["runtime.main"],
        starters: &[],
    },
    Known {
        role: Role::GcWorker,
        targets: &["runtime.gcBgMarkWorker"],
        starters: &["runtime.gcBgMarkStartWorkers."],
    },
    Known {
        role: Role::Sweeper,
        targets: &["runtime.bgsweep"],
        starters: &["runtime.gcenable."],
    },
    Known {
        role: Role::Scavenger,
        targets: &["runtime.bgscavenge"],
        starters: &["runtime.gcenable."],
    },
    Known {
        role: Role::ForceGc,
        targets: &["runtime.forcegchelper"],
        starters: &["runtime.init."],
    },
    Known {
        role: Role::Finalizer,
        targets: &["runtime.runFinalizers", "runtime.runfinq"],
        starters: &["runtime.createfing."],
    },
    Known {
        role: Role::Cleanup,
        targets: &["runtime.runCleanups"],
        starters: &["runtime.(*cleanupQueue)."],
    },
    Known {
        role: Role::Sysmon,
        targets: &["runtime.sysmon"],
        starters: &[],
    },
    Known {
        role: Role::SignalLoop,
        targets: &["os/signal.loop"],
        starters: &["os/signal."],
    },
    Known {
        role: Role::HttpConnection,
        targets: &["net/http.(*conn).serve"],
        starters: &["net/http.(*Server).Serve."],
    },
    Known {
        role: Role::HttpBackgroundRead,
        targets: &["net/http.(*connReader).backgroundRead"],
        starters: &["net/http.(*connReader).startBackgroundRead."],
    },
    Known {
        role: Role::HttpClientRead,
        targets: &["net/http.(*persistConn).readLoop"],
        starters: &["net/http.(*Transport).dialConn."],
    },
    Known {
        role: Role::HttpClientWrite,
        targets: &["net/http.(*persistConn).writeLoop"],
        starters: &["net/http.(*Transport).dialConn."],
    },
    Known {
        role: Role::Http2ReadFrames,
        targets: &[
            "net/http.(*http2serverConn).readFrames",
            "net/http/internal/http2.(*serverConn).readFrames",
            "golang.org/x/net/http2.(*serverConn).readFrames",
        ],
        starters: HTTP2,
    },
    Known {
        role: Role::Http2WriteFrame,
        targets: &[
            "net/http.(*http2serverConn).writeFrameAsync",
            "net/http/internal/http2.(*serverConn).writeFrameAsync",
            "golang.org/x/net/http2.(*serverConn).writeFrameAsync",
        ],
        starters: HTTP2,
    },
    Known {
        role: Role::Http2Handler,
        targets: &[
            "net/http.(*http2serverConn).runHandler",
            "net/http/internal/http2.(*serverConn).runHandler",
            "golang.org/x/net/http2.(*serverConn).runHandler",
        ],
        starters: HTTP2,
    },
    Known {
        role: Role::GrpcConnection,
        targets: &[
            "google.golang.org/grpc.(*Server).serveStreams",
            "google.golang.org/grpc/internal/transport.(*loopyWriter).run",
        ],
        starters: &[
            "google.golang.org/grpc.(*Server).handleRawConn.",
            "google.golang.org/grpc/internal/transport.NewServerTransport.",
            "google.golang.org/grpc/internal/transport.newHTTP2Server.",
        ],
    },
];

const HTTP2: &[&str] = &[
    "net/http.(*http2serverConn).",
    "net/http/internal/http2.(*serverConn).",
    "golang.org/x/net/http2.(*serverConn).",
];

/// The entries of all roles that the executable has.
pub(crate) fn entries(binary: &Binary) -> Vec<RoleEntry> {
    let is_target = |name: &str| KNOWN.iter().any(|k| k.targets.contains(&name));
    let is_wrapper = |name: &str| {
        let starter = KNOWN
            .iter()
            .flat_map(|k| k.starters)
            .find(|s| name.starts_with(**s));
        starter
            .is_some_and(|s| name[s.len()..].contains("func") || name[s.len()..].contains("gowrap"))
    };
    let functions = binary.functions_where(|name| is_target(name) || is_wrapper(name));
    let mut found = Vec::new();
    for known in KNOWN {
        for target in functions
            .iter()
            .filter(|f| known.targets.contains(&f.name.as_str()))
        {
            found.push(RoleEntry {
                role: known.role,
                function: target.clone(),
            });
            let wrappers = functions
                .iter()
                .filter(|f| {
                    is_wrapper(&f.name) && known.starters.iter().any(|s| f.name.starts_with(s))
                })
                .filter(|f| !binary.call_site(f, target).is_empty());
            found.extend(wrappers.map(|f| RoleEntry {
                role: known.role,
                function: f.clone(),
            }));
        }
    }
    found
}
