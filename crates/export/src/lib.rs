//! Exporters: a snapshot, or a single call, as text or JSON. One file per format.
//!
//! They see only the model's [`Snapshot`] and decide nothing about terminals: width, colour and time zone are
//! given. Formats that need a library of their own (Parquet, pprof) are no business of the formats here.

mod clean;
mod clock;
mod json;
mod text;
mod trace;
mod units;

use std::io::Write;

use gostall_model::{Event, Snapshot};

pub use clean::{clean, clean_json, shorten, shorten_middle, width};
pub use clock::Clock;
pub use json::Json;
pub use text::{Text, TextOptions};
pub use trace::{TraceJson, TraceText};
pub use units::{bytes, count, duration, fraction};

/// An output could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The writer failed; a closed pipe (`| head`) is told by [`std::io::Error::kind`].
    #[error("cannot write the {format}: {source}")]
    Write {
        /// Name of the format.
        format: &'static str,
        /// What the writer said.
        source: std::io::Error,
    },
}

/// Writes whole snapshots in one format.
pub trait Exporter {
    /// The format's name, as `--format` takes it.
    fn name(&self) -> &'static str;

    /// Writes one snapshot, ending with a newline.
    ///
    /// # Errors
    /// [`ExportError::Write`] when the writer fails.
    fn export(&self, snapshot: &Snapshot, out: &mut dyn Write) -> Result<(), ExportError>;
}

/// Writes single calls in one format, a line each.
pub trait EventExporter {
    /// The format's name, as `--format` takes it.
    fn name(&self) -> &'static str;

    /// Writes one call, ending with a newline.
    ///
    /// # Errors
    /// [`ExportError::Write`] when the writer fails.
    fn export(&self, event: &Event, out: &mut dyn Write) -> Result<(), ExportError>;
}
