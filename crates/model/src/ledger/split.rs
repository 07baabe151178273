//! Shares out the wall time of some requests: first what the kernel knows exactly, then what was measured between calls
//! or, where it was not, what goroutines were found doing. The states' sum is the whole, to the nanosecond.

use std::collections::BTreeMap;

use super::{Awaited, Exact, Found, LedgerState, Measured, S, Samples};

/// Fewer looks than this say nothing of a large part of the time; of a small part one is enough, for it cannot be far
/// off.
const ENOUGH: u64 = 3;
const SMALL: f64 = 0.12;

/// Time that is shared out.
struct Rest {
    left: u64,
    out: BTreeMap<LedgerState, u64>,
}

impl Rest {
    /// Gives a state so much, or what is left.
    fn take(&mut self, state: LedgerState, ns: u64) {
        let ns = ns.min(self.left);
        self.left -= ns;
        *self.out.entry(state).or_default() += ns;
    }
}

impl Rest {
    /// The whole, less what the kernel knows of calls and descriptors.
    fn new(total_ns: u64, exact: &Exact) -> Self {
        let mut rest = Rest {
            left: total_ns,
            out: BTreeMap::new(),
        };
        rest.take_calls(exact);
        rest
    }

    fn take_calls(&mut self, exact: &Exact) {
        for (state, ns) in [
            (S::CpuKernel, exact.cpu_kernel),
            (S::RunqOs, exact.runq),
            (S::Throttled, exact.throttled),
            (S::SyscallDisk, exact.disk),
            (S::SyscallPipe, exact.pipe),
            (S::SyscallLock, exact.lock),
            (S::SyscallOther, exact.other),
            (S::NetClientRead, exact.client_read),
            (S::NetClientWrite, exact.client_write),
            (S::NetUpstreamConnect, exact.upstream_connect),
            (S::NetUpstreamRead, exact.upstream_read),
            (S::NetUpstreamWrite, exact.upstream_write),
            (S::NetDns, exact.dns),
        ] {
            self.take(state, ns);
        }
    }

    /// And less the time in which who computed was kept from it.
    fn take_kept_off(&mut self, exact: &Exact) {
        for (state, ns) in kept_off(exact) {
            self.take(state, ns);
        }
    }

    fn named(self) -> Ledger {
        self.out
            .into_iter()
            .filter(|(_, ns)| *ns > 0)
            .map(|(state, ns)| (state.name().to_owned(), ns))
            .collect()
    }
}

fn kept_off(exact: &Exact) -> [(LedgerState, u64); 3] {
    [
        (S::RunqOs, exact.runq_user),
        (S::Throttled, exact.throttled_user),
        (S::SyscallDisk, exact.fault),
    ]
}

/// More than this of an endpoint's time not measured: it counts as sampled. One part in so many.
const UNMEASURED: u64 = 20;

/// All that is known of the time of some requests.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Times {
    pub(crate) exact: Exact,
    pub(crate) found: Found,
    /// With `--exact`.
    pub(crate) measured: Option<Measured>,
}

impl Times {
    /// Adds another's.
    pub(crate) fn add(&mut self, other: &Times) {
        self.exact.add(&other.exact);
        self.found.add(&other.found);
        if let Some(measured) = &other.measured {
            self.measured
                .get_or_insert_with(Measured::default)
                .add(measured);
        }
    }
}

type Ledger = BTreeMap<String, u64>;

/// Some requests' time by state, in each of them completely: the states' sum is it.
#[derive(Debug)]
pub(crate) struct Split {
    pub(crate) ledger: Ledger,
    /// With what awaited goroutines were doing in the place of waits for them, where any was seen.
    pub(crate) deep: Option<Ledger>,
    /// Where the ledger was measured: what it is without.
    pub(crate) sampled: Option<Ledger>,
}

/// Splits `total_ns`, by what was measured where that is (nearly) all of it.
pub(crate) fn split(total_ns: u64, times: &Times) -> Split {
    let Times { exact, found, .. } = times;
    let sampled = split_sampled(total_ns, exact, &found.own);
    let unmeasured = |m: &Measured| total_ns.saturating_sub(m.total);
    let measured = times
        .measured
        .filter(|m| unmeasured(m) <= total_ns / UNMEASURED);
    match measured {
        Some(measured) => Split {
            ledger: split_measured(total_ns, exact, &measured, None),
            deep: (found.awaited != Awaited::default())
                .then(|| split_measured(total_ns, exact, &measured, Some(found))),
            sampled: Some(sampled),
        },
        None => Split {
            ledger: sampled,
            deep: found.deep().map(|d| split_sampled(total_ns, exact, &d)),
            sampled: None,
        },
    }
}

/// By what was measured between calls. With what was found of awaited goroutines, that stands in the place of so much of
/// the measured waits as it did of those that were found.
fn split_measured(
    total_ns: u64,
    exact: &Exact,
    measured: &Measured,
    awaited: Option<&Found>,
) -> Ledger {
    let mut rest = Rest::new(total_ns, exact);
    let mut own = *measured;
    if let Some(found) = awaited {
        let of = |ns: u64, part: u64, whole: u64| {
            (u128::from(ns) * u128::from(part) / u128::from(whole.max(1))) as u64
        };
        let lock = of(own.lock, found.awaited.lock, found.own.lock);
        let channel = of(own.channel, found.awaited.channel, found.own.channel);
        let others = &found.others;
        let mut doing = others.waits().to_vec();
        doing.push((S::CpuUser, others.running));
        let all: u64 = doing.iter().map(|d| d.1).sum();
        // Nothing is known of them but that they were in calls.
        if all > 0 {
            own.lock -= lock;
            own.channel -= channel;
            for (state, us) in doing {
                rest.take(state, of(lock + channel, us, all));
            }
        }
    }
    for (state, ns) in own.waits() {
        rest.take(state, ns);
    }
    rest.take_kept_off(exact);
    rest.take(S::Unknown, total_ns.saturating_sub(measured.total));
    rest.take(S::CpuUser, u64::MAX);
    rest.named()
}

