//! Reading the kernel's tables: histogram chunks, path nodes, counters.

use gostall_bpf::{abi, types};
use gostall_model::{Chunk, Losses, NodeKind, PathNode, SeriesKey};
use libbpf_rs::{MapCore, MapFlags};

use crate::error::Error;
use crate::loader::Probes;
use crate::mapped::Mapped;
use crate::{batch, bytes};

/// The kernel side's counters since the load.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counters {
    /// Calls of targets that returned while the window was open.
    pub seen: u64,
    /// Requests that ended.
    pub requests: u64,
    /// Hits of the newproc probe, and how many were in a request.
    pub spawns: u64,
    /// See `spawns`.
    pub spawns_used: u64,
    /// Requests known by their handler.
    pub handled: u64,
    /// Hits of the probes of [`crate::HookSet::Exact`].
    pub exact_hits: u64,
    /// Everything that was lost or bounded.
    pub losses: Losses,
}

/// By what the requests of a leaf came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is a protocol's name")]
pub struct Protocols {
    pub http1: bool,
    pub http2: bool,
    pub grpc: bool,
}

/// Who was seen to answer 404 or 405.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NotFound {
    /// The router, which knew no such path or not this method.
    pub by_router: bool,
    /// What the router had matched.
    pub by_handler: bool,
}

fn unpack(key: u64, c: &types::gs_chunk) -> Chunk {
    let mut k = key >> abi::GS_KEY_CPU_BITS;
    let mut take = |bits: u32| {
        let v = k & ((1 << bits) - 1);
        k >>= bits;
        v
    };
    let octave = take(abi::GS_KEY_OCT_BITS) as u8;
    let res = take(abi::GS_KEY_RES_BITS) as u16;
    let nr = take(abi::GS_KEY_NR_BITS) as u16;
    Chunk {
        key: SeriesKey {
            leaf: k as u32,
            nr,
            res,
        },
        octave,
        sum_ns: c.sum_ns,
        max_ns: c.max_ns,
        counts: c.counts,
    }
}

impl Probes {
    /// Every histogram chunk, those of `(other)` included.
    pub fn chunks(&self, mut each: impl FnMut(&Chunk)) -> Result<(), Error> {
        let maps = self.maps();
        let hot: Mapped<types::gs_hot> =
            Mapped::new(&maps.hot).map_err(|e| Error::read("hot")(e.into()))?;
        for place in hot.iter() {
            if place.key != 0 {
                each(&unpack(
                    place.key & !(1 << abi::GS_HOT_USED_BIT),
                    &place.chunk,
                ));
            }
        }
        for (name, map) in [("hist", &maps.hist), ("spill", &maps.spill)] {
            batch::each(map, name, |key, value| {
                let key = u64::from_ne_bytes(key[..8].try_into().expect("a key has 8 bytes"));
                each(&unpack(key, &bytes::to(value)));
            })?;
        }
        Ok(())
    }

    /// Every node of the path trie.
    pub fn nodes(&self, mut each: impl FnMut(PathNode)) -> Result<(), Error> {
        batch::each(&self.maps().nodes, "nodes", |_, value| {
            let n: types::gs_node = bytes::to(value);
            let text = &n.text[..usize::from(n.len).min(n.text.len())];
            each(PathNode {
                id: n.id,
                parent: n.parent,
                kind: match u32::from(n.kind) {
                    abi::GS_N_METHOD => NodeKind::Method,
                    abi::GS_N_LITERAL => NodeKind::Literal,
                    abi::GS_N_WILD => NodeKind::Wild,
                    _ => NodeKind::CatchAll,
                },
                text: String::from_utf8_lossy(text).into_owned(),
                overflowed: u32::from(n.flags) & abi::GS_NF_OVERFLOW != 0,
            });
        })
    }

