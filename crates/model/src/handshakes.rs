//! TLS handshakes, step by step: `tls` of a report.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::hist::Histogram;
use crate::input::HANDSHAKE_STEPS;

/// Handshakes of connections that were accepted in the window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    /// Done.
    pub handshakes: u64,
    /// Broken off by either side.
    pub failed: u64,
    /// By the step's name.
    pub steps: BTreeMap<String, Step>,
}

/// How long a step took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "as in a row of syscalls")]
pub struct Step {
    pub count: u64,
    pub total_ns: u64,
    pub p50_ns: u64,
    pub p90_ns: u64,
    pub p99_ns: u64,
    pub p999_ns: u64,
    pub max_ns: u64,
}

impl Tls {
    /// `None` where there were none. `steps` are by their place in [`HANDSHAKE_STEPS`].
    pub(crate) fn new(steps: &BTreeMap<usize, Histogram>) -> Option<Tls> {
        let count = |name: &str| {
            let at = HANDSHAKE_STEPS.iter().position(|n| *n == name)?;
            steps.get(&at).map(Histogram::count)
        };
        let tls = Tls {
            handshakes: count("total").unwrap_or(0),
            failed: count("failed").unwrap_or(0),
            steps: steps
                .iter()
                .filter_map(|(at, h)| Some((HANDSHAKE_STEPS.get(*at)?, h)))
                .filter(|(name, h)| **name != "failed" && h.count() > 0)
                .map(|(name, h)| ((*name).to_owned(), Step::new(h)))
                .collect(),
        };
        (tls.handshakes + tls.failed > 0).then_some(tls)
    }
}

impl Step {
    fn new(h: &Histogram) -> Step {
        Step {
            count: h.count(),
            total_ns: h.sum_ns(),
            p50_ns: h.quantile_permille(500),
            p90_ns: h.quantile_permille(900),
            p99_ns: h.quantile_permille(990),
            p999_ns: h.quantile_permille(999),
            max_ns: h.max_ns(),
        }
    }
}
