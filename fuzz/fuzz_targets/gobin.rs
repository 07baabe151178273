//! Any bytes as an executable, asked for everything. See ../README.md.
#![no_main]

use gostall_gobin::Binary;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(binary) = Binary::from_bytes(data.to_vec()) else {
        return;
    };
    let facts = binary.facts();
    let _ = facts.role(0x40_1000);
    let names = [
        "runtime.main",
        "main.main",
        "runtime.newproc.func1",
        "runtime.runqput",
    ];
    let mut symbolizer = binary.symbolizer();
    for presence in binary.inlined_into(&names) {
        if let Some(f) = presence.function {
            let _ = binary.entry_site(&f);
            let _ = binary.call_site(&f, &f);
        }
    }
    for f in binary.functions().take(64) {
        let _ = binary.entry_site(&f);
        for pc in [f.entry, f.entry.wrapping_add(9), f.end] {
            let _ = symbolizer.symbolize(pc);
        }
        let _ = binary
            .file_offset(f.entry)
            .and_then(|offset| binary.vaddr(offset));
    }
    let _ = binary.load_bias(0x7f00_0000_0000, 0x1000);
    let _ = binary.debug_fields();
});
