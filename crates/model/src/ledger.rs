//! Where the wall time of an endpoint's requests went. The kernel tells one part exactly: time in calls, waits for the
//! network, time without a processor. The rest is computing and waiting within the Go runtime; it is split by what
//! goroutines were found doing, and what was never found is `unknown`.

mod split;

pub(crate) use split::{Times, split};

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

/// A state in JSON: its name.
pub(crate) mod by_name {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::LedgerState;

    pub(crate) fn serialize<S: Serializer>(
        state: &Option<LedgerState>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match state {
            Some(state) => to.serialize_str(state.name()),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<LedgerState>, D::Error> {
        let name = Option::<String>::deserialize(from)?;
        // A state that a later version knows.
        Ok(name.map(|n| LedgerState::from_name(&n).unwrap_or(LedgerState::Unknown)))
    }
}

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
