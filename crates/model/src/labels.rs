//! Gives every leaf its owner: an endpoint's label or a role.
//! Where the label comes from, in order: the user's routes, the router's own templates, clustering.

use std::collections::HashMap;
use std::sync::Arc;

use crate::input::{LEAF_FIRST_NODE, NodeKind, PathNode};
use crate::role::Role;
use crate::snapshot::{METHOD_ANY, ROUTE_OTHER, ROUTE_UNMATCHED};

/// An endpoint's name: verb and route.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label {
    /// The verb, or [`METHOD_ANY`].
    pub method: Arc<str>,
    /// The path template, [`ROUTE_UNMATCHED`] or [`ROUTE_OTHER`].
    pub route: Arc<str>,
}

/// Whom a leaf's calls are charged to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Requests of an endpoint.
    Endpoint(Label),
    /// No request.
    Role(Role),
}

/// What the requests of one leaf were like; all that clustering knows besides the paths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LeafStats {
    /// Requests that ended there.
    pub(crate) requests: u64,
    /// Those answered by the router's own 404 or 405.
    pub(crate) unrouted: u64,
    /// Those answered 404 or 405 by whomever.
    pub(crate) not_found: u64,
}

/// The label of every leaf.
#[derive(Debug)]
pub(crate) struct Labels {
    by_leaf: HashMap<u32, Label>,
    other: Label,
}

impl Labels {
    pub(crate) fn owner(&self, leaf: u32) -> Owner {
        match Role::from_leaf(leaf) {
            Some(role) => Owner::Role(role),
            None => Owner::Endpoint(self.label(leaf).clone()),
        }
    }

    /// The label of a path leaf; `(other)` for leaf 0 and for nodes that were never announced.
    pub(crate) fn label(&self, leaf: u32) -> &Label {
        self.by_leaf.get(&leaf).unwrap_or(&self.other)
    }

    pub(crate) fn knows(&self, leaf: u32) -> bool {
        leaf < LEAF_FIRST_NODE || self.by_leaf.contains_key(&leaf)
    }
}

impl Default for Labels {
    fn default() -> Self {
        Labels {
            by_leaf: HashMap::new(),
            other: Label {
                method: METHOD_ANY.into(),
                route: ROUTE_OTHER.into(),
            },
        }
    }
}

/// Labels all leaves anew.
pub(crate) fn assign(nodes: &HashMap<u32, PathNode>, stats: &HashMap<u32, LeafStats>) -> Labels {
    let mut labels = Labels::default();
    for id in nodes.keys() {
        if let Some(label) = plain(nodes, *id) {
            labels.by_leaf.insert(*id, label);
        }
    }
    mark_unmatched(&mut labels.by_leaf, stats);
    labels
}

fn plain(nodes: &HashMap<u32, PathNode>, leaf: u32) -> Option<Label> {
    let mut at = nodes.get(&leaf)?;
    let mut segments = Vec::new();
    while at.kind != NodeKind::Method {
        segments.push(match at.kind {
            NodeKind::Wild => "{id}",
            NodeKind::CatchAll => "{path...}",
            _ => at.text.as_str(),
        });
        at = nodes.get(&at.parent)?;
    }
    segments.reverse();
    Some(Label {
        method: at.text.as_str().into(),
        route: format!("/{}", segments.join("/")).into(),
    })
}

/// An endpoint that only ever got the router's own 404 or 405 is no endpoint.
fn mark_unmatched(by_leaf: &mut HashMap<u32, Label>, stats: &HashMap<u32, LeafStats>) {
    let mut totals: HashMap<Label, LeafStats> = HashMap::new();
    for (leaf, label) in by_leaf.iter() {
        if let Some(s) = stats.get(leaf) {
            let total = totals.entry(label.clone()).or_default();
            total.requests += s.requests;
            total.unrouted += s.unrouted;
        }
    }
    let unmatched: Arc<str> = ROUTE_UNMATCHED.into();
    for label in by_leaf.values_mut() {
        if totals
            .get(label)
            .is_some_and(|t| t.requests > 0 && t.unrouted == t.requests)
        {
            label.route = unmatched.clone();
        }
    }
}
