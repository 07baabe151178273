//! Executables: read once each, whoever runs them.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use gostall_gobin::{Binary, Facts, Frame, Role, Symbolizer, TlsG};
use gostall_model::Role as ModelRole;
use gostall_probes::{GoMaps, HttpOffsets, Layout, RolePc};

use crate::hooks;
use crate::waits::Waits;

/// What an executable turned out to be.
#[derive(Debug)]
pub struct Program {
    /// Everything it says of itself.
    pub facts: Facts,
    /// What the probes need; `None`: threads only, `degraded` says why.
    pub layout: Option<Layout>,
    /// Why goroutines cannot be told.
    pub degraded: Option<String>,
    /// How its goroutines wait.
    pub(crate) waits: Option<Waits>,
    symbols: Symbols,
}

struct Symbols(Mutex<Symbolizer>);

impl std::fmt::Debug for Symbols {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Symbols")
    }
}

/// The first executable segment's link-time address and file offset.
fn text_segment(facts: &Facts) -> Option<(u64, u64)> {
    facts
        .segments
        .iter()
        .filter(|s| s.executable)
        .map(|s| (s.vaddr, s.offset))
        .min()
}

fn role_leaf(role: Role) -> Option<u32> {
    Some(match role {
        Role::GcWorker | Role::Sweeper | Role::Scavenger | Role::ForceGc => ModelRole::Gc.leaf(),
        Role::Finalizer | Role::Cleanup => ModelRole::Runtime.leaf(),
        // Frames of no one stream, and what belongs to moving them, are the connection's.
        Role::HttpConnection
        | Role::Http2ReadFrames
        | Role::Http2WriteFrame
        | Role::GrpcConnection => ModelRole::Connection.leaf(),
        Role::HttpBackgroundRead => gostall_probes::READER,
        _ => return None,
    })
}

fn layout(binary: &Binary, facts: &Facts) -> Result<Layout, String> {
    let o = facts.offsets.as_ref().map_err(ToString::to_string)?;
    let (text_vaddr, _) = text_segment(facts).ok_or("it has no executable segment")?;
    let tls = match facts.tls {
        Ok(TlsG::Fixed(off)) => Some(off),
        // A GOT slot is filled when the library is loaded; g is then checked by its own words.
        Ok(TlsG::GotSlot(_)) | Err(_) => None,
    };
    let signed = |v: u32| v as i32;
    Ok(Layout {
        goid: signed(o.g_goid),
        parent_goid: o.g_parent_goid.map(signed),
        g_m: signed(o.g_m),
        startpc: signed(o.g_startpc),
        curg: signed(o.m_curg),
        tls,
        text_vaddr,
        cgo: facts.cgo,
        sysmon: facts
            .roles
            .iter()
            .find(|r| r.role == Role::Sysmon)
            .map(|r| (r.function.entry, r.function.end)),
        roles: facts
            .roles
            .iter()
            .filter_map(|r| {
                Some(RolePc {
                    pc: r.function.entry,
                    leaf: role_leaf(r.role)?,
                })
            })
            .collect(),
        newproc_site: newproc_site(binary),
        http: HttpOffsets {
            request_method: o.request_method,
            request_uri: o.request_request_uri,
            request_pattern: o.request_pattern,
            request_pat: o.request_pat,
            pattern_str: o.pattern_str,
            response_status: o.response_status,
            request_tls: o.request_tls,
            request_header: o.request_header,
            maps: facts.version.as_ref().map(|v| match v.minor {
                ..24 => GoMaps::Buckets,
                24.. => GoMaps::Swiss,
            }),
        },
        hooks: hooks::find(binary, o.h2_state_status),
        exact: None,
    })
}

/// `call runtime.runqput` in newproc: there the new g is in the second argument's register.
fn newproc_site(binary: &Binary) -> Option<u64> {
    let found = binary.find(&["runtime.newproc.func1", "runtime.runqput"]);
    let [Some(caller), Some(callee)] = &found[..] else {
        return None;
    };
    binary
        .call_site(caller, callee)
        .first()
        .map(|s| s.file_offset)
}

