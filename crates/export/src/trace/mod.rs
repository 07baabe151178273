//! Single calls as they come: a line of text with strace's look, or a line of JSON.
//! What to show of a stream of calls is the caller's choice; each call is written by itself here.

mod args;
mod flags;
mod line;

use std::io::Write;

use gostall_model::{Arch, Event};

use crate::{Clock, EventExporter, ExportError, clean_json};

pub(crate) use line::{call, endpoint, fd_text};

/// Writes calls as lines of JSON: the entries of a report's `snapshots`.
#[derive(Debug, Clone, Copy, Default)]
pub struct TraceJson;

/// Writes calls as lines with strace's look:
/// `12:00:01.123456 [1234 g42 GET /api/users/{id}] write(7<TCP ...>, 0xc0001a6000, 123) = 123 <12.3us>`.
#[derive(Debug, Clone)]
pub struct TraceText {
    /// The zone of the times.
    pub clock: Clock,
    /// Architecture of the target: some flags differ by it.
    pub arch: Arch,
    /// Whether to colour (the caller knows the terminal and `NO_COLOR`).
    pub colour: bool,
}

impl EventExporter for TraceJson {
    fn name(&self) -> &'static str {
        "json"
    }

    fn export(&self, event: &Event, out: &mut dyn Write) -> Result<(), ExportError> {
        serde_json::to_string(event)
            .map_err(std::io::Error::from)
            .and_then(|json| writeln!(out, "{}", clean_json(&json)))
            .map_err(|source| ExportError::Write {
                format: "JSON trace",
                source,
            })
    }
}

impl EventExporter for TraceText {
    fn name(&self) -> &'static str {
        "text"
    }

    fn export(&self, event: &Event, out: &mut dyn Write) -> Result<(), ExportError> {
        let line = line::trace(event, &self.clock, self.arch, self.colour);
        writeln!(out, "{line}").map_err(|source| ExportError::Write {
            format: "text trace",
            source,
        })
    }
}
