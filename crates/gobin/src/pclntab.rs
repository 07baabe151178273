//! The function table that every Go executable carries, stripped or not (`runtime.pclntab`): functions, their
//! addresses, and the pc-value tables of files, lines and inlining. Go 1.18 and later.
//!
//! Layouts: `runtime/symtab.go` (pcHeader), `runtime/runtime2.go` (_func), `internal/abi/symtab.go` (magic, table
//! numbers). It knows nothing of ELF: it gets the table's bytes, and the address of the text its offsets count from.

use std::collections::HashMap;
use std::ops::Range;

use crate::bytes::{c_string, u8_at, u32_at, u64_at, uvarint};

/// `internal/abi.Go118PCLnTabMagic`: Go 1.18 and 1.19.
pub(crate) const MAGIC_118: u32 = 0xffff_fff0;
/// `internal/abi.Go120PCLnTabMagic`: Go 1.20 and later.
pub(crate) const MAGIC_120: u32 = 0xffff_fff1;
/// Earlier tables, recognized only to say so.
pub(crate) const MAGIC_OLD: [(u32, &str); 2] =
    [(0xffff_fffa, "1.16 or 1.17"), (0xffff_fffb, "1.2 to 1.15")];

/// `internal/abi.PCDATA_InlTreeIndex`.
const PCDATA_INL_TREE_INDEX: u32 = 2;
/// `internal/abi.FUNCDATA_InlTree`.
const FUNCDATA_INL_TREE: u8 = 3;
/// Size of pcHeader: magic to ptrSize, then eight words.
const HEADER_LEN: usize = 8 + 8 * 8;
/// A function or file name longer than this is not believed. Bounds the work a corrupt table can cause.
const MAX_NAME: usize = 16 << 10;
/// Steps one pc-value look-up may take; the longest real tables (generated functions) have some 100,000.
const MAX_STEPS: usize = 1 << 20;

/// Which of the two layouts `_func` and the inline tree have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Go 1.18, 1.19: `_func` of 40 bytes, inline entries of 20.
    Go118,
    /// Go 1.20 and later: `_func.startLine` added, inline entries of 16.
    Go120,
}

impl Layout {
    /// Size of `_func` before its two arrays.
    fn func_len(self) -> usize {
        match self {
            Layout::Go118 => 40,
            Layout::Go120 => 44,
        }
    }

    /// Inline tree: (entry size, offset of the callee's name, offset of parentPc).
    pub fn inline_entry(self) -> (usize, usize, usize) {
        match self {
            Layout::Go118 => (20, 12, 16),
            Layout::Go120 => (16, 4, 8),
        }
    }
}

/// The header, checked. Ranges count from the table's first byte.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub layout: Layout,
    quantum: u64,
    pub count: usize,
    /// Zero since Go 1.26, and in position-independent executables.
    pub text_start: u64,
    names: Range<usize>,
    units: Range<usize>,
    files: Range<usize>,
    values: Range<usize>,
    functions: usize,
}

impl Header {
    /// Checks a header. `data` runs from the magic to at least the table's end.
    pub fn parse(data: &[u8]) -> Result<Self, String> {
        let layout = match u32_at(data, 0) {
            Some(MAGIC_118) => Layout::Go118,
            Some(MAGIC_120) => Layout::Go120,
            other => return Err(format!("unknown magic {other:#x?}")),
        };
        let head = data.get(..HEADER_LEN).ok_or("the header is cut off")?;
        let (quantum, pointer) = (head[6], head[7]);
        if head[4..6] != [0, 0] || !matches!(quantum, 1 | 4) || pointer != 8 {
            return Err(format!(
                "instruction size {quantum} and pointer size {pointer} fit no 64-bit machine"
            ));
        }
        let word = |i: usize| {
            u64_at(head, 8 + i * 8)
                .and_then(|w| usize::try_from(w).ok())
                .unwrap_or(usize::MAX)
        };
        let (count, text_start) = (word(0), word(2) as u64);
        let (names, units, files, values, functions) =
            (word(3), word(4), word(5), word(6), word(7));
        if !(HEADER_LEN <= names
            && names <= units
            && units <= files
            && files <= values
            && values <= functions)
        {
            return Err("its parts are out of order".into());
        }
        let end = count
            .checked_mul(8)
            .and_then(|n| n.checked_add(4))
            .and_then(|n| n.checked_add(functions));
        if count == 0 || end.is_none_or(|end| end > data.len()) {
            return Err(format!(
                "{count} functions do not fit into {} bytes",
                data.len()
            ));
        }
        let this = Header {
            layout,
            quantum: u64::from(quantum),
            count,
            text_start,
            names: names..units,
            units: units..files,
            files: files..values,
            values: values..functions,
            functions,
        };
        // The magic occurs by chance and in other programs' constants: a table must also have a first and a last
        // function that read well.
        let table = Table {
            header: &this,
            data,
            text: 0,
        };
        for i in [0, count - 1] {
            let entry = table
                .function(i)
                .ok_or("a function entry points outside the table")?;
            if table.name(entry.name_off).is_none_or(<[u8]>::is_empty) || entry.end < entry.entry {
                return Err("its function entries make no sense".into());
            }
        }
        Ok(this)
    }

