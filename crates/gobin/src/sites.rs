//! Where to put a uprobe: instructions that the kernel *emulates* instead of single-stepping out of line, which costs
//! a tenth to a twentieth (`arch/x86/kernel/uprobes.c`: branch_setup_xol_ops, push_setup_xol_ops;
//! `arch/arm64/kernel/probes/decode-insn.c`: simulated branches). Chooses addresses; attaches nothing.

use std::ops::Range;

use iced_x86::{
    Code, Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic,
    OpAccess, OpKind, Register,
};

use crate::arm64::{self, Branch};
use crate::elf::{Arch, Elf};

/// How far into a function an entry site may lie: prologues with large frames take some 40 bytes.
const MAX_PROLOGUE: usize = 128;
/// How far behind a call the branch on its result may lie: results are spilled first.
const MAX_RETURN: usize = 64;
/// A function longer than this is not searched for calls to the end.
const MAX_BODY: u64 = 4 << 20;
/// Registers that carry arguments, receiver included, and the closure's context (Go's ABIInternal, amd64).
const ARGUMENTS: [Register; 10] = [
    Register::RAX,
    Register::RBX,
    Register::RCX,
    Register::RDI,
    Register::RSI,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
    Register::RDX,
];

/// What stands at a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SiteKind {
    /// `push %rbp` (or another register) behind the stack check: hit once a call.
    Push,
    /// The conditional branch of the stack check (amd64 `jbe`, arm64 `b.ls`). Where it will be taken, the stack grows
    /// and the function begins again: the probe must then do nothing, or it counts the call twice. Taken on amd64 when
    /// CF or ZF is set, on arm64 when C is clear or Z is set.
    Jbe,
    /// Another conditional branch, in a function without stack check: hit once a call, taken or not.
    Jcc,
    /// A direct call; registers hold the *callee's* arguments.
    Call,
    /// A direct jump.
    Jmp,
    /// A one-byte `nop`.
    Nop,
}

impl SiteKind {
    /// Whether the probe must look at the flags and do nothing when the branch will be taken.
    pub fn skip_when_taken(self) -> bool {
        self == SiteKind::Jbe
    }
}

/// An address to probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Site {
    /// Link-time address.
    pub vaddr: u64,
    /// Where that is in the file, in bytes: what a uprobe is attached by.
    pub file_offset: u64,
    /// Bytes from the function's entry.
    pub into: u64,
    /// The instruction.
    pub kind: SiteKind,
}

/// The best site of a function at which all argument registers are as its caller left them.
pub(crate) fn entry_site(elf: &Elf, data: &[u8], function: Range<u64>) -> Option<Site> {
    let code = body(elf, data, &function, MAX_PROLOGUE)?;
    let (vaddr, kind) = match elf.arch {
        Arch::Amd64 => amd64_entry(code, function.start)?,
        Arch::Arm64 => {
            arm64::first_branch(code, function.start).map(|(pc, branch)| match branch {
                Branch::LowerOrSame => (pc, SiteKind::Jbe),
                Branch::Jump(_) => (pc, SiteKind::Jmp),
                Branch::Call(_) => (pc, SiteKind::Call),
            })?
        }
    };
    site(elf, function.start, vaddr, kind)
}

/// The direct calls (and tail jumps) to `callee` in a function.
pub(crate) fn call_sites(elf: &Elf, data: &[u8], function: Range<u64>, callee: u64) -> Vec<Site> {
    let Some(code) = body(elf, data, &function, usize::MAX) else {
        return Vec::new();
    };
    let start = function.start;
    let to_site = |(vaddr, kind)| site(elf, start, vaddr, kind);
    match elf.arch {
        Arch::Amd64 => Decoder::with_ip(64, code, start, DecoderOptions::NONE)
            .into_iter()
            .filter(|i| emulated_branch(i).is_some() && i.near_branch_target() == callee)
            .filter_map(|i| match i.flow_control() {
                FlowControl::Call => Some((i.ip(), SiteKind::Call)),
                FlowControl::UnconditionalBranch => Some((i.ip(), SiteKind::Jmp)),
                _ => None,
            })
            .filter_map(to_site)
            .collect(),
        Arch::Arm64 => arm64::words(code, start)
            .filter_map(|(pc, word)| match arm64::branch(word, pc)? {
                Branch::Call(target) => (target == callee).then_some((pc, SiteKind::Call)),
                Branch::Jump(target) => (target == callee).then_some((pc, SiteKind::Jmp)),
                Branch::LowerOrSame => None,
            })
            .filter_map(to_site)
            .collect(),
    }
}

