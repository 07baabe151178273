//! A Go executable: the facts of the other modules under one roof. Cheap facts are read when it is opened, dear ones
//! when they are asked for.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::buildinfo::BuildInfo;
use crate::bytes::Bytes;
use crate::dwarf;
use crate::elf::{Arch, Elf, Segment};
use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::globals::{self, Globals};
use crate::image::Image;
use crate::inline::InlineTrees;
use crate::module::Module;
use crate::offset_table;
use crate::offsets::{NoOffsets, Offsets};
use crate::pclntab::{RawFunc, Table};
use crate::plaintext;
use crate::roles::{self, RoleEntry};
use crate::sites::{self, Site};
use crate::symbolize::Symbolizer;
use crate::tls::{self, Evidence, NoTls, TlsG};
use crate::version::GoVersion;
use crate::version_scan;

/// Symbols that shorten a search where the file has symbols at all.
const SYMBOLS: [&str; 5] = [
    "runtime.firstmoduledata",
    "runtime.text",
    "runtime.buildVersion",
    "runtime.tlsg",
    "runtime.tls_g",
];
/// The widest distance from the file's beginning at which UPX leaves its mark.
const UPX_HEAD: usize = 4096;

/// A function of the executable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Function {
    /// Name with import path, such as `net/http.(*conn).serve`.
    pub name: String,
    /// Link-time address of its first instruction.
    pub entry: u64,
    /// Link-time address behind its last.
    pub end: u64,
    /// Line of its `func` keyword; 0 before Go 1.20.
    pub start_line: u32,
}

/// What became of a named function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Presence {
    /// The function, where it exists as one of its own.
    pub function: Option<Function>,
    /// The functions that calls to it were inlined into.
    pub inlined_into: Vec<InlinedInto>,
}

impl Presence {
    /// Calls reach the function itself: all of them, if nothing was inlined.
    pub fn own(&self) -> bool {
        self.function.is_some()
    }

    /// Nothing of it is in the executable.
    pub fn absent(&self) -> bool {
        self.function.is_none() && self.inlined_into.is_empty()
    }
}

/// A function into which another was inlined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlinedInto {
    /// The function with the inlined body.
    pub function: Function,
    /// Link-time addresses of the inlined instructions, less those of calls inlined into it in turn.
    pub pcs: Vec<Range<u64>>,
}

/// How an executable was linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// At fixed addresses, without shared libraries.
    Static,
    /// Position-independent, without shared libraries.
    Pie,
    /// At fixed addresses, with shared libraries (cgo).
    Dynamic,
    /// Position-independent, with shared libraries (cgo).
    DynamicPie,
    /// A shared object: `-buildmode=c-shared` or `plugin`.
    Shared,
}

/// A Go executable, mapped.
pub struct Binary {
    image: Arc<Image>,
    module: Option<Arc<Module>>,
    symbols: HashMap<&'static str, u64>,
    build: Option<BuildInfo>,
}