    /// A view of the table. `text` is the link-time address of `runtime.text`.
    pub fn table<'d>(&'d self, data: &'d [u8], text: u64) -> Table<'d> {
        Table {
            header: self,
            data,
            text,
        }
    }
}

/// One `_func`, decoded. Addresses are link-time virtual addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawFunc {
    pub entry: u64,
    pub end: u64,
    pub name_off: u32,
    file_table: u32,
    line_table: u32,
    unit: u32,
    /// Line of the `func` keyword; zero before Go 1.20.
    pub start_line: u32,
    inl_index_table: Option<u32>,
    /// Offset of the inline tree from `moduledata.gofunc`.
    pub inl_tree: Option<u32>,
}

/// A run of addresses with one value in a pc-value table.
pub(crate) struct Run {
    pub pcs: Range<u64>,
    pub value: i32,
}

/// A function table with its bytes and its text address.
#[derive(Clone, Copy)]
pub(crate) struct Table<'d> {
    pub header: &'d Header,
    pub data: &'d [u8],
    pub text: u64,
}

impl<'d> Table<'d> {
    /// Offset from the text of the i-th function's entry (the last, i = count, is the end of all).
    pub fn entry_off(&self, i: usize) -> Option<u32> {
        u32_at(self.data, self.header.functions + i * 8)
    }

    /// The i-th function in address order.
    pub fn function(&self, i: usize) -> Option<RawFunc> {
        if i >= self.header.count {
            return None;
        }
        let entry = self.text.wrapping_add(u64::from(self.entry_off(i)?));
        let end = self.text.wrapping_add(u64::from(self.entry_off(i + 1)?));
        let at =
            self.header.functions + u32_at(self.data, self.header.functions + i * 8 + 4)? as usize;
        let word = |n: usize| u32_at(self.data, at + n * 4);
        let len = self.header.layout.func_len();
        let pcdata_count = word(7)?;
        let funcdata_count = u8_at(self.data, at + len - 1)?;
        let pcdata = |n: u32| {
            (n < pcdata_count)
                .then(|| u32_at(self.data, at + len + n as usize * 4))
                .flatten()
        };
        let funcdata = |n: u8| {
            let start = (at + len).checked_add((pcdata_count as usize).checked_mul(4)?)?;
            (n < funcdata_count)
                .then(|| u32_at(self.data, start.checked_add(usize::from(n) * 4)?))
                .flatten()
        };
        Some(RawFunc {
            entry,
            end,
            name_off: word(1)?,
            file_table: word(5)?,
            line_table: word(6)?,
            unit: word(8)?,
            start_line: if self.header.layout == Layout::Go118 {
                0
            } else {
                word(9)?
            },
            inl_index_table: pcdata(PCDATA_INL_TREE_INDEX).filter(|&off| off != 0),
            inl_tree: funcdata(FUNCDATA_INL_TREE).filter(|&off| off != u32::MAX),
        })
    }

    /// The index of the function that holds the address.
    pub fn index_of(&self, pc: u64) -> Option<usize> {
        let off = u32::try_from(pc.checked_sub(self.text)?).ok()?;
        let (mut low, mut high) = (0, self.header.count);
        if off < self.entry_off(low)? || off >= self.entry_off(high)? {
            return None;
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.entry_off(middle)? <= off {
                low = middle
            } else {
                high = middle
            }
        }
        Some(low)
    }

