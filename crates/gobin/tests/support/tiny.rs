//! A Go executable of a few KiB, made by hand: all the structures that gobin reads, none of the bulk. It seeds the
//! fuzzer, which would waste its time on a real one's megabytes, and shows in one place how the structures hang
//! together. It does not run.

/// What to make.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tiny {
    /// As Go 1.19 lays out the function table, else as 1.20 and later.
    pub old: bool,
    /// Position-independent: pointers stand in relocations, not in the data.
    pub pie: bool,
    pub arm64: bool,
    /// With section headers, and debug information.
    pub sections: bool,
}

pub const TEXT: u64 = 0x40_1000;
const RODATA: u64 = 0x40_2000;
const DATA: u64 = 0x40_4000;
const TEXT_OFFSET: usize = 0x1000;
/// Distance of the decoy from the inline tree.
const DECOY: usize = 32;

/// amd64: cmp 0x10(%r14),%rsp; jbe; push %rbp; mov %rsp,%rbp; call +0x36 (the next function but one); pop; ret.
const CODE: [u8; 18] = [
    0x49, 0x3b, 0x66, 0x10, 0x76, 0xfa, 0x55, 0x48, 0x89, 0xe5, 0xe8, 0x31, 0, 0, 0, 0x5d, 0xc3,
    0xcc,
];
/// mov %rdx,%fs:-8
const GOGO: [u8; 9] = [0x64, 0x48, 0x89, 0x14, 0x25, 0xf8, 0xff, 0xff, 0xff];
/// ldr x16,[x28,#16]; cmp sp,x16; b.ls; bl +16; ret
const CODE_ARM64: [u32; 5] = [
    0xf940_0b90,
    0xeb30_63ff,
    0x5400_0209,
    0x9400_0004,
    0xd65f_03c0,
];

/// Functions, 32 bytes apart. The last name is only inlined, into main.main.
const NAMES: [&str; 7] = [
    "gogo",
    "runtime.main",
    "runtime.newproc.func1",
    "runtime.runqput",
    "main.main",
    "runtime.schedinit",
    "main.inlined",
];
const FUNCTIONS: usize = 6;

fn put(out: &mut Vec<u8>, words: &[u64]) {
    out.extend(words.iter().flat_map(|w| w.to_le_bytes()));
}

fn put32(out: &mut Vec<u8>, words: &[u32]) {
    out.extend(words.iter().flat_map(|w| w.to_le_bytes()));
}

impl Tiny {
    fn text(self) -> Vec<u8> {
        let mut out = Vec::new();
        for name in &NAMES[..FUNCTIONS] {
            let start = out.len();
            if self.arm64 {
                put32(&mut out, &CODE_ARM64);
            } else {
                out.extend(if *name == "gogo" {
                    &GOGO[..]
                } else {
                    &CODE[..]
                });
            }
            out.resize(start + 32, 0xcc);
        }
        out
    }

