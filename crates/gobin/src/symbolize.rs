//! From an address to function, file and line, with the frames of inlined calls. Lives as long as its process:
//! reads the function table where it lies in the file, keeps a bounded cache, and holds each name once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::image::Image;
use crate::inline::{InlineTrees, MAX_DEPTH};
use crate::module::Module;

/// Addresses kept resolved. A stack of 30 frames a snapshot seldom brings more than some thousands of distinct ones.
const CACHE: usize = 16 << 10;

/// One frame of a call stack.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Frame {
    /// The function, as `runtime.FuncForPC` names it, such as `net/http.(*conn).serve`.
    pub function: Arc<str>,
    /// The source file as the compiler knew it; empty if unknown.
    pub file: Arc<str>,
    /// The line in it; 0 if unknown.
    pub line: u32,
    /// The call was inlined into the next frame: there is no machine frame for it.
    pub inlined: bool,
}

/// Resolves link-time addresses of one executable. Subtract the load bias first.
pub struct Symbolizer {
    pub(crate) image: Arc<Image>,
    pub(crate) module: Option<Arc<Module>>,
    cache: HashMap<u64, Arc<[Frame]>>,
    strings: HashSet<Arc<str>>,
}

impl Symbolizer {
    pub(crate) fn new(image: Arc<Image>, module: Option<Arc<Module>>) -> Self {
        Symbolizer {
            image,
            module,
            cache: HashMap::new(),
            strings: HashSet::new(),
        }
    }

    /// The frames of the instruction at an address, innermost first; empty if the address is in no Go function.
    pub fn symbolize(&mut self, pc: u64) -> Arc<[Frame]> {
        if let Some(frames) = self.cache.get(&pc) {
            return Arc::clone(frames);
        }
        if self.cache.len() >= CACHE {
            self.cache.clear();
            self.strings.clear();
        }
        let frames: Arc<[Frame]> = self.resolve(pc).unwrap_or_default().into();
        self.cache.insert(pc, Arc::clone(&frames));
        frames
    }

    /// The frames of the *call* that will return to an address: what every frame of a stack but the innermost holds.
    pub fn symbolize_return(&mut self, pc: u64) -> Arc<[Frame]> {
        self.symbolize(pc.saturating_sub(1))
    }

    /// Lets the kernel take back the file's pages that look-ups have touched. Costs nothing but reading them again.
    pub fn release_pages(&self) {
        self.image.bytes.release();
    }

    fn resolve(&mut self, pc: u64) -> Option<Vec<Frame>> {
        let (image, module) = (Arc::clone(&self.image), Arc::clone(self.module.as_ref()?));
        let table = module.table(image.elf.tail(&image.bytes, module.vaddr)?);
        let f = table.function(table.index_of(pc)?)?;
        let trees = module.gofunc.and_then(|base| {
            Some(InlineTrees {
                table,
                bytes: image.elf.tail(&image.bytes, base)?,
            })
        });
        let mut frames = Vec::new();
        // As runtime.inlineUnwinder: the position at an address belongs to its innermost inlined call; the call's
        // parentPc is an address whose position is the place of the call.
        let mut at = pc;
        for _ in 0..MAX_DEPTH {
            let call = trees.and_then(|t| t.entry(&f, table.inline_index(&f, at)?));
            let (file, line) = table.position(&f, at).unwrap_or((u32::MAX, 0));
            let name = table
                .name(call.map_or(f.name_off, |c| c.name_off))
                .unwrap_or_default();
            frames.push(Frame {
                function: self.intern(name),
                file: self.intern(table.file(file).unwrap_or_default()),
                line,
                inlined: call.is_some(),
            });
            match call {
                Some(call) => at = f.entry.wrapping_add(u64::from(call.parent_pc)),
                None => break,
            }
        }
        Some(frames)
    }

    fn intern(&mut self, bytes: &[u8]) -> Arc<str> {
        let text = String::from_utf8_lossy(bytes);
        if let Some(known) = self.strings.get(text.as_ref()) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.strings.insert(Arc::clone(&new));
        new
    }
}
