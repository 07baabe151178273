//! What looks found, by request in flight: for those that turn out slow. Kept only where requests are kept whole, and
//! forgotten when nobody asked for it in time.

use std::collections::HashMap;

use gostall_model::{Doing, Look};
use gostall_probes::Request;

/// Requests whose looks are kept at once.
const REQUESTS: usize = 4096;
/// Looks of one request kept one by one; later ones in a row that found the same are one.
const SINGLE: usize = 64;
const LOOKS: usize = 256;
/// A request that was not looked at for so long has ended; whoever wants to know has asked by then.
const LATE_NS: u64 = 3_000_000_000;

/// The looks at one request.
#[derive(Debug)]
struct Found {
    last_ns: u64,
    looks: Vec<Look>,
}

/// The looks at requests in flight.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    /// By goroutine and beginning.
    by_request: HashMap<(u64, u64), Found>,
    tidied_ns: u64,
}

impl Looks {
    /// Notes what a request was found doing at `now`.
    pub(crate) fn note(&mut self, r: &Request, doing: Doing, now: u64) {
        let key = (r.g, r.begin_ns);
        if self.by_request.len() >= REQUESTS && !self.by_request.contains_key(&key) {
            return;
        }
        let found = self.by_request.entry(key).or_insert_with(|| Found {
            last_ns: now,
            looks: Vec::new(),
        });
        found.last_ns = now;
        let at_ns = now.saturating_sub(r.begin_ns);
        let n = found.looks.len();
        match found.looks.last_mut() {
            Some(last) if n >= SINGLE && last.doing == doing => {
                last.until_ns = at_ns;
                last.looks += 1;
            }
            _ if n < LOOKS => found.looks.push(Look {
                at_ns,
                until_ns: at_ns,
                looks: 1,
                doing,
            }),
            _ => {}
        }
    }

    /// Takes what was found of a request that has ended.
    pub(crate) fn take(&mut self, g: u64, begin_ns: u64, end_ns: u64) -> Vec<Look> {
        let found = self.by_request.remove(&(g, begin_ns));
        let mut looks = found.map(|f| f.looks).unwrap_or_default();
        // The request's end is known late: what was found after it is another's.
        looks.retain(|l| l.until_ns <= end_ns.saturating_sub(begin_ns));
        looks
    }

    /// Forgets requests that ended some time ago.
    pub(crate) fn tidy(&mut self, now: u64) {
        if now.saturating_sub(self.tidied_ns) < LATE_NS / 3 {
            return;
        }
        self.tidied_ns = now;
        self.by_request
            .retain(|_, f| now.saturating_sub(f.last_ns) < LATE_NS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_requests_stay_small() {
        let mut looks = Looks::default();
        let r = Request::new(1, 40, 0x1000, 5);
        for i in 0..10_000 {
            looks.note(&r, Doing::Running, 5 + i * 10);
        }
        let found = looks.take(0x1000, 5, 5 + 10_000 * 10);
        assert_eq!(found.len(), SINGLE);
        assert_eq!(found.iter().map(|l| l.looks).sum::<u32>(), 10_000);
        assert!(looks.take(0x1000, 5, 100_000).is_empty());
    }

    #[test]
    fn who_is_not_asked_for_is_forgotten() {
        let mut looks = Looks::default();
        looks.note(&Request::new(1, 40, 0x1000, 5), Doing::InCall, 10);
        looks.tidy(LATE_NS * 2);
        assert!(looks.by_request.is_empty());
    }
}
