//! The endpoints: a line each for the overview, then each with its latency and its syscalls.

use gostall_model::{Endpoint, LedgerState, Snapshot, SyscallStat};

use super::header::counted;
use super::table::{self, Cell, Column, Tone, left, right};
use super::{Page, wrap};
use crate::{count, duration, fraction, shorten_middle, trace};

/// From this width on there is room for two more quantiles.
const WIDE: usize = 100;

pub(super) fn lines(snapshot: &Snapshot, page: &Page) -> Vec<String> {
    let endpoints = &snapshot.endpoints;
    if endpoints.is_empty() {
        return none(snapshot, page);
    }
    let shown = &endpoints[..endpoints.len().min(page.options.top.max(1))];
    let all_ns: u64 = endpoints.iter().map(|e| e.latency.total_ns).sum();
    let mut lines = Vec::new();
    if endpoints.len() > 1 {
        lines.push(page.title("ENDPOINTS, by the time their requests took"));
        lines.extend(overview(shown, all_ns, page));
        lines.extend(more(endpoints, shown.len(), all_ns, page));
    }
    for endpoint in shown {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(block(endpoint, snapshot.window.duration_ns, page));
    }
    lines
}

fn name(endpoint: &Endpoint) -> String {
    trace::endpoint(&endpoint.method, &endpoint.route)
}

fn overview(shown: &[Endpoint], all_ns: u64, page: &Page) -> Vec<String> {
    let columns = [
        left("ENDPOINT", 24),
        right("REQUESTS", 8),
        right("ERRORS", 6),
        right("P50", 6),
        right("P99", 6),
        right("MAX", 6),
        right("OF TIME", 7),
    ];
    let rows: Vec<Vec<Cell>> = shown
        .iter()
        .map(|e| {
            vec![
                Cell(name(e), Tone::Plain),
                count(e.requests).into(),
                Cell(
                    count(e.errors),
                    if e.errors > 0 { Tone::Bad } else { Tone::Plain },
                ),
                duration(e.latency.p50_ns).into(),
                duration(e.latency.p99_ns).into(),
                duration(e.latency.max_ns).into(),
                share(e.latency.total_ns, all_ns).into(),
            ]
        })
        .collect();
    table::lines(page, 0, &columns, &rows)
}

fn more(endpoints: &[Endpoint], shown: usize, all_ns: u64, page: &Page) -> Option<String> {
    let rest = endpoints.get(shown..).filter(|rest| !rest.is_empty())?;
    let requests: u64 = rest.iter().map(|e| e.requests).sum();
    let time: u64 = rest.iter().map(|e| e.latency.total_ns).sum();
    Some(page.paint.dim(&format!(
        "… and {} more (--top N): {} requests, {} of the time",
        count(rest.len() as u64),
        count(requests),
        share(time, all_ns)
    )))
}

fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    fraction(part as f64 / whole as f64)
}

fn block(endpoint: &Endpoint, window_ns: u64, page: &Page) -> Vec<String> {
    let title = shorten_middle(&name(endpoint), page.width - 4).into_owned();
    let mut lines = vec![page.title(&title)];
    let mut facts = vec![wrap::plain(counted(
        endpoint.requests,
        "request",
        window_ns,
    ))];
    if endpoint.errors > 0 {
        let errors = format!(
            "{} ({})",
            if endpoint.errors == 1 {
                "1 error".to_owned()
            } else {
                format!("{} errors", count(endpoint.errors))
            },
            share(endpoint.errors, endpoint.requests)
        );
        facts.push((errors.clone(), page.paint.bad(&errors)));
    }
    for (status, n) in &endpoint.statuses {
        let text = format!("{status} × {}", count(*n));
        let painted = if status.starts_with('5') {
            page.paint.bad(&text)
        } else {
            text.clone()
        };
        facts.push((text, painted));
    }
    let unanswered = endpoint.requests
        - endpoint
            .statuses
            .values()
            .sum::<u64>()
            .min(endpoint.requests);
    if unanswered > 0 {
        facts.push(wrap::plain(format!("no answer × {}", count(unanswered))));
    }
    if endpoint.protocol.name() != "http/1" {
        facts.push(wrap::plain(endpoint.protocol.name()));
    }
    lines.extend(wrap::items("  ", &facts, page.width));
    if endpoint.requests > 0 {
        lines.extend(latency(endpoint, page));
        lines.extend(time(endpoint, page));
    } else {
        lines.extend(wrap::text(
            "  ",
            "no request ended in the window; these are calls of requests still in flight",
            page.width,
        ));
    }
    lines.extend(syscalls(endpoint, page));
    lines
}

