//! Where an executable's handlers are called, and where their answers are complete: the sites of the uprobes that
//! TLS, HTTP/2 and route templates need. Only instructions that the kernel emulates are taken; what is inlined away
//! is looked for where it went, and named where it is not found.

use gostall_gobin::{Binary, Function, Site};
use gostall_probes::{Hook, HookKind, Hooks};

use crate::exact;

/// A copy of HTTP/2.
struct Http2 {
    /// What its types' methods begin with.
    prefix: &'static str,
    /// It calls handlers itself, not through net/http.
    x_net: bool,
}

/// Those there are: in net/http up to Go 1.26, in a package of its own since, and x/net's.
const HTTP2: [Http2; 3] = [
    Http2 {
        prefix: "net/http.(*http2",
        x_net: false,
    },
    Http2 {
        prefix: "net/http/internal/http2.(*",
        x_net: false,
    },
    Http2 {
        prefix: "golang.org/x/net/http2.(*",
        x_net: true,
    },
];

/// `http2responseWriterState.status` in golang.org/x/net/http2 since v0.1.0 (2022), which has six pointers and a
/// slice before it.
const X_NET_STATUS: u32 = 72;

fn hook(kind: HookKind, site: Site, cookie: u64) -> Hook {
    Hook {
        kind,
        file_offset: site.file_offset,
        cookie: cookie | u64::from(site.kind.skip_when_taken()),
    }
}

/// Which argument register holds the `*http.Request`, as cookies have it.
fn argument(n: u64) -> u64 {
    n << gostall_probes::HOOK_ARG_SHIFT
}

/// The functions in which a call to `caller`'s callee is to be looked for: itself, and those it was inlined into.
fn bodies(binary: &Binary, name: &str) -> Vec<Function> {
    let mut all = Vec::new();
    for presence in binary.inlined_into(&[name]) {
        all.extend(presence.function.clone());
        all.extend(presence.inlined_into.into_iter().map(|i| i.function));
    }
    all
}

fn calls(binary: &Binary, callers: &[Function], callee: &str) -> Vec<Site> {
    let found = binary.find(&[callee]);
    let Some(Some(callee)) = found.first() else {
        return Vec::new();
    };
    callers
        .iter()
        .flat_map(|f| binary.call_site(f, callee))
        .collect()
}

fn http2(binary: &Binary, copy: &Http2, status: Option<u32>, hooks: &mut Hooks) {
    let run_handler = format!("{}serverConn).runHandler", copy.prefix);
    let runs = binary.functions_where(|n| {
        n.strip_prefix(run_handler.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(".func"))
    });
    if runs.is_empty() {
        return;
    }
    let done = format!("{}responseWriter).handlerDone", copy.prefix);
    let ends = calls(binary, &bodies(binary, &done), "sync.(*Pool).Put");
    if ends.is_empty() {
        hooks
            .missing
            .push(format!("the end of {done}, so HTTP/2 requests"));
        return;
    }
    let cookie = status.map_or(u64::from(u32::MAX), u64::from);
    let at = |kind: HookKind| {
        move |site: Site| Hook {
            kind,
            file_offset: site.file_offset,
            cookie,
        }
    };
    hooks
        .handlers
        .extend(ends.into_iter().map(at(HookKind::Http2Done)));
    let reset = format!("{}serverConn).writeFrameFromHandler", copy.prefix);
    let panics = calls(binary, &runs, &reset);
    hooks
        .handlers
        .extend(panics.into_iter().map(at(HookKind::Http2Panic)));
    // A stream reset by its client, and those open when it has left.
    let close = format!("{}serverConn).closeStream", copy.prefix);
    for name in ["processResetStream", "closeAllStreamsOnConnClose"] {
        let because = bodies(binary, &format!("{}serverConn).{name}", copy.prefix));
        let closed = calls(binary, &because, &close);
        hooks.handlers.extend(
            closed
                .into_iter()
                .map(|s| hook(HookKind::StreamClosed, s, 0)),
        );
    }
    // What does not fit the buffer is written on a goroutine of its own, for the stream whose frame it is.
    let frame = format!("{}serverConn).writeFrameAsync", copy.prefix);
    if let Some(Some(f)) = binary.find(&[&frame]).first()
        && let Some(site) = binary.entry_site(f)
    {
        hooks.frames.push(hook(HookKind::FrameWrite, site, 0));
    }
    // Up to Go 1.21 a stream whose client has left ends without giving its state back.
    let before_122 = binary.version().is_some_and(|v| v.minor < 22);
    if before_122
        && let Some(Some(f)) = binary.find(&[&done]).first()
        && let Some(site) = binary.entry_site(f)
    {
        hooks.handlers.push(hook(
            HookKind::Http2Left,
            site,
            cookie << gostall_probes::HOOK_STATUS_SHIFT,
        ));
    }
    if copy.x_net
        && let Some(f) = runs.iter().find(|f| f.name == run_handler)
        && let Some(site) = binary.entry_site(f)
    {
        hooks
            .handlers
            .push(hook(HookKind::Handler, site, argument(2)));
    }
}

