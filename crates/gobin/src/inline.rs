//! Inline trees: which calls were inlined where (`FUNCDATA_InlTree`, `runtime/symtabinl.go`).

use std::collections::BTreeMap;
use std::ops::Range;

use crate::bytes::{i32_at, u32_at};
use crate::pclntab::{RawFunc, Table};

/// Functions with inline trees that [`InlineTrees::plausible`] looks at.
const SAMPLE: usize = 200;
/// Runs of inline indices that it reads for that.
const SAMPLE_RUNS: usize = 256 << 10;
/// Runs and entries that one scan of a whole binary may visit: a 100 MB binary has some ten million.
const MAX_VISITS: usize = 64 << 20;
/// Depth of inlining beyond which a tree is taken to be a corrupt cycle.
pub(crate) const MAX_DEPTH: usize = 128;

/// One inlined call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Inlined {
    /// The callee's name, as an offset into the name table.
    pub name_off: u32,
    /// An address (from the function's entry) whose position is the place of the call.
    pub parent_pc: u32,
}

/// The inline trees of a binary: the bytes from `moduledata.gofunc` on.
#[derive(Clone, Copy)]
pub(crate) struct InlineTrees<'d> {
    pub table: Table<'d>,
    pub bytes: &'d [u8],
}

impl InlineTrees<'_> {
    /// The n-th entry of a function's tree.
    pub fn entry(&self, f: &RawFunc, n: u32) -> Option<Inlined> {
        let (len, name, parent) = self.table.header.layout.inline_entry();
        let at = (f.inl_tree? as usize).checked_add((n as usize).checked_mul(len)?)?;
        Some(Inlined {
            name_off: u32_at(self.bytes, at.checked_add(name)?)?,
            parent_pc: u32::try_from(i32_at(self.bytes, at.checked_add(parent)?)?).ok()?,
        })
    }

    /// Whether the trees of a sample of functions read well, which a wrong base does not survive: each name offset
    /// must be the beginning of a name, and each call must lie inside its function.
    pub fn plausible(&self) -> bool {
        let (mut seen, mut budget) = (0, SAMPLE_RUNS);
        for f in (0..self.table.header.count)
            .filter_map(|i| self.table.function(i))
            .filter(|f| f.inl_tree.is_some())
        {
            let Some(last) = self
                .table
                .inline_runs(&f)
                .take(budget)
                .inspect(|_| budget -= 1)
                .map(|run| run.value)
                .max()
            else {
                continue;
            };
            for n in 0..=u32::try_from(last).unwrap_or(0).min(64) {
                let good = self.entry(&f, n).is_some_and(|e| {
                    u64::from(e.parent_pc) <= f.end.wrapping_sub(f.entry)
                        && self.table.name_begins(e.name_off)
                });
                if !good {
                    return false;
                }
            }
            seen += 1;
            if seen == SAMPLE || budget == 0 {
                break;
            }
        }
        seen > 0
    }

    /// Visits the functions into which a wanted callee is inlined: function, callee's name offset, and the addresses
    /// whose *innermost* inlined call it is (none, if all its body is inlined calls again).
    pub fn each_call(
        &self,
        wanted: impl Fn(u32) -> bool,
        mut visit: impl FnMut(&RawFunc, u32, Vec<Range<u64>>),
    ) {
        let mut budget = MAX_VISITS;
        let mut calls: BTreeMap<u32, u32> = BTreeMap::new();
        for f in (0..self.table.header.count)
            .filter_map(|i| self.table.function(i))
            .filter(|f| f.inl_tree.is_some())
        {
            let runs = || self.table.inline_runs(&f);
            // The compiler numbers a call after the call it is inlined in, so the greatest index seen bounds the tree.
            let Some(last) = runs()
                .take(budget)
                .inspect(|_| budget -= 1)
                .map(|run| run.value)
                .max()
            else {
                continue;
            };
            let Ok(last) = u32::try_from(last) else {
                continue;
            };
            calls.clear();
            for n in 0..=last {
                let Some(call) = self.entry(&f, n) else { break };
                if wanted(call.name_off) {
                    calls.insert(n, call.name_off);
                }
                budget = budget.saturating_sub(1);
            }
            if budget == 0 {
                return;
            }
            let mut found: BTreeMap<u32, Vec<Range<u64>>> =
                calls.values().map(|&name| (name, Vec::new())).collect();
            if calls.is_empty() {
                continue;
            }
            for run in runs() {
                if let Ok(n) = u32::try_from(run.value)
                    && let Some(pcs) = calls.get(&n).and_then(|name| found.get_mut(name))
                {
                    pcs.push(run.pcs);
                }
            }
            for (name, pcs) in found {
                visit(&f, name, pcs);
            }
        }
    }
}
