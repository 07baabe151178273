//! The ELF container: segments, sections, symbols, relocations, and the way from an address to a byte and back.
//! It judges nothing about Go, and treats section headers as a convenience that a stripped file may lack.

use std::collections::HashMap;

use object::LittleEndian as LE;
use object::elf;
use object::read::elf::{Dyn, FileHeader, ProgramHeader, Rela, SectionHeader, Sym};

use crate::bytes::u64_at;
use crate::error::{Error, Result};

/// More program or section headers than this are not of a linker's making; the rest is not looked at.
const MAX_HEADERS: usize = 4096;
/// A section's name longer than this is none that we look for.
const MAX_SECTION_NAME: usize = 64;

/// Instruction set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arch {
    /// x86-64 (Go's amd64).
    Amd64,
    /// AArch64 (Go's arm64).
    Arm64,
}

/// A `PT_LOAD` segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Link-time address of its first byte.
    pub vaddr: u64,
    /// Bytes in memory.
    pub mem_size: u64,
    /// Offset of its first byte in the file.
    pub offset: u64,
    /// Bytes in the file.
    pub file_size: u64,
    /// Mapped executable.
    pub executable: bool,
    /// Mapped writable.
    pub writable: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub name: String,
    pub vaddr: u64,
    pub offset: u64,
    pub size: u64,
    /// `SHF_COMPRESSED`.
    pub compressed: bool,
}

/// What the headers say. Holds no bytes of the file: every read takes them.
#[derive(Debug, Clone)]
pub(crate) struct Elf {
    pub arch: Arch,
    /// `ET_DYN`: position-independent executable or shared object.
    pub position_independent: bool,
    pub segments: Vec<Segment>,
    pub sections: Vec<Section>,
    /// `PT_TLS`: (size in memory, alignment).
    pub tls: Option<(u64, u64)>,
    pub has_interpreter: bool,
    /// `DT_NEEDED` entries.
    pub needed: usize,
    /// `DF_1_PIE` among the dynamic flags.
    pub pie_flag: bool,
    /// `DT_RELA`, `DT_RELASZ`.
    rela: Option<(u64, u64)>,
}

impl Elf {
    pub fn parse(data: &[u8]) -> Result<Self> {
        if data.get(..4) != Some(&elf::ELFMAG[..]) {
            return Err(Error::NotElf);
        }
        match data.get(4) {
            Some(&class) if class == elf::ELFCLASS64.0 => {}
            Some(&class) if class == elf::ELFCLASS32.0 => return Err(Error::Not64Bit),
            _ => return Err(corrupt("ELF header", 4, "unknown class")),
        }
        if data.get(5) != Some(&elf::ELFDATA2LSB.0) {
            return Err(Error::WrongMachine("a big-endian machine".into()));
        }
        let header = elf::FileHeader64::<LE>::parse(data).map_err(|_| Error::Truncated {
            what: "the ELF header",
            end: 64,
            len: data.len() as u64,
        })?;
        let arch = match header.e_machine(LE) {
            elf::EM_X86_64 => Arch::Amd64,
            elf::EM_AARCH64 => Arch::Arm64,
            other => return Err(Error::WrongMachine(format!("ELF machine {other}"))),
        };
        let position_independent = match header.e_type(LE) {
            elf::ET_EXEC => false,
            elf::ET_DYN => true,
            other => {
                return Err(corrupt(
                    "ELF header",
                    16,
                    &format!("type {other} is neither executable nor shared object"),
                ));
            }
        };
        let headers = header
            .program_headers(LE, data)
            .map_err(|_| Error::Truncated {
                what: "the program header table",
                end: header
                    .e_phoff(LE)
                    .saturating_add(u64::from(header.e_phnum(LE)) * 56),
                len: data.len() as u64,
            })?;
        let mut this = Elf {
            arch,
            position_independent,
            segments: Vec::new(),
            sections: Vec::new(),
            tls: None,
            has_interpreter: false,
            needed: 0,
            pie_flag: false,
            rela: None,
        };
        let mut dynamic = None;
        for p in headers.iter().take(MAX_HEADERS) {
            match p.p_type(LE) {
                elf::PT_LOAD => this.segments.push(segment(p, data)?),
                elf::PT_TLS => this.tls = Some((p.p_memsz(LE), p.p_align(LE))),
                elf::PT_INTERP => this.has_interpreter = true,
                elf::PT_DYNAMIC => dynamic = p.dynamic(LE, data).ok().flatten(),
                _ => {}
            }
        }
        if this.segments.is_empty() {
            return Err(corrupt("ELF file", 0, "it has no loadable segment"));
        }
        this.read_dynamic(dynamic.unwrap_or_default());
        this.read_sections(header, data);
        Ok(this)
    }

