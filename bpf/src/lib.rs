//! The generated skeleton of gostall's eBPF programs, and nothing else.
//!
//! Types shared with the kernel are those of `include/abi.h`, generated from the
//! object's BTF ([`types`]); its constants are generated from the header ([`abi`]).

#[allow(
    clippy::all,
    missing_docs,
    unsafe_op_in_unsafe_fn,
    non_camel_case_types,
    dead_code
)]
mod skel {
    include!(concat!(env!("OUT_DIR"), "/gostall.skel.rs"));
}

/// Constants of `include/abi.h`.
pub mod abi {
    include!(concat!(env!("OUT_DIR"), "/abi.rs"));
}

pub use skel::*;
