//! The head of the report: which process, how long, how much of it was seen, and at what cost.

use gostall_model::{ExactCost, Snapshot, TargetInfo};

use super::{Page, wrap};
use crate::{bytes, clean, count, duration, fraction, shorten_middle};

/// Processes named one by one; more are a number.
const TARGETS: usize = 6;

pub(super) fn lines(snapshot: &Snapshot, page: &Page) -> Vec<String> {
    let mut lines = targets(snapshot, page);
    lines.extend(wrap::items(
        "window    ",
        &window(snapshot, page),
        page.width,
    ));
    lines.extend(wrap::items(
        "coverage  ",
        &coverage(snapshot, page),
        page.width,
    ));
    lines.extend(wrap::items("overhead  ", &overhead(snapshot), page.width));
    lines
}

fn targets(snapshot: &Snapshot, page: &Page) -> Vec<String> {
    let title = page.paint.strong("gostall report");
    if snapshot.targets.len() > 1 {
        let mut lines = vec![format!("{title} · {} processes", snapshot.targets.len())];
        for target in snapshot.targets.iter().take(TARGETS) {
            lines.push(format!("  {}", process(target, page.width - 2)));
        }
        if snapshot.targets.len() > TARGETS {
            lines.push(format!("  … and {} more", snapshot.targets.len() - TARGETS));
        }
        return lines;
    }
    match &snapshot.target {
        Some(target) => vec![format!("{title} · {}", process(target, page.width - 17))],
        None => vec![format!("{title} · no process was found")],
    }
}

/// The path gives way, the rest is short.
fn process(target: &TargetInfo, columns: usize) -> String {
    let version = target
        .go_version
        .as_deref()
        .unwrap_or("Go version not known");
    let rest = format!(" · pid {} · {}", target.pid, clean(version));
    let room = columns.saturating_sub(crate::width(&rest)).max(12);
    format!("{}{rest}", shorten_middle(&clean(&target.exe), room))
}

fn window(snapshot: &Snapshot, page: &Page) -> Vec<(String, String)> {
    let window = snapshot.window;
    if window.start_unix_ns == 0 {
        return vec![wrap::plain("was not opened")];
    }
    let start = page.options.clock.date_and_time(window.start_unix_ns);
    vec![
        wrap::plain(format!("{} from {start}", duration(window.duration_ns))),
        wrap::plain(counted(
            snapshot.coverage.requests_seen,
            "request",
            window.duration_ns,
        )),
        wrap::plain(counted(
            snapshot.coverage.syscalls_seen,
            "syscall",
            window.duration_ns,
        )),
    ]
}

/// `12,340 requests (1,234/s)`.
pub(super) fn counted(n: u64, what: &str, window_ns: u64) -> String {
    let s = if n == 1 { "" } else { "s" };
    if n == 0 || window_ns == 0 {
        return format!("{} {what}{s}", count(n));
    }
    let rate = n as f64 / (window_ns as f64 / 1e9);
    let rate = if rate < 99.95 {
        crate::units::three_digits(rate)
    } else {
        count(rate.round() as u64)
    };
    format!("{} {what}{s} ({rate}/s)", count(n))
}

fn coverage(snapshot: &Snapshot, page: &Page) -> Vec<(String, String)> {
    let c = &snapshot.coverage;
    let mut items = Vec::new();
    for (n, what) in [
        (c.attributed_to_endpoint, "endpoints"),
        (c.connection, "connections"),
        (c.background, "background"),
        (c.runtime, "Go runtime"),
        (c.other, "(other)"),
        (c.unknown, "unknown"),
    ] {
        if n > 0 {
            let share = fraction(n as f64 / c.syscalls_seen as f64);
            items.push(wrap::plain(format!("{share} {what}")));
        }
    }
    let lost = match c.events_lost {
        0 => wrap::plain("nothing lost"),
        n => {
            let text = format!("{} LOST", count(n));
            (text.clone(), page.paint.bad(&text))
        }
    };
    items.push(lost);
    items
}

/// `--exact: 12,340 probe hits at 900ns, 1.1% of a CPU`.
fn exact_cost(exact: &ExactCost) -> String {
    let mut text = format!("--exact: {} probe hits", count(exact.hits));
    if let Some(ns) = exact.ns_per_hit {
        text.push_str(&format!(" at {ns:.0}ns"));
    }
    if let Some(share) = exact.cpu_fraction {
        text.push_str(&format!(", {} of a CPU", fraction(share)));
    }
    text
}

fn overhead(snapshot: &Snapshot) -> Vec<(String, String)> {
    let o = &snapshot.overhead;
    let mut items = Vec::new();
    if let Some(ns) = o.bpf_ns_per_syscall {
        items.push(wrap::plain(format!("{ns:.0}ns a syscall")));
    }
    if let Some(share) = o.bpf_cpu_fraction {
        items.push(wrap::plain(format!("{} of a CPU in BPF", fraction(share))));
    }
    if let Some(share) = o.agent_cpu_fraction {
        items.push(wrap::plain(format!(
            "{} of a CPU in gostall",
            fraction(share)
        )));
    }
    if let Some(rss) = o.agent_rss_bytes {
        items.push(wrap::plain(format!("{} resident", bytes(rss))));
    }
    if let Some(exact) = &o.exact {
        items.push(wrap::plain(exact_cost(exact)));
    }
    if items.is_empty() {
        items.push(wrap::plain("not measured"));
    }
    items
}