    fn read_dynamic(&mut self, dynamic: &[elf::Dyn64<LE>]) {
        let (mut rela, mut size) = (None, None);
        for entry in dynamic.iter().take(MAX_HEADERS) {
            let value = entry.d_val(LE);
            match entry.d_tag(LE) {
                elf::DT_NULL => break,
                elf::DT_NEEDED => self.needed += 1,
                elf::DT_RELA => rela = Some(value),
                elf::DT_RELASZ => size = Some(value),
                elf::DT_FLAGS_1 => self.pie_flag = value & elf::DF_1_PIE.0 != 0,
                _ => {}
            }
        }
        self.rela = rela.zip(size);
    }

    /// Section headers are not needed to run a program: a file whose headers are missing or broken simply has none.
    fn read_sections(&mut self, header: &elf::FileHeader64<LE>, data: &[u8]) {
        let Ok(table) = header.sections(LE, data) else {
            return;
        };
        for s in table.iter().take(MAX_HEADERS) {
            let Ok(name) = table.section_name(LE, s) else {
                continue;
            };
            let kind = s.sh_type(LE);
            if name.len() > MAX_SECTION_NAME || kind == elf::SHT_NOBITS || kind == elf::SHT_NULL {
                continue;
            }
            self.sections.push(Section {
                name: String::from_utf8_lossy(name).into_owned(),
                vaddr: s.sh_addr(LE),
                offset: s.sh_offset(LE),
                size: s.sh_size(LE),
                compressed: s.sh_flags(LE).contains(elf::SHF_COMPRESSED),
            });
        }
    }

    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|s| s.name == name)
    }

    /// The bytes of a section, as far as the file has them.
    pub fn section_data<'d>(&self, section: &Section, data: &'d [u8]) -> &'d [u8] {
        let start = usize::try_from(section.offset)
            .unwrap_or(usize::MAX)
            .min(data.len());
        let size = usize::try_from(section.size).unwrap_or(usize::MAX);
        &data[start..start.saturating_add(size).min(data.len())]
    }

    /// The segment whose *file-backed* part holds the address.
    fn backed(&self, vaddr: u64) -> Option<&Segment> {
        self.segments
            .iter()
            .find(|s| vaddr >= s.vaddr && vaddr - s.vaddr < s.file_size)
    }

    pub fn to_offset(&self, vaddr: u64) -> Option<u64> {
        self.backed(vaddr).map(|s| s.offset + (vaddr - s.vaddr))
    }

    pub fn to_vaddr(&self, offset: u64) -> Option<u64> {
        self.segments
            .iter()
            .find(|s| offset >= s.offset && offset - s.offset < s.file_size)
            .map(|s| s.vaddr + (offset - s.offset))
    }

    /// The file's bytes from the address to the end of its segment.
    pub fn tail<'d>(&self, data: &'d [u8], vaddr: u64) -> Option<&'d [u8]> {
        let s = self.backed(vaddr)?;
        let start = s.offset + (vaddr - s.vaddr);
        data.get(usize::try_from(start).ok()?..usize::try_from(s.offset + s.file_size).ok()?)
    }

    /// `len` bytes at the address.
    pub fn at<'d>(&self, data: &'d [u8], vaddr: u64, len: usize) -> Option<&'d [u8]> {
        self.tail(data, vaddr)?.get(..len)
    }

    /// The values of the named symbols, in one pass over `.symtab`.
    pub fn symbols<'n>(&self, data: &[u8], names: &[&'n str]) -> HashMap<&'n str, u64> {
        let mut found = HashMap::new();
        let (Some(symtab), Some(strtab)) = (self.section(".symtab"), self.section(".strtab"))
        else {
            return found;
        };
        let strings = self.section_data(strtab, data);
        let longest = names.iter().map(|n| n.len()).max().unwrap_or(0);
        let bytes = self.section_data(symtab, data);
        let count = bytes.len() / size_of::<elf::Sym64<LE>>();
        let Ok((symbols, _)) = object::pod::slice_from_bytes::<elf::Sym64<LE>>(bytes, count) else {
            return found;
        };
        for symbol in symbols {
            let at = symbol.st_name(LE) as usize;
            let Some(name) = crate::bytes::c_string(strings, at, longest + 1) else {
                continue;
            };
            if let Some(&wanted) = names.iter().find(|n| n.as_bytes() == name) {
                found.entry(wanted).or_insert_with(|| symbol.st_value(LE));
                if found.len() == names.len() {
                    break;
                }
            }
        }
        found
    }

    /// `.symtab` holds at least one symbol.
    pub fn has_symtab(&self) -> bool {
        self.section(".symtab").is_some_and(|s| s.size > 24)
    }

    /// `R_*_RELATIVE` relocations (place, addend) of a position-independent file. `RELR` needs none of this: it
    /// leaves the addend in place.
    pub fn relative_relocations<'d>(
        &self,
        data: &'d [u8],
    ) -> impl Iterator<Item = (u64, u64)> + use<'d> {
        let bytes = self
            .rela
            .and_then(|(at, size)| {
                let tail = self.tail(data, at)?;
                tail.get(..tail.len().min(usize::try_from(size).ok()?))
            })
            .unwrap_or_default();
        let relative = match self.arch {
            Arch::Amd64 => elf::R_X86_64_RELATIVE,
            Arch::Arm64 => elf::R_AARCH64_RELATIVE,
        };
        let count = bytes.len() / size_of::<elf::Rela64<LE>>();
        object::pod::slice_from_bytes::<elf::Rela64<LE>>(bytes, count)
            .map_or(&[][..], |(relas, _)| relas)
            .iter()
            .filter(move |r| r.r_type(LE, false) == relative)
            .map(|r| (r.r_offset(LE), r.r_addend(LE).cast_unsigned()))
    }

    /// The words of `len` bytes at `vaddr` as they are after relocation with a load bias of zero.
    pub fn words(&self, data: &[u8], vaddr: u64, len: usize) -> Option<Vec<u64>> {
        let bytes = self.at(data, vaddr, len)?;
        let mut words: Vec<u64> = (0..len / 8).filter_map(|i| u64_at(bytes, i * 8)).collect();
        for (place, addend) in self.relative_relocations(data) {
            let Some(distance) = place.checked_sub(vaddr) else {
                continue;
            };
            if distance % 8 == 0
                && let Some(word) = words.get_mut(usize::try_from(distance / 8).ok()?)
            {
                *word = addend;
            }
        }
        Some(words)
    }

    /// The load bias of a mapping: what to add to a link-time address. `start` and `offset` are a line of
    /// `/proc/PID/maps` for this file, in bytes; `page` is the page size. `None` if no segment has that offset.
    pub fn load_bias(&self, start: u64, offset: u64) -> Option<u64> {
        // The kernel maps whole pages; 4 KiB is the smallest any of the two architectures uses, and a segment begins
        // at the same distance into its page in memory as in the file, whatever the page size.
        let first = self.segments.iter().find(|s| {
            let into_page = s.offset % 4096;
            s.file_size > 0 && s.offset - into_page <= offset && offset <= s.offset
        });
        let within = || {
            self.segments
                .iter()
                .find(|s| offset >= s.offset && offset - s.offset < s.file_size)
        };
        let s = first.or_else(within)?;
        let vaddr = s.vaddr.wrapping_sub(s.offset).wrapping_add(offset);
        Some(start.wrapping_sub(vaddr))
    }
}

