//! Memory: collections, page faults, and the calls that map, unmap and advise, in a line.

use gostall_model::Snapshot;

use super::{Page, wrap};
use crate::{count, units};

pub(super) fn lines(snapshot: &Snapshot, page: &Page) -> Vec<String> {
    let Some(m) = &snapshot.memory else {
        return Vec::new();
    };
    let calls = [
        ("mmap", m.mmap_calls),
        ("munmap", m.munmap_calls),
        ("madvise", m.madvise_calls),
    ];
    let quiet = m.minor_faults + m.major_faults == 0 && calls.iter().all(|c| c.1 == 0);
    if quiet && m.gc_cycles.unwrap_or(0) == 0 {
        return Vec::new();
    }
    let mut items = vec![wrap::plain(match m.gc_cycles {
        Some(n) => format!("{} collections", count(n)),
        None => "collections not known".to_owned(),
    })];
    let per = m.per_gc_cycle.as_ref();
    let each = |n: Option<f64>| match n {
        Some(n) if n >= 0.01 => format!(" ({} a collection)", units::three_digits(n)),
        _ => String::new(),
    };
    items.push(wrap::plain(format!(
        "{} page faults{}",
        count(m.minor_faults),
        each(per.map(|p| p.minor_faults))
    )));
    if m.major_faults > 0 {
        items.push(wrap::plain(format!(
            "{} that waited for a disk",
            count(m.major_faults)
        )));
    }
    for (name, n) in calls.into_iter().filter(|c| c.1 > 0) {
        items.push(wrap::plain(format!("{name} {}", count(n))));
    }
    let mut lines = vec![page.title("MEMORY")];
    lines.extend(wrap::items("  ", &items, page.width));
    let mut by_faults: Vec<_> = snapshot
        .endpoints
        .iter()
        .filter(|e| e.requests > 0 && e.page_faults >= e.requests)
        .collect();
    by_faults.sort_by_key(|e| std::cmp::Reverse(e.page_faults));
    let items: Vec<_> = by_faults
        .into_iter()
        .take(3)
        .map(|e| {
            let name = crate::trace::endpoint(&e.method, &e.route);
            let each = e.page_faults as f64 / e.requests as f64;
            wrap::plain(format!("{name} {} a request", units::three_digits(each)))
        })
        .collect();
    if !items.is_empty() {
        lines.extend(wrap::items("  page faults of  ", &items, page.width));
    }
    lines
}
