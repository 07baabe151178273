//! Slow requests as waterfalls: a row for each call, wait and pause, with a bar where on the request's time it lies.
//!
//! What is short and alike is one row, and what the runtime does beside the request is summed up: the JSON has all of
//! it one by one.

use std::collections::HashMap;

use gostall_model::{LedgerState, SlowRequest, Snapshot, TimelineEvent, TimelineKind};

use super::endpoints::many;
use super::{Page, wrap};
use crate::trace::endpoint;
use crate::{clean, duration, shorten_middle};

/// Rows of one request; of more, the longest.
const ROWS: usize = 40;
/// With more than that, short calls in a row are one row even if they are not alike.
const MANY: usize = 30;
/// A part of a request that is too small to matter by itself.
const SHORT: f64 = 0.005;
/// A gap between calls smaller than this is no row.
const SMALL_GAP: f64 = 0.01;
/// Time in a call that is worth a word.
const WORTH: f64 = 0.1;

pub(super) fn lines(snapshot: &Snapshot, page: &Page) -> Vec<String> {
    let Some(all) = &snapshot.slowest else {
        return Vec::new();
    };
    let mut lines = vec![page.title("SLOWEST REQUESTS")];
    if all.is_empty() {
        let none = "none of a request that began and ended in the window";
        lines.extend(wrap::text("  ", none, page.width));
        return lines;
    }
    let legend = [
        "█ in a call",
        "▒ waiting for a descriptor",
        "░ between calls",
        "▓ no processor free",
    ];
    let legend: Vec<_> = legend
        .iter()
        .map(|l| ((*l).to_owned(), page.paint.dim(l)))
        .collect();
    lines.extend(wrap::items("  ", &legend, page.width));
    let shown = &snapshot.endpoints[..snapshot.endpoints.len().min(page.options.top.max(1))];
    for e in shown {
        let of: Vec<&SlowRequest> = all
            .iter()
            .filter(|r| r.method == e.method && r.route == e.route)
            .collect();
        for r in of.iter().take(page.options.slowest) {
            lines.push(String::new());
            lines.extend(one(r, page));
        }
        if of.len() > page.options.slowest {
            let more = format!(
                "… {} more of {} (the JSON has them)",
                many((of.len() - page.options.slowest) as u64, "request"),
                endpoint(&e.method, &e.route)
            );
            lines.push(String::new());
            lines.extend(wrap::text("", &more, page.width));
        }
    }
    lines
}

/// Where on the line things are.
struct Scale {
    total_ns: u64,
    columns: usize,
    text: usize,
}

impl Scale {
    /// The column a time lies in, and how many there are up to it.
    fn column(&self, ns: u64) -> (usize, usize) {
        let at = ns.min(self.total_ns) as u128 * self.columns as u128;
        let total = u128::from(self.total_ns.max(1));
        ((at / total) as usize, at.div_ceil(total) as usize)
    }

    /// Draws a time; what is too short to see is a thin line.
    fn draw(&self, bar: &mut [char], from: u64, ns: u64, full: char) {
        let first = self.column(from).0.min(self.columns - 1);
        let last = self.column(from.saturating_add(ns)).1.min(self.columns);
        let thin = (ns as f64) < self.total_ns as f64 / self.columns as f64 / 2.0;
        if thin || last <= first {
            if bar[first] == ' ' {
                bar[first] = if thin { '▏' } else { full };
            }
            return;
        }
        bar[first..last].fill(full);
    }
}

/// A row: an event, or several that are alike.
struct Row<'a> {
    events: Vec<&'a TimelineEvent>,
}

impl Row<'_> {
    fn first(&self) -> &TimelineEvent {
        self.events[0]
    }

    fn took(&self) -> u64 {
        self.events.iter().map(|e| e.duration_ns).sum()
    }
}

