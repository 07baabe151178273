//! The report for a terminal: what an engineer reads at three in the morning, the costliest first.
//!
//! Layout only: numbers come from the snapshot as they are. Whether there is a terminal, how wide it is and
//! whether it wants colour is told by the caller.

mod background;
mod endpoints;
mod handshakes;
mod header;
mod memory;
mod notes;
mod paint;
mod runtime;
mod snapshots;
mod table;
mod waterfall;
mod what_if;
mod wrap;

use std::io::Write;

use gostall_model::Snapshot;

pub(crate) use paint::Paint;

use crate::{Clock, ExportError, Exporter};

/// How the report is laid out.
#[derive(Debug, Clone)]
pub struct TextOptions {
    /// Columns of the terminal; 40 at least and 160 at most are used.
    pub width: usize,
    /// Whether to colour.
    pub colour: bool,
    /// Endpoints shown; the rest is one line.
    pub top: usize,
    /// Syscalls shown of each endpoint; the rest is one line.
    pub syscalls: usize,
    /// Snapshots of single calls shown.
    pub snapshots: usize,
    /// Requests kept whole shown of each endpoint.
    pub slowest: usize,
    /// The zone of the times.
    pub clock: Clock,
}

impl Default for TextOptions {
    fn default() -> Self {
        TextOptions {
            width: 80,
            colour: false,
            top: 10,
            syscalls: 12,
            snapshots: 5,
            slowest: 10,
            clock: Clock::utc(),
        }
    }
}

/// Writes snapshots as text.
#[derive(Debug, Clone, Default)]
pub struct Text {
    /// The layout.
    pub options: TextOptions,
}

impl Exporter for Text {
    fn name(&self) -> &'static str {
        "text"
    }

    fn export(&self, snapshot: &Snapshot, out: &mut dyn Write) -> Result<(), ExportError> {
        let page = Page::new(&self.options);
        let mut lines = header::lines(snapshot, &page);
        for part in [
            endpoints::lines(snapshot, &page),
            waterfall::lines(snapshot, &page),
            runtime::lines(snapshot, &page),
            what_if::lines(snapshot, &page),
            background::lines(snapshot, &page),
            memory::lines(snapshot, &page),
            handshakes::lines(snapshot, &page),
            snapshots::lines(snapshot, &page),
            notes::lines(snapshot, &page),
        ] {
            if !part.is_empty() {
                lines.push(String::new());
                lines.extend(part);
            }
        }
        lines.push(String::new());
        out.write_all(lines.join("\n").as_bytes())
            .map_err(|source| ExportError::Write {
                format: "text report",
                source,
            })
    }
}

/// What every part of the page needs to know.
struct Page<'a> {
    width: usize,
    paint: Paint,
    options: &'a TextOptions,
}

impl<'a> Page<'a> {
    fn new(options: &'a TextOptions) -> Page<'a> {
        Page {
            // Below 40 no table is legible; beyond 160 the eye loses the row.
            width: options.width.clamp(40, 160),
            paint: Paint(options.colour),
            options,
        }
    }

    /// A section's title, with a rule behind it to the end of the line.
    fn title(&self, title: &str) -> String {
        let rule = self.width.saturating_sub(crate::width(title) + 1);
        if rule == 0 {
            return self.paint.strong(title);
        }
        format!(
            "{} {}",
            self.paint.strong(title),
            self.paint.dim(&"─".repeat(rule))
        )
    }
}