    fn names(&self) -> &'d [u8] {
        self.data.get(self.header.names.clone()).unwrap_or_default()
    }

    /// The name at an offset into the name table.
    pub fn name(&self, off: u32) -> Option<&'d [u8]> {
        c_string(self.names(), off as usize, MAX_NAME)
    }

    /// The name at an offset, if a name *begins* there: a check for offsets of doubtful origin.
    pub fn name_begins(&self, off: u32) -> bool {
        let names = self.names();
        let begins = off == 0 || u8_at(names, off as usize - 1) == Some(0);
        begins && c_string(names, off as usize, MAX_NAME).is_some_and(|n| !n.is_empty())
    }

    /// Where in the name table the given names stand, in one pass: offset -> index into `names`. The linker writes
    /// each name once, but nothing depends on that.
    pub fn name_offsets(&self, names: &[&str]) -> HashMap<u32, usize> {
        let wanted: HashMap<&[u8], usize> = names
            .iter()
            .enumerate()
            .rev()
            .map(|(i, n)| (n.as_bytes(), i))
            .collect();
        let mut found = HashMap::new();
        let table = self.names();
        let mut start = 0;
        for end in memchr::memchr_iter(0, table) {
            if let Some(&i) = wanted.get(&table[start..end])
                && let Ok(off) = u32::try_from(start)
            {
                found.insert(off, i);
            }
            start = end + 1;
        }
        found
    }

    /// Name offsets of all names that satisfy a predicate.
    pub fn name_offsets_where(&self, mut pick: impl FnMut(&[u8]) -> bool) -> Vec<u32> {
        let table = self.names();
        let (mut start, mut found) = (0, Vec::new());
        for end in memchr::memchr_iter(0, table) {
            if let Ok(off) = u32::try_from(start)
                && pick(&table[start..end])
            {
                found.push(off);
            }
            start = end + 1;
        }
        found
    }

    /// The runs of a pc-value table of `f` (`runtime.pcvalue`), in address order. Ends at the function's end.
    pub fn runs(&self, f: &RawFunc, table: u32) -> impl Iterator<Item = Run> + use<'d> {
        let values = self
            .data
            .get(self.header.values.clone())
            .unwrap_or_default();
        // Offset 0 stands for no table (runtime.pcvalue).
        let mut rest = values
            .get(table as usize..)
            .filter(|_| table != 0)
            .unwrap_or_default();
        let (quantum, end) = (self.header.quantum, f.end);
        let (mut pc, mut value, mut first) = (f.entry, -1i32, true);
        let step = move || {
            if pc >= end {
                return None;
            }
            let (delta, used) = uvarint(rest)?;
            if delta == 0 && !first {
                return None;
            }
            first = false;
            rest = &rest[used..];
            // Zigzag, as binary.Varint in runtime.step.
            let delta = (delta >> 1) as i32 ^ -((delta & 1) as i32);
            let (pc_delta, used) = uvarint(rest)?;
            rest = &rest[used..];
            value = value.wrapping_add(delta);
            let start = pc;
            pc = pc.saturating_add(pc_delta.saturating_mul(quantum));
            Some(Run {
                pcs: start..pc,
                value,
            })
        };
        std::iter::from_fn(step).take(MAX_STEPS)
    }

    fn value_at(&self, f: &RawFunc, table: u32, pc: u64) -> Option<i32> {
        self.runs(f, table)
            .find(|run| pc < run.pcs.end)
            .map(|run| run.value)
    }

    /// File (its offset into the file table) and line of an address.
    pub fn position(&self, f: &RawFunc, pc: u64) -> Option<(u32, u32)> {
        let file = self.value_at(f, f.file_table, pc)?;
        let line = self.value_at(f, f.line_table, pc)?;
        let slot = (f.unit as usize).checked_add(usize::try_from(file).ok()?)?;
        let units = self.data.get(self.header.units.clone())?;
        let off = u32_at(units, slot.checked_mul(4)?)?;
        Some((off, u32::try_from(line).unwrap_or(0)))
    }

    /// The file name at an offset into the file table; `None` also for the table's "no such file".
    pub fn file(&self, off: u32) -> Option<&'d [u8]> {
        c_string(
            self.data.get(self.header.files.clone())?,
            off as usize,
            MAX_NAME,
        )
    }

    /// Index into the inline tree of the innermost call inlined at an address; `None` where nothing is.
    pub fn inline_index(&self, f: &RawFunc, pc: u64) -> Option<u32> {
        u32::try_from(self.value_at(f, f.inl_index_table?, pc)?).ok()
    }

    /// All runs of the inline index of a function; negative values: nothing inlined there.
    pub fn inline_runs(&self, f: &RawFunc) -> impl Iterator<Item = Run> + use<'d> {
        let table = f.inl_index_table;
        self.runs(f, table.unwrap_or(u32::MAX))
            .take(if table.is_some() { usize::MAX } else { 0 })
    }
}
