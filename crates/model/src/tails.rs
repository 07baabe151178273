//! Keeps the single calls worth showing, within a bound, however many arrive.
//!
//! The slowest of each (syscall, result, request or not) are kept, so that one frequent kind cannot crowd
//! out a rare one. It does not decide what is slow: whoever sends events did.

use std::collections::HashMap;

use crate::input::{LEAF_FIRST_NODE, Tail};

/// Events kept per kind: enough to see whether the slow ones share a stack or a file descriptor.
const PER_KIND: usize = 8;
/// Kinds kept: syscalls times results of one program stay far below this; an event is a few KB with
/// its stack, so the whole is bounded by some 10 MB.
const KINDS: usize = 256;

#[derive(Debug, PartialEq, Eq, Hash)]
struct Kind {
    nr: u16,
    res: u16,
    in_request: bool,
}

/// The kept events.
#[derive(Debug, Default)]
pub(crate) struct Tails {
    kept: HashMap<Kind, Vec<Tail>>,
}

/// The errno of a return value, 0 for success: the kernel's error range is -4095..=-1.
pub(crate) fn errno_of(ret: i64) -> u16 {
    match ret {
        -4095..=-1 => ret.unsigned_abs() as u16,
        _ => 0,
    }
}

impl Tails {
    /// Takes an event in; of a full kind the shortest is let go.
    pub(crate) fn add(&mut self, tail: Tail) {
        let kind = Kind {
            nr: tail.nr,
            res: errno_of(tail.ret),
            in_request: tail.leaf >= LEAF_FIRST_NODE,
        };
        if self.kept.len() >= KINDS && !self.kept.contains_key(&kind) {
            return;
        }
        let kept = self.kept.entry(kind).or_default();
        let at = kept.partition_point(|t| t.duration_ns >= tail.duration_ns);
        if at < PER_KIND {
            kept.insert(at, tail);
            kept.truncate(PER_KIND);
        }
    }

    /// All kept events, the slowest first.
    pub(crate) fn sorted(&self) -> Vec<&Tail> {
        let mut all: Vec<&Tail> = self.kept.values().flatten().collect();
        all.sort_by_key(|t| (std::cmp::Reverse(t.duration_ns), t.ts_unix_ns, t.tid));
        all
    }

    pub(crate) fn clear(&mut self) {
        self.kept.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(nr: u16, ret: i64, duration_ns: u64) -> Tail {
        Tail {
            nr,
            ret,
            duration_ns,
            leaf: 40,
            ..Tail::default()
        }
    }

    #[test]
    fn a_frequent_kind_does_not_crowd_out_a_rare_one() {
        let mut tails = Tails::default();
        tails.add(tail(74, 0, 5));
        for i in 0..10_000 {
            tails.add(tail(1, 100, 1000 + i));
        }
        tails.add(tail(1, -11, 7));
        let kept: Vec<_> = tails
            .sorted()
            .iter()
            .map(|t| (t.nr, t.duration_ns))
            .collect();
        assert_eq!(kept.len(), PER_KIND + 2);
        assert_eq!(kept[0], (1, 10_999));
        assert_eq!(kept[PER_KIND..], [(1, 7), (74, 5)]);
    }

    #[test]
    fn errnos_of_return_values() {
        assert_eq!(errno_of(-11), 11);
        assert_eq!(errno_of(-4095), 4095);
        assert_eq!(errno_of(-4096), 0);
        assert_eq!(errno_of(i64::MIN), 0);
        assert_eq!(errno_of(5), 0);
    }
}