/// Routers that keep their template in a context of their own; major versions are part of their names.
fn routers(binary: &Binary, hooks: &mut Hooks) {
    let found = binary.functions_where(|n| {
        n == "github.com/gin-gonic/gin.(*Engine).handleHTTPRequest"
            || (n.starts_with("github.com/labstack/echo/") && n.ends_with(".(*Router).Find"))
            || (n.starts_with("github.com/go-chi/chi/") && n.ends_with(".(*Mux).routeHTTP"))
            || n == "github.com/gorilla/mux.(*Router).ServeHTTP"
            || n == "github.com/gorilla/mux.requestWithRoute"
            || n == "github.com/gorilla/mux.requestWithRouteAndVars"
    });
    // chi leaves its pattern on the request since v5.2.2 (2025).
    let chi_tells = !binary.inlined_into(&["github.com/go-chi/chi/v5.setPattern"])[0].absent();
    for function in found {
        let kind = match function.name.split('/').nth(1) {
            Some("gin-gonic") => HookKind::Gin,
            Some("gorilla") if function.name.ends_with(".ServeHTTP") => HookKind::GorillaBegin,
            Some("gorilla") => HookKind::Gorilla,
            Some("go-chi") if !chi_tells => continue,
            Some("go-chi") => HookKind::Router,
            _ => HookKind::Echo,
        };
        if let Some(site) = binary.entry_site(&function) {
            hooks.routers.push(hook(kind, site, 0));
        }
    }
    // Without the place where gorilla has chosen, every request would look as if it had found nothing.
    if !hooks.routers.iter().any(|h| h.kind == HookKind::Gorilla) {
        hooks.routers.retain(|h| h.kind != HookKind::GorillaBegin);
    }
    // httprouter keeps no template: it is put together from the path and where in it the parameters' values lie. What
    // followed v1.3.0, the last release, hands them back another way; it is known by its getParams, and left alone.
    let unreleased = "github.com/julienschmidt/httprouter.(*Router).getParams";
    if binary.inlined_into(&[unreleased])[0].absent() {
        around(
            binary,
            [
                "github.com/julienschmidt/httprouter.(*Router).ServeHTTP",
                "github.com/julienschmidt/httprouter.(*node).getValue",
            ],
            [HookKind::HttprouterBegin, HookKind::Httprouter],
            hooks,
        );
    }
    around(
        binary,
        [
            "github.com/gofiber/fiber/v2.(*App).next",
            "github.com/gofiber/fiber/v2.(*Route).match",
        ],
        [HookKind::Fiber, HookKind::FiberMatched],
        hooks,
    );
}

/// Where a caller calls a function, and where it has what that returned; neither without the other.
fn around(binary: &Binary, names: [&str; 2], kinds: [HookKind; 2], hooks: &mut Hooks) {
    let found = binary.find(&names);
    let [Some(caller), Some(callee)] = &found[..] else {
        return;
    };
    let calls = binary.call_site(caller, callee);
    let returns = binary.return_site(caller, callee);
    if calls.len() == returns.len() {
        for (kind, sites) in kinds.into_iter().zip([calls, returns]) {
            hooks
                .routers
                .extend(sites.into_iter().map(|s| hook(kind, s, 0)));
        }
    }
}