fn latency(endpoint: &Endpoint, page: &Page) -> Vec<String> {
    let l = &endpoint.latency;
    let items: Vec<_> = [
        ("p50", l.p50_ns),
        ("p90", l.p90_ns),
        ("p99", l.p99_ns),
        ("p99.9", l.p999_ns),
        ("max", l.max_ns),
    ]
    .into_iter()
    .map(|(q, ns)| {
        let value = duration(ns);
        (
            format!("{q} {value}"),
            format!("{} {}", page.paint.dim(q), page.paint.strong(&value)),
        )
    })
    .collect();
    wrap::items("  latency  ", &items, page.width)
}

/// Less of the time than this is one item with all others of the kind.
const SMALL: f64 = 0.005;

/// Where the requests' time went, the most first.
fn time(endpoint: &Endpoint, page: &Page) -> Vec<String> {
    let total = endpoint.latency.total_ns;
    if endpoint
        .ledger
        .keys()
        .all(|name| LedgerState::from_name(name) == Some(LedgerState::Unknown))
    {
        return Vec::new();
    }
    let mut states: Vec<(&String, u64)> = endpoint.ledger.iter().map(|(k, v)| (k, *v)).collect();
    states.sort_by_key(|(name, ns)| (std::cmp::Reverse(*ns), (*name).clone()));
    let (large, small): (Vec<_>, Vec<_>) = states
        .into_iter()
        .partition(|(_, ns)| *ns as f64 >= total as f64 * SMALL);
    if large.is_empty() {
        return Vec::new();
    }
    let mut items: Vec<_> = large
        .into_iter()
        .map(|(name, ns)| {
            let label = LedgerState::from_name(name).map_or(name.as_str(), |s| s.label());
            let value = share(ns, total);
            (
                format!("{label} {value}"),
                format!("{} {}", page.paint.dim(label), page.paint.strong(&value)),
            )
        })
        .collect();
    let rest: u64 = small.iter().map(|s| s.1).sum();
    if rest > 0 {
        let text = format!("else {}", share(rest, total));
        items.push((text.clone(), page.paint.dim(&text)));
    }
    wrap::items("  time     ", &items, page.width)
}

fn syscalls(endpoint: &Endpoint, page: &Page) -> Vec<String> {
    if endpoint.syscalls.is_empty() {
        return Vec::new();
    }
    let wide = page.width >= WIDE;
    let mut columns: Vec<Column> = vec![
        left("SYSCALL", 14),
        left("RESULT", 9),
        right("COUNT", 9),
        right("/REQ", 5),
        right("P50", 6),
    ];
    if wide {
        columns.push(right("P90", 6));
    }
    columns.push(right("P99", 6));
    if wide {
        columns.push(right("P99.9", 6));
    }
    columns.extend([right("MAX", 6), right("TOTAL", 6), right("OF TIME", 7)]);
    let shown = &endpoint.syscalls[..endpoint.syscalls.len().min(page.options.syscalls.max(1))];
    let rows: Vec<Vec<Cell>> = shown.iter().map(|s| row(s, endpoint, wide)).collect();
    let mut lines = table::lines(page, 2, &columns, &rows);
    let rest = &endpoint.syscalls[shown.len()..];
    if !rest.is_empty() {
        let calls: u64 = rest.iter().map(|s| s.count).sum();
        let time: u64 = rest.iter().map(|s| s.total_ns).sum();
        lines.push(page.paint.dim(&format!(
            "  … and {} more rows: {} calls, {}",
            rest.len(),
            count(calls),
            duration(time)
        )));
    }
    lines
}

