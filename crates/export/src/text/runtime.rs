//! Syscalls of no request: a line for each role, with what it mostly called.

use std::collections::BTreeMap;

use gostall_model::{RoleCalls, Snapshot};

use super::Page;
use super::table::{self, Cell, left, right};
use crate::{count, duration, fraction, shorten};

/// Syscalls named in a line.
const NAMED: usize = 4;

pub(super) fn lines(snapshot: &Snapshot, page: &Page) -> Vec<String> {
    if snapshot.runtime.is_empty() {
        return Vec::new();
    }
    let columns = [
        left("ROLE", 10),
        right("CALLS", 9),
        right("TOTAL", 6),
        right("OF CALLS", 8),
        left("MOSTLY", 6),
    ];
    let room = page.width.saturating_sub(10 + 9 + 6 + 8 + 4).max(10);
    let seen = snapshot.coverage.syscalls_seen.max(1);
    let rows: Vec<Vec<Cell>> = snapshot
        .runtime
        .iter()
        .map(|role| {
            let calls: u64 = role.syscalls.iter().map(|s| s.count).sum();
            let time: u64 = role.syscalls.iter().map(|s| s.total_ns).sum();
            vec![
                role.role.name().into(),
                count(calls).into(),
                duration(time).into(),
                fraction(calls as f64 / seen as f64).into(),
                shorten(&mostly(role, room), room).into_owned().into(),
            ]
        })
        .collect();
    let mut lines = vec![page.title("OUTSIDE OF REQUESTS")];
    lines.extend(table::lines(page, 0, &columns, &rows));
    lines
}

/// The most frequent syscalls, as many as there is room for.
fn mostly(role: &RoleCalls, room: usize) -> String {
    let mut by_name: BTreeMap<&str, u64> = BTreeMap::new();
    for s in &role.syscalls {
        *by_name.entry(&s.name).or_default() += s.count;
    }
    let mut by_count: Vec<(&str, u64)> = by_name.into_iter().collect();
    by_count.sort_by_key(|(name, n)| (std::cmp::Reverse(*n), *name));
    let mut text = String::new();
    for (name, n) in by_count.into_iter().take(NAMED) {
        let item = format!("{name} {}", count(n));
        if !text.is_empty() && text.len() + 2 + item.len() > room {
            break;
        }
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&item);
    }
    text
}