    /// The function table, and the inline tree that follows it.
    fn table(self) -> (Vec<u8>, Vec<u8>) {
        let (mut names, mut offsets) = (Vec::new(), Vec::new());
        for name in NAMES {
            offsets.push(names.len() as u32);
            names.extend(name.bytes().chain([0]));
        }
        names.resize(names.len().next_multiple_of(8), 0);
        let units: &[u8] = &[0; 8];
        let files = b"/src/main.go\0\0\0\0";
        // Offset 0 is no table; 1: value 0 over 28 bytes (file, inline index); 4: value 9 over 32 (line).
        let quantum = if self.arm64 { 4u8 } else { 1 };
        let values = [0, 2, 28 / quantum, 0, 20, 32 / quantum, 0, 0];
        let head = 72;
        let at_units = head + names.len();
        let at_files = at_units + units.len();
        let at_values = at_files + files.len();
        let at_functions = at_values + values.len();
        let mut funcs = Vec::new();
        let mut entries = Vec::new();
        let funcs_at = (FUNCTIONS * 8 + 4).next_multiple_of(8);
        for (i, &name) in offsets[..FUNCTIONS].iter().enumerate() {
            put32(
                &mut entries,
                &[i as u32 * 32, (funcs_at + funcs.len()) as u32],
            );
            put32(&mut funcs, &[i as u32 * 32, name, 0, 0, 1, 1, 4, 3, 0]);
            if !self.old {
                put32(&mut funcs, &[7]);
            }
            let inlines = NAMES[i] == "main.main";
            funcs.extend([0, 0, 0, 4]);
            put32(&mut funcs, &[0, 0, if inlines { 1 } else { 0 }]);
            put32(
                &mut funcs,
                &[
                    u32::MAX,
                    u32::MAX,
                    u32::MAX,
                    if inlines { 0 } else { u32::MAX },
                ],
            );
        }
        put32(&mut entries, &[FUNCTIONS as u32 * 32]);
        entries.resize(funcs_at, 0);
        let mut out = Vec::new();
        put32(
            &mut out,
            &[if self.old { 0xffff_fff0 } else { 0xffff_fff1 }],
        );
        out.extend([0, 0, quantum, 8]);
        let parts = [head, at_units, at_files, at_values, at_functions].map(|n| n as u64);
        put(&mut out, &[FUNCTIONS as u64, 1, 0]);
        put(&mut out, &parts);
        for part in [&names, units, files, &values, &entries, &funcs] {
            out.extend(part);
        }
        out.resize(out.len().next_multiple_of(16), 0);
        let mut tree = Vec::new();
        // The call's parentPc is 28: where nothing is inlined.
        if self.old {
            put32(&mut tree, &[0xffff, 0, 9, offsets[6], 28]);
        } else {
            put32(&mut tree, &[0, offsets[6], 28, 3]);
        }
        // What moduledata's other words may point at: nearly a tree, but its name begins in the middle of one.
        let mut decoy = tree.clone();
        let name_at = if self.old { 12 } else { 4 };
        decoy[name_at] += 1;
        tree.resize(DECOY, 0);
        tree.extend(decoy);
        (out, tree)
    }

    /// The data segment: build information, moduledata, the version's string header; and its relocations.
    fn data(self, tree_at: u64, end: u64) -> (Vec<u8>, Vec<(u64, u64)>) {
        let mut out = b"\xff Go buildinf:\x08\x02".to_vec();
        out.resize(32, 0);
        let version: &[u8] = if self.old { b"go1.19.8" } else { b"go1.26.5" };
        out.extend([8]);
        out.extend(version);
        let text = b"0123456789abcdefpath\tx/y\nbuild\tCGO_ENABLED=0\n0123456789abcdef";
        out.extend([text.len() as u8]);
        out.extend(text);
        out.resize(out.len().next_multiple_of(16), 0);
        let mut words = [0u64; 64];
        words[0] = RODATA;
        words[20] = TEXT;
        words[21] = end;
        words[22] = TEXT;
        words[23] = end;
        words[if self.old { 38 } else { 40 }] = tree_at;
        if self.old {
            // Where other releases have gofunc.
            words[40] = tree_at + DECOY as u64;
        }
        words[60] = DATA + 33;
        words[61] = 8;
        let mut relocations = Vec::new();
        if self.pie {
            for i in [0, 20, 21, 22, 23, 38, 40, 60] {
                if words[i] != 0 {
                    relocations.push((
                        DATA + (out.len() + i * 8) as u64,
                        std::mem::take(&mut words[i]),
                    ));
                }
            }
        }
        put(&mut out, &words);
        (out, relocations)
    }

    /// `.debug_info` and `.debug_abbrev` of a unit `runtime` with `struct runtime.g { goid }`.
    fn debug() -> (Vec<u8>, Vec<u8>) {
        let abbrev = vec![
            1, 0x11, 1, 3, 8, 0x13, 0xb, 0, 0, // compile_unit: name string, language data1
            2, 0x13, 1, 3, 8, 0, 0, // structure_type: name
            3, 0x0d, 0, 3, 8, 0x38, 0xf, 0, 0, // member: name, data_member_location udata
            0,
        ];
        let mut body = vec![4, 0, 0, 0, 0, 0, 8, 1];
        body.extend(b"runtime\0\x16\x02runtime.g\0\x03goid\0\x98\x01\x03m\0\x30\0\0");
        let mut info = (body.len() as u32).to_le_bytes().to_vec();
        info.extend(body);
        (info, abbrev)
    }