impl Program {
    /// Reads an executable.
    pub fn read(file: &File) -> Result<Self, gostall_gobin::Error> {
        let binary = Binary::from_file(file)?;
        let facts = binary.facts();
        let (mut layout, degraded) = match layout(&binary, &facts) {
            Ok(l) => (Some(l), None),
            Err(why) => (None, Some(why)),
        };
        let waits = Waits::read(&binary, &facts);
        if let (Some(layout), Some(waits)) = (&mut layout, &waits)
            && waits.knows_reasons()
        {
            layout.exact = Some(waits.exact());
        }
        let symbols = binary.symbolizer();
        // What the look-ups touched would else stay in our resident memory.
        symbols.release_pages();
        Ok(Self {
            facts,
            layout,
            degraded,
            waits,
            symbols: Symbols(Mutex::new(symbols)),
        })
    }

    /// Reads the executable behind a path.
    pub fn open(path: &Path) -> Result<Self, gostall_gobin::Error> {
        let file = File::open(path).map_err(|source| gostall_gobin::Error::Open {
            path: path.to_owned(),
            source,
        })?;
        Self::read(&file)
    }

    /// Run-time minus link-time addresses, from a process's mappings.
    pub fn bias(&self, maps: &gostall_targets::maps::Maps) -> u64 {
        text_segment(&self.facts)
            .and_then(|(vaddr, offset)| maps.load_bias(offset, vaddr))
            .unwrap_or(0)
    }

    /// Whether the ledger can tell what its goroutines do between calls; else why not.
    pub fn ledger(&self) -> Result<(), &'static str> {
        match &self.waits {
            None => Err("the goroutines' offsets are not known"),
            Some(w) if !w.knows_reasons() => Err("this Go's wait reasons are not known"),
            Some(_) => Ok(()),
        }
    }

    /// Whether `--exact` can measure what its goroutines do between calls; else why not.
    pub fn exact(&self) -> Result<(), String> {
        self.ledger()?;
        match &self.layout {
            Some(l) if l.hooks.exact.missing.is_empty() => Ok(()),
            Some(l) => Err(format!(
                "{}: not there, or inlined away",
                l.hooks.exact.missing.join(", ")
            )),
            None => Err("the goroutines' offsets are not known".into()),
        }
    }

    /// Names a stack of link-time addresses, innermost first.
    pub fn symbolize(&self, stack: impl Iterator<Item = u64>) -> Vec<gostall_model::Frame> {
        let Ok(mut symbols) = self.symbols.0.lock() else {
            return Vec::new();
        };
        let mut out = Vec::new();
        for (i, pc) in stack.enumerate() {
            // The innermost address is where the thread stands; the others are where calls return to.
            let frames = if i == 0 {
                symbols.symbolize(pc)
            } else {
                symbols.symbolize_return(pc)
            };
            if frames.is_empty() {
                out.push(gostall_model::Frame {
                    function: format!("{pc:#x}"),
                    file: None,
                    line: None,
                    inlined: false,
                });
            }
            out.extend(frames.iter().map(frame));
        }
        out
    }

    /// The name of the function that a goroutine was started with, by its link-time address.
    pub(crate) fn started(&self, pc: u64) -> Option<String> {
        self.symbols.0.lock().ok()?.started(pc)
    }

    /// Lets go of the file's pages that symbolization touched.
    pub fn release_pages(&self) {
        if let Ok(symbols) = self.symbols.0.lock() {
            symbols.release_pages();
        }
    }
}

fn frame(f: &Frame) -> gostall_model::Frame {
    gostall_model::Frame {
        function: f.function.to_string(),
        file: (!f.file.is_empty()).then(|| f.file.to_string()),
        line: (f.line > 0).then_some(f.line),
        inlined: f.inlined,
    }
}

/// Executables by device and inode.
#[derive(Debug, Default)]
pub struct Programs(HashMap<(u64, u64), Arc<Program>>);

impl Programs {
    /// The program in a file, read when it is new.
    pub fn get(&mut self, path: &Path) -> Result<(Arc<Program>, (u64, u64)), gostall_gobin::Error> {
        let open = |source| gostall_gobin::Error::Open {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(open)?;
        let meta = file.metadata().map_err(open)?;
        let id = (meta.dev(), meta.ino());
        if let Some(known) = self.0.get(&id) {
            return Ok((Arc::clone(known), id));
        }
        let program = Arc::new(Program::read(&file)?);
        self.0.insert(id, Arc::clone(&program));
        Ok((program, id))
    }
}