fn one(r: &SlowRequest, page: &Page) -> Vec<String> {
    let mut lines = head(r, page);
    let bar = (page.width * 3 / 10).clamp(12, 40);
    let scale = Scale {
        total_ns: r.duration_ns,
        columns: bar,
        text: page.width.saturating_sub(bar + 21).max(12),
    };
    let total = duration(r.duration_ns);
    let axis = format!(
        "  {:>7} {:>7}  0{}{total}",
        "AT",
        "TOOK",
        " ".repeat(bar.saturating_sub(1 + total.len())),
    );
    lines.push(page.paint.dim(&axis));
    let (mut rows, aside) = match rows(r, false) {
        (rows, _) if rows.len() > MANY => self::rows(r, true),
        few => few,
    };
    let left_out = rows.len().saturating_sub(ROWS);
    if left_out > 0 {
        let mut took: Vec<u64> = rows.iter().map(Row::took).collect();
        took.sort_unstable_by(|a, b| b.cmp(a));
        let least = took[ROWS - 1];
        let mut room = ROWS;
        rows.retain(|row| {
            let stays = row.took() >= least && room > 0;
            room -= usize::from(stays);
            stays
        });
    }
    lines.extend(rows.iter().map(|row| line(row, r, &scale, page)));
    let mut notes = Vec::new();
    if left_out > 0 {
        notes.push(format!("{} left out", many(left_out as u64, "shorter row")));
    }
    if !aside.is_empty() {
        notes.push(format!("aside: {aside}"));
    }
    if r.cut > 0 {
        let cut = many(u64::from(r.cut), "later call");
        notes.push(format!("{cut} not kept: there were too many"));
    }
    if !notes.is_empty() {
        let text = wrap::text("  … ", &notes.join("; "), page.width);
        lines.extend(text.iter().map(|l| page.paint.dim(l)));
    }
    lines
}

fn head(r: &SlowRequest, page: &Page) -> Vec<String> {
    let name = endpoint(&r.method, &r.route);
    let name = shorten_middle(&name, page.width.saturating_sub(10)).into_owned();
    let took = duration(r.duration_ns);
    let mut facts = vec![(
        format!("{name}  {took}"),
        format!("{}  {}", page.paint.strong(&name), page.paint.strong(&took)),
    )];
    match r.status {
        Some(status) if status >= 500 => {
            facts.push((status.to_string(), page.paint.bad(&status.to_string())));
        }
        Some(status) => facts.push(wrap::plain(status.to_string())),
        None => facts.push(wrap::plain("no answer")),
    }
    if r.aborted {
        facts.push(("aborted".to_owned(), page.paint.bad("aborted")));
    }
    facts.push(wrap::plain(page.options.clock.time_of_day(r.start_unix_ns)));
    if let Some(goid) = r.goroutine {
        facts.push(wrap::plain(format!("goroutine {goid}")));
    }
    if let Some(id) = &r.trace_id {
        facts.push(wrap::plain(format!("trace {}", clean(id))));
    }
    wrap::items("", &facts, page.width)
}

