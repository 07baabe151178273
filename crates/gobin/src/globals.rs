//! Where variables of the runtime lie that tell of the whole program: its goroutines, its collections. A stripped
//! executable does not name them, so they are known by the code that uses them, whose shape has been the same from Go
//! 1.19 on. amd64 only; what does not look as expected is not told.

use std::ops::Range;

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};

use crate::binary::{Binary, Function};
use crate::elf::{Arch, Elf};

/// Link-time addresses of variables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Globals {
    /// `runtime.allglen` and `runtime.allgptr`: how many goroutines there have been at once, and the array of them.
    pub all_goroutines: Option<(u64, u64)>,
    /// `runtime.memstats.numgc`: collections that have ended, 32 bits.
    pub collections: Option<u64>,
}

/// The functions that show them.
const ALL: [&str; 2] = ["runtime.atomicAllG", "runtime.forEachGRace"];
const CYCLE: &str = "runtime.gcMarkTermination";
/// So many instructions into a function its first loads are looked for: the prologue comes before.
const FIRST: usize = 16;

pub(crate) fn find(binary: &Binary, elf: &Elf, data: &[u8]) -> Globals {
    if elf.arch != Arch::Amd64 {
        return Globals::default();
    }
    let [small, all, cycle] = match binary.find(&[ALL[0], ALL[1], CYCLE]).try_into() {
        Ok(found) => found,
        Err(_) => return Globals::default(),
    };
    let body = |f: &Option<Function>| {
        let f = f.as_ref()?;
        let len = usize::try_from(f.end.checked_sub(f.entry)?).ok()?;
        let code = elf.tail(data, f.entry)?;
        Some((&code[..code.len().min(len)], f.entry))
    };
    let writable = |at: u64| {
        elf.segments
            .iter()
            .any(|s| s.writable && span(s.vaddr, s.mem_size).contains(&at))
    };
    Globals {
        // Inlined into its caller or not, depending on how much was optimized.
        all_goroutines: body(&small)
            .or_else(|| body(&all))
            .and_then(|(code, at)| first_loads(code, at))
            .filter(|(len, ptr)| writable(*len) && writable(*ptr)),
        collections: body(&cycle)
            .and_then(|(code, at)| twins(code, at))
            .filter(|at| writable(*at)),
    }
}

fn span(start: u64, len: u64) -> Range<u64> {
    start..start.saturating_add(len)
}

fn global(i: &Instruction, operand: u32) -> Option<u64> {
    (i.op_kind(operand) == OpKind::Memory && i.memory_base() == Register::RIP)
        .then(|| i.memory_displacement64())
}

/// `atomicAllG` loads the length first, then the array.
fn first_loads(code: &[u8], start: u64) -> Option<(u64, u64)> {
    let mut loads = Decoder::with_ip(64, code, start, DecoderOptions::NONE)
        .into_iter()
        .take(FIRST)
        .filter(|i| i.mnemonic() == Mnemonic::Mov && i.op0_register().is_gpr64())
        .filter_map(|i| global(&i, 1));
    Some((loads.next()?, loads.next()?)).filter(|(len, ptr)| len != ptr)
}

/// `memstats.numforcedgc++` and `memstats.numgc++`: of the counters that are incremented there, the two that are
/// neighbours; the lower one counts all.
fn twins(code: &[u8], start: u64) -> Option<u64> {
    let counters: Vec<u64> = Decoder::with_ip(64, code, start, DecoderOptions::NONE)
        .into_iter()
        .filter(|i| i.mnemonic() == Mnemonic::Inc && i.memory_size().size() == 4)
        .filter_map(|i| global(&i, 0))
        .collect();
    let mut pairs = counters.iter().filter(|c| counters.contains(&(**c + 4)));
    let found = *pairs.next()?;
    pairs.all(|other| *other == found).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_loads() {
        // push %rbp; mov %rsp,%rbp; mov 0x10(%rip),%rcx; mov %rcx,8(%rsp); mov 0x20(%rip),%rbx
        let code = [
            0x55, 0x48, 0x89, 0xe5, 0x48, 0x8b, 0x0d, 0x10, 0, 0, 0, 0x48, 0x89, 0x4c, 0x24, 8,
            0x48, 0x8b, 0x1d, 0x20, 0, 0, 0,
        ];
        assert_eq!(first_loads(&code, 0x1000), Some((0x101b, 0x1037)));
        assert_eq!(first_loads(&code[..11], 0x1000), None, "one is not enough");
    }

    #[test]
    fn neighbours() {
        // incl 0x104(%rip); incl 0xfa(%rip); incl 0x1000(%rip)
        let code = [
            0xff, 0x05, 0x04, 1, 0, 0, 0xff, 0x05, 0xfa, 0, 0, 0, 0xff, 0x05, 0, 0x10, 0, 0,
        ];
        assert_eq!(twins(&code, 0x1000), Some(0x1106));
        assert_eq!(twins(&code[6..], 0x1000), None, "no neighbour");
    }
}
