//! What gostall itself costs: its memory and its CPU time, for the `overhead` of a report.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The resident memory of this process, in bytes; 0 when `/proc` is not mounted.
#[must_use]
pub fn rss_bytes() -> u64 {
    // The second field of statm is in pages.
    fs::read("/proc/self/statm")
        .ok()
        .and_then(|text| {
            let field = text.split(|&b| b == b' ').nth(1)?;
            crate::proc::parse_number::<u64>(field)
        })
        .map_or(0, |pages| pages * rustix::param::page_size() as u64)
}

/// The CPU time all threads of this process have used, user and kernel together.
#[must_use]
pub fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    // The clock never shows a negative time.
    Duration::new(
        now.tv_sec.try_into().unwrap_or(0),
        now.tv_nsec.try_into().unwrap_or(0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_plausible() {
        assert!((1 << 18..1 << 36).contains(&rss_bytes()));
        let before = cpu_time();
        while cpu_time() == before {
            std::hint::spin_loop();
        }
    }
}
