//! A stand-in for the kernel side: makes path nodes and chunks of requests as it would.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::HashMap;

use gostall_model::{
    Arch, Chunk, Endpoint, Model, NR_REQUEST, NodeKind, PathNode, REQUEST_UNROUTED, SeriesKey,
    Snapshot, bucket_of,
};

pub struct Kernel {
    /// The bound of literal children: the kernel's while its table has room.
    pub max_literals: usize,
    pub nodes: Vec<PathNode>,
    index: HashMap<(u32, NodeKind, String), u32>,
    literals: HashMap<u32, usize>,
    pub requests: HashMap<(u32, u16), u64>,
}

impl Default for Kernel {
    fn default() -> Kernel {
        Kernel {
            max_literals: 128,
            nodes: Vec::new(),
            index: HashMap::new(),
            literals: HashMap::new(),
            requests: HashMap::new(),
        }
    }
}

impl Kernel {
    fn node(&mut self, parent: u32, kind: NodeKind, text: &str) -> u32 {
        let key = (parent, kind, text.to_owned());
        if let Some(id) = self.index.get(&key) {
            return *id;
        }
        if kind == NodeKind::Literal {
            let n = self.literals.entry(parent).or_default();
            if *n >= self.max_literals {
                self.nodes[parent as usize - 32].overflowed = true;
                return self.node(parent, NodeKind::Wild, "");
            }
            *n += 1;
        }
        let id = 32 + self.nodes.len() as u32;
        self.nodes.push(PathNode {
            id,
            parent,
            kind,
            text: text.to_owned(),
            overflowed: false,
        });
        self.index.insert(key, id);
        id
    }

    /// The leaf of a path.
    pub fn leaf(&mut self, method: &str, path: &str) -> u32 {
        let mut at = self.node(0, NodeKind::Method, method);
        for segment in path.trim_start_matches('/').split('/') {
            let (kind, text) = if is_certain_id(segment) {
                (NodeKind::Wild, "")
            } else {
                (NodeKind::Literal, segment)
            };
            at = self.node(at, kind, text);
        }
        at
    }

    /// Requests of `GET` that were answered 200.
    pub fn get(&mut self, path: &str, times: u64) {
        self.answer("GET", path, 200, times);
    }

    /// Requests with a status and flags.
    pub fn answer(&mut self, method: &str, path: &str, res: u16, times: u64) {
        let leaf = self.leaf(method, path);
        *self.requests.entry((leaf, res)).or_default() += times;
    }

    /// Requests that no route matched.
    pub fn unrouted(&mut self, method: &str, path: &str, times: u64) {
        self.answer(method, path, 404 | REQUEST_UNROUTED, times);
    }

    /// A model fed with all of it: every request took 1 ms.
    pub fn model(&self) -> Model {
        let mut model = Model::new(Arch::X86_64);
        self.feed(&mut model);
        model
    }

    pub fn feed(&self, model: &mut Model) {
        // Children first, to show that the order does not matter.
        for node in self.nodes.iter().rev() {
            model.add_node(node.clone());
        }
        for ((leaf, res), times) in &self.requests {
            model.add_chunk(&chunk(*leaf, NR_REQUEST, *res, 1_000_000, *times as u32));
        }
    }

    /// `METHOD route` of every endpoint, sorted, with its requests.
    pub fn endpoints(&self) -> Vec<(String, u64)> {
        names(&self.model().snapshot())
    }

    /// The same without the requests.
    pub fn routes(&self) -> Vec<String> {
        self.endpoints().into_iter().map(|(name, _)| name).collect()
    }
}

pub fn names(snapshot: &Snapshot) -> Vec<(String, u64)> {
    let name = |e: &Endpoint| (format!("{} {}", e.method, e.route), e.requests);
    let mut all: Vec<_> = snapshot.endpoints.iter().map(name).collect();
    all.sort();
    all
}

pub fn chunk(leaf: u32, nr: u16, res: u16, value_ns: u64, times: u32) -> Chunk {
    let bucket = bucket_of(value_ns);
    let mut counts = [0; 32];
    counts[usize::from(bucket % 32)] = times;
    Chunk {
        key: SeriesKey { leaf, nr, res },
        octave: (bucket / 32) as u8,
        sum_ns: value_ns * u64::from(times),
        max_ns: value_ns,
        counts,
    }
}

/// Ids that the kernel side knows for certain.
fn is_certain_id(segment: &str) -> bool {
    let hex = |s: &str| s.bytes().all(|b| b.is_ascii_hexdigit());
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<&str> = segment.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|p| p.len()).collect();
    digits(segment)
        || (segment.len() >= 16 && hex(segment))
        || (lengths == [8, 4, 4, 4, 12] && parts.iter().all(|p| hex(p)))
        || (lengths == [4, 2, 2] && parts.iter().all(|p| digits(p)))
}

/// Words that are in no list of the model's.
pub const WORDS: [&str; 40] = [
    "amber", "basil", "cedar", "delta", "ember", "fable", "grove", "haven", "indigo", "jasper",
    "kelp", "lunar", "maple", "nectar", "olive", "pebble", "quartz", "river", "saffron", "tundra",
    "umber", "velvet", "willow", "xenon", "yarrow", "zephyr", "anchor", "bridge", "candle",
    "drift", "echo", "falcon", "garnet", "hollow", "ivory", "jungle", "kernel", "lagoon", "meadow",
    "nimbus",
];

/// The i-th of 1600 two-word slugs, or of as many user names without the dash.
pub fn slug(i: usize, dash: &str) -> String {
    format!("{}{dash}{}", WORDS[i % 40], WORDS[i / 40 % 40])
}
