//! Finding the function table in the file, and `runtime.firstmoduledata`, which says what the table's offsets count
//! from. Sections first, then what needs none: the magic, and whatever points at the table.

use memchr::memmem;

use crate::bytes::u32_at;
use crate::elf::{Elf, corrupt};
use crate::error::{Error, Result};
use crate::inline::InlineTrees;
use crate::pclntab::{Header, MAGIC_118, MAGIC_120, MAGIC_OLD, Table};

/// Words of moduledata worth reading: its fields up to gofunc lie within (Go 1.18 to 1.27: at most 344 bytes in).
const WORDS: usize = 50;
/// Indices of moduledata's words, the same in Go 1.18 to 1.27.
const MINPC: usize = 20;
const MAXPC: usize = 21;
const TEXT: usize = 22;
const ETEXT: usize = 23;
/// Words where gofunc has been: Go 1.20 to 1.26, 1.18 and 1.19, 1.27. Only an order to try in: what is found there is
/// checked, and any other word that passes the check is as good.
const GOFUNC: [usize; 3] = [40, 38, 43];
/// Copies of the magic that are looked at. By chance there are none or a few; a corrupt file may be full of them.
const MAX_CANDIDATES: usize = 256;

/// Where the function table lies, and what it counts from.
#[derive(Debug, Clone)]
pub(crate) struct Module {
    /// Link-time address of the table.
    pub vaddr: u64,
    pub header: Header,
    /// Link-time address of `runtime.text`.
    pub text: u64,
    /// End of the Go text; C code of a cgo program lies outside.
    pub etext: u64,
    /// `moduledata.gofunc`, where inline trees are; `None`: no inlined frames can be told.
    pub gofunc: Option<u64>,
    /// Address of `runtime.firstmoduledata`, if found.
    pub moduledata: Option<u64>,
}

impl Module {
    /// `firstmoduledata` and `text` are the symbols' values, where the file has symbols.
    pub fn find(
        elf: &Elf,
        data: &[u8],
        firstmoduledata: Option<u64>,
        text: Option<u64>,
    ) -> Result<Option<Self>> {
        let Some((vaddr, header)) = find_table(elf, data)? else {
            return Ok(None);
        };
        let Some(bytes) = elf.tail(data, vaddr) else {
            return Ok(None);
        };
        let described = candidates(elf, data, vaddr, firstmoduledata)
            .into_iter()
            .find_map(|md| Described::read(elf, data, md, vaddr, &header, bytes));
        let mut module = Module {
            vaddr,
            text: 0,
            etext: 0,
            gofunc: None,
            moduledata: None,
            header,
        };
        if let Some(d) = described {
            (module.text, module.etext, module.moduledata) = (d.text, d.etext, Some(d.vaddr));
            module.gofunc = module.find_gofunc(elf, data, &d.words);
        } else {
            let relocated = elf
                .words(data, vaddr + 24, 8)
                .and_then(|w| w.first().copied());
            let start = text
                .or(relocated.filter(|&t| t != 0))
                .or(Some(module.header.text_start))
                .filter(|&t| t != 0);
            let Some(start) = start.filter(|&t| elf.to_offset(t).is_some()) else {
                return Err(Error::NoFunctionTable(
                    "the table is there, but not the module data that says which address its entries count from".into(),
                ));
            };
            module.text = start;
            let end = module
                .table(bytes)
                .entry_off(module.header.count)
                .unwrap_or(0);
            module.etext = start.saturating_add(u64::from(end));
        }
        Ok(Some(module))
    }

    pub fn table<'d>(&'d self, bytes: &'d [u8]) -> Table<'d> {
        self.header.table(bytes, self.text)
    }

    /// The word of moduledata after which the inline trees of this very binary read well.
    fn find_gofunc(&self, elf: &Elf, data: &[u8], words: &[u64]) -> Option<u64> {
        let table = self.table(elf.tail(data, self.vaddr)?);
        let known = GOFUNC.iter().filter_map(|&i| words.get(i));
        let tried = known.chain(words.iter().skip(ETEXT + 1));
        tried.copied().find(|&base| {
            elf.tail(data, base)
                .is_some_and(|bytes| InlineTrees { table, bytes }.plausible())
        })
    }
}

