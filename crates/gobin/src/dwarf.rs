//! Field offsets from an executable's DWARF. Go's linker puts every type into one of the compilation units of package
//! `runtime` (`cmd/link/internal/ld/dwarf.go`, runtimeCU), so only those are read, and only until all is found.
//! Nothing else of DWARF is used: functions and lines come from the function table, which stripping leaves in place.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Read;

use flate2::read::ZlibDecoder;
use gimli::{AttributeValue, DebugAbbrev, DebugInfo, EndianSlice, LittleEndian, UnitHeader};

use crate::bytes::{u32_at, u64_at};
use crate::elf::Elf;
use crate::offsets::{FIELDS, Field, OffsetSource, Offsets};

/// A debug section that grows beyond this when decompressed is left alone: it would not fit the memory budget. A Go
/// executable of 100 MB has some 40 MB of `.debug_info`.
const MAX_SECTION: u64 = 128 << 20;
/// zlib makes real debug sections 2 to 5 times smaller; a claim far beyond is not believed.
const MAX_RATIO: u64 = 64;
/// `ELFCOMPRESS_ZLIB`.
const ZLIB: u32 = 1;
/// Entries read before giving up: the runtime unit of a 100 MB executable has some three million.
const MAX_ENTRIES: usize = 64 << 20;

type Reader<'d> = EndianSlice<'d, LittleEndian>;
/// (type, member) -> offset in bytes.
type Members = HashMap<(&'static str, &'static str), u32>;

/// Whether there is debug information at all.
pub(crate) fn present(elf: &Elf) -> bool {
    [".debug_info", ".zdebug_info"]
        .iter()
        .any(|name| elf.section(name).is_some_and(|s| s.size > 0))
}

/// What debug information says of each field, in the order of [`FIELDS`]; `None` where it is missing, damaged, or not
/// of Go's making.
pub(crate) fn fields(elf: &Elf, data: &[u8]) -> Option<Vec<(&'static str, Option<u32>)>> {
    let info = section(elf, data, "info")?;
    let abbrev = section(elf, data, "abbrev")?;
    let members = members(&info, &abbrev).ok().filter(|m| !m.is_empty())?;
    let value = |field: &Field| {
        field.paths.iter().find_map(|path| {
            path.iter()
                .try_fold(0u32, |sum, step| sum.checked_add(*members.get(step)?))
        })
    };
    Some(
        FIELDS
            .iter()
            .map(|field| (field.column, value(field)))
            .collect(),
    )
}

/// The offsets by debug information; `None` also where a field is missing that every release has.
pub(crate) fn offsets(elf: &Elf, data: &[u8]) -> Option<Offsets> {
    let fields = fields(elf, data)?;
    let value =
        |field: &'static Field| fields.iter().find(|(column, _)| *column == field.column)?.1;
    Offsets::collect(OffsetSource::Dwarf, value).ok()
}

/// A debug section's bytes, decompressed if need be.
fn section<'d>(elf: &Elf, data: &'d [u8], name: &str) -> Option<Cow<'d, [u8]>> {
    if let Some(s) = elf.section(&format!(".debug_{name}")) {
        let bytes = elf.section_data(s, data);
        if !s.compressed {
            return Some(Cow::Borrowed(bytes));
        }
        // Elf64_Chdr: type, padding, size, alignment.
        let size = u64_at(bytes, 8).filter(|_| u32_at(bytes, 0) == Some(ZLIB))?;
        return inflate(bytes.get(24..)?, size).map(Cow::Owned);
    }
    // The older form: "ZLIB" and the size in big-endian.
    let bytes = elf.section_data(elf.section(&format!(".zdebug_{name}"))?, data);
    let size = u64_at(bytes, 4)
        .filter(|_| bytes.starts_with(b"ZLIB"))?
        .swap_bytes();
    inflate(bytes.get(12..)?, size).map(Cow::Owned)
}

fn inflate(compressed: &[u8], size: u64) -> Option<Vec<u8>> {
    if size > MAX_SECTION || size > (compressed.len() as u64).saturating_mul(MAX_RATIO) {
        return None;
    }
    let mut out = Vec::with_capacity(usize::try_from(size).ok()?);
    ZlibDecoder::new(compressed)
        .take(size)
        .read_to_end(&mut out)
        .ok()?;
    (out.len() as u64 == size).then_some(out)
}