    /// The whole file.
    pub fn build(self) -> Vec<u8> {
        let text = self.text();
        let (table, tree) = self.table();
        let tree_at = RODATA + table.len() as u64;
        let (data, relocations) = self.data(tree_at, TEXT + text.len() as u64);
        let mut rodata = [table.clone(), tree].concat();
        let rela_at = RODATA + rodata.len() as u64;
        let relative = if self.arm64 { 1027 } else { 8 };
        for (place, addend) in &relocations {
            put(&mut rodata, &[*place, relative, *addend]);
        }
        let dynamic_at = RODATA + rodata.len() as u64;
        put(
            &mut rodata,
            &[
                7,
                rela_at,
                8,
                relocations.len() as u64 * 24,
                0x6fff_fffb,
                0x0800_0000,
                0,
                0,
            ],
        );
        let dynamic_len = 64;

        let rodata_offset = (TEXT_OFFSET + text.len()).next_multiple_of(16);
        let data_offset = (rodata_offset + rodata.len()).next_multiple_of(16);
        let end = data_offset + data.len();
        let mut headers: Vec<[u64; 7]> = Vec::new();
        let mut load = |flags: u64, vaddr: u64, offset: usize, len: usize| {
            headers.push([
                1 | flags << 32,
                offset as u64,
                vaddr,
                vaddr,
                len as u64,
                len as u64,
                1,
            ]);
        };
        load(5, TEXT, TEXT_OFFSET, text.len());
        load(4, RODATA, rodata_offset, rodata.len());
        load(6, DATA, data_offset, data.len());
        if self.pie {
            let offset = rodata_offset as u64 + (dynamic_at - RODATA);
            headers.push([
                2 | 4 << 32,
                offset,
                dynamic_at,
                dynamic_at,
                dynamic_len,
                dynamic_len,
                8,
            ]);
        }
        let mut out = b"\x7fELF\x02\x01\x01".to_vec();
        out.resize(16, 0);
        out.extend([
            if self.pie { 3 } else { 2 },
            0,
            if self.arm64 { 183 } else { 62 },
            0,
            1,
            0,
            0,
            0,
        ]);
        let sections_at = if self.sections {
            end.next_multiple_of(8) as u64
        } else {
            0
        };
        put(&mut out, &[TEXT, 64, sections_at]);
        out.extend([0, 0, 0, 0, 64, 0, 56, 0, headers.len() as u8, 0, 64, 0]);
        let count = if self.sections { 6u8 } else { 0 };
        out.extend([count, 0, count.saturating_sub(1), 0]);
        for header in &headers {
            put(&mut out, header);
        }
        out.resize(TEXT_OFFSET, 0);
        for (at, part) in [
            (TEXT_OFFSET, &text),
            (rodata_offset, &rodata),
            (data_offset, &data),
        ] {
            out.resize(at, 0);
            out.extend(part);
        }
        if self.sections {
            self.add_sections(&mut out, rodata_offset, table.len(), data_offset);
        }
        out
    }

    fn add_sections(
        self,
        out: &mut Vec<u8>,
        rodata_offset: usize,
        table_len: usize,
        data_offset: usize,
    ) {
        out.resize(out.len().next_multiple_of(8), 0);
        let names = b"\0.gopclntab\0.go.buildinfo\0.debug_info\0.debug_abbrev\0.shstrtab\0";
        let (info, abbrev) = Self::debug();
        let after = (out.len() + 6 * 64) as u64;
        let (info_at, abbrev_at) = (after, after + info.len() as u64);
        let names_at = abbrev_at + abbrev.len() as u64;
        let mut section = |name: &str, kind: u64, vaddr: u64, offset: u64, size: u64| {
            let at = if name.is_empty() {
                0
            } else {
                names
                    .windows(name.len())
                    .position(|w| w == name.as_bytes())
                    .unwrap()
            };
            put(
                out,
                &[at as u64 | kind << 32, 0, vaddr, offset, size, 0, 1, 0],
            );
        };
        section("", 0, 0, 0, 0);
        section(
            ".gopclntab",
            1,
            RODATA,
            rodata_offset as u64,
            table_len as u64,
        );
        section(".go.buildinfo", 1, DATA, data_offset as u64, 256);
        section(".debug_info", 1, 0, info_at, info.len() as u64);
        section(".debug_abbrev", 1, 0, abbrev_at, abbrev.len() as u64);
        section(".shstrtab", 3, 0, names_at, names.len() as u64);
        out.extend(info);
        out.extend(abbrev);
        out.extend(names);
    }

    /// One of each kind.
    pub fn all() -> impl Iterator<Item = Tiny> {
        (0..16).map(|n| Tiny {
            old: n & 1 != 0,
            pie: n & 2 != 0,
            arm64: n & 4 != 0,
            sections: n & 8 != 0,
        })
    }
}
