//! What a goroutine was started to do: `go f(x)` starts a wrapper that the compiler names after the caller
//! (`main.main.gowrap1`, since Go 1.22); what it calls is what the program's text says.

use iced_x86::{Decoder, DecoderOptions, FlowControl, OpKind};

use crate::elf::Arch;
use crate::symbolize::Symbolizer;

/// A wrapper is some fifty bytes long.
const WRAPPER: usize = 512;
/// What a wrapper calls besides what it was made for.
const WAYS_OUT: [&str; 3] = ["runtime.morestack", "runtime.panic", "runtime.goPanic"];

impl Symbolizer {
    /// The name of the function that a goroutine runs whose `g.startpc`, less the load bias, is `pc`: behind a wrapper
    /// the function that the wrapper calls, where that is one alone. `None`: no function begins there.
    pub fn started(&mut self, pc: u64) -> Option<String> {
        let frames = self.symbolize(pc);
        let name = frames.last()?.function.to_string();
        if !name.contains(".gowrap") {
            return Some(name);
        }
        Some(self.wrapped(pc).unwrap_or(name))
    }

    /// What a wrapper calls, or what was inlined into it.
    fn wrapped(&mut self, pc: u64) -> Option<String> {
        if self.image.elf.arch != Arch::Amd64 {
            return None;
        }
        let (image, module) = (
            std::sync::Arc::clone(&self.image),
            std::sync::Arc::clone(self.module.as_ref()?),
        );
        let table = module.table(image.elf.tail(&image.bytes, module.vaddr)?);
        let f = table.function(table.index_of(pc)?)?;
        let code = image.elf.tail(&image.bytes, f.entry)?;
        let len = usize::try_from(f.end.checked_sub(f.entry)?).ok()?;
        let code = &code[..code.len().min(len).min(WRAPPER)];
        let mut found: Option<String> = None;
        for i in &mut Decoder::with_ip(64, code, f.entry, DecoderOptions::NONE) {
            // The outermost of the calls inlined here is what the wrapper was made for.
            let frames = self.symbolize(i.ip());
            let inlined = frames.len().checked_sub(2).and_then(|at| frames.get(at));
            let calls = matches!(
                i.flow_control(),
                FlowControl::Call | FlowControl::UnconditionalBranch
            ) && i.op0_kind() == OpKind::NearBranch64
                && !(f.entry..f.end).contains(&i.near_branch_target());
            let name = match inlined {
                Some(frame) => frame.function.to_string(),
                None if calls => self
                    .symbolize(i.near_branch_target())
                    .last()?
                    .function
                    .to_string(),
                None => continue,
            };
            // The stack's growth, a panic's way out.
            if WAYS_OUT.iter().any(|way| name.starts_with(way)) {
                continue;
            }
            match &found {
                Some(known) if *known != name => return None,
                _ => found = Some(name),
            }
        }
        found
    }
}
