//! The footnotes: what the numbers above leave out, and how exact they are. A report that hides its gaps
//! is worse than none.

use gostall_model::{Attribution, ROUTE_OTHER, Snapshot};

use super::endpoints::many;
use super::{Page, wrap};
use crate::{duration, fraction};

pub(super) fn lines(snapshot: &Snapshot, page: &Page) -> Vec<String> {
    let mut lines = vec![page.title("NOTES")];
    for (warning, text) in gaps(snapshot) {
        let label = if warning {
            page.paint.mind("!")
        } else {
            "-".to_owned()
        };
        let mut wrapped = wrap::text("  ", &text, page.width);
        if let Some(first) = wrapped.first_mut() {
            *first = format!("{label} {}", &first[2..]);
        }
        lines.extend(wrapped);
    }
    lines
}

/// What to know; `true` for what means that numbers are missing.
fn gaps(snapshot: &Snapshot) -> Vec<(bool, String)> {
    let l = &snapshot.coverage.losses;
    let mut gaps: Vec<(bool, String)> = Vec::new();
    let mut say = |warning: bool, n: u64, text: &dyn Fn() -> String| {
        if n > 0 {
            gaps.push((warning, text()));
        }
    };
    say(true, l.calls_lost, &|| {
        format!(
            "{} found no room and are in no number above.",
            many(l.calls_lost, "call")
        )
    });
    say(true, l.ring_full, &|| {
        format!(
            "{} of single calls were dropped: the ring buffer was full.",
            many(l.ring_full, "event")
        )
    });
    say(true, l.spilled, &|| {
        format!(
            "{} are counted under {ROUTE_OTHER}: the histogram table was full.",
            many(l.spilled, "call")
        )
    });
    say(true, l.paths_full, &|| {
        format!(
            "{} are counted under {ROUTE_OTHER}: too many distinct paths. Name the routes with --route '/api/users/{{id}}'.",
            many(l.paths_full, "request")
        )
    });
    say(true, l.connections_full, &|| {
        format!(
            "{} were not followed: the table was full.",
            many(l.connections_full, "connection")
        )
    });
    say(true, l.goroutines_full, &|| {
        format!(
            "{} could not be remembered: the table was full.",
            many(l.goroutines_full, "goroutine")
        )
    });
    say(true, l.stash_full, &|| {
        format!(
            "{} lost their first calls: no room while the path was unknown.",
            many(l.stash_full, "request")
        )
    });
    say(true, l.read_faults, &|| {
        format!(
            "{} of the process's memory failed.",
            many(l.read_faults, "read")
        )
    });
    say(true, l.tls_connections, &|| {
        format!(
            "{} bore requests that could not be read.",
            many(l.tls_connections, "TLS connection")
        )
    });
    say(true, l.http2_connections, &|| {
        format!(
            "{} bore requests that could not be read.",
            many(l.http2_connections, "HTTP/2 connection")
        )
    });
    let threads = snapshot
        .target
        .iter()
        .chain(&snapshot.targets)
        .any(|t| t.attribution == Attribution::Threads);
    say(true, u64::from(threads), &|| {
        "Goroutines could not be told from this executable: calls are tied to threads only. \
         `gostall doctor` says why."
            .to_owned()
    });
    gaps.extend(sampling(snapshot).map(|text| (true, text)));
    let mut say = |n: u64, text: &dyn Fn() -> String| {
        if n > 0 {
            gaps.push((false, text()));
        }
    };
    say(l.requests_in_flight_at_attach, &|| {
        format!(
            "{} in flight when the window opened are not counted.",
            many(l.requests_in_flight_at_attach, "request")
        )
    });
    say(l.calls_in_flight_at_attach, &|| {
        format!(
            "{} in flight when the window opened are not counted.",
            many(l.calls_in_flight_at_attach, "call")
        )
    });
    say(l.snapshots_limited, &|| {
        format!(
            "{} more were slow enough to be caught; the rate is limited.",
            many(l.snapshots_limited, "call")
        )
    });
    say(l.malformed_requests, &|| {
        format!(
            "{} began with something that is not HTTP.",
            many(l.malformed_requests, "connection")
        )
    });
    gaps.push((
        false,
        format!(
            "Quantiles are within {} of the exact value; counts, totals and maxima are exact. OF TIME is of \
             the requests' summed time; calls of their child goroutines count too, so it may exceed 100%.",
            fraction(snapshot.quantile_error)
        ),
    ));
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
