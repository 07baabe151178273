//! What changes would save: those that save most, each with its formula; of the others, how many there are.

use gostall_model::{Bound, Snapshot, WhatIf};

use super::table::{self, Cell, left, right};
use super::{Page, wrap};
use crate::{count, duration, fraction, trace};

/// Lines shown; the rest is one line.
const SHOWN: usize = 12;

pub(super) fn lines(snapshot: &Snapshot, page: &Page) -> Vec<String> {
    let Some(all) = &snapshot.what_if else {
        return Vec::new();
    };
    let mut lines = vec![page.title("WHAT IF, by what it would save in all")];
    let mut answers: Vec<(&WhatIf, u64, u64)> = all
        .iter()
        .filter_map(|w| {
            let saves = w.saves_ns_per_request.filter(|ns| *ns > 0)?;
            let (requests, mean) = of(w, snapshot);
            Some((w, saves.saturating_mul(requests), mean))
        })
        .collect();
    answers.sort_by_key(|a| std::cmp::Reverse(a.1));
    let columns = [
        left("ENDPOINT", 24),
        left("CHANGE", 18),
        right("SAVES", 9),
        right("OF MEAN", 7),
        left("FOR", 24),
    ];
    let rows: Vec<Vec<Cell>> = answers
        .iter()
        .take(SHOWN)
        .map(|(w, _, mean)| {
            let saves = w.saves_ns_per_request.unwrap_or(0);
            let most = match w.bound {
                Some(Bound::AtMost) => "≤",
                Some(Bound::AtLeast) => "≥",
                None => "",
            };
            vec![
                name(w).into(),
                w.change.replace('_', " ").into(),
                format!("{most}{}", duration(saves)).into(),
                if *mean == 0 {
                    "-".into()
                } else {
                    fraction(saves as f64 / *mean as f64).into()
                },
                data(w).into(),
            ]
        })
        .collect();
    if rows.is_empty() {
        lines.push("  nothing that is asked about would save anything that can be told".to_owned());
    } else {
        lines.extend(table::lines(page, 0, &columns, &rows));
        let text = "SAVES is a request's mean; ≥: the calls alone; ≤: if nothing of it were left. JSON has formulas, data, and why \
                    the others cannot be told.";
        lines.extend(wrap::text("  ", text, page.width));
    }
    let more = answers.len().saturating_sub(SHOWN);
    if more > 0 {
        lines.push(
            page.paint
                .dim(&format!("… and {} more (JSON has all)", count(more as u64))),
        );
    }
    lines
}

/// How many requests a line is about, and their mean time; 0: it is about no request's time.
fn of(w: &WhatIf, snapshot: &Snapshot) -> (u64, u64) {
    let (Some(method), Some(route)) = (&w.method, &w.route) else {
        return (snapshot.coverage.requests_seen, 0);
    };
    let mut all = snapshot.endpoints.iter();
    all.find(|e| e.method == *method && e.route == *route)
        .map_or((0, 0), |e| {
            let n = e.requests.max(1);
            (e.requests, e.latency.total_ns / n)
        })
}

fn name(w: &WhatIf) -> String {
    match (&w.method, &w.route) {
        (Some(method), Some(route)) => trace::endpoint(method, route),
        _ => "all".to_owned(),
    }
}

/// The two numbers that matter: how many calls, how long each.
fn data(w: &WhatIf) -> String {
    let at = |ending: &str| {
        let mut all = w.data.iter();
        all.find(|(name, _)| name.ends_with(ending)).map(|d| *d.1)
    };
    match (at("_per_request"), at("_mean_ns")) {
        (Some(per), Some(ns)) => format!("{per:.1} a request, {} each", duration(ns as u64)),
        _ => String::new(),
    }
}
