//! Tables of the kernel side's that are read in place, without a system call for each entry.

use std::os::fd::AsRawFd;

use libbpf_rs::MapCore;

/// A table of the kernel side's, read in place.
#[derive(Debug)]
pub(crate) struct Mapped<T> {
    start: *const T,
    entries: usize,
}

// SAFETY: the mapping is read-only and belongs to this value alone.
unsafe impl<T> Send for Mapped<T> {}

impl<T> Mapped<T> {
    pub(crate) fn new(map: &impl MapCore) -> std::io::Result<Self> {
        let entries = map.max_entries() as usize;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                entries * size_of::<T>(),
                libc::PROT_READ,
                libc::MAP_SHARED,
                map.as_fd().as_raw_fd(),
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        Ok(Self {
            start: start.cast(),
            entries,
        })
    }

    /// One byte of an entry as it is now.
    pub(crate) fn byte(&self, at: usize, offset: usize) -> u8 {
        assert!(at < self.entries && offset < size_of::<T>());
        // SAFETY: it is within the mapping.
        unsafe { self.start.add(at).cast::<u8>().add(offset).read_volatile() }
    }

    /// An entry as it is now. The kernel side writes meanwhile, so it may be torn.
    pub(crate) fn get(&self, at: usize) -> T {
        assert!(at < self.entries);
        // SAFETY: `at` is within the mapping; T is integers.
        unsafe { self.start.add(at).read_volatile() }
    }
}

impl<T> Mapped<T> {
    /// How many there are.
    pub(crate) fn entries(&self) -> usize {
        self.entries
    }

    /// All of them, each as it is when its turn comes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = T> + '_ {
        (0..self.entries).map(|at| self.get(at))
    }
}

impl<T> Drop for Mapped<T> {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and nothing refers to it any more.
        unsafe { libc::munmap(self.start.cast_mut().cast(), self.entries * size_of::<T>()) };
    }
}
