//! Endpoint clustering: from the paths that were requested to the templates that served them.
//!
//! For servers whose router does not tell its templates. It merges, it never splits: the histograms of
//! merged paths add up exactly. It does not decide what is `(unmatched)` and knows nothing of routes given
//! by the user or learned from the router; their leaves are not passed in.

mod decide;
mod files;
mod shape;
mod trie;
mod words;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::input::PathNode;
use crate::labels::LeafStats;
use trie::{Ix, Trie};

/// Where a leaf belongs: its method and the template of its path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    pub(crate) method: &'a str,
    pub(crate) route: Arc<str>,
}

/// What clustering has found out so far. It only grows: more requests for the same values must not make
/// names of them again, or endpoints would come and go in a live view.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Kernel nodes that are values.
    pub(crate) values: HashSet<u32>,
    /// Kernel nodes whose literal children are values, the future ones too.
    pub(crate) open: HashSet<u32>,
}

/// Clusters all paths whose leaf `takes` accepts.
pub(crate) fn cluster<'a>(
    nodes: &'a HashMap<u32, PathNode>,
    stats: &HashMap<u32, LeafStats>,
    takes: impl Fn(u32) -> bool,
    memory: &mut Memory,
) -> HashMap<u32, Place<'a>> {
    let mut trie = Trie::build(nodes, stats, takes);
    let mut places = HashMap::new();
    let mut todo: Vec<(Ix, String)> = vec![(0, String::new())];
    while let Some((at, route)) = todo.pop() {
        // The root of a site is no file tree: its endpoints lie beside its files.
        if at != 0 && files::is_tree(&trie, at) {
            place(&trie, at, &route, &mut places);
            let below = format!("{route}/{{path...}}");
            let mut inside = trie.children(at);
            while let Some(ix) = inside.pop() {
                place(&trie, ix, &below, &mut places);
                inside.extend(trie.children(ix));
            }
            continue;
        }
        let verdict = decide::judge(&trie, at, &memory.values);
        for text in verdict.values {
            if let Some(ix) = trie.nodes[at].literals.get(text) {
                let ids = trie.nodes[*ix].ids.iter().map(|(id, _)| *id);
                memory.values.extend(ids);
            }
            trie.merge_into_wild(at, text);
        }
        let node = &trie.nodes[at];
        if verdict.open {
            memory.open.extend(node.ids.iter().map(|(id, _)| *id));
        }
        place(&trie, at, &route, &mut places);
        for (text, ix) in &node.literals {
            todo.push((*ix, format!("{route}/{text}")));
        }
        if let Some(ix) = node.wild {
            todo.push((ix, format!("{route}/{{id}}")));
        }
        if let Some(ix) = node.catch_all {
            todo.push((ix, format!("{route}/{{path...}}")));
        }
    }
    places
}

fn place<'a>(trie: &Trie<'a>, at: Ix, route: &str, places: &mut HashMap<u32, Place<'a>>) {
    let route: Arc<str> = route.into();
    for (id, method) in &trie.nodes[at].ids {
        let method = trie.methods[*method];
        let route = target(method, &route);
        places.insert(*id, Place { method, route });
    }
}

/// The template as output shows it. `OPTIONS *` and `CONNECT host:port` have no path: what the trie holds as
/// their only segment had no slash before it. A route is never empty.
pub(crate) fn target(method: &str, route: &Arc<str>) -> Arc<str> {
    match (method, route.strip_prefix('/')) {
        (_, None) => "*".into(),
        ("OPTIONS", Some("*")) => "*".into(),
        ("CONNECT", Some(host)) if !host.is_empty() && !host.contains('/') => host.into(),
        _ => route.clone(),
    }
}
