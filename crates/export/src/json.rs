//! The report as JSON: the contract `gostall.report/1`, which the model's types are.

use std::io::Write;

use gostall_model::Snapshot;

use crate::{ExportError, Exporter, clean_json};

/// Writes snapshots as one JSON document each.
#[derive(Debug, Clone, Copy, Default)]
pub struct Json {
    /// Indented for reading; otherwise one line.
    pub pretty: bool,
}

impl Exporter for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn export(&self, snapshot: &Snapshot, out: &mut dyn Write) -> Result<(), ExportError> {
        let json = if self.pretty {
            serde_json::to_string_pretty(snapshot)
        } else {
            serde_json::to_string(snapshot)
        };
        json.map_err(std::io::Error::from)
            .and_then(|json| writeln!(out, "{}", clean_json(&json)))
            .map_err(|source| ExportError::Write {
                format: "JSON report",
                source,
            })
    }
}