/// gRPC's server: where streams are handed out, and where either transport is given a status.
fn grpc(binary: &Binary, hooks: &mut Hooks) {
    const TRANSPORT: &str = "google.golang.org/grpc/internal/transport.(*";
    let stream = "google.golang.org/grpc.(*Server).handleStream".to_owned();
    let mut names = vec![stream];
    for transport in ["http2Server", "serverHandlerTransport"] {
        for method in ["writeStatus", "WriteStatus"] {
            names.push(format!("{TRANSPORT}{transport}).{method}"));
        }
    }
    let reset = bodies(binary, &format!("{TRANSPORT}http2Server).handleRSTStream"));
    let close = format!("{TRANSPORT}http2Server).closeStream");
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let found = binary.find(&names);
    let site = |f: &Option<Function>| f.as_ref().and_then(|f| binary.entry_site(f));
    let Some(begin) = found.first().and_then(site) else {
        return;
    };
    let ends: Vec<Site> = found[1..].iter().filter_map(site).collect();
    if ends.is_empty() {
        hooks
            .missing
            .push("gRPC's writeStatus, so gRPC calls".to_owned());
        return;
    }
    hooks
        .handlers
        .push(hook(HookKind::GrpcStream, begin, argument(3)));
    hooks
        .handlers
        .extend(ends.into_iter().map(|s| hook(HookKind::GrpcStatus, s, 0)));
    let resets = calls(binary, &reset, &close);
    hooks.handlers.extend(
        resets
            .into_iter()
            .map(|s| hook(HookKind::StreamClosed, s, gostall_probes::HOOK_GRPC)),
    );
}

/// HTTP/1 over TLS without net/http: its text where crypto/tls reads and writes it.
fn fasthttp(binary: &Binary, hooks: &mut Hooks) {
    let found = binary.find(&[
        "github.com/valyala/fasthttp.(*Server).serveConn",
        "crypto/tls.(*Conn).Read",
        "crypto/tls.(*Conn).Write",
        "runtime.memmove",
    ]);
    let [Some(_), Some(read), Some(write), Some(memmove)] = &found[..] else {
        return;
    };
    let sites = binary
        .plaintext_site(read, memmove)
        .zip(binary.entry_site(write));
    let Some(((text, register), write)) = sites else {
        hooks
            .missing
            .push("the copy in crypto/tls.(*Conn).Read, so requests over TLS to fasthttp".into());
        return;
    };
    let register = u64::from(register) << gostall_probes::HOOK_REG_SHIFT;
    hooks.handlers.extend([
        hook(HookKind::TlsRead, text, register),
        hook(HookKind::TlsWrite, write, 0),
    ]);
}

/// Every site of an executable.
pub(crate) fn find(binary: &Binary, h2_status: Option<u32>) -> Hooks {
    let mut hooks = Hooks::default();
    let entries = [
        (
            HookKind::Handler,
            "net/http.serverHandler.ServeHTTP",
            argument(3),
        ),
        (
            HookKind::Http1Finish,
            "net/http.(*response).finishRequest",
            0,
        ),
        (HookKind::HttpError, "net/http.Error", 0),
        (HookKind::Hijack, "net/http.(*response).Hijack", 0),
        (HookKind::Router, "net/http.(*ServeMux).ServeHTTP", 0),
        (
            HookKind::Router,
            "net/http.HandlerFunc.ServeHTTP",
            gostall_probes::HOOK_MATCHED,
        ),
    ];
    let names = entries.map(|(_, name, _)| name);
    for ((kind, name, cookie), function) in entries.into_iter().zip(binary.find(&names)) {
        let site = function.as_ref().and_then(|f| binary.entry_site(f));
        match site {
            Some(site) if kind == HookKind::Router => {
                hooks.routers.push(hook(kind, site, cookie));
            }
            Some(site) => hooks.handlers.push(hook(kind, site, cookie)),
            // Not linked in, or inlined: only the first two are needed.
            None if matches!(kind, HookKind::Handler | HookKind::Http1Finish)
                && binary
                    .inlined_into(&[name])
                    .iter()
                    .any(|p| !p.inlined_into.is_empty()) =>
            {
                hooks
                    .missing
                    .push(format!("{name} is inlined, so requests over TLS"));
            }
            None => {}
        }
    }
    routers(binary, &mut hooks);
    for copy in &HTTP2 {
        let status = if copy.x_net {
            Some(X_NET_STATUS)
        } else {
            h2_status
        };
        http2(binary, copy, status, &mut hooks);
    }
    grpc(binary, &mut hooks);
    fasthttp(binary, &mut hooks);
    hooks.exact = exact::sites(binary);
    // Without a beginning the ends are of no use.
    if !hooks.handlers.iter().any(|h| {
        matches!(
            h.kind,
            HookKind::Handler | HookKind::GrpcStream | HookKind::TlsRead
        )
    }) {
        hooks.handlers.clear();
    }
    hooks
}
