//! The kernel and our privileges.

use gostall_probes::{Extras, Probes, RunStats};

use super::Checks;

/// Capabilities by number (include/uapi/linux/capability.h), and what each is for.
const CAPABILITIES: &[(u32, &str, &str)] = &[
    (39, "CAP_BPF", "load programs and maps"),
    (
        38,
        "CAP_PERFMON",
        "attach them to tracepoints and read the target's memory",
    ),
    (
        19,
        "CAP_SYS_PTRACE",
        "read /proc/PID/exe and maps of others' processes",
    ),
];
const CAP_SYS_ADMIN: u32 = 21;

fn effective() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|s| {
            let line = s.lines().find_map(|l| l.strip_prefix("CapEff:"))?;
            u64::from_str_radix(line.trim(), 16).ok()
        })
        .unwrap_or(0)
}

fn kernel_release() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease")
        .map_or_else(|_| "unknown".into(), |s| s.trim().to_owned())
}

pub fn check(c: &mut Checks<'_>) {
    c.ok("kernel", format!("Linux {}", kernel_release()));
    if std::path::Path::new("/sys/kernel/btf/vmlinux").exists() {
        c.ok("type info", "/sys/kernel/btf/vmlinux");
    } else {
        c.missing(
            "type info",
            "/sys/kernel/btf/vmlinux is not there",
            "use a kernel built with CONFIG_DEBUG_INFO_BTF=y (every current distribution's is), or mount /sys",
        );
    }
    let caps = effective();
    let has = |n: u32| caps & (1 << n) != 0;
    let lacking: Vec<_> = CAPABILITIES
        .iter()
        // CAP_SYS_ADMIN stands for the first two on every kernel.
        .filter(|(n, ..)| !(has(*n) || has(CAP_SYS_ADMIN) && *n != 19))
        .map(|(_, name, what)| format!("{name} ({what})"))
        .collect();
    if lacking.is_empty() {
        c.ok("privileges", "CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE");
    } else {
        c.missing(
            "privileges",
            format!("without {}", lacking.join(", ")),
            "run gostall as root (sudo), or give a container --cap-add bpf,perfmon,sys_ptrace",
        );
    }
    match gostall_targets::namespaces::in_initial_pid_ns() {
        Some(false) => c.degraded(
            "namespace",
            "gostall runs in a pid namespace of its own: it sees the processes in it only, and thread ids in live events are the host's",
            "run it with the host's pid namespace (a container: --pid=host)",
        ),
        _ => c.ok("namespace", "the host's pid namespace"),
    }
    match Probes::load(gostall_session::native_arch(), Extras::default()) {
        Err(e) => c.missing(
            "probes",
            e.to_string(),
            "see the kernel, type info and privileges above",
        ),
        Ok(mut probes) => match probes.attach() {
            Ok(()) => c.ok("probes", "loaded, attached and detached again"),
            Err(e) => c.missing("probes", e.to_string(), "see the privileges above"),
        },
    }
    match RunStats::enable() {
        Ok(_) => c.ok("cost", "the kernel keeps account of the probes' run time"),
        Err(e) => c.degraded(
            "cost",
            e.to_string(),
            "CAP_SYS_ADMIN; without it the report's overhead is null",
        ),
    }
}
