//! What the target did to get and give back memory: collections, page faults, and the calls that map, unmap and advise.

use serde::{Deserialize, Serialize};

/// Collections and page faults in the window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Paging {
    /// Collections that ended; `None`: the executable does not say where they are counted.
    pub gc_cycles: Option<u64>,
    /// Faults served from memory.
    pub minor_faults: u64,
    /// Faults that had to wait for a disk.
    pub major_faults: u64,
}

impl Paging {
    /// Adds another process's.
    pub fn add(&mut self, other: &Paging) {
        self.gc_cycles = match (self.gc_cycles, other.gc_cycles) {
            (Some(a), Some(b)) => Some(a + b),
            // A part of the sum is not the sum.
            _ => None,
        };
        self.minor_faults += other.minor_faults;
        self.major_faults += other.major_faults;
    }
}

/// `memory` of a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Collections that ended in the window; `null` where that is not known.
    pub gc_cycles: Option<u64>,
    /// Page faults served from memory.
    pub minor_faults: u64,
    /// Page faults that had to wait for a disk.
    pub major_faults: u64,
    /// Calls, those of the runtime and of all endpoints together.
    pub mmap_calls: u64,
    #[allow(missing_docs, reason = "see above")]
    pub munmap_calls: u64,
    #[allow(missing_docs, reason = "see above")]
    pub madvise_calls: u64,
    /// The same by collection; `null` where none ended.
    pub per_gc_cycle: Option<PerCycle>,
}

/// Means by collection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "as in Memory")]
pub struct PerCycle {
    pub minor_faults: f64,
    pub major_faults: f64,
    pub mmap_calls: f64,
    pub munmap_calls: f64,
    pub madvise_calls: f64,
}

impl Memory {
    pub(crate) fn new(paging: &Paging, calls: impl Fn(&str) -> u64) -> Memory {
        let mut memory = Memory {
            gc_cycles: paging.gc_cycles,
            minor_faults: paging.minor_faults,
            major_faults: paging.major_faults,
            mmap_calls: calls("mmap"),
            munmap_calls: calls("munmap"),
            madvise_calls: calls("madvise"),
            per_gc_cycle: None,
        };
        memory.per_gc_cycle = paging.gc_cycles.filter(|n| *n > 0).map(|n| {
            let per = |count: u64| (count as f64 / n as f64 * 100.0).round() / 100.0;
            PerCycle {
                minor_faults: per(memory.minor_faults),
                major_faults: per(memory.major_faults),
                mmap_calls: per(memory.mmap_calls),
                munmap_calls: per(memory.munmap_calls),
                madvise_calls: per(memory.madvise_calls),
            }
        });
        memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_by_collection() {
        let paging = Paging {
            gc_cycles: Some(4),
            minor_faults: 10,
            major_faults: 1,
        };
        let memory = Memory::new(&paging, |name| if name == "madvise" { 6 } else { 0 });
        let per = memory.per_gc_cycle.unwrap();
        assert_eq!(
            (per.minor_faults, per.major_faults, per.madvise_calls),
            (2.5, 0.25, 1.5)
        );
        let none = Paging {
            gc_cycles: Some(0),
            ..paging
        };
        assert_eq!(Memory::new(&none, |_| 0).per_gc_cycle, None);
    }

    #[test]
    fn what_one_process_does_not_say_nobody_knows() {
        let mut sum = Paging {
            gc_cycles: Some(3),
            ..Paging::default()
        };
        sum.add(&Paging {
            gc_cycles: Some(2),
            minor_faults: 5,
            major_faults: 0,
        });
        assert_eq!((sum.gc_cycles, sum.minor_faults), (Some(5), 5));
        sum.add(&Paging::default());
        assert_eq!(sum.gc_cycles, None);
    }
}
