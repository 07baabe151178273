//! What a Go executable says of itself: toolchain version, functions, addresses, field offsets, where g is kept, and
//! where probes are cheap. For 64-bit ELF (amd64, arm64) of Go 1.18 and later, stripped or not.
//!
//! Pure: bytes in, facts out. It attaches nothing, runs nothing, prints nothing, and panics on no input. Whatever it
//! cannot tell for certain it does not tell, and says why.
//!
//! All addresses are link-time virtual addresses; a running process has them at address + load bias
//! ([`Binary::load_bias`]).

#![deny(missing_docs)]

mod arm64;
mod binary;
mod buildinfo;
mod bytes;
mod dwarf;
mod elf;
mod error;
mod facts;
mod globals;
mod image;
mod inline;
mod module;
mod offset_table;
mod offsets;
mod pclntab;
mod plaintext;
mod roles;
mod sites;
mod starts;
mod symbolize;
mod tls;
mod version;
mod version_scan;
mod wait_reasons;

pub use binary::{Binary, Function, InlinedInto, Kind, Presence};
pub use buildinfo::{BuildInfo, ModuleVersion};
pub use elf::{Arch, Segment};
pub use error::{Error, Result};
pub use facts::Facts;
pub use globals::Globals;
pub use offset_table::nearest_offsets;
pub use offsets::{NoOffsets, OffsetSource, Offsets};
pub use roles::{Role, RoleEntry};
pub use sites::{Site, SiteKind};
pub use symbolize::{Frame, Symbolizer};
pub use tls::{NoTls, TlsG};
pub use version::GoVersion;
pub use wait_reasons::wait_reasons;
