//! Who computes, by role, and what goroutines of no request do: a line for each function that starts some.

use gostall_model::{Background, Snapshot};

use super::table::{self, Cell, left, right};
use super::{Page, wrap};
use crate::{count, duration, fraction, shorten};

/// Functions shown; the rest is one line.
const SHOWN: usize = 10;
/// States named in a line, and the least share that is.
const NAMED: usize = 3;
const SMALL: f64 = 0.005;

pub(super) fn lines(snapshot: &Snapshot, page: &Page) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(cpu) = snapshot.cpu.as_ref().filter(|c| c.total_ns > 0) {
        let mut roles: Vec<(&String, &u64)> = cpu.by_role.iter().collect();
        roles.sort_by_key(|(name, ns)| (std::cmp::Reverse(**ns), (*name).clone()));
        let items: Vec<_> = roles
            .into_iter()
            .filter(|(_, ns)| **ns as f64 >= cpu.total_ns as f64 * SMALL)
            .map(|(name, ns)| {
                let value = fraction(*ns as f64 / cpu.total_ns as f64);
                (
                    format!("{name} {value}"),
                    format!("{} {}", page.paint.dim(name), page.paint.strong(&value)),
                )
            })
            .collect();
        let head = format!("cpu {}  ", duration(cpu.total_ns));
        lines.extend(wrap::items(&head, &items, page.width));
    }
    lines.extend(goroutines(snapshot, page));
    if !lines.is_empty() {
        lines.insert(0, page.title("WHO COMPUTES, AND GOROUTINES OF NO REQUEST"));
    }
    lines
}

/// The runtime's own that have nothing to do say nothing.
fn is_of_interest(row: &Background) -> bool {
    row.role.is_goroutine() || row.cpu_ns.is_some_and(|ns| ns > 0)
}

fn goroutines(snapshot: &Snapshot, page: &Page) -> Vec<String> {
    let all: Vec<&Background> = snapshot
        .background
        .iter()
        .filter(|b| is_of_interest(b))
        .collect();
    if all.is_empty() {
        return Vec::new();
    }
    let columns = [
        left("STARTED WITH", 24),
        right("GOROUTINES", 10),
        right("CPU", 6),
        left("TIME", 24),
    ];
    let room = page.width.saturating_sub(24 + 10 + 6 + 4).clamp(24, 64);
    let shown = &all[..all.len().min(SHOWN)];
    let rows: Vec<Vec<Cell>> = shown
        .iter()
        .map(|b| {
            vec![
                b.name.clone().into(),
                number(b.goroutines).into(),
                b.cpu_ns.map_or_else(|| "-".to_owned(), duration).into(),
                shorten(&mostly(b), room).into_owned().into(),
            ]
        })
        .collect();
    let mut lines = table::lines(page, 0, &columns, &rows);
    if all.len() > shown.len() {
        let rest: f64 = all[shown.len()..].iter().map(|b| b.goroutines).sum();
        lines.push(page.paint.dim(&format!(
            "… and {} more functions: {} goroutines",
            count((all.len() - shown.len()) as u64),
            number(rest)
        )));
    }
    lines
}

/// A mean number: whole where it is nearly so.
fn number(n: f64) -> String {
    if (n - n.round()).abs() < 0.05 || n >= 100.0 {
        count(n.round() as u64)
    } else {
        format!("{n:.1}")
    }
}

fn mostly(row: &Background) -> String {
    let total: u64 = row.ledger.values().sum();
    let mut states: Vec<(&String, u64)> = row.ledger.iter().map(|(k, v)| (k, *v)).collect();
    states.sort_by_key(|(name, ns)| (std::cmp::Reverse(*ns), (*name).clone()));
    states
        .into_iter()
        .take(NAMED)
        .filter(|(_, ns)| *ns as f64 >= total as f64 * SMALL)
        .map(|(name, ns)| {
            let share = fraction(ns as f64 / total.max(1) as f64);
            format!("{} {share}", label(name))
        })
        .collect::<Vec<_>>()
        .join(", ")
}

fn label(state: &str) -> &str {
    match state {
        "accept" => "waiting for connections",
        "network" => "network",
        "idle" => "idle",
        "running" => "running",
        name => gostall_model::LedgerState::from_name(name).map_or(name, |s| s.label()),
    }
}
