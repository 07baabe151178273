//! The `gostall` binary.
fn main() {}
