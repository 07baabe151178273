//! A file's bytes together with what its ELF headers say of them.

use crate::bytes::Bytes;
use crate::elf::Elf;
use crate::error::Result;

pub(crate) struct Image {
    pub bytes: Bytes,
    pub elf: Elf,
}

impl Image {
    pub fn new(bytes: Bytes) -> Result<Self> {
        let elf = Elf::parse(&bytes)?;
        Ok(Image { bytes, elf })
    }
}
