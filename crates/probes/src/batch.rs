//! Whole hash maps and arrays, some thousand entries a system call. (libbpf-rs's own iterator takes a batch that is not
//! full for the last one. The kernel fills a batch only up to the bucket that no longer fits: now and then half of a map
//! would be missing.)

use std::os::fd::AsRawFd;

use libbpf_rs::MapCore;

use crate::error::Error;

/// Entries asked for at once, unless a bucket has more.
const BATCH: u32 = 1024;

/// Calls `each` with every key and value.
pub(crate) fn each(
    map: &impl MapCore,
    name: &'static str,
    mut each: impl FnMut(&[u8], &[u8]),
) -> Result<(), Error> {
    let (key_size, value_size) = (map.key_size() as usize, map.value_size() as usize);
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    let mut room = BATCH;
    // Where the next batch begins: a bucket of a hash map, an index of an array.
    let (mut at, mut next, mut first) = (0u32, 0u32, true);
    loop {
        keys.resize(key_size * room as usize, 0u8);
        values.resize(value_size * room as usize, 0u8);
        let mut count = room;
        let begin = if first {
            std::ptr::null_mut()
        } else {
            std::ptr::from_mut(&mut at)
        };
        // SAFETY: keys and values have room for `count` entries of this map's sizes; both places are 4 bytes, which is
        // what these maps have.
        let r = unsafe {
            libbpf_sys::bpf_map_lookup_batch(
                map.as_fd().as_raw_fd(),
                begin.cast(),
                std::ptr::from_mut(&mut next).cast(),
                keys.as_mut_ptr().cast(),
                values.as_mut_ptr().cast(),
                &mut count,
                std::ptr::null(),
            )
        };
        match -r {
            0 | libc::ENOENT => {}
            libc::EINTR => continue,
            // One bucket has more.
            libc::ENOSPC => {
                room *= 2;
                continue;
            }
            e => {
                return Err(Error::Map {
                    map: name,
                    verb: "read",
                    why: std::io::Error::from_raw_os_error(e).to_string(),
                });
            }
        }
        let n = count as usize;
        keys[..n * key_size]
            .chunks_exact(key_size)
            .zip(values[..n * value_size].chunks_exact(value_size))
            .for_each(|(key, value)| each(key, value));
        if -r == libc::ENOENT {
            return Ok(());
        }
        (at, first) = (next, false);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use libbpf_rs::{MapFlags, MapHandle, MapType};

    use super::*;

    /// So many entries that at many a batch's end the next bucket does not fit.
    #[test]
    fn nothing_is_left_out() {
        // SAFETY: it only asks.
        if unsafe { libc::geteuid() } != 0 {
            println!("not root: not run");
            return;
        }
        let opts = libbpf_sys::bpf_map_create_opts {
            sz: size_of::<libbpf_sys::bpf_map_create_opts>() as libbpf_sys::size_t,
            ..Default::default()
        };
        for entries in [0u32, 1, 1023, 1024, 1025, 60_000] {
            let map =
                MapHandle::create(MapType::Hash, Some("all"), 4, 8, 65_536, &opts).expect("a map");
            for key in 0..entries {
                map.update(&key.to_ne_bytes(), &[7; 8], MapFlags::ANY)
                    .expect("room");
            }
            let mut seen = HashSet::new();
            each(&map, "all", |key, value| {
                assert_eq!(value, [7; 8]);
                assert!(seen.insert(key.to_vec()), "{key:?} twice");
            })
            .expect("it is read");
            assert_eq!(seen.len(), entries as usize);
        }
    }
}
