//! Syscall numbers and names, both ways, per architecture.
//!
//! The tables are the `syscalls` crate's (generated from the kernel's `syscall_64.tbl` and
//! `scripts/syscall.tbl`; 0.8.1 is Linux 6.18). Adding an architecture is adding a row to [`Arch`].
//! What the arguments of a call mean is the exporters' business, not this file's.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::input::NR_UNKNOWN;
use crate::near;

/// The processor architecture a target runs on: it decides what a syscall number means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Arch {
    /// 64-bit x86, `GOARCH=amd64`.
    #[serde(rename = "amd64")]
    X86_64,
    /// 64-bit ARM, `GOARCH=arm64`.
    #[serde(rename = "arm64")]
    Aarch64,
}

/// A name that is no syscall of the architecture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown syscall `{name}` on {}{}", .arch.name(), near::hint(.near))]
pub struct UnknownSyscall {
    /// What was asked for.
    pub name: String,
    /// Where it was asked for.
    pub arch: Arch,
    /// Known names spelled alike, nearest first; may be empty.
    pub near: Vec<&'static str>,
}

/// Numbers end below this on every architecture we know (Linux 6.18: 470).
const TABLE_SIZE: usize = 512;

struct Table {
    names: [Option<&'static str>; TABLE_SIZE],
    numbers: HashMap<&'static str, u16>,
}

impl Table {
    fn build(name_of: impl Fn(usize) -> Option<&'static str>) -> Self {
        let names: [Option<&'static str>; TABLE_SIZE] = std::array::from_fn(name_of);
        let numbers = names
            .iter()
            .zip(0u16..)
            .filter_map(|(name, nr)| Some(((*name)?, nr)))
            .collect();
        Table { names, numbers }
    }
}

impl Arch {
    /// The architecture this program itself was built for: a target on the same host has it too.
    pub const HOST: Arch = if cfg!(target_arch = "aarch64") {
        Arch::Aarch64
    } else {
        Arch::X86_64
    };

    /// Go's name of it: `amd64`, `arm64`.
    pub fn name(self) -> &'static str {
        match self {
            Arch::X86_64 => "amd64",
            Arch::Aarch64 => "arm64",
        }
    }

    fn table(self) -> &'static Table {
        static X86_64: OnceLock<Table> = OnceLock::new();
        static AARCH64: OnceLock<Table> = OnceLock::new();
        match self {
            Arch::X86_64 => X86_64.get_or_init(|| {
                Table::build(|nr| syscalls::x86_64::Sysno::new(nr).map(|s| s.name()))
            }),
            Arch::Aarch64 => AARCH64.get_or_init(|| {
                Table::build(|nr| syscalls::aarch64::Sysno::new(nr).map(|s| s.name()))
            }),
        }
    }

    /// The kernel's name of a syscall; `syscall_N` for a number newer than the table, `unknown` for
    /// [`NR_UNKNOWN`], which stands for every number beyond what the probes count singly.
    pub fn syscall_name(self, nr: u16) -> Cow<'static, str> {
        if nr == NR_UNKNOWN {
            return Cow::Borrowed("unknown");
        }
        match self.table().names.get(usize::from(nr)).copied().flatten() {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(format!("syscall_{nr}")),
        }
    }

    /// The number of a syscall's name, also in the form `syscall_N`. Names are the kernel's; the C
    /// library's `pread`, `pwrite`, `stat64` and the like are answered with the near names.
    ///
    /// # Errors
    /// [`UnknownSyscall`] with the nearest names.
    pub fn syscall_number(self, name: &str) -> Result<u16, UnknownSyscall> {
        let name = name.trim();
        let table = self.table();
        if let Some(nr) = table.numbers.get(name) {
            return Ok(*nr);
        }
        let numbered = name
            .strip_prefix("syscall_")
            .and_then(|nr| nr.parse::<u16>().ok());
        match numbered {
            Some(nr) if usize::from(nr) < TABLE_SIZE => Ok(nr),
            _ => Err(UnknownSyscall {
                name: name.to_owned(),
                arch: self,
                near: near::nearest(name, table.names.iter().copied().flatten()),
            }),
        }
    }

    /// All syscalls of the architecture, `(number, name)`, ascending by number.
    pub fn syscalls(self) -> impl Iterator<Item = (u16, &'static str)> {
        self.table()
            .names
            .iter()
            .zip(0u16..)
            .filter_map(|(name, nr)| Some((nr, (*name)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_kernel_tables() {
        // arch/x86/entry/syscalls/syscall_64.tbl, Linux 6.18; the newest rows and the oldest.
        for (nr, name) in [
            (0, "read"),
            (1, "write"),
            (17, "pread64"),
            (281, "epoll_pwait"),
            (288, "accept4"),
            (334, "rseq"),
            (335, "uretprobe"),
            (336, "uprobe"),
            (424, "pidfd_send_signal"),
            (462, "mseal"),
            (467, "open_tree_attr"),
            (469, "file_setattr"),
        ] {
            assert_eq!(Arch::X86_64.syscall_name(nr), name);
            assert_eq!(Arch::X86_64.syscall_number(name), Ok(nr));
        }
        // scripts/syscall.tbl as arm64 uses it.
        for (nr, name) in [
            (63, "read"),
            (64, "write"),
            (22, "epoll_pwait"),
            (469, "file_setattr"),
        ] {
            assert_eq!(Arch::Aarch64.syscall_name(nr), name);
            assert_eq!(Arch::Aarch64.syscall_number(name), Ok(nr));
        }
        assert!(Arch::Aarch64.syscall_number("open").is_err());
    }

    #[test]
    fn names_and_numbers_are_inverse() {
        for arch in [Arch::X86_64, Arch::Aarch64] {
            assert!(arch.syscalls().count() > 300);
            for (nr, name) in arch.syscalls() {
                assert_eq!(arch.syscall_number(name), Ok(nr));
            }
            assert_eq!(arch.syscall_name(500), "syscall_500");
            assert_eq!(arch.syscall_number("syscall_500"), Ok(500));
            assert_eq!(arch.syscall_name(NR_UNKNOWN), "unknown");
        }
    }

    #[test]
    fn a_slip_is_answered_with_the_near_names() {
        let slip = Arch::X86_64.syscall_number("wirte").unwrap_err();
        assert_eq!(slip.near.first(), Some(&"write"));
        let slip = Arch::X86_64.syscall_number("pwrite").unwrap_err();
        assert!(slip.to_string().contains("pwrite64"), "{slip}");
        assert!(Arch::X86_64.syscall_number("").is_err());
        assert!(Arch::X86_64.syscall_number("syscall_9999").is_err());
    }
}
