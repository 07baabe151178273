//! A running process against its file: the load bias, whatever the way of linking.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gostall_gobin::Binary;
use support::{Mode, twins};

/// Ends the process whatever the test does.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `AT_ENTRY` of /proc/PID/auxv: where the kernel found the entry point in memory.
fn entry_in_memory(pid: u32) -> Option<u64> {
    const AT_ENTRY: u64 = 9;
    let auxv = fs::read(format!("/proc/{pid}/auxv")).ok()?;
    let word = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().expect("eight bytes"));
    auxv.chunks_exact(16)
        .find(|pair| word(&pair[..8]) == AT_ENTRY)
        .map(|pair| word(&pair[8..]))
}

#[test]
fn load_bias_of_running_processes() {
    let own = support::local_release();
    for mode in [Mode::Static, Mode::Pie, Mode::Cgo, Mode::CgoPie] {
        let path = fs::canonicalize(twins(&own, mode).stripped).expect("a path");
        let binary = Binary::open(&path).unwrap_or_else(|e| panic!("{mode:?}: {e}"));
        let data = fs::read(&path).expect("the executable");
        let entry = u64::from_le_bytes(data[24..32].try_into().expect("e_entry"));
        let child = Command::new(&path)
            .arg("127.0.0.1:0")
            .stdout(Stdio::null())
            .spawn()
            .expect("the program runs");
        let child = Running(child);
        // The kernel fills in auxv and maps before the first instruction, but after fork returned here.
        let (started, pid) = (Instant::now(), child.0.id());
        let in_memory = loop {
            let exe = fs::read_link(format!("/proc/{pid}/exe")).ok();
            match entry_in_memory(pid).filter(|_| exe.as_ref() == Some(&path)) {
                Some(entry) => break entry,
                None => assert!(
                    started.elapsed() < Duration::from_secs(10),
                    "{mode:?}: no auxv"
                ),
            }
        };
        let expected = in_memory - entry;
        assert_eq!(
            expected == 0,
            matches!(mode, Mode::Static | Mode::Cgo),
            "{mode:?}: {expected:#x}"
        );
        let mut seen = 0;
        for line in fs::read_to_string(format!("/proc/{pid}/maps"))
            .expect("maps")
            .lines()
        {
            let parts: Vec<&str> = line.split_whitespace().collect();
            if parts.last().is_none_or(|p| Path::new(p) != path) {
                continue;
            }
            let start = u64::from_str_radix(parts[0].split('-').next().expect("a start"), 16)
                .expect("a number");
            let offset = u64::from_str_radix(parts[2], 16).expect("a number");
            assert_eq!(
                binary.load_bias(start, offset),
                Some(expected),
                "{mode:?}: {line}"
            );
            seen += 1;
        }
        assert!(seen >= 3, "{mode:?}: {seen} mappings");
    }
}
