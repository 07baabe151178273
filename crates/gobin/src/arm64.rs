//! The few arm64 instructions that matter here, recognized by their fixed encodings (Arm Architecture Reference
//! Manual, C4.1): no general decoder.

use crate::bytes::u32_at;
use crate::tls::TlsG;

/// Condition "lower or same": C clear or Z set. The stack check branches away on it.
const LS: u32 = 0b1001;
/// Registers from here on hold no Go argument (x0 to x15 do; x26 is the closure context, x28 is g).
const FIRST_SCRATCH: u32 = 16;

/// A branch whose target is in the instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Branch {
    /// `b`
    Jump(u64),
    /// `bl`
    Call(u64),
    /// `b.ls`: of the stack check.
    LowerOrSame,
}

pub(crate) fn branch(word: u32, pc: u64) -> Option<Branch> {
    let target = || {
        let offset = i64::from((word << 6).cast_signed() >> 6) * 4;
        pc.wrapping_add_signed(offset)
    };
    match word >> 26 {
        0b00_0101 => Some(Branch::Jump(target())),
        0b10_0101 => Some(Branch::Call(target())),
        _ if word & 0xff00_001f == 0x5400_0000 | LS => Some(Branch::LowerOrSame),
        _ => None,
    }
}

/// Instructions with their addresses.
pub(crate) fn words(code: &[u8], start: u64) -> impl Iterator<Item = (u64, u32)> {
    (0..code.len() / 4)
        .filter_map(move |i| Some((start.wrapping_add(i as u64 * 4), u32_at(code, i * 4)?)))
}

/// The first branch of a function up to which no argument register was written.
pub(crate) fn first_branch(code: &[u8], start: u64) -> Option<(u64, Branch)> {
    for (pc, word) in words(code, start).take(12) {
        if let Some(branch) = branch(word, pc) {
            return Some((pc, branch));
        }
        // Loads and data processing name their destination in the low five bits; a store names its source there,
        // which at worst gives up too early.
        if word & 0x1f < FIRST_SCRATCH {
            return None;
        }
    }
    None
}

/// `runtime.save_g`: `mrs x0, tpidr_el0`; the slot's distance into x27; `str x28, [x0, x27]`. The distance comes as
/// `movz x27, #n` when the linker knows it, else from the GOT: `adrp x27, page; ldr x27, [x27, #n]`.
pub(crate) fn tls_slot(code: &[u8], start: u64) -> Option<TlsG> {
    const MRS_X0_TPIDR: u32 = 0xd53b_d040;
    let mut after = words(code, start)
        .skip_while(|(_, word)| *word != MRS_X0_TPIDR)
        .skip(1);
    let (pc, word) = after.next()?;
    if word & 0xff80_001f == 0xd280_001b {
        let shift = 16 * (word >> 21 & 3);
        return Some(TlsG::Fixed(
            i64::from(word >> 5 & 0xffff).checked_shl(shift)?,
        ));
    }
    let (27, page) = adrp(word, pc)? else {
        return None;
    };
    let (_, load) = after.next()?;
    (load & 0xffc0_03ff == 0xf940_037b).then(|| TlsG::GotSlot(page.wrapping_add(scaled(load))))
}

/// `adrp`: register and page address.
fn adrp(word: u32, pc: u64) -> Option<(u32, u64)> {
    if word & 0x9f00_0000 != 0x9000_0000 {
        return None;
    }
    // 21 bits, the low two of them apart from the rest; shifted up and down to extend the sign.
    let pages = ((word >> 3 & 0x1f_fffc | word >> 29 & 3) << 11).cast_signed() >> 11;
    let page = (pc & !0xfff).wrapping_add_signed(i64::from(pages) << 12);
    Some((word & 0x1f, page))
}

/// The offset of a 64-bit load or store with an unsigned immediate.
fn scaled(word: u32) -> u64 {
    u64::from(word >> 10 & 0xfff) * 8
}

/// The addresses of variables that code refers to: `adrp` with the `add`, `ldr` or `str` behind it.
pub(crate) fn addresses(code: &[u8], start: u64) -> impl Iterator<Item = u64> {
    let pairs = words(code, start).zip(words(code, start).skip(1));
    pairs.filter_map(|((pc, first), (_, second))| {
        let (register, page) = adrp(first, pc)?;
        if second >> 5 & 0x1f != register {
            return None;
        }
        match second & 0xffc0_0000 {
            0x9100_0000 => Some(page.wrapping_add(u64::from(second >> 10 & 0xfff))),
            0xf940_0000 | 0xf900_0000 => Some(page.wrapping_add(scaled(second))),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches() {
        assert_eq!(branch(0x9400_0002, 0x1000), Some(Branch::Call(0x1008)));
        assert_eq!(branch(0x97ff_ffff, 0x1000), Some(Branch::Call(0xffc)));
        assert_eq!(branch(0x1400_0001, 0x1000), Some(Branch::Jump(0x1004)));
        assert_eq!(
            branch(0x5400_0109, 0x1000),
            Some(Branch::LowerOrSame),
            "b.ls"
        );
        assert_eq!(branch(0x5400_0100, 0x1000), None, "b.eq");
        assert_eq!(branch(0xd503_201f, 0x1000), None, "nop");
    }

    fn assemble(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|w| w.to_le_bytes()).collect()
    }

    #[test]
    fn stack_check() {
        // ldr x16, [x28, #16]; cmp sp, x16; b.ls; then the frame.
        let code = assemble(&[0xf940_0b90, 0xeb30_63ff, 0x5400_0209, 0xf81e_0ffe]);
        assert_eq!(
            first_branch(&code, 0x2000),
            Some((0x2008, Branch::LowerOrSame))
        );
        // mov x0, #1 spoils the first argument.
        let code = assemble(&[0xd280_0020, 0x5400_0209]);
        assert_eq!(first_branch(&code, 0x2000), None);
    }

    #[test]
    fn slots() {
        let code = assemble(&[0xd53b_d040, 0xd280_021b, 0xf83b_681c]);
        assert_eq!(tls_slot(&code, 0x1000), Some(TlsG::Fixed(16)));
        // adrp x27, 0x3000 from page 0x1000; ldr x27, [x27, #0x18]
        let code = assemble(&[0xd53b_d040, 0xd000_001b, 0xf940_0f7b]);
        assert_eq!(tls_slot(&code, 0x1000), Some(TlsG::GotSlot(0x3018)));
        // One page back.
        let code = assemble(&[0xd53b_d040, 0xf0ff_fffb, 0xf940_037b]);
        assert_eq!(tls_slot(&code, 0x5000), Some(TlsG::GotSlot(0x4000)));
    }

    #[test]
    fn variables() {
        // From Go 1.24's schedinit at 0x4d510: adrp x27; ldr x2, [x27, #3888]; then an add of Go 1.19's.
        let code = assemble(&[
            0xd000_2bfb,
            0xf947_9b62,
            0xf900_0722,
            0xd000_22db,
            0x9131_637b,
        ]);
        let found: Vec<u64> = addresses(&code, 0x4_d510).collect();
        assert_eq!(found, [0x5c_bf30, 0x4a_7c58]);
        // The second instruction is about another register.
        assert_eq!(
            addresses(&assemble(&[0xd000_2bfb, 0xf947_9b42]), 0x1000).count(),
            0
        );
    }
}
