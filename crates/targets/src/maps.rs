//! Where the executable and the vDSO of a process are mapped, from `/proc/PID/maps`.
//!
//! It says at which address a byte of the executable's file lies (the load bias of a
//! position-independent one); what stands in the file, crate `gobin` says. Shared libraries are not
//! listed: Go code is in the executable.

use std::fs;
use std::io;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use crate::error::Error;
use crate::proc;

/// A part of the executable's file in the memory of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// The first address.
    pub start: u64,
    /// The address after the last.
    pub end: u64,
    /// The offset in the file, in bytes, that `start` shows.
    pub file_offset: u64,
    /// Whether code in it can run.
    pub executable: bool,
    /// Whether the process may write to it.
    pub writable: bool,
}

/// What a process has mapped of itself, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Maps {
    /// The executable's segments, by ascending address.
    pub exe: Vec<Segment>,
    /// The vDSO.
    pub vdso: Option<Range<u64>>,
}

impl Maps {
    /// The address at which the byte at `file_offset` of the executable lies, in code if it is
    /// mapped there; `None` when that offset is not mapped.
    #[must_use]
    pub fn address_of_offset(&self, file_offset: u64) -> Option<u64> {
        let at = |s: &Segment| {
            let delta = file_offset.checked_sub(s.file_offset)?;
            (delta < s.end - s.start).then(|| s.start + delta)
        };
        // The linker may map the same page both as code and as data.
        let code = self.exe.iter().filter(|s| s.executable).find_map(at);
        code.or_else(|| self.exe.iter().find_map(at))
    }

    /// The offset in the executable's file that the address shows; `None` for any other memory.
    #[must_use]
    pub fn offset_of_address(&self, address: u64) -> Option<u64> {
        let segment = self
            .exe
            .iter()
            .find(|s| (s.start..s.end).contains(&address))?;
        Some(segment.file_offset + (address - segment.start))
    }

    /// What to add to an address of the ELF file to get the address in the process, from the file
    /// offset and the virtual address of any loaded segment (`p_offset`, `p_vaddr`); 0 for an
    /// executable that is not position-independent. Wrapping, as the loader's addition is.
    #[must_use]
    pub fn load_bias(&self, p_offset: u64, p_vaddr: u64) -> Option<u64> {
        Some(self.address_of_offset(p_offset)?.wrapping_sub(p_vaddr))
    }
}

/// Reads the maps of a process.
///
/// # Errors
/// [`Error::PermissionDenied`], [`Error::Gone`] when it has ended, [`Error::Io`].
pub fn maps(pid: u32) -> Result<Maps, Error> {
    /// An exec shows the new name before the new memory; it is over in well under a millisecond.
    const RETRIES: u32 = 10;
    let mut maps = read(pid)?;
    for _ in 0..RETRIES {
        if !maps.exe.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
        maps = read(pid)?;
    }
    Ok(maps)
}

fn read(pid: u32) -> Result<Maps, Error> {
    let fail = |source: io::Error, name: &str| match source.kind() {
        io::ErrorKind::PermissionDenied => Error::PermissionDenied {
            pid,
            comm: proc::Stat::read(pid).map(|s| s.comm).unwrap_or_default(),
            uid: proc::Status::read(pid).map(|s| s.uid).unwrap_or_default(),
            path: proc::path(pid, name),
        },
        _ if proc::is_gone(&source) => Error::Gone { pid },
        _ => Error::Io {
            what: "cannot read",
            path: proc::path(pid, name),
            source,
        },
    };
    let text = fs::read(proc::path(pid, "maps")).map_err(|e| fail(e, "maps"))?;
    let exe = fs::read_link(proc::path(pid, "exe")).map_err(|e| fail(e, "exe"))?;
    let maps = parse(&text, |line| line.path == exe.as_os_str().as_bytes());
    if !maps.exe.is_empty() {
        return Ok(maps);
    }
    // The names differ (a line break in the path): go by the inode. Not first, for on overlayfs
    // and btrfs the device in `maps` is not the one that stat gives.
    let meta = fs::metadata(proc::path(pid, "exe")).map_err(|e| fail(e, "exe"))?;
    let device = (
        u64::from(rustix::fs::major(meta.dev())),
        u64::from(rustix::fs::minor(meta.dev())),
    );
    Ok(parse(&text, |line| {
        line.inode == meta.ino() && line.device == device
    }))
}

