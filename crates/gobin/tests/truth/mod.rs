//! The truth about an executable that has symbols and debug information, read with general tools, by other ways than
//! gobin's: a whole DWARF tree, symbol arithmetic, and `addr2line`.

#![allow(dead_code, reason = "each test program uses its part")]

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

use addr2line::gimli::{self, AttributeValue, RunTimeEndian};
use object::{Object, ObjectSection, ObjectSymbol};

type Reader = gimli::EndianArcSlice<RunTimeEndian>;

fn load(file: &object::File<'_>) -> gimli::Dwarf<Reader> {
    let section = |id: gimli::SectionId| -> Result<Reader, gimli::Error> {
        let data = file
            .section_by_name(id.name())
            .map_or(Cow::Borrowed(&[][..]), |s| {
                s.uncompressed_data().expect("a readable section")
            });
        Ok(Reader::new(data.into(), RunTimeEndian::Little))
    };
    gimli::Dwarf::load(section).expect("debug information")
}

/// Members by gobin's names, such as `g.goid`: the fields that are one step away.
pub fn members(path: &Path) -> HashMap<String, u32> {
    const TYPES: [(&str, &str); 10] = [
        ("runtime.g", "g"),
        ("runtime.m", "m"),
        ("runtime.p", "p"),
        ("runtime.moduledata", "moduledata"),
        ("net/http.Request", "Request"),
        ("net/http.response", "response"),
        ("net/url.URL", "URL"),
        ("internal/poll.FD", "poll.FD"),
        ("net.netFD", "netFD"),
        ("os.file", "os.file"),
    ];
    let data = fs::read(path).expect("the executable");
    let file = object::File::parse(&*data).expect("an ELF file");
    let dwarf = load(&file);
    let mut found = HashMap::new();
    let mut units = dwarf.units();
    while let Some(header) = units.next().expect("a unit") {
        let unit = dwarf.unit(header).expect("a unit");
        let mut tree = unit.entries_tree(None).expect("a tree");
        let mut children = tree.root().expect("a root").children();
        while let Some(child) = children.next().expect("an entry") {
            let entry = child.entry();
            if entry.tag() != gimli::DW_TAG_structure_type {
                continue;
            }
            let Some(name) = text(&dwarf, &unit, entry.attr_value(gimli::DW_AT_name)) else {
                continue;
            };
            let Some((_, short)) = TYPES.iter().find(|(ty, _)| *ty == name) else {
                continue;
            };
            let mut members = child.children();
            while let Some(member) = members.next().expect("a member") {
                let member = member.entry();
                let offset = member
                    .attr_value(gimli::DW_AT_data_member_location)
                    .and_then(|v| v.udata_value());
                let name = text(&dwarf, &unit, member.attr_value(gimli::DW_AT_name));
                if let (Some(name), Some(offset)) = (name, offset) {
                    found.insert(
                        format!("{short}.{name}"),
                        u32::try_from(offset).expect("an offset"),
                    );
                }
            }
        }
    }
    found
}

fn text(
    dwarf: &gimli::Dwarf<Reader>,
    unit: &gimli::Unit<Reader>,
    value: Option<AttributeValue<Reader>>,
) -> Option<String> {
    let text = dwarf.attr_string(unit, value?).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// g's slot on amd64 by symbol: distance from the end of the TLS block, rounded up to its alignment. Without a TLS
/// block the Go linker's own choice: the word before the thread pointer.
pub fn tls(path: &Path) -> i64 {
    let data = fs::read(path).expect("the executable");
    let elf =
        object::read::elf::ElfFile64::<object::LittleEndian>::parse(&*data).expect("an ELF file");
    let symbol = elf
        .symbols()
        .find(|s| s.name() == Ok("runtime.tlsg"))
        .map(|s| s.address());
    use object::read::elf::ProgramHeader;
    let e = object::LittleEndian;
    let segment = elf
        .elf_program_headers()
        .iter()
        .find(|p| p.p_type(e) == object::elf::PT_TLS);
    match (symbol, segment) {
        (Some(symbol), Some(p)) => {
            symbol as i64 - p.p_memsz(e).next_multiple_of(p.p_align(e).max(1)) as i64
        }
        _ => -8,
    }
}

/// A symbol's address and size.
pub fn symbol(path: &Path, name: &str) -> Option<(u64, u64)> {
    let data = fs::read(path).expect("the executable");
    let file = object::File::parse(&*data).expect("an ELF file");
    file.symbols()
        .find(|s| s.name() == Ok(name))
        .map(|s| (s.address(), s.size()))
}

/// Call chains by debug information.
pub struct Frames {
    context: addr2line::Context<Reader>,
}

impl Frames {
    pub fn open(path: &Path) -> Self {
        let data = fs::read(path).expect("the executable");
        let file = object::File::parse(&*data).expect("an ELF file");
        Frames {
            context: addr2line::Context::from_dwarf(load(&file)).expect("debug information"),
        }
    }

    /// Functions and lines, innermost first; `None` where the debug information knows no function (assembly).
    pub fn at(&self, pc: u64) -> Option<Vec<(String, u32)>> {
        let mut frames = self.context.find_frames(pc).skip_all_loads().ok()?;
        let mut chain = Vec::new();
        while let Some(frame) = frames.next().ok()? {
            let name = frame.function?.raw_name().ok()?.into_owned();
            chain.push((name, frame.location.and_then(|l| l.line).unwrap_or(0)));
        }
        (!chain.is_empty()).then_some(chain)
    }
}