/// The conditional branches that follow direct calls to `callee` in a function, where the registers still hold what it
/// has returned (amd64 only).
pub(crate) fn return_sites(elf: &Elf, data: &[u8], function: Range<u64>, callee: u64) -> Vec<Site> {
    if elf.arch != Arch::Amd64 {
        return Vec::new();
    }
    call_sites(elf, data, function.clone(), callee)
        .into_iter()
        .filter(|call| call.kind == SiteKind::Call)
        .filter_map(|call| {
            let code = body(elf, data, &(call.vaddr..function.end), MAX_RETURN)?;
            let vaddr = amd64_after_call(code, call.vaddr)?;
            site(elf, function.start, vaddr, SiteKind::Jcc)
        })
        .collect()
}

/// The first conditional branch behind the call that `code` begins with, if no argument register (they are those of
/// results too) is written on the way.
fn amd64_after_call(code: &[u8], start: u64) -> Option<u64> {
    let mut info = InstructionInfoFactory::new();
    for instruction in Decoder::with_ip(64, code, start, DecoderOptions::NONE)
        .into_iter()
        .skip(1)
    {
        if instruction.is_invalid() {
            return None;
        }
        if emulated_branch(&instruction) == Some(SiteKind::Jcc) {
            return Some(instruction.ip());
        }
        if instruction.flow_control() != FlowControl::Next || spoils(&mut info, &instruction) {
            return None;
        }
    }
    None
}

/// Whether an instruction writes a register that carries arguments.
fn spoils(info: &mut InstructionInfoFactory, instruction: &Instruction) -> bool {
    let used = info.info(instruction);
    used.used_registers().iter().any(|r| {
        matches!(
            r.access(),
            OpAccess::Write | OpAccess::ReadWrite | OpAccess::CondWrite | OpAccess::ReadCondWrite
        ) && ARGUMENTS.contains(&r.register().full_register())
    })
}

pub(crate) fn body<'d>(
    elf: &Elf,
    data: &'d [u8],
    function: &Range<u64>,
    limit: usize,
) -> Option<&'d [u8]> {
    let len = function.end.checked_sub(function.start)?.min(MAX_BODY);
    let executable = elf
        .segments
        .iter()
        .any(|s| s.executable && function.start.wrapping_sub(s.vaddr) < s.file_size);
    let code = elf.tail(data, function.start).filter(|_| executable)?;
    Some(&code[..code.len().min(usize::try_from(len).ok()?).min(limit)])
}

fn site(elf: &Elf, entry: u64, vaddr: u64, kind: SiteKind) -> Option<Site> {
    Some(Site {
        vaddr,
        file_offset: elf.to_offset(vaddr)?,
        into: vaddr - entry,
        kind,
    })
}

/// The kind of a branch that the kernel emulates: relative, without an operand-size prefix.
fn emulated_branch(instruction: &Instruction) -> Option<SiteKind> {
    if matches!(instruction.op0_kind(), OpKind::NearBranch64) {
        return match instruction.flow_control() {
            FlowControl::Call => Some(SiteKind::Call),
            FlowControl::UnconditionalBranch => Some(SiteKind::Jmp),
            // loop and jrcxz are conditional too, but not emulated.
            FlowControl::ConditionalBranch if instruction.is_jcc_short_or_near() => {
                Some(SiteKind::Jcc)
            }
            _ => None,
        };
    }
    None
}

fn amd64_entry(code: &[u8], start: u64) -> Option<(u64, SiteKind)> {
    let mut info = InstructionInfoFactory::new();
    // The branch of the stack check, to fall back on: a push after it is better.
    let mut check = None;
    let mut compared = false;
    for instruction in Decoder::with_ip(64, code, start, DecoderOptions::NONE) {
        if instruction.is_invalid() {
            break;
        }
        let at = instruction.ip();
        match instruction.code() {
            Code::Push_r64 => return Some((at, SiteKind::Push)),
            Code::Nopd if instruction.len() == 1 => return check.or(Some((at, SiteKind::Nop))),
            _ => {}
        }
        match emulated_branch(&instruction) {
            Some(SiteKind::Jcc) if compared && instruction.mnemonic() == Mnemonic::Jbe => {
                check = check.or(Some((at, SiteKind::Jbe)));
            }
            // Frames so large that the check could wrap around have a `jb` to the same place first.
            Some(SiteKind::Jcc) if instruction.mnemonic() == Mnemonic::Jb && check.is_none() => {}
            Some(kind) => return check.or(Some((at, kind))),
            None => {}
        }
        compared = is_stack_check(&instruction);
        if spoils(&mut info, &instruction)
            || instruction.flow_control() != FlowControl::Next
                && emulated_branch(&instruction).is_none()
        {
            break;
        }
    }
    check
}

