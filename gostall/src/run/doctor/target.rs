//! One process, and one executable.

use std::path::Path;

use gostall_gobin::{Kind, OffsetSource};
use gostall_session::Program;
use gostall_targets::{Target, namespaces};

use super::Checks;

pub fn process(c: &mut Checks<'_>, t: &Target) {
    let mut what = t.exe_display.display().to_string();
    if t.exe_deleted {
        what.push_str(" (deleted or replaced on disk; the running one is read)");
    }
    c.ok("executable", what);
    let place = namespaces::place(t);
    if let Some(container) = &place.container {
        let inner = place
            .inner_pid
            .map(|p| format!(", pid {p} inside"))
            .unwrap_or_default();
        c.ok(
            "container",
            format!("{} {}{inner}", container.runtime, container.id),
        );
    }
}

fn kind(k: Kind) -> &'static str {
    match k {
        Kind::Static => "static",
        Kind::Pie => "position-independent",
        _ => "dynamic",
    }
}

pub fn executable(c: &mut Checks<'_>, path: &Path) {
    let program = match Program::open(path) {
        Ok(p) => p,
        Err(e) => {
            c.missing("go", e.to_string(), "gostall traces Go programs; give the Go process itself, not its shell or supervisor");
            return;
        }
    };
    let f = &program.facts;
    let mut how = vec![kind(f.kind).to_owned()];
    if f.cgo {
        how.push("cgo".into());
    }
    if !f.has_symtab {
        how.push("stripped".into());
    }
    match &f.version {
        Some(v) => c.ok("go", format!("{} ({})", v.raw, how.join(", "))),
        None => c.degraded(
            "go",
            format!("version unknown ({})", how.join(", ")),
            "build with -buildvcs and without packers, or keep debug information",
        ),
    }
    if f.has_function_table {
        let inlined = if f.has_inline_trees {
            "inlined calls named"
        } else {
            "without inlined calls"
        };
        c.ok("stacks", format!("from the function table, {inlined}"));
    } else {
        c.degraded(
            "stacks",
            "no function table: addresses only",
            "build with the ordinary linker",
        );
    }
    match &f.offsets {
        Ok(o) => {
            let text = format!("g and m fields: {}", o.source);
            match o.source {
                OffsetSource::Nearest { .. } => c.degraded("goroutines", text, "a newer gostall"),
                _ => c.ok("goroutines", text),
            }
        }
        Err(e) => c.degraded(
            "goroutines",
            format!("{e}: calls are tied to threads, requests to their connections only"),
            "build without -s -w, or use a gostall that knows this release",
        ),
    }
    match &f.tls {
        Ok(_) => c.ok("g register", "checked against thread-local storage"),
        Err(e) => c.degraded(
            "g register",
            e.to_string(),
            "none needed for Go code; C code's calls may be `cgo`",
        ),
    }
    match program.layout.as_ref() {
        Some(l) if l.newproc_site.is_some() && l.parent_goid.is_some() => {
            c.ok(
                "parents",
                "g.parentGoid, and births at runtime.newproc where it matters",
            );
        }
        Some(l) if l.newproc_site.is_some() => {
            c.ok(
                "parents",
                "births at runtime.newproc (this Go has no g.parentGoid)",
            );
        }
        Some(l) if l.parent_goid.is_some() => c.degraded(
            "parents",
            "g.parentGoid only: runtime.newproc was inlined away or is not where it was",
            "goroutines that outlive their request may be charged to the connection's next one",
        ),
        _ => c.degraded(
            "parents",
            "unknown: child goroutines are `background`",
            "build with Go 1.21 or later",
        ),
    }
    c.ok(
        "requests",
        "plain HTTP/1 from the bytes on its connections, no uprobe",
    );
    handlers(c, &program);
}

/// TLS, HTTP/2 and templates need probes at functions that are there.
fn handlers(c: &mut Checks<'_>, program: &Program) {
    let Some(layout) = program.layout.as_ref() else {
        return c.degraded(
            "protocols",
            "TLS, HTTP/2 and gRPC need the goroutines' offsets; their calls are tied to threads",
            "see `goroutines` above",
        );
    };
    let hooks = &layout.hooks;
    if !hooks.missing.is_empty() {
        c.degraded(
            "protocols",
            format!("not seen here: {}", hooks.missing.join("; ")),
            "build without a profile (-pgo=off) to have them",
        );
    } else if hooks.handlers.is_empty() {
        c.degraded(
            "protocols",
            "plain HTTP/1 only: neither net/http's server nor gRPC's is linked in",
            "none needed for fasthttp without TLS",
        );
    } else {
        c.ok(
            "protocols",
            "TLS, HTTP/2 and gRPC by uprobes at handlers, while such connections are met",
        );
    }
    match program.ledger() {
        Ok(()) => c.ok(
            "ledger",
            "calls and network waits from the kernel; locks, channels, timers and GC by looking at goroutines from outside",
        ),
        Err(why) => c.degraded(
            "ledger",
            format!("calls, network waits and run queues only: {why}"),
            "what goroutines wait for between calls is `unknown`",
        ),
    }
    match program.exact() {
        Ok(()) => c.ok("exact", "report --exact can measure what is else sampled"),
        Err(why) => c.degraded(
            "exact",
            format!("report --exact samples, too: {why}"),
            "none needed without --exact",
        ),
    }
    if hooks.routers.is_empty() {
        c.ok("routes", "clustered from paths; --route says more");
    } else {
        c.ok(
            "routes",
            "read from the router where it leaves its template, else clustered",
        );
    }
}
