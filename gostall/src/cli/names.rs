//! Names of syscalls and errnos as users type them, looked up in the tables of `gostall-model`.

use gostall_model::{Arch, errno};

/// The number of a syscall on this machine, where the target runs too.
///
/// # Errors
/// The message for a name the kernel does not have.
pub fn syscall(name: &str) -> Result<u16, String> {
    // Whoever comes from strace writes `-e trace=read,write`.
    let name = name.strip_prefix("trace=").unwrap_or(name).trim();
    if name.is_empty() {
        return Err("an empty name: give syscalls as in read,write".into());
    }
    Arch::HOST.syscall_number(name).map_err(|e| e.to_string())
}

/// The number of an errno.
///
/// # Errors
/// The message for a name nobody knows.
pub fn errno(name: &str) -> Result<u16, String> {
    if name.trim().is_empty() {
        return Err("an empty name: give errnos as in EMFILE,ETIMEDOUT".into());
    }
    errno::number(name).map_err(|e| e.to_string())
}
