//! Reading what the kernel side knows of requests' time.

use gostall_bpf::{abi, types};
use gostall_model::{Exact, LedgerState};

use crate::error::Error;
use crate::loader::Probes;
use crate::{batch, bytes};

/// What a goroutine waits for by the kernel side's name; `None`: for nothing.
pub(crate) fn wait_state(state: u32) -> Option<LedgerState> {
    use LedgerState as S;
    Some(match state {
        abi::GS_W_DISK => S::SyscallDisk,
        abi::GS_W_PIPE => S::SyscallPipe,
        abi::GS_W_LOCK => S::SyscallLock,
        abi::GS_W_OTHER => S::SyscallOther,
        abi::GS_W_CLIENT_READ => S::NetClientRead,
        abi::GS_W_CLIENT_WRITE => S::NetClientWrite,
        abi::GS_W_UPSTREAM_CONNECT => S::NetUpstreamConnect,
        abi::GS_W_UPSTREAM_READ => S::NetUpstreamRead,
        abi::GS_W_UPSTREAM_WRITE => S::NetUpstreamWrite,
        abi::GS_W_DNS => S::NetDns,
        _ => return None,
    })
}

impl Probes {
    /// The exact part of the ledger: of each leaf's requests that ended.
    pub fn walls(&self, mut each: impl FnMut(u32, &Exact)) -> Result<(), Error> {
        batch::each(&self.maps().ledgers, "ledgers", |key, value| {
            let key = u32::from_ne_bytes(key[..4].try_into().expect("a key has 4 bytes"));
            let ledger: types::gs_ledger = bytes::to(value);
            let ns = |state: u32| ledger.ns[state as usize];
            let exact = Exact {
                cpu_kernel: ns(abi::GS_W_CPU_KERNEL),
                runq: ns(abi::GS_W_RUNQ),
                throttled: ns(abi::GS_W_THROTTLED),
                runq_user: ns(abi::GS_W_RUNQ_USER),
                throttled_user: ns(abi::GS_W_THROTTLED_USER),
                fault: ns(abi::GS_W_FAULT),
                disk: ns(abi::GS_W_DISK),
                pipe: ns(abi::GS_W_PIPE),
                lock: ns(abi::GS_W_LOCK),
                other: ns(abi::GS_W_OTHER),
                client_read: ns(abi::GS_W_CLIENT_READ),
                client_write: ns(abi::GS_W_CLIENT_WRITE),
                upstream_connect: ns(abi::GS_W_UPSTREAM_CONNECT),
                upstream_read: ns(abi::GS_W_UPSTREAM_READ),
                upstream_write: ns(abi::GS_W_UPSTREAM_WRITE),
                dns: ns(abi::GS_W_DNS),
            };
            each(key >> abi::GS_KEY_CPU_BITS, &exact);
        })
    }

    /// Page faults of each leaf's requests.
    pub fn faults(&self, mut each: impl FnMut(u32, u64)) -> Result<(), Error> {
        batch::each(&self.maps().faults, "faults", |key, value| {
            each(
                u32::from_ne_bytes(key[..4].try_into().expect("a key has 4 bytes")),
                u64::from_ne_bytes(value[..8].try_into().expect("a value has 8 bytes")),
            );
        })
    }
}
