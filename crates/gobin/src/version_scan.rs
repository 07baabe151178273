//! The toolchain's version of an executable without build information: `runtime.buildVersion`, a Go string in the
//! data segment. By its symbol; without symbols as the string that `runtime.schedinit` looks at; or, where that code
//! cannot be followed, as the only string of the data segment that is a version. Ambiguity is no answer.

use std::collections::BTreeSet;

use iced_x86::{Decoder, DecoderOptions, OpKind, Register};

use crate::arm64;
use crate::bytes::u64_at;
use crate::elf::{Arch, Elf};
use crate::version::GoVersion;

/// Versions are some 6 to 60 bytes long.
const LENGTHS: std::ops::RangeInclusive<u64> = 5..=128;
/// Bytes of schedinit looked at; it reads buildVersion near its end (its length: 1.5 to 3 KiB).
const MAX_CODE: usize = 8 << 10;

/// `symbol` is `runtime.buildVersion`'s address, `schedinit` the range of `runtime.schedinit`.
pub(crate) fn find(
    elf: &Elf,
    data: &[u8],
    symbol: Option<u64>,
    schedinit: Option<(u64, u64)>,
) -> Option<GoVersion> {
    symbol
        .and_then(|header| string_at(elf, data, header))
        .or_else(|| schedinit.and_then(|(start, end)| in_code(elf, data, start, end)))
        .or_else(|| only_one(elf, data))
}

/// The version that the Go string with its header at `vaddr` holds.
fn string_at(elf: &Elf, data: &[u8], vaddr: u64) -> Option<GoVersion> {
    let words = elf.words(data, vaddr, 16)?;
    text_at(elf, data, words[0], words[1])
}

fn text_at(elf: &Elf, data: &[u8], text: u64, len: u64) -> Option<GoVersion> {
    if !LENGTHS.contains(&len) {
        return None;
    }
    let bytes = elf.at(data, text, len as usize)?;
    let printable = bytes.iter().all(|b| (b' '..=b'~').contains(b));
    printable
        .then(|| GoVersion::parse(std::str::from_utf8(bytes).ok()?))
        .flatten()
}

fn in_code(elf: &Elf, data: &[u8], start: u64, end: u64) -> Option<GoVersion> {
    let len = usize::try_from(end.checked_sub(start)?).ok()?.min(MAX_CODE);
    let code = elf.tail(data, start)?;
    let code = &code[..code.len().min(len)];
    let writable = |v: u64| {
        elf.segments
            .iter()
            .any(|s| s.writable && v.wrapping_sub(s.vaddr) < s.file_size)
    };
    // `if buildVersion == ""` compares the length, the string's second word.
    let version = |vaddr: u64| {
        let headers = [vaddr, vaddr.wrapping_sub(8)];
        headers
            .into_iter()
            .filter(|&h| writable(h))
            .find_map(|h| string_at(elf, data, h))
    };
    match elf.arch {
        Arch::Amd64 => amd64_addresses(code, start).find_map(version),
        Arch::Arm64 => arm64::addresses(code, start).find_map(version),
    }
}

/// The addresses of variables that code refers to.
fn amd64_addresses(code: &[u8], start: u64) -> impl Iterator<Item = u64> {
    let decoder = Decoder::with_ip(64, code, start, DecoderOptions::NONE);
    decoder.into_iter().filter_map(|i| {
        let memory = (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Memory);
        let fixed = i.memory_index() == Register::None
            && matches!(i.memory_base(), Register::None | Register::RIP)
            && i.segment_prefix() == Register::None;
        (memory && fixed).then(|| i.memory_displacement64())
    })
}

fn only_one(elf: &Elf, data: &[u8]) -> Option<GoVersion> {
    let mut found = BTreeSet::new();
    for segment in elf.segments.iter().filter(|s| s.writable) {
        let Some(bytes) = elf.tail(data, segment.vaddr) else {
            continue;
        };
        for at in (0..bytes.len().saturating_sub(15)).step_by(8) {
            // Most words are no pointers: the length is the cheaper test.
            if let (Some(text), Some(len)) = (u64_at(bytes, at), u64_at(bytes, at + 8))
                && let Some(version) = text_at(elf, data, text, len)
            {
                found.insert(version.raw);
            }
        }
    }
    for (place, addend) in elf.relative_relocations(data) {
        let len = elf.tail(data, place).and_then(|tail| u64_at(tail, 8));
        if let Some(version) = len.and_then(|len| text_at(elf, data, addend, len)) {
            found.insert(version.raw);
        }
    }
    if found.len() > 1 {
        return None;
    }
    found.pop_first().and_then(|raw| GoVersion::parse(&raw))
}