/// Events as rows, those that are alike as one, or (`together`) all that are short; and in words what is no row.
fn rows(r: &SlowRequest, together: bool) -> (Vec<Row<'_>>, String) {
    let short = r.duration_ns as f64 * SHORT;
    let is_short = |e: &TimelineEvent| (e.duration_ns as f64) < short;
    let mut rows: Vec<Row> = Vec::new();
    let mut last: HashMap<Option<u64>, usize> = HashMap::new();
    let mut aside: Vec<(String, u64)> = Vec::new();
    for e in &r.events {
        let child = e.goroutine != r.goroutine;
        match e.kind {
            TimelineKind::Look => continue,
            TimelineKind::Go if (e.duration_ns as f64) < r.duration_ns as f64 * SMALL_GAP => {
                continue;
            }
            // It waits for whatever comes after the request, as net/http's background reader does.
            TimelineKind::Wait if child && e.at_ns + e.duration_ns >= r.duration_ns => continue,
            _ => {}
        }
        let again = e.result.as_deref() == Some("EAGAIN");
        if e.kind == TimelineKind::Syscall && is_short(e) && (e.runtime || child && again) {
            let name = clean(e.name.as_deref().unwrap_or_default()).into_owned();
            match aside.iter_mut().find(|(n, _)| *n == name) {
                Some((_, n)) => *n += 1,
                None => aside.push((name, 1)),
            }
            continue;
        }
        let alike = |of: &TimelineEvent| {
            let same = of.name == e.name && of.fd == e.fd && of.result == e.result;
            !matches!(e.kind, TimelineKind::Wait | TimelineKind::Go)
                && of.kind == e.kind
                && (same || together && e.kind == TimelineKind::Syscall)
                && is_short(of)
                && is_short(e)
        };
        match last.get(&e.goroutine) {
            Some(&at) if alike(rows[at].first()) => rows[at].events.push(e),
            _ => {
                last.insert(e.goroutine, rows.len());
                rows.push(Row { events: vec![e] });
            }
        }
    }
    let aside = match aside.is_empty() {
        true => String::new(),
        false => format!(
            "{} (short, the runtime's and net/http's own)",
            listed(aside)
        ),
    };
    (rows, aside)
}

fn line(row: &Row, r: &SlowRequest, scale: &Scale, page: &Page) -> String {
    let e = row.first();
    let mut bar = vec![' '; scale.columns];
    let full = match e.kind {
        TimelineKind::Syscall => '█',
        TimelineKind::Wait => '▒',
        TimelineKind::Go | TimelineKind::Look => '░',
        TimelineKind::Runq | TimelineKind::Throttled | TimelineKind::Fault => '▓',
    };
    for e in &row.events {
        scale.draw(&mut bar, e.at_ns, e.duration_ns, full);
    }
    let bar: String = bar.into_iter().collect();
    let child = e.goroutine != r.goroutine;
    let who = match e.goroutine {
        Some(goid) if child => format!("  g{goid} "),
        None if child => "  g? ".to_owned(),
        _ => String::new(),
    };
    let room = scale.text.saturating_sub(crate::width(&who)).max(8);
    let (text, what) = words(row, r);
    let mut text = shorten_middle(&text, room).into_owned();
    let left = room.saturating_sub(crate::width(&text) + 2);
    if left > 4 && !what.is_empty() {
        text = format!("{text}  {}", shorten_middle(&what, left));
    }
    let text = match e.result.as_deref() {
        Some(result) if result != "ok" && result != "EAGAIN" && result != "EINPROGRESS" => {
            page.paint.mind(&text)
        }
        _ => text,
    };
    let took = format!("{:>7}", duration(row.took()));
    let took = if row.took() as f64 >= r.duration_ns as f64 * WORTH && !child {
        page.paint.strong(&took)
    } else {
        took
    };
    let line = format!(
        "  {:>7} {took}  {bar}  {}{text}",
        duration(e.at_ns),
        page.paint.dim(&who)
    );
    line.trim_end().to_owned()
}

/// What the row is, and what it led to.
fn words(row: &Row, r: &SlowRequest) -> (String, String) {
    let e = row.first();
    let same = row.events.iter().all(|of| of.what == e.what);
    let what = e.what.as_deref().filter(|_| same);
    let what = what.map(clean).unwrap_or_default();
    let text = match e.kind {
        TimelineKind::Syscall => call(row),
        TimelineKind::Wait => format!("waits: {}", e.state.map_or("?", LedgerState::label)),
        TimelineKind::Go => between(e, r),
        TimelineKind::Look => String::new(),
        TimelineKind::Runq => several(row, LedgerState::RunqOs.label()),
        TimelineKind::Throttled => several(row, LedgerState::Throttled.label()),
        TimelineKind::Fault => several(row, "a page to be read"),
    };
    // "waits: pipe" says it.
    let said = e.kind == TimelineKind::Wait && text.ends_with(&*what);
    (
        text,
        if said {
            String::new()
        } else {
            what.into_owned()
        },
    )
}

