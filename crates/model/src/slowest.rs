//! Keeps the slowest requests of each leaf, and all that were slower than was asked for, within a bound.
//!
//! Leaves become endpoints late, so what is kept is kept by leaf and chosen from when a snapshot is made.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::timeline::Timeline;

/// Requests kept for being slower than was asked for; beyond it the shortest goes.
const SLOW: usize = 1000;
/// Moments and looks kept in all, some 120 bytes each.
const MOMENTS: usize = 100_000;

/// The kept requests.
#[derive(Debug, Default)]
pub(crate) struct Slowest {
    /// How many of each endpoint a snapshot shows; `None`: nothing was asked for.
    pub(crate) asked: Option<usize>,
    /// How many of each leaf are kept: as many, less once there was no room.
    per_leaf: usize,
    /// By leaf, the slowest first.
    ranked: HashMap<u32, Vec<Timeline>>,
    /// Those that are slow and not ranked.
    slow: Vec<Timeline>,
    moments: usize,
    /// Those there was no room for.
    pub(crate) dropped: u64,
}

fn size(t: &Timeline) -> usize {
    t.moments.len() + t.looks.len() + 1
}

impl Slowest {
    pub(crate) fn ask(&mut self, per_endpoint: usize) {
        self.asked = Some(per_endpoint);
        self.per_leaf = per_endpoint;
    }

    /// Takes a request in.
    pub(crate) fn add(&mut self, t: Timeline) {
        self.moments += size(&t);
        if t.slowest && self.per_leaf > 0 {
            let kept = self.ranked.entry(t.leaf).or_default();
            let at = kept.partition_point(|k| k.duration_ns >= t.duration_ns);
            kept.insert(at, t);
            if kept.len() > self.per_leaf
                && let Some(last) = kept.pop()
            {
                self.unrank(last);
            }
        } else {
            self.unrank(t);
        }
        while self.moments > MOMENTS {
            self.shrink();
        }
    }

    /// A request that is not, or no longer, among its leaf's slowest.
    fn unrank(&mut self, t: Timeline) {
        if !t.slow {
            self.moments -= size(&t);
            return;
        }
        self.slow.push(t);
        if self.slow.len() > SLOW {
            self.drop_shortest_slow();
        }
    }

    fn drop_shortest_slow(&mut self) {
        let shortest = (0..self.slow.len()).min_by_key(|&i| self.slow[i].duration_ns);
        if let Some(t) = shortest.map(|i| self.slow.swap_remove(i)) {
            self.moments -= size(&t);
            self.dropped += 1;
        }
    }

    /// There is no room: less of each leaf, for a leaf is rarely an endpoint where there are many.
    fn shrink(&mut self) {
        if self.per_leaf > 1 {
            self.per_leaf -= 1;
            for kept in self.ranked.values_mut() {
                for t in kept.drain(self.per_leaf.min(kept.len())..) {
                    self.moments -= size(&t);
                    self.dropped += 1;
                }
            }
            return;
        }
        if !self.slow.is_empty() {
            self.drop_shortest_slow();
            return;
        }
        let shortest = self.ranked.iter().min_by_key(|(_, kept)| {
            let longest = kept.first();
            longest.map_or(0, |t| t.duration_ns)
        });
        match shortest.map(|(leaf, _)| *leaf) {
            Some(leaf) => {
                for t in self.ranked.remove(&leaf).unwrap_or_default() {
                    self.moments -= size(&t);
                    self.dropped += 1;
                }
            }
            None => self.moments = 0,
        }
    }

    /// Those to show, by endpoint as `label` says, the slowest first: the slowest of each, and all that were slow.
    pub(crate) fn chosen<L: std::hash::Hash + Eq>(
        &self,
        label: impl Fn(u32) -> L,
    ) -> HashMap<L, Vec<&Timeline>> {
        let mut by_label: HashMap<L, Vec<&Timeline>> = HashMap::new();
        for t in self.ranked.values().flatten().chain(&self.slow) {
            by_label.entry(label(t.leaf)).or_default().push(t);
        }
        let n = self.asked.unwrap_or(0);
        for all in by_label.values_mut() {
            all.sort_by_key(|t| (Reverse(t.duration_ns), t.start_unix_ns));
            let mut rank = 0;
            all.retain(|t| {
                rank += 1;
                rank <= n || t.slow
            });
        }
        by_label
    }

    pub(crate) fn clear(&mut self) {
        self.ranked.clear();
        self.slow.clear();
        self.moments = 0;
        self.dropped = 0;
    }
}