/// A moduledata that agrees with the function table.
struct Described {
    vaddr: u64,
    text: u64,
    etext: u64,
    words: Vec<u64>,
}

impl Described {
    fn read(
        elf: &Elf,
        data: &[u8],
        md: u64,
        pclntab: u64,
        header: &Header,
        bytes: &[u8],
    ) -> Option<Self> {
        let words = elf.words(data, md, WORDS * 8)?;
        let (text, etext) = (words[TEXT], words[ETEXT]);
        let table = header.table(bytes, text);
        let first = text.checked_add(u64::from(table.entry_off(0)?))?;
        let last = text.checked_add(u64::from(table.entry_off(header.count)?))?;
        // A plugin's or a copied moduledata could point at the table too; the range of addresses must fit as well.
        let fits =
            words[0] == pclntab && words[MINPC] == first && words[MAXPC] == last && text <= etext;
        (fits && elf.to_offset(text).is_some()).then_some(Described {
            vaddr: md,
            text,
            etext,
            words,
        })
    }
}

/// Addresses at which moduledata may lie, best first: its first field points at the function table.
fn candidates(elf: &Elf, data: &[u8], pclntab: u64, symbol: Option<u64>) -> Vec<u64> {
    let mut found: Vec<u64> = symbol.into_iter().collect();
    found.extend(elf.section(".go.module").map(|s| s.vaddr));
    found.extend(
        elf.relative_relocations(data)
            .filter(|&(_, addend)| addend == pclntab)
            .map(|(place, _)| place)
            .take(16),
    );
    for segment in elf.segments.iter().filter(|s| s.writable) {
        let Some(bytes) = elf.tail(data, segment.vaddr) else {
            continue;
        };
        let needle = pclntab.to_le_bytes();
        found.extend(
            memmem::find_iter(bytes, &needle)
                .map(|at| segment.vaddr + at as u64)
                .filter(|vaddr| vaddr % 8 == 0)
                .take(16),
        );
    }
    found
}

/// The table by its section, else by its magic: first where Go's linkers put it, then anywhere in memory.
fn find_table(elf: &Elf, data: &[u8]) -> Result<Option<(u64, Header)>> {
    for name in [".gopclntab", ".data.rel.ro.gopclntab"] {
        let Some(section) = elf.section(name) else {
            continue;
        };
        let Some(bytes) = elf.tail(data, section.vaddr) else {
            continue;
        };
        let magic = u32_at(bytes, 0);
        if let Some((_, version)) = MAGIC_OLD.iter().find(|(old, _)| magic == Some(*old)) {
            return Err(Error::TooOld(version));
        }
        return match Header::parse(bytes) {
            Ok(header) => Ok(Some((section.vaddr, header))),
            Err(why) => Err(corrupt("function table", section.offset, &why)),
        };
    }
    for name in [".data.rel.ro", ".rodata"] {
        if let Some(section) = elf.section(name)
            && let Some(found) = scan(elf.section_data(section, data), section.vaddr)
        {
            return Ok(Some(found));
        }
    }
    Ok(elf
        .segments
        .iter()
        .find_map(|s| scan(elf.tail(data, s.vaddr)?, s.vaddr)))
}

/// A table somewhere in `bytes`. Tables are aligned to at least 8 bytes.
fn scan(bytes: &[u8], vaddr: u64) -> Option<(u64, Header)> {
    [MAGIC_120, MAGIC_118].iter().find_map(|magic| {
        let mut needle = magic.to_le_bytes().to_vec();
        needle.extend([0, 0]);
        memmem::find_iter(bytes, &needle)
            .filter(|at| at % 8 == 0)
            .take(MAX_CANDIDATES)
            .find_map(|at| {
                let header = Header::parse(&bytes[at..]).ok()?;
                Some((vaddr + at as u64, header))
            })
    })
}
