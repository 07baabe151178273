//! Where a thread keeps its g: the thread-local slot that C code, signal handlers and `gogo` use.
//!
//! Decoded from the instruction by which `gogo` stores g, which stripping leaves in place and which is right for every
//! way of linking; by symbols where that code cannot be followed. In Go code g is in a register as well (amd64 r14,
//! arm64 x28), which needs none of this.

use iced_x86::{Code, Decoder, DecoderOptions, Mnemonic, OpKind, Register};

use crate::arm64;
use crate::elf::{Arch, Elf};

/// The slot of g, from the thread pointer (amd64 fs base, arm64 TPIDR_EL0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsG {
    /// At this distance in bytes from the thread pointer.
    Fixed(i64),
    /// The distance stands in memory at this link-time address (a GOT slot that the dynamic loader fills).
    GotSlot(u64),
}

/// Why the slot is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoTls {
    /// arm64 without cgo: g is kept in x28 only (`runtime.save_g` returns at once).
    #[error("an arm64 program without C code keeps g in register x28 only")]
    RegisterOnly,
    /// The function that stores g is missing, or does it in a way not known, and there is no symbol.
    #[error("neither the code that stores g nor a symbol tells the thread-local slot")]
    Unknown,
}

/// What the slot is found by.
pub(crate) struct Evidence {
    /// Ranges of `gogo` (amd64) or `runtime.save_g` (arm64): where g is stored.
    pub code: Vec<(u64, u64)>,
    /// `runtime.tlsg` or `runtime.tls_g`.
    pub symbol: Option<u64>,
    /// C code is linked in.
    pub cgo: bool,
}

pub(crate) fn find(elf: &Elf, data: &[u8], evidence: &Evidence) -> Result<TlsG, NoTls> {
    if elf.arch == Arch::Arm64 && !evidence.cgo {
        return Err(NoTls::RegisterOnly);
    }
    let decoded = evidence.code.iter().find_map(|&(start, end)| {
        let len = usize::try_from(end.checked_sub(start)?).ok()?.min(64);
        let code = elf.at(data, start, len)?;
        match elf.arch {
            Arch::Amd64 => amd64(code, start),
            Arch::Arm64 => arm64::tls_slot(code, start),
        }
    });
    decoded
        .or_else(|| by_symbol(elf, evidence.symbol?))
        .ok_or(NoTls::Unknown)
}

/// `gogo<>` begins with storing DX, the goroutine to run, as the thread's g. In three forms:
/// `mov %rdx,%fs:disp32`; `mov $imm,%rcx; mov %rdx,%fs:(%rcx)`; `mov got(%rip),%rcx; mov %rdx,%fs:(%rcx)`.
fn amd64(code: &[u8], start: u64) -> Option<TlsG> {
    let mut register = None;
    for instruction in Decoder::with_ip(64, code, start, DecoderOptions::NONE)
        .into_iter()
        .take(4)
    {
        if instruction.mnemonic() != Mnemonic::Mov {
            return None;
        }
        let to_memory = instruction.op0_kind() == OpKind::Memory;
        if to_memory
            && instruction.segment_prefix() == Register::FS
            && instruction.op1_register() == Register::RDX
        {
            let displacement = instruction.memory_displacement64().cast_signed();
            return match (instruction.memory_base(), register) {
                (Register::None, _) if instruction.memory_index() == Register::None => {
                    Some(TlsG::Fixed(displacement))
                }
                (Register::RCX, Some(TlsG::Fixed(base))) => {
                    Some(TlsG::Fixed(base.checked_add(displacement)?))
                }
                (Register::RCX, Some(slot)) if displacement == 0 => Some(slot),
                _ => None,
            };
        }
        if to_memory || instruction.op0_register() != Register::RCX {
            return None;
        }
        register = match instruction.code() {
            Code::Mov_rm64_imm32 => Some(TlsG::Fixed(instruction.immediate32to64())),
            Code::Mov_r64_rm64 if instruction.is_ip_rel_memory_operand() => {
                Some(TlsG::GotSlot(instruction.ip_rel_memory_address()))
            }
            _ => return None,
        };
    }
    None
}

/// The symbol's value is an offset into the executable's TLS block, which ends (amd64) or begins 16 bytes behind
/// (arm64) the thread pointer: the ELF TLS variants II and I.
fn by_symbol(elf: &Elf, value: u64) -> Option<TlsG> {
    let value = i64::try_from(value).ok()?;
    let (size, align) = elf.tls?;
    let align = align.max(1);
    let round = |n: u64| {
        n.div_ceil(align)
            .checked_mul(align)
            .and_then(|n| i64::try_from(n).ok())
    };
    Some(TlsG::Fixed(match elf.arch {
        Arch::Amd64 => value.checked_sub(round(size)?)?,
        Arch::Arm64 => value.checked_add(round(16)?)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_gogo() {
        let decode = |bytes: &[u8]| amd64(bytes, 0x1000);
        assert_eq!(
            decode(&[0x64, 0x48, 0x89, 0x14, 0x25, 0xf8, 0xff, 0xff, 0xff]),
            Some(TlsG::Fixed(-8))
        );
        let pie = [
            0x48, 0xc7, 0xc1, 0x40, 0xff, 0xff, 0xff, 0x64, 0x48, 0x89, 0x11,
        ];
        assert_eq!(decode(&pie), Some(TlsG::Fixed(-192)));
        let shared = [0x48, 0x8b, 0x0d, 0x10, 0, 0, 0, 0x64, 0x48, 0x89, 0x11];
        assert_eq!(decode(&shared), Some(TlsG::GotSlot(0x1017)));
        assert_eq!(decode(&[0x55, 0x48, 0x89, 0xe5]), None);
        assert_eq!(decode(&[0x64, 0x48, 0x89, 0x11]), None, "rcx unknown");
    }

    #[test]
    fn by_symbol() {
        let elf = |arch, tls| {
            let mut elf = Elf::parse(&crate::elf::tests::minimal()).expect("an ELF file");
            (elf.arch, elf.tls) = (arch, tls);
            elf
        };
        let block = Some((0x6c, 8));
        assert_eq!(
            super::by_symbol(&elf(Arch::Amd64, block), 0),
            Some(TlsG::Fixed(-0x70))
        );
        assert_eq!(
            super::by_symbol(&elf(Arch::Amd64, block), 0x68),
            Some(TlsG::Fixed(-8))
        );
        assert_eq!(
            super::by_symbol(&elf(Arch::Arm64, Some((8, 64))), 8),
            Some(TlsG::Fixed(72))
        );
        assert_eq!(super::by_symbol(&elf(Arch::Amd64, None), 0), None);
    }
}
