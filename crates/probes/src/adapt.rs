//! The tail's threshold: about the slowest one in a thousand of each syscall.

use gostall_bpf::{abi, types};

use crate::bytes;
use crate::error::Error;
use crate::loader::Probes;
use crate::percpu;
use crate::syscalls::ALWAYS_SLOW_NS;

/// Fewer calls than this (a quarter of all is looked at) do not tell what is usual.
const ENOUGH: u64 = 250;
/// A call quicker than this stalls nobody, whatever the others do.
const FLOOR_NS: u64 = 10_000;

/// The upper edge of a bucket of [`types::gs_nrstat`]: two per octave.
fn edge(bucket: usize) -> u64 {
    let e = bucket / 2;
    let base = 1u64 << e;
    if bucket.is_multiple_of(2) {
        base + base / 2
    } else {
        base * 2
    }
}

/// The bucket edge above 99.9 % of the calls.
fn threshold(counts: &[u64; 64]) -> Option<u64> {
    let total: u64 = counts.iter().sum();
    if total < ENOUGH {
        return None;
    }
    let mut above = 0;
    for (i, n) in counts.iter().enumerate().rev() {
        above += n;
        if above * 1000 > total {
            return Some(edge(i).clamp(FLOOR_NS, ALWAYS_SLOW_NS));
        }
    }
    None
}

impl Probes {
    /// Moves the thresholds after what has been seen. A few times a second is plenty.
    pub fn adapt(&mut self) -> Result<(), Error> {
        if self.threshold_ns.is_some() {
            return Ok(());
        }
        let mut wanted = Vec::new();
        for (nr, value) in percpu::array(&self.maps().nrstats, "nrstats", abi::GS_MAX_NR)? {
            let mut sum = [0u64; 64];
            for cpu in value.chunks_exact(size_of::<types::gs_nrstat>()) {
                let one: types::gs_nrstat = bytes::to(cpu);
                for (s, n) in sum.iter_mut().zip(one.counts) {
                    *s += u64::from(n);
                }
            }
            if let Some(t) = threshold(&sum) {
                wanted.push((nr, t));
            }
        }
        let bss = self.bss();
        for (nr, t) in wanted {
            bss.tail_ns[nr] = t;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_a_thousand_is_above() {
        let mut counts = [0; 64];
        counts[30] = 99_950; // 32.8..49 us
        counts[40] = 50; // 1.05..1.57 ms
        assert_eq!(threshold(&counts), Some(edge(30)));
        counts[40] = 5_000;
        assert_eq!(threshold(&counts), Some(edge(40)));
    }

    #[test]
    fn few_calls_tell_nothing_and_bounds_hold() {
        let mut counts = [0; 64];
        counts[60] = ENOUGH - 1;
        assert_eq!(threshold(&counts), None);
        counts[60] = ENOUGH;
        assert_eq!(threshold(&counts), Some(ALWAYS_SLOW_NS));
        counts = [0; 64];
        counts[4] = 10_000;
        assert_eq!(threshold(&counts), Some(FLOOR_NS));
    }
}
