//! Whole arrays that have a copy on every CPU, in one system call (libbpf-rs has batches for
//! maps without CPUs only).

use std::os::fd::AsRawFd;

use libbpf_rs::MapCore;

use crate::error::Error;

/// Every element: its index, and all CPUs' values one after the other.
pub(crate) fn array(
    map: &impl MapCore,
    name: &'static str,
    elements: u32,
) -> Result<Vec<(usize, Vec<u8>)>, Error> {
    let fail = |why: String| Error::Map {
        map: name,
        verb: "read",
        why,
    };
    let cpus = libbpf_rs::num_possible_cpus().map_err(|e| fail(e.to_string()))?;
    let each = (map.value_size() as usize).next_multiple_of(8) * cpus;
    let n = elements as usize;
    let (mut keys, mut values) = (vec![0u32; n], vec![0u8; each * n]);
    let (mut next, mut count) = (0u32, elements);
    // SAFETY: keys and values have room for `count` entries of this map's sizes, next for a key.
    let r = unsafe {
        libbpf_sys::bpf_map_lookup_batch(
            map.as_fd().as_raw_fd(),
            std::ptr::null_mut(),
            std::ptr::from_mut(&mut next).cast(),
            keys.as_mut_ptr().cast(),
            values.as_mut_ptr().cast(),
            &mut count,
            std::ptr::null(),
        )
    };
    // ENOENT: the map has ended, all of it was read.
    if r < 0 && r != -libc::ENOENT {
        return Err(fail(std::io::Error::from_raw_os_error(-r).to_string()));
    }
    let read = count as usize;
    Ok(keys
        .into_iter()
        .take(read)
        .zip(values.chunks_exact(each))
        .map(|(i, v)| (i as usize, v.to_vec()))
        .collect())
}
