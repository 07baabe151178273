//! The paths of all methods as one tree, in which siblings can be merged.
//!
//! The kernel has a tree per method; here they lie over each other, so that what one method's requests
//! prove holds for the position (`DELETE /users/alice` after `GET /users/{id}`). Nothing is decided here.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::input::{NodeKind, PathNode};
use crate::labels::LeafStats;

/// Index of a node in [`Trie`].
pub(super) type Ix = usize;
/// Index of a method in [`Trie::methods`].
pub(super) type Method = usize;

/// Requests of one method at or below a node.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Below {
    /// All that ended.
    pub(super) requests: u64,
    /// Those with the router's own 404 or 405.
    pub(super) unrouted: u64,
    /// Those with a 404 or 405 of any origin.
    pub(super) not_found: u64,
}

impl Below {
    fn add(&mut self, other: Below) {
        self.requests += other.requests;
        self.unrouted += other.unrouted;
        self.not_found += other.not_found;
    }
}

/// One position: a segment below its parent.
#[derive(Debug, Default)]
pub(super) struct Node<'a> {
    pub(super) literals: BTreeMap<&'a str, Ix>,
    pub(super) wild: Option<Ix>,
    pub(super) catch_all: Option<Ix>,
    /// How many of the kernel's nodes that are this one had reached their bound of literal children.
    pub(super) overflowed: usize,
    /// The kernel's nodes that are this one, with their methods.
    pub(super) ids: Vec<(u32, Method)>,
    /// Methods of which requests (or only their calls) ended exactly here.
    pub(super) ends: BTreeSet<Method>,
    /// Requests at or below, by method.
    pub(super) below: BTreeMap<Method, Below>,
}

impl Node<'_> {
    /// Requests of all methods at or below.
    pub(super) fn total(&self) -> Below {
        let mut total = Below::default();
        self.below.values().for_each(|b| total.add(*b));
        total
    }
}

/// The tree. Node 0 is the root.
#[derive(Debug)]
pub(super) struct Trie<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) methods: Vec<&'a str>,
}

impl<'a> Trie<'a> {
    /// Lays the kernel's trees over each other. Only leaves that `takes` accepts count as seen; nodes that
    /// do not hang from a method (their parents are not known yet) are left out.
    pub(super) fn build(
        nodes: &'a HashMap<u32, PathNode>,
        stats: &HashMap<u32, LeafStats>,
        takes: impl Fn(u32) -> bool,
    ) -> Trie<'a> {
        let mut children: HashMap<u32, Vec<&'a PathNode>> = HashMap::new();
        let mut roots = Vec::new();
        for node in nodes.values() {
            match node.kind {
                NodeKind::Method => roots.push(node),
                _ => children.entry(node.parent).or_default().push(node),
            }
        }
        let mut trie = Trie {
            nodes: vec![Node::default()],
            methods: Vec::new(),
        };
        let mut method_of: HashMap<&str, Method> = HashMap::new();
        // By id: the outcome must not hang on the order in a hash map.
        roots.sort_unstable_by_key(|root| root.id);
        for root in roots {
            let method = *method_of.entry(root.text.as_str()).or_insert_with(|| {
                trie.methods.push(root.text.as_str());
                trie.methods.len() - 1
            });
            let mut todo = vec![(root, 0)];
            while let Some((node, at)) = todo.pop() {
                trie.place(node, at, method, stats, &takes);
                // Nothing counted yet (a live trace): a path without further segments was asked for.
                if stats.is_empty() && !children.contains_key(&node.id) && takes(node.id) {
                    trie.nodes[at].ends.insert(method);
                    trie.nodes[at].below.entry(method).or_default();
                }
                for child in children.get(&node.id).into_iter().flatten() {
                    let ix = trie.child(at, child);
                    todo.push((child, ix));
                }
            }
        }
        trie.sum();
        trie
    }

    fn place(
        &mut self,
        node: &PathNode,
        at: Ix,
        method: Method,
        stats: &HashMap<u32, LeafStats>,
        takes: &impl Fn(u32) -> bool,
    ) {
        let here = &mut self.nodes[at];
        here.overflowed += usize::from(node.overflowed);
        if !takes(node.id) {
            return;
        }
        here.ids.push((node.id, method));
        if let Some(s) = stats.get(&node.id) {
            here.ends.insert(method);
            here.below.entry(method).or_default().add(Below {
                requests: s.requests,
                unrouted: s.unrouted,
                not_found: s.not_found,
            });
        }
    }

    fn child(&mut self, at: Ix, child: &'a PathNode) -> Ix {
        let next = self.nodes.len();
        let parent = &mut self.nodes[at];
        let ix = match child.kind {
            NodeKind::Wild => *parent.wild.get_or_insert(next),
            NodeKind::CatchAll => *parent.catch_all.get_or_insert(next),
            _ => *parent.literals.entry(child.text.as_str()).or_insert(next),
        };
        if ix == next {
            self.nodes.push(Node::default());
        }
        ix
    }

    /// Adds up `below` from the leaves: until now each node held only what ended there. A child always
    /// has a higher index than its parent here, so one backward pass is enough.
    fn sum(&mut self) {
        for ix in (0..self.nodes.len()).rev() {
            for child in self.children(ix) {
                let below = self.nodes[child].below.clone();
                for (method, b) in below {
                    self.nodes[ix].below.entry(method).or_default().add(b);
                }
            }
        }
    }

    /// All children of a node, of every kind.
    pub(super) fn children(&self, ix: Ix) -> Vec<Ix> {
        let node = &self.nodes[ix];
        node.literals
            .values()
            .copied()
            .chain(node.wild)
            .chain(node.catch_all)
            .collect()
    }

    /// Makes a literal child part of its parent's placeholder, and their subtrees one, recursively.
    pub(super) fn merge_into_wild(&mut self, parent: Ix, text: &str) {
        let Some(child) = self.nodes[parent].literals.remove(text) else {
            return;
        };
        match self.nodes[parent].wild {
            None => self.nodes[parent].wild = Some(child),
            Some(wild) => self.merge(wild, child),
        }
    }

    fn merge(&mut self, into: Ix, from: Ix) {
        let from = std::mem::take(&mut self.nodes[from]);
        let node = &mut self.nodes[into];
        node.overflowed += from.overflowed;
        node.ids.extend(from.ids);
        node.ends.extend(from.ends);
        for (method, b) in from.below {
            node.below.entry(method).or_default().add(b);
        }
        for (text, child) in from.literals {
            match self.nodes[into].literals.get(text).copied() {
                Some(there) => self.merge(there, child),
                None => {
                    self.nodes[into].literals.insert(text, child);
                }
            }
        }
        if let Some(child) = from.wild {
            match self.nodes[into].wild {
                Some(there) => self.merge(there, child),
                None => self.nodes[into].wild = Some(child),
            }
        }
        if let Some(child) = from.catch_all {
            match self.nodes[into].catch_all {
                Some(there) => self.merge(there, child),
                None => self.nodes[into].catch_all = Some(child),
            }
        }
    }
}