fn members(info: &[u8], abbrev: &[u8]) -> gimli::Result<Members> {
    let info = DebugInfo::new(info, LittleEndian);
    let abbrev = DebugAbbrev::new(abbrev, LittleEndian);
    let mut search = Search::new();
    let mut units = info.units();
    while !search.done()
        && let Some(unit) = units.next()?
    {
        search.unit(&unit, &abbrev)?;
    }
    Ok(search.found)
}

/// What is still to be found, and what was.
struct Search {
    /// Type -> members.
    wanted: HashMap<&'static str, Vec<&'static str>>,
    found: Members,
    budget: usize,
}

impl Search {
    fn new() -> Self {
        let mut wanted: HashMap<_, Vec<_>> = HashMap::new();
        for &(ty, member) in FIELDS.iter().flat_map(|f| f.paths).copied().flatten() {
            let members = wanted.entry(ty).or_default();
            if !members.contains(&member) {
                members.push(member);
            }
        }
        Search {
            wanted,
            found: Members::new(),
            budget: MAX_ENTRIES,
        }
    }

    fn done(&self) -> bool {
        self.wanted.is_empty() || self.budget == 0
    }

    /// Reads a unit, if it is one of Go's package `runtime`.
    fn unit(
        &mut self,
        unit: &UnitHeader<Reader<'_>>,
        abbrev: &DebugAbbrev<Reader<'_>>,
    ) -> gimli::Result<()> {
        let abbreviations = unit.abbreviations(abbrev)?;
        let mut entries = unit.entries_raw(&abbreviations, None)?;
        let (mut root, mut current) = (true, None);
        while !entries.is_empty() && !self.done() {
            self.budget -= 1;
            let Some(abbreviation) = entries.read_abbreviation()? else {
                continue;
            };
            let tag = abbreviation.tag();
            let member = tag == gimli::DW_TAG_member && current.is_some();
            if !root && !member && tag != gimli::DW_TAG_structure_type {
                current = None;
                entries.skip_attributes(abbreviation.attributes())?;
                continue;
            }
            let (mut name, mut offset, mut go) = (None, None, false);
            for spec in abbreviation.attributes() {
                let attribute = entries.read_attribute(*spec)?;
                match (attribute.name(), attribute.value()) {
                    (gimli::DW_AT_name, AttributeValue::String(text)) => name = Some(text),
                    (gimli::DW_AT_data_member_location, value) => offset = member_offset(&value),
                    (gimli::DW_AT_language, AttributeValue::Language(language)) => {
                        go = language == gimli::DW_LANG_Go
                    }
                    _ => {}
                }
            }
            let name = name.and_then(|n| std::str::from_utf8(n.slice()).ok());
            if root {
                if !go || name != Some("runtime") {
                    return Ok(());
                }
                root = false;
            } else if member {
                if let (Some(ty), Some(name), Some(offset)) = (current, name, offset) {
                    self.take(ty, name, offset);
                }
            } else {
                current = name
                    .and_then(|n| self.wanted.get_key_value(n))
                    .map(|(ty, _)| *ty);
            }
        }
        Ok(())
    }

    fn take(&mut self, ty: &'static str, name: &str, offset: u32) {
        let Some(members) = self.wanted.get_mut(ty) else {
            return;
        };
        if let Some(i) = members.iter().position(|m| *m == name) {
            self.found.insert((ty, members.swap_remove(i)), offset);
            if members.is_empty() {
                self.wanted.remove(ty);
            }
        }
    }
}

/// A member's offset: a constant, or `DW_OP_plus_uconst n` as older linkers write it.
fn member_offset(value: &AttributeValue<Reader<'_>>) -> Option<u32> {
    let number = match value {
        AttributeValue::Exprloc(expression) => {
            let (op, rest) = expression.0.slice().split_first()?;
            (*op == gimli::DW_OP_plus_uconst.0)
                .then(|| crate::bytes::uvarint(rest))
                .flatten()?
                .0
        }
        AttributeValue::Block(block) => {
            let (op, rest) = block.slice().split_first()?;
            (*op == gimli::DW_OP_plus_uconst.0)
                .then(|| crate::bytes::uvarint(rest))
                .flatten()?
                .0
        }
        other => other.udata_value()?,
    };
    u32::try_from(number).ok()
}
