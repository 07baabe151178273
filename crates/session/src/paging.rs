//! A process's collections and page faults, read from outside now and then: what was read last stays when it has ended.

use gostall_model::Paging;
use gostall_targets::proc::Stat;

use crate::memory::read_pieces;
use crate::sampler::Subject;

/// The counters of one process, as they were first and last read.
#[derive(Debug)]
pub(crate) struct Counters {
    pid: u32,
    /// `runtime.memstats.numgc` in its memory.
    collections: Option<u64>,
    first: Reading,
    last: Reading,
    /// Nobody has its pid, or somebody else.
    pub(crate) ended: bool,
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    collections: Option<u32>,
    minor: u64,
    major: u64,
    start_time: u64,
}

impl Counters {
    pub(crate) fn start(subject: &Subject) -> Option<Self> {
        let collections = subject.program.facts.globals.collections;
        let collections = collections.map(|at| at.wrapping_add(subject.bias));
        let now = read(subject.pid, collections)?;
        Some(Self {
            pid: subject.pid,
            collections,
            first: now,
            last: now,
            ended: false,
        })
    }

    pub(crate) fn look(&mut self) {
        if self.ended {
            return;
        }
        match read(self.pid, self.collections) {
            Some(now) if now.start_time == self.first.start_time => self.last = now,
            _ => self.ended = true,
        }
    }

    /// What happened between the first and the last reading.
    pub(crate) fn since(&self) -> Paging {
        let (first, last) = (&self.first, &self.last);
        Paging {
            gc_cycles: first
                .collections
                .zip(last.collections)
                .map(|(a, b)| u64::from(b.wrapping_sub(a))),
            minor_faults: last.minor.saturating_sub(first.minor),
            major_faults: last.major.saturating_sub(first.major),
        }
    }
}

/// `None`: the process has ended.
fn read(pid: u32, collections: Option<u64>) -> Option<Reading> {
    let stat = Stat::read(pid).ok()?;
    let collections = match collections {
        Some(at) => {
            let mut word = [0u8; 4];
            if read_pieces(pid, &[at], 4, &mut word) != 1 {
                return None;
            }
            Some(u32::from_ne_bytes(word))
        }
        None => None,
    };
    Some(Reading {
        collections,
        minor: stat.minor_faults,
        major: stat.major_faults,
        start_time: stat.start_time,
    })
}