fn segment(p: &elf::ProgramHeader64<LE>, data: &[u8]) -> Result<Segment> {
    let (offset, file_size) = (p.p_offset(LE), p.p_filesz(LE));
    let end = offset
        .checked_add(file_size)
        .filter(|&end| end <= data.len() as u64);
    if end.is_none() {
        return Err(Error::Truncated {
            what: "a loadable segment",
            end: offset.saturating_add(file_size),
            len: data.len() as u64,
        });
    }
    let (vaddr, mem_size) = (p.p_vaddr(LE), p.p_memsz(LE));
    if vaddr.checked_add(mem_size.max(file_size)).is_none() {
        return Err(corrupt(
            "program header",
            offset,
            "a segment runs over the end of the address space",
        ));
    }
    Ok(Segment {
        vaddr,
        mem_size,
        offset,
        file_size,
        executable: p.p_flags(LE).contains(elf::PF_X),
        writable: p.p_flags(LE).contains(elf::PF_W),
    })
}

pub(crate) fn corrupt(what: &'static str, at: u64, why: &str) -> Error {
    Error::Corrupt {
        what,
        at,
        why: why.to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Headers only: one segment of 0x100 bytes at 0x40_0000.
    pub(crate) fn minimal() -> Vec<u8> {
        let mut out = b"\x7fELF\x02\x01\x01".to_vec();
        out.resize(16, 0);
        out.extend([2, 0, 62, 0, 1, 0, 0, 0]);
        let word = |out: &mut Vec<u8>, n: u64| out.extend(n.to_le_bytes());
        for n in [0x40_0000, 64, 0] {
            word(&mut out, n);
        }
        out.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
        for n in [1 | 5 << 32, 0, 0x40_0000, 0x40_0000, 0x100, 0x180, 0x1000] {
            word(&mut out, n);
        }
        out.resize(0x100, 0);
        out
    }

    #[test]
    fn addresses_and_offsets() {
        let elf = Elf::parse(&minimal()).expect("an ELF file");
        assert_eq!(elf.to_offset(0x40_00ff), Some(0xff));
        assert_eq!(elf.to_offset(0x40_0100), None, "in memory only");
        assert_eq!(elf.to_vaddr(0xff), Some(0x40_00ff));
        assert_eq!(elf.to_vaddr(0x100), None);
        assert_eq!(elf.load_bias(0x40_0000, 0), Some(0));
    }

    #[test]
    fn segments_beyond_the_file() {
        let mut data = minimal();
        data.truncate(0xff);
        assert!(matches!(Elf::parse(&data), Err(Error::Truncated { .. })));
        data[64] = 0; // PT_NULL
        assert!(matches!(Elf::parse(&data), Err(Error::Corrupt { .. })));
    }
}