/// By what goroutines were found doing: the states' sum is the whole.
fn split_sampled(total_ns: u64, exact: &Exact, samples: &Samples) -> Ledger {
    let mut rest = Rest::new(total_ns, exact);
    let waits = samples.waits();
    let found = samples.running + waits.iter().map(|w| w.1).sum::<u64>();
    let between = rest.left;
    let small = (between as f64) < total_ns as f64 * SMALL;
    rest.take_kept_off(exact);
    if found > 0 && (samples.looks >= ENOUGH || small) {
        // Who was kept from a processor was found running, too.
        let off: u64 = kept_off(exact).iter().map(|k| k.1).sum();
        let share = |n: u64| between as f64 * n as f64 / found as f64;
        let running = (share(samples.running) - off as f64).max(0.0);
        let waiting: f64 = waits.iter().map(|w| share(w.1)).sum();
        let scale = if running + waiting > 0.0 {
            rest.left as f64 / (running + waiting)
        } else {
            0.0
        };
        for (state, n) in waits {
            rest.take(state, (share(n) * scale) as u64);
        }
        rest.take(S::CpuUser, (running * scale) as u64);
        // What rounding left over.
        if scale > 0.0 && rest.left < 64 {
            let most = rest.out.iter().max_by_key(|e| *e.1).map(|e| *e.0);
            if let Some(most) = most {
                rest.take(most, u64::MAX);
            }
        }
    }
    rest.take(S::Unknown, u64::MAX);
    rest.named()
}

#[cfg(test)]
mod tests {
    use super::super::Doing;
    use super::*;

    fn sum(ledger: &Ledger) -> u64 {
        ledger.values().sum()
    }

    #[test]
    fn what_was_never_found_is_unknown() {
        let exact = Exact {
            cpu_kernel: 300,
            ..Exact::default()
        };
        let ledger = split_sampled(1000, &exact, &Samples::default());
        assert_eq!(ledger["cpu_kernel"], 300);
        assert_eq!(ledger["unknown"], 700);
    }

    #[test]
    fn the_rest_is_split_by_what_was_found() {
        let exact = Exact {
            cpu_kernel: 200_000,
            runq_user: 100_000,
            ..Exact::default()
        };
        let mut samples = Samples {
            looks: 100,
            running: 50,
            timer: 50,
            ..Samples::default()
        };
        samples.count(Doing::InCall, 1000);
        let ledger = split_sampled(1_000_000, &exact, &samples);
        assert_eq!(ledger["runq_os"], 100_000);
        assert_eq!(ledger["timer"], 400_000);
        assert_eq!(ledger["cpu_user"], 300_000);
        assert_eq!(sum(&ledger), 1_000_000);
    }

    fn measured() -> Times {
        Times {
            exact: Exact {
                cpu_kernel: 100,
                runq_user: 50,
                ..Exact::default()
            },
            found: Found {
                own: Samples {
                    looks: 10,
                    timer: 5,
                    lock: 10,
                    ..Samples::default()
                },
                ..Found::default()
            },
            measured: Some(Measured {
                lock: 300,
                runq_go: 20,
                total: 1000,
                ..Measured::default()
            }),
        }
    }

    #[test]
    fn what_was_measured_goes_before_what_was_found() {
        let mut times = measured();
        let s = split(1000, &times);
        assert_eq!(s.ledger["lock"], 300);
        assert_eq!(s.ledger["runq_go"], 20);
        assert_eq!(s.ledger["runq_os"], 50);
        assert_eq!(s.ledger["cpu_user"], 530);
        assert_eq!(sum(&s.ledger), 1000);
        assert!(s.deep.is_none());
        assert_eq!(s.sampled.expect("beside it")["timer"], 283);
        // A request that was not measured: little of it is unknown, more of it and nothing counts as measured.
        assert_eq!(split(1040, &times).ledger["unknown"], 40);
        let s = split(1100, &times);
        assert_eq!(s.ledger["timer"], 316);
        assert!(s.sampled.is_none());
        times.measured = None;
        assert!(split(1000, &times).sampled.is_none());
    }

    #[test]
    fn awaited_goroutines_stand_for_measured_waits() {
        let mut times = measured();
        // In half of the looks at a lock others were seen: a third of them on a disk.
        times.found.awaited.lock = 5;
        times.found.others.disk = 1;
        times.found.others.running = 2;
        let s = split(1000, &times);
        assert_eq!(s.ledger["lock"], 300);
        let deep = s.deep.expect("others were seen");
        assert_eq!(deep["lock"], 150);
        assert_eq!(deep["syscall_disk"], 50);
        assert_eq!(deep["cpu_user"], 630);
        assert_eq!(sum(&deep), 1000);
    }

    #[test]
    fn the_sum_is_the_whole_whatever_is_said() {
        let samples = Samples {
            looks: 15,
            running: 3,
            lock: 5,
            channel: 7,
            ..Samples::default()
        };
        for total in [0, 1, 99, 12_345, u64::MAX / 4] {
            let exact = Exact {
                disk: 77,
                fault: 5,
                ..Exact::default()
            };
            assert_eq!(sum(&split_sampled(total, &exact, &samples)), total);
        }
    }
}
