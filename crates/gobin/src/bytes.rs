//! Bounds-checked little-endian reads, and the mapping or buffer they read from. Knows nothing of ELF or Go.

use std::fs::File;
use std::ops::Deref;

use memmap2::{Advice, Mmap, MmapOptions, UncheckedAdvice};

use crate::error::{Error, Result};

/// The `u8` at `at`, if there is one.
pub(crate) fn u8_at(data: &[u8], at: usize) -> Option<u8> {
    data.get(at).copied()
}

/// The little-endian `u32` at `at`.
pub(crate) fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    let bytes = data.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// The little-endian `i32` at `at`.
pub(crate) fn i32_at(data: &[u8], at: usize) -> Option<i32> {
    u32_at(data, at).map(u32::cast_signed)
}

/// The little-endian `u64` at `at`.
pub(crate) fn u64_at(data: &[u8], at: usize) -> Option<u64> {
    let bytes = data.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// An unsigned LEB128 number (Go's `encoding/binary` uvarint) and the bytes it took.
pub(crate) fn uvarint(data: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (i, &byte) in data.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f).checked_shl(7 * i as u32)?;
        if byte & 0x80 == 0 {
            return Some((value, i + 1));
        }
    }
    None
}

/// The bytes up to a NUL, if one comes within `limit` bytes.
pub(crate) fn c_string(data: &[u8], at: usize, limit: usize) -> Option<&[u8]> {
    let tail = data.get(at..)?;
    let tail = &tail[..tail.len().min(limit)];
    memchr::memchr(0, tail).map(|end| &tail[..end])
}

/// A file's bytes: mapped, or held.
pub(crate) enum Bytes {
    Mapped(Mmap),
    Owned(Vec<u8>),
}

impl Bytes {
    /// Maps a file read-only.
    pub(crate) fn map(file: &File) -> Result<Self> {
        // SAFETY: the mapping is private and read-only, so nothing is written through it. A file cut short by someone
        // else while it is mapped would raise SIGBUS; the kernel denies that for the executable of a running process
        // (ETXTBSY), which is what this crate is pointed at, and `Binary::from_bytes` is there for any other.
        let map = unsafe { MmapOptions::new().map(file) }.map_err(Error::Map)?;
        // Without it the kernel reads ahead, and a few scattered look-ups make the whole table resident.
        // A refusal costs memory, not correctness.
        let _ = map.advise(Advice::Random);
        Ok(Bytes::Mapped(map))
    }

    /// Lets the kernel drop the pages read so far; the next read brings them back from the file.
    pub(crate) fn release(&self) {
        if let Bytes::Mapped(map) = self {
            // SAFETY: the mapping is file-backed and never written, so dropped pages come back with the same bytes.
            let _ = unsafe { map.unchecked_advise(UncheckedAdvice::DontNeed) };
        }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Mapped(map) => map,
            Bytes::Owned(vec) => vec,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uvarints() {
        assert_eq!(uvarint(&[0x05]), Some((5, 1)));
        assert_eq!(uvarint(&[0xac, 0x02, 0xff]), Some((300, 2)));
        assert_eq!(uvarint(&[0x80; 12]), None);
        assert_eq!(uvarint(&[]), None);
    }

    #[test]
    fn reads_at_the_edge() {
        let data = [1, 0, 0, 0, 2, 0, 0, 0];
        assert_eq!(u32_at(&data, 4), Some(2));
        assert_eq!(u32_at(&data, 5), None);
        assert_eq!(u64_at(&data, 0), Some(0x2_0000_0001));
        assert_eq!(u64_at(&data, usize::MAX), None);
        assert_eq!(c_string(b"ab\0c", 0, 2), None);
        assert_eq!(c_string(b"ab\0c", 0, 3), Some(&b"ab"[..]));
    }
}
