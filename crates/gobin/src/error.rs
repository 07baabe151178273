//! Why a file could not be read as a Go executable, in words that say what to do.
//!
//! Facts that a readable Go executable merely lacks (offsets of an unknown release, a TLS slot that nothing tells)
//! are not errors of this kind: they have reasons of their own beside the fact ([`crate::NoOffsets`], [`crate::NoTls`]).

use std::path::PathBuf;

/// Why a file could not be read as a Go executable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be opened or mapped.
    #[error("cannot open {path}: {source}")]
    Open {
        /// The file asked for.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The mapping of an open file failed.
    #[error("cannot map the executable: {0}")]
    Map(#[source] std::io::Error),
    /// No ELF magic: a script, a PE or Mach-O file, or something else.
    #[error("not an ELF file: give the executable itself, not a script or an archive around it")]
    NotElf,
    /// ELFCLASS32.
    #[error("a 32-bit ELF file: only 64-bit Go executables (amd64, arm64) can be read")]
    Not64Bit,
    /// Big-endian, or a machine that is neither x86-64 nor arm64.
    #[error("built for {0}: only amd64 and arm64 executables can be read")]
    WrongMachine(String),
    /// The file ends before something it announces.
    #[error("{what} ends at byte {end}, but the file has only {len} bytes: is the copy complete?")]
    Truncated {
        /// What is cut off.
        what: &'static str,
        /// Where it should end, in bytes from the file's start.
        end: u64,
        /// The file's length in bytes.
        len: u64,
    },
    /// A structure contradicts itself.
    #[error("corrupt {what} at {at:#x}: {why}")]
    Corrupt {
        /// Which structure.
        what: &'static str,
        /// Where: file offset in bytes.
        at: u64,
        /// What contradicts what.
        why: String,
    },
    /// Packed executables keep their tables compressed.
    #[error("packed with {packer}: unpack it first with `{remedy}`")]
    Packed {
        /// The packer's name.
        packer: &'static str,
        /// The command that undoes it.
        remedy: &'static str,
    },
    /// Neither a Go function table nor Go build information.
    #[error(
        "not a Go executable: no Go function table (.gopclntab) and no Go build information; gccgo and TinyGo programs have neither"
    )]
    NotGo,
    /// The function table is of a format before Go 1.18.
    #[error(
        "built with Go {0}: its function table is older than Go 1.18's and cannot be read; rebuild with Go 1.19 or later"
    )]
    TooOld(&'static str),
    /// There is build information, but no readable function table.
    #[error("a Go executable without a readable function table: {0}")]
    NoFunctionTable(String),
    /// Something has more parts than this crate agrees to look at.
    #[error("{what} has {size} {unit}, more than the {limit} that can be read")]
    TooBig {
        /// What is too big.
        what: &'static str,
        /// Its size.
        size: u64,
        /// The bound.
        limit: u64,
        /// Of what: bytes, entries.
        unit: &'static str,
    },
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
