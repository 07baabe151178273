//! What stays when an executable's mapping is given up. Plain data: nothing here reads the file.

use std::ops::Range;

use crate::binary::{Binary, Kind};
use crate::buildinfo::BuildInfo;
use crate::elf::{Arch, Segment};
use crate::globals::Globals;
use crate::offsets::{NoOffsets, Offsets};
use crate::roles::{Role, RoleEntry};
use crate::tls::{NoTls, TlsG};
use crate::version::GoVersion;

/// The facts of a Go executable.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Instruction set.
    pub arch: Arch,
    /// How it was linked.
    pub kind: Kind,
    /// Toolchain.
    pub version: Option<GoVersion>,
    /// Modules and build settings.
    pub build: Option<BuildInfo>,
    /// C code is linked in.
    pub cgo: bool,
    /// There is a symbol table.
    pub has_symtab: bool,
    /// There is debug information.
    pub has_dwarf: bool,
    /// Functions and addresses can be named.
    pub has_function_table: bool,
    /// Inlined calls can be named.
    pub has_inline_trees: bool,
    /// Link-time addresses of Go code.
    pub text: Option<Range<u64>>,
    /// Loadable segments.
    pub segments: Vec<Segment>,
    /// Field offsets.
    pub offsets: Result<Offsets, NoOffsets>,
    /// Thread-local slot of g.
    pub tls: Result<TlsG, NoTls>,
    /// Where goroutines of known roles start.
    pub roles: Vec<RoleEntry>,
    /// Where the runtime keeps its goroutines and counts its collections.
    pub globals: Globals,
}

impl Facts {
    pub(crate) fn of(binary: &Binary) -> Self {
        Facts {
            arch: binary.arch(),
            kind: binary.kind(),
            version: binary.version(),
            build: binary.build_info().cloned(),
            cgo: binary.has_cgo(),
            has_symtab: binary.has_symtab(),
            has_dwarf: binary.has_dwarf(),
            has_function_table: binary.has_function_table(),
            has_inline_trees: binary.has_inline_trees(),
            text: binary.text(),
            segments: binary.segments().to_vec(),
            offsets: binary.offsets(),
            tls: binary.tls(),
            roles: binary.roles(),
            globals: binary.globals(),
        }
    }

    /// The role of a goroutine by its `g.startpc`, less the load bias.
    pub fn role(&self, startpc: u64) -> Option<Role> {
        self.roles
            .iter()
            .find(|r| r.function.entry == startpc)
            .map(|r| r.role)
    }
}
