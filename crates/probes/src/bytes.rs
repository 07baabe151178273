//! Between the C structs of abi.h and the byte slices of the map calls.
//!
//! The generated types are `repr(C)` and made of integers only, so any bytes of the
//! right length are a value; both directions check that length.

use gostall_bpf::types;

/// A struct generated from abi.h: integers only, no invalid bit patterns.
///
/// # Safety
/// Implement it for `repr(C)` types of plain integers and arrays of them alone.
pub(crate) unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($t:ident),*) => { $(
        // SAFETY: abi.h gives it integers and arrays of integers only.
        unsafe impl Plain for types::$t {}
    )* };
}
plain!(
    gs_chunk,
    gs_hot,
    gs_node,
    gs_route,
    gs_node_key,
    gs_target,
    gs_thread,
    gs_nrstat,
    gs_event,
    gs_conn,
    gs_ledger,
    gs_timeline,
    gs_moment,
    gs_exact_exe,
    gs_exact_slot,
    gs_exact_sums,
    gs_counters,
    gs_cpu_key,
    exe_key
);

/// The value's bytes.
pub(crate) fn of<T: Plain>(value: &T) -> &[u8] {
    // SAFETY: T is plain; C padding in these structs is explicit, so every byte is initialised.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast(), size_of::<T>()) }
}

/// The value in `bytes`; what is missing at the end counts as zero (events come cut to length).
pub(crate) fn to<T: Plain>(bytes: &[u8]) -> T {
    let mut value = std::mem::MaybeUninit::<T>::zeroed();
    let n = bytes.len().min(size_of::<T>());
    // SAFETY: n bytes fit both; T is plain, so any bytes (zeros included) are a value.
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), value.as_mut_ptr().cast(), n);
        value.assume_init()
    }
}
