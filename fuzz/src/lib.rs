//! What the target `http1` is made of: the kernel side's parsers (`wire`), another reading of the same bytes
//! (`reference`), and streams whose meaning is known (`generate`).

pub mod generate;
pub mod reference;
pub mod wire;
