//! Where the wall time of an endpoint's requests went. The kernel tells one part exactly: time in calls, waits for the
//! network, time without a processor. The rest is computing and waiting within the Go runtime; it is split by what
//! goroutines were found doing, and what was never found is `unknown`.

use std::collections::BTreeMap;

macro_rules! states {
    ($($(#[$doc:meta])+ $variant:ident = $name:literal, $label:literal;)+) => {
        /// What a request's time is spent on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum LedgerState {
            $($(#[$doc])+ $variant,)+
        }

        impl LedgerState {
            /// All of them, in the order in which a report shows them.
            pub const ALL: &[LedgerState] = &[$(LedgerState::$variant),+];

            /// Its name in JSON.
            pub fn name(self) -> &'static str {
                match self {
                    $(LedgerState::$variant => $name,)+
                }
            }

            /// What a person calls it.
            pub fn label(self) -> &'static str {
                match self {
                    $(LedgerState::$variant => $label,)+
                }
            }

            /// The state of that name.
            pub fn from_name(name: &str) -> Option<LedgerState> {
                Self::ALL.iter().copied().find(|s| s.name() == name)
            }
        }
    };
}

states! {
    /// Computing in the program's own code.
    CpuUser = "cpu_user", "user CPU";
    /// In the kernel, on its behalf.
    CpuKernel = "cpu_kernel", "kernel CPU";
    /// Ready, and no processor free.
    RunqOs = "runq_os", "waiting for a CPU";
    /// Ready, and its cgroup's time used up.
    Throttled = "throttled", "throttled";
    /// Ready, and no P of the Go scheduler free.
    RunqGo = "runq_go", "waiting for a P";
    /// A call that waits for a disk or a file system.
    SyscallDisk = "syscall_disk", "disk";
    /// Waiting for a pipe.
    SyscallPipe = "syscall_pipe", "pipe";
    /// A call that waits for a lock.
    SyscallLock = "syscall_lock", "file lock";
    /// A call that waits for something else.
    SyscallOther = "syscall_other", "other calls";
    /// Waiting for the rest of the client's request.
    NetClientRead = "net_client_read", "client (read)";
    /// Waiting for the client to take the answer.
    NetClientWrite = "net_client_write", "client (write)";
    /// Waiting for a connection to an upstream.
    NetUpstreamConnect = "net_upstream_connect", "upstream (connect)";
    /// Waiting for an upstream's answer.
    NetUpstreamRead = "net_upstream_read", "upstream (read)";
    /// Waiting for an upstream to take what is sent.
    NetUpstreamWrite = "net_upstream_write", "upstream (write)";
    /// Waiting for a name server.
    NetDns = "net_dns", "DNS";
    /// Waiting for a mutex, a condition, a wait group.
    Lock = "lock", "lock";
    /// Waiting for a channel or a select.
    Channel = "channel", "channel";
    /// Sleeping.
    Timer = "timer", "timer";
    /// Helping or waiting for the garbage collector.
    Gc = "gc", "GC";
    /// Not known.
    Unknown = "unknown", "unknown";
}

use LedgerState as S;

macro_rules! times {
    ($(#[$doc:meta])* $name:ident: $value:ty { $($(#[$field_doc:meta])* $field:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $value,)+
        }

        impl $name {
            /// Adds another's.
            pub fn add(&mut self, other: &$name) {
                $(self.$field += other.$field;)+
            }
        }
    };
}

times! {
    /// What the kernel saw exactly, ns.
    #[allow(missing_docs, reason = "each is a state's name")]
    Exact: u64 {
        cpu_kernel,
        /// Within calls.
        runq,
        /// Within calls.
        throttled,
        /// Between calls.
        runq_user,
        /// Between calls.
        throttled_user,
        /// Between calls: pages that had to be read.
        fault,
        disk,
        pipe,
        lock,
        other,
        client_read,
        client_write,
        upstream_connect,
        upstream_read,
        upstream_write,
        dns,
    }
}

/// What a goroutine was found doing, where the kernel does not know it exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Doing {
    /// Computing, or kept from it by other processes.
    Running,
    /// This state's.
    State(LedgerState),
    /// In a call, or waiting for a descriptor: the kernel has that exactly.
    InCall,
}

times! {
    /// What goroutines were found doing between calls: the time that each look stands for, us.
    #[allow(missing_docs, reason = "each is a state's name")]
    Samples: u64 {
        /// How often.
        looks,
        running,
        runq_go,
        throttled,
        /// In calls: of awaited goroutines, for those of a request's own are known exactly.
        disk,
        pipe,
        file_lock,
        other,
        lock,
        channel,
        timer,
        gc,
        client_read,
        client_write,
        upstream_connect,
        upstream_read,
        upstream_write,
        dns,
        unknown,
    }
}

times! {
    /// What goroutines did between calls, measured (`--exact`), ns. What is left is computing.
    #[allow(missing_docs, reason = "each is a state's name")]
    Measured: u64 {
        runq_go,
        throttled,
        lock,
        channel,
        timer,
        gc,
        client_read,
        client_write,
        upstream_connect,
        upstream_read,
        upstream_write,
        dns,
        unknown,
        /// All of the time of the requests that were measured.
        total,
    }
}

