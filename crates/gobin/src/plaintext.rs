//! Where decrypted bytes leave `crypto/tls`: the copy in `(*Conn).Read` out of the `bytes.Reader` it keeps them in. That
//! reader's method is inlined (it sets `prevRune`, one of the Conn's words, to -1 and copies), which tells the register
//! that holds the Conn.

use std::ops::Range;

use iced_x86::{
    Code, Decoder, DecoderOptions, Instruction, InstructionInfoFactory, OpAccess, Register,
};

use crate::elf::{Arch, Elf};
use crate::sites::{self, Site};

/// The copy to the reader in `(*tls.Conn).Read`, with the number of the register that then holds the `*tls.Conn`.
pub(crate) fn site(elf: &Elf, data: &[u8], read: Range<u64>, memmove: u64) -> Option<(Site, u8)> {
    if elf.arch != Arch::Amd64 {
        return None;
    }
    let mut copies = sites::call_sites(elf, data, read.clone(), memmove).into_iter();
    let (copy, None) = (copies.next()?, copies.next()) else {
        return None;
    };
    let code = sites::body(elf, data, &read, usize::MAX)?;
    let register = holder(code, read.start, copy.vaddr)?;
    Some((copy, register))
}

/// The base of the last `mov qword [base+disp], -1` before `at` that is not written in between.
fn holder(code: &[u8], start: u64, at: u64) -> Option<u8> {
    let mut info = InstructionInfoFactory::new();
    let mut found: Option<Register> = None;
    for instruction in Decoder::with_ip(64, code, start, DecoderOptions::NONE) {
        if instruction.is_invalid() || instruction.ip() > at {
            return None;
        }
        if instruction.ip() == at {
            return found.map(|r| r.number() as u8);
        }
        if clears_prev_rune(&instruction) {
            found = Some(instruction.memory_base());
        } else if let Some(base) = found
            && writes(&mut info, &instruction, base)
        {
            found = None;
        }
    }
    None
}

fn clears_prev_rune(i: &Instruction) -> bool {
    i.code() == Code::Mov_rm64_imm32
        && i.immediate32to64() == -1
        && i.memory_index() == Register::None
        && !matches!(
            i.memory_base(),
            Register::None | Register::RSP | Register::RIP
        )
        && i.memory_displacement64() > 64
}

fn writes(info: &mut InstructionInfoFactory, i: &Instruction, register: Register) -> bool {
    info.info(i).used_registers().iter().any(|r| {
        !matches!(
            r.access(),
            OpAccess::Read | OpAccess::CondRead | OpAccess::None
        ) && r.register().full_register() == register
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// mov qword [rsi+0x2c0],-1; mov rax,[rsp+0x78]; mov rcx,0x28(rsp); call
    const CODE: [u8; 26] = [
        0x48, 0xc7, 0x86, 0xc0, 2, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x48, 0x8b, 0x44, 0x24, 0x78,
        0x48, 0x89, 0x4c, 0x24, 0x28, 0xe8, 0, 1, 0, 0,
    ];

    #[test]
    fn the_register_of_the_connection() {
        assert_eq!(holder(&CODE, 0x1000, 0x1015), Some(6));
    }

    #[test]
    fn nothing_once_it_is_written() {
        let mut code = CODE;
        // mov rsi,[rsp+0x78]
        code[13] = 0x74;
        assert_eq!(holder(&code, 0x1000, 0x1015), None);
    }
}
