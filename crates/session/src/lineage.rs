//! When to watch goroutines being born: the one uprobe a plain HTTP/1 server may get.
//!
//! g.parentGoid tells a child's parent, but not that of a parent which made no call, nor
//! during which request a child was born. So births are watched at first, and whenever
//! the kernel side finds that it matters; not where no handler starts goroutines that
//! make calls.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use gostall_probes::{Error, Probes};

use crate::session::Traced;

/// So many requests without a birth that mattered, and so long: none will.
const REQUESTS: u64 = 200;
const IDLE: Duration = Duration::from_secs(5);

/// Which executables' births are watched.
#[derive(Debug, Default)]
pub(crate) struct Lineage {
    watched: HashSet<usize>,
    used: u64,
    requests: u64,
    used_at: Option<Instant>,
    /// A Go without g.parentGoid: births are all there is.
    needed: bool,
}

impl Lineage {
    /// Watches births in a process's executable, unless that is done already. Refused (no
    /// uprobes here), parents stay what g.parentGoid says.
    pub(crate) fn attach(&mut self, probes: &mut Probes, traced: &Traced) {
        let Some(program) = &traced.program else {
            return;
        };
        let Some(site) = program.layout.as_ref().and_then(|l| l.newproc_site) else {
            return;
        };
        let id = std::sync::Arc::as_ptr(program) as usize;
        let exe = gostall_targets::proc::path(traced.pid, "exe");
        if self.watched.contains(&id) || probes.attach_newproc(&exe, site).is_err() {
            return;
        }
        self.watched.insert(id);
        self.needed |= program
            .layout
            .as_ref()
            .is_some_and(|l| l.parent_goid.is_none());
        self.used_at = None;
        if let Ok(c) = probes.counters() {
            (self.used, self.requests) = (c.spawns_used, c.requests);
        }
    }

    /// Stops watching where it does not matter.
    pub(crate) fn review(&mut self, probes: &mut Probes) -> Result<(), Error> {
        if self.watched.is_empty() || self.needed {
            return Ok(());
        }
        let c = probes.counters()?;
        if c.spawns_used > self.used {
            (self.used, self.requests) = (c.spawns_used, c.requests);
            self.used_at = Some(Instant::now());
        }
        let enough = c.requests > self.requests + REQUESTS;
        if enough && self.used_at.is_none_or(|at| at.elapsed() > IDLE) {
            probes.detach_newproc();
            self.watched.clear();
        }
        Ok(())
    }
}