impl Binary {
    /// Maps and reads an executable.
    ///
    /// # Errors
    /// [`Error`]: the file cannot be opened, or is no 64-bit Go executable that can be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|source| Error::Open {
            path: path.to_owned(),
            source,
        })?;
        Self::from_file(&file)
    }

    /// As [`Binary::open`], of a file that is open already (`/proc/PID/exe`). The file may be closed afterwards.
    ///
    /// # Errors
    /// As [`Binary::open`].
    pub fn from_file(file: &File) -> Result<Self> {
        Self::from_image(Bytes::map(file)?)
    }

    /// As [`Binary::open`], of bytes in memory.
    ///
    /// # Errors
    /// As [`Binary::open`].
    pub fn from_bytes(data: Vec<u8>) -> Result<Self> {
        Self::from_image(Bytes::Owned(data))
    }

    fn from_image(bytes: Bytes) -> Result<Self> {
        let image = Image::new(bytes)?;
        let (elf, data) = (&image.elf, &image.bytes[..]);
        let symbols = elf.symbols(data, &SYMBOLS);
        let symbol = |name| symbols.get(name).copied();
        let build = BuildInfo::find(elf, data);
        let module = Module::find(
            elf,
            data,
            symbol("runtime.firstmoduledata"),
            symbol("runtime.text"),
        )?;
        if module.is_none() && build.is_none() {
            let head = &data[..data.len().min(UPX_HEAD)];
            let packed = memchr::memmem::find(head, b"UPX!").is_some();
            return Err(if packed {
                Error::Packed {
                    packer: "UPX",
                    remedy: "upx -d FILE",
                }
            } else {
                Error::NotGo
            });
        }
        Ok(Binary {
            module: module.map(Arc::new),
            symbols,
            build,
            image: Arc::new(image),
        })
    }

    pub(crate) fn elf(&self) -> &Elf {
        &self.image.elf
    }

    fn data(&self) -> &[u8] {
        &self.image.bytes
    }

    fn table(&self) -> Option<Table<'_>> {
        let module = self.module.as_deref()?;
        Some(module.table(self.elf().tail(self.data(), module.vaddr)?))
    }

    fn trees(&self) -> Option<InlineTrees<'_>> {
        let base = self.module.as_deref()?.gofunc?;
        Some(InlineTrees {
            table: self.table()?,
            bytes: self.elf().tail(self.data(), base)?,
        })
    }

    /// The instruction set.
    pub fn arch(&self) -> Arch {
        self.elf().arch
    }

    /// How it was linked.
    pub fn kind(&self) -> Kind {
        let elf = self.elf();
        match (elf.position_independent, elf.needed > 0) {
            (false, false) => Kind::Static,
            (false, true) => Kind::Dynamic,
            // Only executables name an interpreter or bear the flag.
            (true, _) if !elf.has_interpreter && !elf.pie_flag => Kind::Shared,
            (true, false) => Kind::Pie,
            (true, true) => Kind::DynamicPie,
        }
    }

    /// The build information, if the executable has any.
    pub fn build_info(&self) -> Option<&BuildInfo> {
        self.build.as_ref()
    }

    /// The toolchain's version: of the build information, else of the runtime itself.
    pub fn version(&self) -> Option<GoVersion> {
        if let Some(version) = self
            .build
            .as_ref()
            .and_then(|b| GoVersion::parse(&b.go_version))
        {
            return Some(version);
        }
        let symbol = self.symbols.get("runtime.buildVersion").copied();
        let [schedinit] = self
            .find(&["runtime.schedinit"])
            .try_into()
            .unwrap_or([None]);
        version_scan::find(
            self.elf(),
            self.data(),
            symbol,
            schedinit.map(|f| (f.entry, f.end)),
        )
    }

    /// There is a symbol table (`.symtab`).
    pub fn has_symtab(&self) -> bool {
        self.elf().has_symtab()
    }

    /// There is debug information.
    pub fn has_dwarf(&self) -> bool {
        dwarf::present(self.elf())
    }

    /// There is a readable function table: functions and addresses can be named.
    pub fn has_function_table(&self) -> bool {
        self.module.is_some()
    }

    /// Calls can be resolved to those inlined at an address.
    pub fn has_inline_trees(&self) -> bool {
        self.module.as_deref().is_some_and(|m| m.gofunc.is_some())
    }

    /// `runtime/cgo` is linked in: threads may run C code.
    pub fn has_cgo(&self) -> bool {
        // Its entry from C into Go; all of its Go functions may be inlined or dropped, this one is assembly.
        self.find(&["crosscall2"]).iter().any(Option::is_some)
    }

    /// The link-time addresses of Go code. C code of a cgo program lies outside.
    pub fn text(&self) -> Option<Range<u64>> {
        self.module.as_deref().map(|m| m.text..m.etext)
    }

    /// Link-time address of `runtime.firstmoduledata`.
    pub fn moduledata(&self) -> Option<u64> {
        self.module.as_deref().and_then(|m| m.moduledata)
    }

    /// The loadable segments.
    pub fn segments(&self) -> &[Segment] {
        &self.elf().segments
    }

    /// The file offset of a link-time address: what a uprobe is attached by.
    pub fn file_offset(&self, vaddr: u64) -> Option<u64> {
        self.elf().to_offset(vaddr)
    }

    /// The link-time address of a file offset.
    pub fn vaddr(&self, file_offset: u64) -> Option<u64> {
        self.elf().to_vaddr(file_offset)
    }

    /// The load bias, from a line of `/proc/PID/maps` that maps this file: its start address and its file offset.
    pub fn load_bias(&self, start: u64, offset: u64) -> Option<u64> {
        self.elf().load_bias(start, offset)
    }

    fn to_function(&self, table: &Table<'_>, f: &RawFunc) -> Function {
        Function {
            name: String::from_utf8_lossy(table.name(f.name_off).unwrap_or_default()).into_owned(),
            entry: f.entry,
            end: f.end,
            start_line: f.start_line,
        }
    }

    /// All functions in the order of their addresses.
    pub fn functions(&self) -> impl Iterator<Item = Function> {
        let table = self.table();
        (0..table.map_or(0, |t| t.header.count)).filter_map(move |i| {
            let table = table?;
            table.function(i).map(|f| self.to_function(&table, &f))
        })
    }

    /// The functions of these names, in their order. One pass, whatever their number. Of several functions of one
    /// name, the first in memory.
    pub fn find(&self, names: &[&str]) -> Vec<Option<Function>> {
        let mut found = vec![None; names.len()];
        let Some(table) = self.table() else {
            return found;
        };
        let wanted = table.name_offsets(names);
        for f in (0..table.header.count).filter_map(|i| table.function(i)) {
            if let Some(&i) = wanted.get(&f.name_off)
                && found[i].is_none()
            {
                found[i] = Some(self.to_function(&table, &f));
            }
        }
        // A name asked for twice was looked up once.
        for i in 0..names.len() {
            if let Some(first) = names[..i].iter().position(|n| *n == names[i]) {
                found[i] = found[first].clone();
            }
        }
        found
    }

    /// The functions whose names satisfy a predicate, in the order of their addresses.
    pub fn functions_where(&self, pick: impl Fn(&str) -> bool) -> Vec<Function> {
        let Some(table) = self.table() else {
            return Vec::new();
        };
        let mut wanted =
            table.name_offsets_where(|name| std::str::from_utf8(name).is_ok_and(&pick));
        wanted.sort_unstable();
        (0..table.header.count)
            .filter_map(|i| table.function(i))
            .filter(|f| wanted.binary_search(&f.name_off).is_ok())
            .map(|f| self.to_function(&table, &f))
            .collect()
    }

    /// The function that holds a link-time address.
    pub fn function_at(&self, pc: u64) -> Option<Function> {
        let table = self.table()?;
        let f = table.function(table.index_of(pc)?)?;
        Some(self.to_function(&table, &f))
    }

    /// Whether named functions exist on their own, were inlined into others, or both. Reads all inline trees: some
    /// 0.1 s for a 100 MB executable, whatever the number of names.
    pub fn inlined_into(&self, names: &[&str]) -> Vec<Presence> {
        let mut found: Vec<Presence> = self
            .find(names)
            .into_iter()
            .map(|function| Presence {
                function,
                inlined_into: Vec::new(),
            })
            .collect();
        let Some(trees) = self.trees() else {
            return found;
        };
        let wanted: BTreeMap<u32, usize> = trees.table.name_offsets(names).into_iter().collect();
        if wanted.is_empty() {
            return found;
        }
        trees.each_call(
            |name| wanted.contains_key(&name),
            |f, name, pcs| {
                if let Some(presence) = wanted.get(&name).and_then(|&i| found.get_mut(i)) {
                    presence.inlined_into.push(InlinedInto {
                        function: self.to_function(&trees.table, f),
                        pcs,
                    });
                }
            },
        );
        found
    }

    /// Field offsets: of the debug information, else of the built-in table.
    ///
    /// # Errors
    /// [`NoOffsets`]: what is missing to know them.
    pub fn offsets(&self) -> Result<Offsets, NoOffsets> {
        if let Some(offsets) = dwarf::offsets(self.elf(), self.data()) {
            return Ok(offsets);
        }
        offset_table::from_table(&self.version().ok_or(NoOffsets::UnknownVersion)?)
    }

    /// What debug information says of each field (`g.goid`, offset in bytes): the raw material of the built-in table.
    pub fn debug_fields(&self) -> Option<Vec<(&'static str, Option<u32>)>> {
        dwarf::fields(self.elf(), self.data())
    }

    /// The thread-local slot of g.
    ///
    /// # Errors
    /// [`NoTls`]: there is none, or it cannot be told.
    pub fn tls(&self) -> Result<TlsG, NoTls> {
        let (names, symbol): (&[&str], _) = match self.arch() {
            Arch::Amd64 => (&["gogo", "runtime.gogo"], "runtime.tlsg"),
            Arch::Arm64 => (&["runtime.save_g"], "runtime.tls_g"),
        };
        let evidence = Evidence {
            code: self
                .find(names)
                .into_iter()
                .flatten()
                .map(|f| (f.entry, f.end))
                .collect(),
            symbol: self.symbols.get(symbol).copied(),
            cgo: self.has_cgo(),
        };
        tls::find(self.elf(), self.data(), &evidence)
    }

    /// The best place in a function to probe its call: emulated by the kernel, and with the argument registers as the
    /// caller left them. `None`: there is none; a probe on the first instruction works, at a price.
    pub fn entry_site(&self, function: &Function) -> Option<Site> {
        sites::entry_site(self.elf(), self.data(), function.entry..function.end)
    }

    /// The direct calls of `callee` in a function, in the order of their addresses.
    pub fn call_site(&self, function: &Function, callee: &Function) -> Vec<Site> {
        sites::call_sites(
            self.elf(),
            self.data(),
            function.entry..function.end,
            callee.entry,
        )
    }

    /// The conditional branches on what the direct calls of `callee` in a function have returned: there the registers
    /// hold all results. Fewer than calls where code of another shape follows; none on arm64.
    pub fn return_site(&self, function: &Function, callee: &Function) -> Vec<Site> {
        sites::return_sites(
            self.elf(),
            self.data(),
            function.entry..function.end,
            callee.entry,
        )
    }

    /// Where `(*tls.Conn).Read` copies what was decrypted to who reads it: the arguments are those of
    /// `memmove(to, from, n)`, and the register of this number holds the `*tls.Conn`. Not where its
    /// `bytes.Reader` was not inlined, and not on arm64.
    pub fn plaintext_site(&self, read: &Function, memmove: &Function) -> Option<(Site, u8)> {
        plaintext::site(self.elf(), self.data(), read.entry..read.end, memmove.entry)
    }

    /// The functions that goroutines of known roles start with.
    pub fn roles(&self) -> Vec<RoleEntry> {
        roles::entries(self)
    }

    /// Where variables of the runtime lie.
    pub fn globals(&self) -> Globals {
        globals::find(self, self.elf(), self.data())
    }

    /// A resolver of addresses that shares this mapping and may outlive the `Binary`.
    pub fn symbolizer(&self) -> Symbolizer {
        Symbolizer::new(Arc::clone(&self.image), self.module.clone())
    }

    /// Everything that needs no argument, owned and small.
    pub fn facts(&self) -> Facts {
        Facts::of(self)
    }

    /// As [`Binary::facts`], and gives up the mapping (unless a [`Symbolizer`] holds it).
    pub fn into_facts(self) -> Facts {
        let facts = self.facts();
        self.image.bytes.release();
        facts
    }
}