/// The names of calls, the most frequent first.
fn names(row: &Row) -> String {
    let mut counts: Vec<(String, u64)> = Vec::new();
    for e in &row.events {
        let name = clean(e.name.as_deref().unwrap_or_default()).into_owned();
        match counts.iter_mut().find(|(n, _)| *n == name) {
            Some((_, n)) => *n += 1,
            None => counts.push((name, 1)),
        }
    }
    counts.sort_by_key(|c| std::cmp::Reverse(c.1));
    listed(counts)
}

fn listed(counts: Vec<(String, u64)>) -> String {
    let all: Vec<String> = counts
        .into_iter()
        .map(|(name, n)| match n {
            1 => name,
            n => format!("{n} × {name}"),
        })
        .collect();
    all.join(", ")
}

fn several(row: &Row, what: &str) -> String {
    match row.events.len() {
        1 => what.to_owned(),
        n => format!("{n} × {what}, {} each", duration(row.took() / n as u64)),
    }
}

/// A call, or several.
fn call(row: &Row) -> String {
    let e = row.first();
    let name = e.name.as_deref().map(clean).unwrap_or_default();
    let name = match e.fd {
        Some(fd) => format!("{name} {fd}"),
        None => name.into_owned(),
    };
    let n = row.events.len();
    let same = |of: &&TimelineEvent| of.name == e.name && of.fd == e.fd && of.result == e.result;
    if !row.events.iter().all(same) {
        return format!("{n} calls: {}", names(row));
    }
    if n > 1 {
        let each = duration(row.took() / n as u64);
        return match e.result.as_deref() {
            Some("ok") => format!("{n} × {name}, {each} each"),
            _ => format!("{n} × {name} = {}, {each} each", result(e)),
        };
    }
    let worth = |ns: u64| ns as f64 >= e.duration_ns as f64 * WORTH && ns >= 10_000;
    let parts = [
        (e.blocked_ns, e.state.map_or("blocked", LedgerState::label)),
        (e.runq_ns, LedgerState::RunqOs.label()),
        (e.throttled_ns, LedgerState::Throttled.label()),
    ];
    let of: Vec<String> = parts
        .into_iter()
        .filter(|(ns, _)| worth(*ns))
        .map(|(ns, label)| format!("{label} {}", duration(ns)))
        .collect();
    match of.is_empty() {
        true => format!("{name} = {}", result(e)),
        false => format!("{name} = {} ({})", result(e), of.join(", ")),
    }
}

fn result(e: &TimelineEvent) -> String {
    match (e.result.as_deref(), e.ret) {
        (Some("ok"), Some(ret)) => match ret {
            -4096..=0xffff_ffff => ret.to_string(),
            address => format!("{address:#x}"),
        },
        (Some(errno), _) => clean(errno).into_owned(),
        (None, _) => "?".to_owned(),
    }
}

/// Between two calls: what its goroutine was found doing, and how often.
fn between(e: &TimelineEvent, r: &SlowRequest) -> String {
    let looks = |n: u32| many(u64::from(n), "look");
    if let (Some(state), Some(n)) = (e.state, e.looks) {
        return format!("{} ({})", state.label(), looks(n));
    }
    let (from, to) = (e.at_ns, e.at_ns + e.duration_ns);
    let mut found: Vec<&str> = Vec::new();
    for l in &r.events {
        if l.kind == TimelineKind::Look
            && l.at_ns + l.duration_ns >= from
            && l.at_ns <= to
            && let Some(state) = l.state
            && !found.contains(&state.label())
        {
            found.push(state.label());
        }
    }
    match found.is_empty() {
        true => "computing or waiting (no look)".to_owned(),
        false => format!("found: {}", found.join(", ")),
    }
}
