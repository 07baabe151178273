//! What can go wrong between us and the kernel, each with what to do about it.

/// An error of loading, attaching or reading the probes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The programs were refused when they were loaded.
    #[error("loading the eBPF programs failed: {why}{}", remedy(why))]
    Load {
        /// The kernel's or libbpf's words.
        why: String,
    },
    /// The kernel's verifier found fault with a program.
    #[error(
        "this kernel's eBPF verifier refused a program: {why}: please report it with the output of GOSTALL_BPF_LOG=1 and `uname -r`"
    )]
    Verifier {
        /// Its last words.
        why: String,
    },
    /// A program could not be attached.
    #[error("attaching {what} failed: {why}{}", remedy(why))]
    Attach {
        /// Which program.
        what: &'static str,
        /// The kernel's or libbpf's words.
        why: String,
    },
    /// A map could not be read or written.
    #[error("the eBPF map `{map}` could not be {verb}: {why}")]
    Map {
        /// Which map.
        map: &'static str,
        /// `read` or `written`.
        verb: &'static str,
        /// The kernel's or libbpf's words.
        why: String,
    },
    /// The process went away before it could be marked.
    #[error("process {pid}: {why} (has it ended?)")]
    Process {
        /// Its pid.
        pid: u32,
        /// The kernel's words.
        why: std::io::Error,
    },
    /// More processes than there are slots.
    #[error("more than {max} processes at once; name fewer targets")]
    TooManyTargets {
        /// The bound.
        max: u32,
    },
    /// The kernel's own run-time statistics could not be had.
    #[error("the kernel's eBPF run-time statistics are not available: {0}")]
    Stats(std::io::Error),
}

const TYPE_INFO: &str = "/sys/kernel/btf/vmlinux";

/// What to do about the usual refusals.
fn remedy(why: &str) -> &'static str {
    if why.contains("ermission")
        || why.contains("not permitted")
        || why.contains("EPERM")
        || why.contains("EACCES")
    {
        ": run as root, or with CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE (`gostall doctor` says what is missing)"
    } else if why.contains("Too many open files") {
        ": gostall needs some 90 of them: raise the limit, as with `ulimit -n 1024`"
    } else if !std::path::Path::new(TYPE_INFO).exists() {
        // libbpf looks into other places too, and ends with whatever the last one said.
        ": /sys/kernel/btf/vmlinux, the kernel's type information, is not there: it needs CONFIG_DEBUG_INFO_BTF, and /sys mounted (`gostall doctor`)"
    } else if why.contains("BTF") || why.contains("btf") {
        ": this kernel has no usable type information; it needs CONFIG_DEBUG_INFO_BTF (`gostall doctor`)"
    } else {
        ""
    }
}

impl Error {
    pub(crate) fn attach(what: &'static str) -> impl FnOnce(libbpf_rs::Error) -> Self {
        move |e| Self::Attach {
            what,
            why: chain(&e),
        }
    }

    pub(crate) fn read(map: &'static str) -> impl FnOnce(libbpf_rs::Error) -> Self {
        move |e| Self::Map {
            map,
            verb: "read",
            why: chain(&e),
        }
    }

    pub(crate) fn write(map: &'static str) -> impl FnOnce(libbpf_rs::Error) -> Self {
        move |e| Self::Map {
            map,
            verb: "written",
            why: chain(&e),
        }
    }
}

/// An error with its causes, on one line.
pub(crate) fn chain(e: &dyn std::error::Error) -> String {
    let mut out = e.to_string();
    let mut source = e.source();
    while let Some(s) = source {
        out.push_str(": ");
        out.push_str(&s.to_string());
        source = s.source();
    }
    out
}
