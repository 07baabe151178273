//! The footnotes: what the numbers above leave out, and how exact they are. A report that hides its gaps
//! is worse than none.

use gostall_model::{Attribution, Snapshot};

use super::endpoints::many;
use super::{Page, wrap};
use crate::{clean, duration, fraction};

pub(super) fn lines(snapshot: &Snapshot, page: &Page) -> Vec<String> {
    let gaps = gaps(snapshot);
    if gaps.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![page.title("NOTES")];
    for (warning, text) in gaps {
        let label = if warning {
            page.paint.mind("!")
        } else {
            "-".to_owned()
        };
        let mut wrapped = wrap::text("  ", &text, page.width);
        if let Some(first) = wrapped.first_mut() {
            *first = format!("{label} {}", first.trim_start());
        }
        lines.extend(wrapped);
    }
    lines
}

/// What to know; `true` for what means that numbers are missing.
fn gaps(snapshot: &Snapshot) -> Vec<(bool, String)> {
    let l = &snapshot.coverage.losses;
    // Without endpoints the page has said these already, as possible reasons.
    let seen = !snapshot.endpoints.is_empty();
    let only_seen = |n: u64| if seen { n } else { 0 };
    let counted = [
        (
            true,
            l.calls_lost,
            "call",
            "In no number above, for want of room",
        ),
        (
            true,
            l.ring_full,
            "event of a single call",
            "Dropped, for the ring buffer was full",
        ),
        (
            true,
            l.spilled,
            "call",
            "Counted under (other), for the histogram table was full",
        ),
        (
            true,
            l.paths_full,
            "request",
            "Counted under (other), for too many distinct paths (name the routes with --route '/api/users/{id}')",
        ),
        (
            true,
            l.connections_full,
            "connection",
            "Not followed, for want of room",
        ),
        (
            true,
            l.exact_full,
            "change of a goroutine's status",
            "Not measured (--exact), for want of room",
        ),
        (
            true,
            l.goroutines_full,
            "goroutine",
            "Not remembered, for want of room",
        ),
        (
            true,
            l.stash_full,
            "request",
            "First calls not counted, for want of room until the path was known",
        ),
        (
            true,
            l.read_faults,
            "read of the process's memory",
            "Failed",
        ),
        (
            true,
            only_seen(l.tls_connections),
            "TLS connection",
            "Requests not readable",
        ),
        (
            true,
            only_seen(l.http2_connections),
            "HTTP/2 connection",
            "Requests not readable",
        ),
        (
            false,
            only_seen(l.requests_in_flight_at_attach),
            "request",
            "Not counted, in flight when the window opened",
        ),
        (
            false,
            l.calls_in_flight_at_attach,
            "call",
            "Not counted, in flight when the window opened",
        ),
        (
            false,
            l.snapshots_limited,
            "call",
            "Slow enough to be caught, but beyond the rate limit",
        ),
        (
            true,
            l.timelines_full,
            "request",
            "Could not have been kept whole, for want of room",
        ),
        (
            true,
            l.timelines_limited,
            "slow request",
            "Not kept whole, beyond the rate limit",
        ),
        (
            true,
            l.timelines_dropped,
            "slow request",
            "Not kept whole, more than are kept",
        ),
        (
            false,
            only_seen(l.malformed_requests),
            "connection",
            "Began with something that is not HTTP",
        ),
    ];
    let mut gaps: Vec<(bool, String)> = counted
        .into_iter()
        .filter(|(_, n, ..)| *n > 0)
        .map(|(warning, n, what, why)| (warning, format!("{why}: {}.", many(n, what))))
        .collect();
    let threads = snapshot
        .target
        .iter()
        .chain(&snapshot.targets)
        .any(|t| t.attribution == Attribution::Threads);
    if threads {
        let text = "Goroutines could not be told from an executable: its calls are tied to threads only. \
                    `gostall doctor` says why.";
        gaps.push((true, text.to_owned()));
    }
    gaps.extend(sampling(snapshot).map(|text| (true, text)));
    for why in &snapshot.sampling.exact_missing {
        gaps.push((true, format!("{}.", clean(why))));
    }
    for g in &snapshot.sampling.guards {
        gaps.push((
            true,
            format!("After {}: {}.", duration(g.after_ns), clean(&g.reason)),
        ));
    }
    gaps.sort_by_key(|(warning, _)| !warning);
    if seen {
        gaps.push((
            false,
            format!(
                "Quantiles are within {} of the exact value; counts, totals and maxima are exact. OF TIME is of \
                 the requests' summed time; calls of their child goroutines count too, so it may exceed 100%.",
                fraction(snapshot.quantile_error)
            ),
        ));
    }
    gaps
}

fn sampling(snapshot: &Snapshot) -> Option<String> {
    let s = &snapshot.sampling;
    if s.is_full() {
        return None;
    }
    let mut parts = Vec::new();
    if s.one_request_in > 1 {
        parts.push(format!("one request in {}", s.one_request_in));
    }
    if let Some(names) = &s.syscalls {
        parts.push(format!("only {}", names.join(", ")));
    }
    if s.slower_than_ns > 0 {
        parts.push(format!(
            "only calls slower than {}",
            duration(s.slower_than_ns)
        ));
    }
    let left_out = match snapshot.coverage.losses.filtered {
        0 => String::new(),
        n => format!(" {} were left out.", many(n, "call")),
    };
    Some(format!("Sampled: {}.{left_out}", parts.join("; ")))
}