    /// What is known of leaves besides their paths: what may be the router's template, likeliest first, who was seen to
    /// answer 404 or 405, and by what their requests came.
    pub fn routes(
        &self,
        mut each: impl FnMut(u32, &[&str], NotFound, Protocols),
    ) -> Result<(), Error> {
        batch::each(&self.maps().routes, "routes", |key, value| {
            let leaf = u32::from_ne_bytes(key[..4].try_into().expect("a leaf has 4 bytes"));
            let r: types::gs_route = bytes::to(value);
            let text = |bytes: &[u8], len: u8| {
                String::from_utf8_lossy(&bytes[..usize::from(len).min(bytes.len())]).into_owned()
            };
            let (late, early) = (text(&r.text, r.len), text(&r.early, r.early_len));
            let templates: Vec<&str> = [&*late, &*early]
                .into_iter()
                .filter(|t| !t.is_empty())
                .collect();
            let has = |bit: u32| u32::from(r.protos) & bit != 0;
            let protocols = Protocols {
                http1: has(abi::GS_PROTO_HTTP1),
                http2: has(abi::GS_PROTO_HTTP2),
                grpc: has(abi::GS_PROTO_GRPC),
            };
            let not_found = NotFound {
                by_router: r.none != 0,
                by_handler: r.refused != 0,
            };
            each(leaf, &templates, not_found, protocols);
        })
    }

    /// The counters as they stand.
    pub fn counters(&self) -> Result<Counters, Error> {
        let mut n = [0u64; abi::GS_CNT_MAX as usize];
        let per_cpu = self
            .maps()
            .counters
            .lookup_percpu(&0u32.to_ne_bytes(), MapFlags::ANY)
            .map_err(Error::read("counters"))?;
        for counted in per_cpu.iter().flatten() {
            let counted: types::gs_counters = bytes::to(counted);
            n.iter_mut().zip(counted.n).for_each(|(n, one)| *n += one);
        }
        let at = |i: u32| n[i as usize];
        Ok(Counters {
            seen: at(abi::GS_CNT_SEEN),
            requests: at(abi::GS_CNT_REQUESTS),
            spawns: at(abi::GS_CNT_LINEAGE_SPAWNS),
            spawns_used: at(abi::GS_CNT_LINEAGE_USED),
            handled: at(abi::GS_CNT_HANDLED),
            exact_hits: at(abi::GS_CNT_EXACT_HITS),
            losses: Losses {
                calls_lost: at(abi::GS_CNT_LOST) + self.missed_runs(),
                ring_full: at(abi::GS_CNT_RING_FULL),
                spilled: at(abi::GS_CNT_SPILLED),
                filtered: at(abi::GS_CNT_FILTERED),
                calls_in_flight_at_attach: at(abi::GS_CNT_NO_START),
                requests_in_flight_at_attach: at(abi::GS_CNT_INFLIGHT),
                snapshots_limited: at(abi::GS_CNT_TAIL_LIMITED),
                goroutines_full: at(abi::GS_CNT_GOROUTINES_FULL),
                connections_full: at(abi::GS_CNT_CONNS_FULL),
                exact_full: at(abi::GS_CNT_EXACT_FULL),
                stash_full: at(abi::GS_CNT_STASH_FULL),
                paths_full: at(abi::GS_CNT_NODES_FULL),
                malformed_requests: at(abi::GS_CNT_MALFORMED),
                tls_connections: at(abi::GS_CNT_TLS),
                http2_connections: at(abi::GS_CNT_HTTP2),
                read_faults: at(abi::GS_CNT_READ_FAULT),
                unknown_parent: at(abi::GS_CNT_UNKNOWN_PARENT),
                threads_late: at(abi::GS_CNT_LATE_THREADS),
                timelines_full: at(abi::GS_CNT_TIMELINES_FULL),
                timelines_limited: at(abi::GS_CNT_TIMELINES_LIMITED),
                // User space's own part.
                timelines_dropped: 0,
            },
        })
    }
}