fn row(s: &SyscallStat, endpoint: &Endpoint, wide: bool) -> Vec<Cell> {
    // A read or write that would block is how Go waits, not a failure.
    let tone = match &*s.result {
        "ok" => Tone::Plain,
        "EAGAIN" | "EINPROGRESS" => Tone::Dim,
        _ => Tone::Mind,
    };
    let mut cells: Vec<Cell> = vec![
        Cell(s.name.to_string(), Tone::Plain),
        Cell(s.result.to_string(), tone),
        count(s.count).into(),
        per_request(s.count, endpoint.requests).into(),
        duration(s.p50_ns).into(),
    ];
    if wide {
        cells.push(duration(s.p90_ns).into());
    }
    cells.push(duration(s.p99_ns).into());
    if wide {
        cells.push(duration(s.p999_ns).into());
    }
    cells.extend([
        duration(s.max_ns).into(),
        duration(s.total_ns).into(),
        share(s.total_ns, endpoint.latency.total_ns).into(),
    ]);
    cells
}

fn per_request(calls: u64, requests: u64) -> String {
    if requests == 0 {
        return "-".to_owned();
    }
    let n = calls as f64 / requests as f64;
    if n < 0.01 {
        "<0.01".to_owned()
    } else if n < 999.5 {
        crate::units::three_digits(n)
    } else {
        count(n.round() as u64)
    }
}

/// Nothing to show: what was seen instead, and why that may be.
fn none(snapshot: &Snapshot, page: &Page) -> Vec<String> {
    let c = &snapshot.coverage;
    let l = &c.losses;
    let mut lines = vec![page.paint.strong("No request ended in the window.")];
    let mut say = |text: String| lines.extend(wrap::text("  - ", &text, page.width));
    if c.syscalls_seen == 0 {
        say(
            "Not one syscall was seen: the process is idle, or gone, or not the one that serves. \
             Try --port PORT to find who listens there."
                .to_owned(),
        );
        return lines;
    }
    if l.requests_in_flight_at_attach > 0 {
        say(format!(
            "Not counted, in flight when the window opened: {}.",
            many(l.requests_in_flight_at_attach, "request")
        ));
    }
    if l.tls_connections > 0 {
        say(format!(
            "Requests not readable: {}.",
            many(l.tls_connections, "TLS connection")
        ));
    }
    if l.http2_connections > 0 {
        say(format!(
            "Requests not readable: {}.",
            many(l.http2_connections, "HTTP/2 connection")
        ));
    }
    if l.malformed_requests > 0 {
        say(format!(
            "Began with something that is not HTTP: {}.",
            many(l.malformed_requests, "connection")
        ));
    }
    if c.connection == 0 {
        say(
            "No connection was accepted or read either: no client came, or another process serves \
             them."
                .to_owned(),
        );
    } else {
        say(
            "Connections are there, but no request came to its end on them. Send some, or take a \
             longer window with -d."
                .to_owned(),
        );
    }
    lines
}

/// `1 request`, `2 requests`, `2 reads of memory`.
pub(super) fn many(n: u64, what: &str) -> String {
    if n == 1 {
        return format!("1 {what}");
    }
    let (noun, rest) = what
        .split_once(" of ")
        .map_or((what, None), |(a, b)| (a, Some(b)));
    match rest {
        Some(rest) => format!("{} {noun}s of {rest}", count(n)),
        None => format!("{} {noun}s", count(n)),
    }
}