impl Measured {
    fn waits(&self) -> [(LedgerState, u64); 13] {
        [
            (S::RunqGo, self.runq_go),
            (S::Throttled, self.throttled),
            (S::Lock, self.lock),
            (S::Channel, self.channel),
            (S::Timer, self.timer),
            (S::Gc, self.gc),
            (S::NetClientRead, self.client_read),
            (S::NetClientWrite, self.client_write),
            (S::NetUpstreamConnect, self.upstream_connect),
            (S::NetUpstreamRead, self.upstream_read),
            (S::NetUpstreamWrite, self.upstream_write),
            (S::NetDns, self.dns),
            (S::Unknown, self.unknown),
        ]
    }
}

impl Samples {
    /// Counts a look that stands for so long.
    pub fn count(&mut self, doing: Doing, us: u64) {
        let state = match doing {
            Doing::InCall => return,
            Doing::Running => &mut self.running,
            Doing::State(S::RunqGo) => &mut self.runq_go,
            Doing::State(S::Throttled) => &mut self.throttled,
            Doing::State(S::SyscallDisk) => &mut self.disk,
            Doing::State(S::SyscallPipe) => &mut self.pipe,
            Doing::State(S::SyscallLock) => &mut self.file_lock,
            Doing::State(S::SyscallOther) => &mut self.other,
            Doing::State(S::Lock) => &mut self.lock,
            Doing::State(S::Channel) => &mut self.channel,
            Doing::State(S::Timer) => &mut self.timer,
            Doing::State(S::Gc) => &mut self.gc,
            Doing::State(S::NetClientRead) => &mut self.client_read,
            Doing::State(S::NetClientWrite) => &mut self.client_write,
            Doing::State(S::NetUpstreamConnect) => &mut self.upstream_connect,
            Doing::State(S::NetUpstreamRead) => &mut self.upstream_read,
            Doing::State(S::NetUpstreamWrite) => &mut self.upstream_write,
            Doing::State(S::NetDns) => &mut self.dns,
            Doing::State(_) => &mut self.unknown,
        };
        *state += us;
        self.looks += 1;
    }

    fn waits(&self) -> [(LedgerState, u64); 17] {
        [
            (S::RunqGo, self.runq_go),
            (S::Throttled, self.throttled),
            (S::SyscallDisk, self.disk),
            (S::SyscallPipe, self.pipe),
            (S::SyscallLock, self.file_lock),
            (S::SyscallOther, self.other),
            (S::Lock, self.lock),
            (S::Channel, self.channel),
            (S::Timer, self.timer),
            (S::Gc, self.gc),
            (S::NetClientRead, self.client_read),
            (S::NetClientWrite, self.client_write),
            (S::NetUpstreamConnect, self.upstream_connect),
            (S::NetUpstreamRead, self.upstream_read),
            (S::NetUpstreamWrite, self.upstream_write),
            (S::NetDns, self.dns),
            (S::Unknown, self.unknown),
        ]
    }
}

times! {
    /// Waits for locks and channels in which goroutines that worked for the request were found: for how long, us.
    #[allow(missing_docs, reason = "each is a state's name")]
    Awaited: u64 {
        lock,
        channel,
    }
}

/// Looks, and what the awaited goroutines were doing meanwhile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// What the requests' own goroutines were doing.
    pub own: Samples,
    /// In how much of that they waited for others that were seen,
    pub awaited: Awaited,
    /// and what those were doing.
    pub others: Samples,
}

impl Found {
    /// Counts a look at a request that stands for so long: what its own goroutine was doing, and what those were doing
    /// for which it may have waited.
    pub fn count(&mut self, own: Doing, others: &[Doing], us: u64) {
        self.own.count(own, us);
        let awaited = match own {
            Doing::State(S::Lock) => &mut self.awaited.lock,
            Doing::State(S::Channel) => &mut self.awaited.channel,
            _ => return,
        };
        if others.is_empty() {
            return;
        }
        *awaited += us;
        for (i, other) in others.iter().enumerate() {
            // No microsecond is lost.
            let (n, i) = (others.len() as u64, i as u64);
            self.others.count(*other, us * (i + 1) / n - us * i / n);
        }
    }

    /// Adds another's.
    pub fn add(&mut self, other: &Found) {
        self.own.add(&other.own);
        self.awaited.add(&other.awaited);
        self.others.add(&other.others);
    }

    /// The looks with those others' doings in the place of waits for them; `None` where none was seen.
    fn deep(&self) -> Option<Samples> {
        if self.awaited == Awaited::default() {
            return None;
        }
        let mut deep = self.own;
        deep.lock -= self.awaited.lock;
        deep.channel -= self.awaited.channel;
        let looks = deep.looks;
        deep.add(&self.others);
        deep.looks = looks;
        Some(deep)
    }
}

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