/// `cmp 0x10(%r14),%rsp` or another register: against g.stackguard0.
fn is_stack_check(instruction: &Instruction) -> bool {
    instruction.mnemonic() == Mnemonic::Cmp
        && instruction.op1_kind() == OpKind::Memory
        && instruction.memory_base() == Register::R14
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 0x1000;

    #[test]
    fn push_behind_the_stack_check() {
        // cmp 0x10(%r14),%rsp; jbe; push %rbp; mov %rsp,%rbp
        let code = [0x49, 0x3b, 0x66, 0x10, 0x76, 0x20, 0x55, 0x48, 0x89, 0xe5];
        assert_eq!(amd64_entry(&code, START), Some((0x1006, SiteKind::Push)));
        // lea -0x80(%rsp),%r12; cmp 0x10(%r14),%r12; jbe (near form); push %rbp
        let code = [
            0x4c, 0x8d, 0x64, 0x24, 0x80, 0x4d, 0x3b, 0x66, 0x10, 0x0f, 0x86, 0, 1, 0, 0, 0x55,
        ];
        assert_eq!(amd64_entry(&code, START), Some((0x100f, SiteKind::Push)));
    }

    #[test]
    fn the_check_itself_without_a_push() {
        // cmp 0x10(%r14),%rsp; jbe; sub $0x20,%rsp; mov %rbp,0x18(%rsp); lea 0x18(%rsp),%rbp; mov %rax,%rcx
        let code = [
            0x49, 0x3b, 0x66, 0x10, 0x76, 0x20, 0x48, 0x83, 0xec, 0x20, 0x48, 0x89, 0x6c, 0x24,
            0x18, 0x48, 0x8d, 0x6c, 0x24, 0x18, 0x48, 0x89, 0xc1,
        ];
        assert_eq!(amd64_entry(&code, START), Some((0x1004, SiteKind::Jbe)));
    }

    #[test]
    fn nothing_once_an_argument_is_gone() {
        // mov %rbx,%rax; push %rbp
        assert_eq!(amd64_entry(&[0x48, 0x89, 0xd8, 0x55], START), None);
        // xor %ecx,%ecx writes a 32-bit part.
        assert_eq!(amd64_entry(&[0x31, 0xc9, 0x55], START), None);
        // ret ends the function.
        assert_eq!(amd64_entry(&[0xc3, 0x55], START), None);
        // An indirect jump is not emulated, and what follows is not reached.
        assert_eq!(amd64_entry(&[0xff, 0xe0, 0x55], START), None);
    }

    #[test]
    fn the_branch_on_a_result() {
        // call; mov %rbx,0x8(%rsp); test %rax,%rax; jne
        let code = [
            0xe8, 0, 1, 0, 0, 0x48, 0x89, 0x5c, 0x24, 8, 0x48, 0x85, 0xc0, 0x75, 0x10,
        ];
        assert_eq!(amd64_after_call(&code, START), Some(START + 13));
        // call; mov (%rax),%rbx; test %rbx,%rbx; jne: a result is gone.
        let code = [
            0xe8, 0, 1, 0, 0, 0x48, 0x8b, 0x18, 0x48, 0x85, 0xdb, 0x75, 0x10,
        ];
        assert_eq!(amd64_after_call(&code, START), None);
        // call; call; jne: another call's result.
        let code = [0xe8, 0, 1, 0, 0, 0xe8, 0, 1, 0, 0, 0x75, 0x10];
        assert_eq!(amd64_after_call(&code, START), None);
    }

    #[test]
    fn other_emulated_instructions() {
        assert_eq!(
            amd64_entry(&[0xe9, 0, 1, 0, 0], START),
            Some((START, SiteKind::Jmp))
        );
        assert_eq!(
            amd64_entry(&[0x90, 0x55], START),
            Some((START, SiteKind::Nop))
        );
        // 66 90 and 0f 1f 00 are nops too, but the kernel steps over them one by one.
        assert_eq!(
            amd64_entry(&[0x66, 0x90, 0x55], START),
            Some((START + 2, SiteKind::Push))
        );
        assert_eq!(
            amd64_entry(&[0x0f, 0x1f, 0x00, 0x55], START),
            Some((START + 3, SiteKind::Push))
        );
        // test %rax,%rax; je
        assert_eq!(
            amd64_entry(&[0x48, 0x85, 0xc0, 0x74, 0x10], START),
            Some((START + 3, SiteKind::Jcc))
        );
    }
}