struct Line<'a> {
    segment: Segment,
    device: (u64, u64),
    inode: u64,
    path: &'a [u8],
}

fn parse(text: &[u8], is_exe: impl Fn(&Line<'_>) -> bool) -> Maps {
    let mut maps = Maps::default();
    for line in text.split(|&b| b == b'\n').filter_map(Line::parse) {
        if line.path == b"[vdso]" {
            maps.vdso = Some(line.segment.start..line.segment.end);
        } else if is_exe(&line) {
            maps.exe.push(line.segment);
        }
    }
    maps
}

impl<'a> Line<'a> {
    /// `START-END PERMS OFFSET MAJOR:MINOR INODE   PATH`, all but the inode hexadecimal.
    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.splitn(6, |&b| b == b' ');
        let (start, end) = pair(fields.next()?, b'-')?;
        let perms = fields.next()?;
        let file_offset = hex(fields.next()?)?;
        let device = pair(fields.next()?, b':')?;
        let inode = proc::parse_number(fields.next()?)?;
        let path = fields.next().unwrap_or_default().trim_ascii_start();
        Some(Self {
            segment: Segment {
                start,
                end,
                file_offset,
                executable: perms.get(2) == Some(&b'x'),
                writable: perms.get(1) == Some(&b'w'),
            },
            device,
            inode,
            path,
        })
    }
}

fn pair(text: &[u8], between: u8) -> Option<(u64, u64)> {
    let at = text.iter().position(|&b| b == between)?;
    Some((hex(&text[..at])?, hex(&text[at + 1..])?))
}

fn hex(text: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"\
55d000000000-55d000001000 r--p 00000000 fe:00 77                         /bin/a b
55d000001000-55d000003000 r-xp 00001000 fe:00 77                         /bin/a b
55d000003000-55d000004000 rw-p 00002000 fe:00 77                         /bin/a b
55d000004000-55d000005000 rw-p 00000000 00:00 0
7f0000000000-7f0000001000 r-xp 00000000 fe:00 78                         /lib/libc.so.6
7ffff7fc0000-7ffff7fc2000 r-xp 00000000 00:00 0                          [vdso]
";

    fn example() -> Maps {
        parse(TEXT, |l| l.path == b"/bin/a b")
    }

    #[test]
    fn segments_and_vdso() {
        let maps = example();
        assert_eq!(maps.exe.len(), 3);
        assert!(maps.exe[1].executable && maps.exe[2].writable);
        assert_eq!(maps.vdso, Some(0x7fff_f7fc_0000..0x7fff_f7fc_2000));
    }

    #[test]
    fn offsets_and_addresses() {
        let maps = example();
        // 0x2000 is mapped twice: as code and as data.
        assert_eq!(maps.address_of_offset(0x2000), Some(0x55d0_0000_2000));
        assert_eq!(maps.address_of_offset(0x4000), None);
        assert_eq!(maps.offset_of_address(0x55d0_0000_3010), Some(0x2010));
        assert_eq!(maps.offset_of_address(0x55d0_0000_4010), None);
        assert_eq!(maps.load_bias(0x1000, 0x1000), Some(0x55d0_0000_0000));
        assert_eq!(maps.load_bias(0x9000, 0x1000), None);
    }

    #[test]
    fn own_code_is_in_the_executable() {
        let maps = maps(std::process::id()).unwrap();
        let here = own_code_is_in_the_executable as fn() as usize as u64;
        let offset = maps.offset_of_address(here).unwrap();
        assert_eq!(maps.address_of_offset(offset), Some(here));
        assert!(maps.vdso.is_some());
    }

    #[test]
    fn both_ways_to_find_the_executable_agree() {
        let meta = fs::metadata("/proc/self/exe").unwrap();
        let text = fs::read("/proc/self/maps").unwrap();
        let by_inode = parse(&text, |l| l.inode == meta.ino());
        assert_eq!(by_inode.exe, maps(std::process::id()).unwrap().exe);
    }
}
