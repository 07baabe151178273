//! Gives every leaf its owner: an endpoint's label or a role.
//! Where the label comes from, in order: the user's routes, the router's own templates, clustering.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::cluster::{self, Memory};
use crate::input::{LEAF_FIRST_NODE, NodeKind, PathNode};
use crate::role::Role;
use crate::route::{self, Route};
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
    /// Those answered 400, 404 or 405 by whomever.
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

    pub(crate) fn insert(&mut self, leaf: u32, label: Label) {
        self.by_leaf.insert(leaf, label);
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

/// Where labels come from besides the paths themselves.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// The user's routes.
    pub(crate) routes: Vec<Route>,
    /// What the router said of a leaf.
    pub(crate) learned: HashMap<u32, Vec<Box<str>>>,
    /// Leaves of which it said that it knows them not.
    pub(crate) none: HashSet<u32>,
    /// Whether handlers were seen to answer 404 or 405.
    pub(crate) handlers_refuse: bool,
    /// What clustering has found out.
    pub(crate) memory: Memory,
}

/// Labels all leaves anew.
pub(crate) fn assign(
    nodes: &HashMap<u32, PathNode>,
    stats: &HashMap<u32, LeafStats>,
    sources: &mut Sources,
) -> Labels {
    let mut labels = Labels::default();
    let mut certain: HashSet<u32> = HashSet::new();
    if !sources.routes.is_empty() || !sources.learned.is_empty() {
        by_template(nodes, sources, &mut labels.by_leaf, &mut certain);
    }
    let templated = &labels.by_leaf;
    let clustered = cluster::cluster(
        nodes,
        stats,
        |leaf| !templated.contains_key(&leaf),
        &mut sources.memory,
    );
    let mut methods: HashMap<&str, Arc<str>> = HashMap::new();
    for (leaf, place) in clustered {
        let method = methods
            .entry(place.method)
            .or_insert_with(|| place.method.into())
            .clone();
        let route = place.route;
        labels.by_leaf.insert(leaf, Label { method, route });
    }
    mark_unmatched(&mut labels.by_leaf, stats, &certain);
    labels
}

/// Labels the leaves that a template fits: the user's before the router's, and of the router's the one
/// learned from the leaf itself before those learned from others. `certain` takes those that the router
/// itself is known to have matched.
fn by_template(
    nodes: &HashMap<u32, PathNode>,
    sources: &Sources,
    by_leaf: &mut HashMap<u32, Label>,
    certain: &mut HashSet<u32>,
) {
    let mut learned: Vec<Route> = Vec::new();
    let mut own: HashMap<u32, Arc<str>> = HashMap::new();
    let mut ids: Vec<&u32> = sources.learned.keys().collect();
    ids.sort_unstable();
    for id in ids {
        if let Some((method, path)) = path_of(nodes, *id) {
            // Read from a process that goes on meanwhile: what does not fit the path is not its template.
            let Some(route) = sources.learned[id].iter().find_map(|text| {
                Route::learned(text, path.len())
                    .for_path(method, &path)
                    .map(|route| route.with_method(method))
            }) else {
                continue;
            };
            own.insert(*id, route.template().clone());
            if !learned.contains(&route) {
                learned.push(route);
            }
        }
    }
    for id in nodes.keys() {
        let Some((method, path)) = path_of(nodes, *id) else {
            continue;
        };
        let template = if let Some(route) = route::best(&sources.routes, method, &path) {
            route.template().clone()
        } else if let Some(template) = own.get(id) {
            certain.insert(*id);
            template.clone()
        } else if let Some(route) = route::best(&learned, method, &path) {
            route.template().clone()
        } else {
            continue;
        };
        let label = Label {
            method: method.into(),
            route: template,
        };
        by_leaf.insert(*id, label);
    }
}

/// The label of a leaf that came after the labels were made: from the templates, else from its path with
/// what clustering knows already. The next [`assign`] may judge it better.
pub(crate) fn provisional(
    nodes: &HashMap<u32, PathNode>,
    sources: &Sources,
    leaf: u32,
) -> Option<Label> {
    let (method, path) = path_of(nodes, leaf)?;
    let route = match route::best(&sources.routes, method, &path) {
        Some(route) => route.template().clone(),
        None => {
            let mut segments = Vec::with_capacity(path.len());
            let mut at = nodes.get(&leaf)?;
            while at.kind != NodeKind::Method {
                segments.push(match at.kind {
                    NodeKind::CatchAll => "{path...}",
                    NodeKind::Literal
                        if at.text.is_empty() || !sources.memory.open.contains(&at.parent) =>
                    {
                        at.text.as_str()
                    }
                    _ => "{id}",
                });
                at = nodes.get(&at.parent)?;
            }
            segments.reverse();
            cluster::target(method, &format!("/{}", segments.join("/")).into())
        }
    };
    Some(Label {
        method: method.into(),
        route,
    })
}

/// The verb and the segments of a leaf's path. `None` for a method's own node, and for one that does not
/// hang from a method (its parents are not known, or it is its own ancestor).
fn path_of(nodes: &HashMap<u32, PathNode>, leaf: u32) -> Option<(&str, Vec<(NodeKind, &str)>)> {
    let mut at = nodes.get(&leaf)?;
    let mut path = Vec::new();
    while at.kind != NodeKind::Method {
        path.push((at.kind, at.text.as_str()));
        at = nodes.get(&at.parent)?;
        if path.len() > nodes.len() {
            return None;
        }
    }
    path.reverse();
    (!path.is_empty()).then_some((at.text.as_str(), path))
}

/// An endpoint that only ever got the router's own 404 or 405 is no endpoint, unless the router is known
/// to have matched it (then its handler makes the same answer: `http.NotFound`).
fn mark_unmatched(
    by_leaf: &mut HashMap<u32, Label>,
    stats: &HashMap<u32, LeafStats>,
    certain: &HashSet<u32>,
) {
    let mut totals: HashMap<Label, (LeafStats, bool)> = HashMap::new();
    for (leaf, label) in by_leaf.iter() {
        if let Some(s) = stats.get(leaf) {
            let (total, matched) = totals.entry(label.clone()).or_default();
            total.requests += s.requests;
            total.unrouted += s.unrouted;
            *matched |= certain.contains(leaf);
        }
    }
    let unmatched: Arc<str> = ROUTE_UNMATCHED.into();
    for label in by_leaf.values_mut() {
        let none = totals
            .get(label)
            .is_some_and(|(t, matched)| !matched && t.requests > 0 && t.unrouted == t.requests);
        if none {
            label.route = unmatched.clone();
        }
    }
}
