//! The table: what was asked, what was measured, whether it passed.

use std::fmt::Write as _;

/// One line of the table.
#[derive(Debug)]
pub struct Bar {
    /// What is measured.
    pub what: String,
    /// What it must be; empty for a line that stands beside another for comparison.
    pub wanted: String,
    /// What it is.
    pub measured: String,
    /// `None`: nothing is asked of it.
    pub passed: Option<bool>,
}

/// All lines so far.
#[derive(Debug, Default)]
pub struct Table(Vec<Bar>);

impl Table {
    /// Adds a line and shows it.
    pub fn add(&mut self, what: &str, wanted: &str, measured: String, passed: Option<bool>) {
        let mark = verdict(passed);
        println!(
            "{what}: {measured}{}{}",
            if wanted.is_empty() { "" } else { ", wanted " },
            wanted
        );
        if !mark.is_empty() {
            println!("    {mark}");
        }
        self.0.push(Bar {
            what: what.into(),
            wanted: wanted.into(),
            measured,
            passed,
        });
    }

    /// Whether every bar was reached.
    pub fn passed(&self) -> bool {
        self.0.iter().all(|b| b.passed != Some(false))
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut out = String::from("| what | bar | measured | |\n|---|---|---|---|\n");
        for b in &self.0 {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} |",
                b.what,
                b.wanted,
                b.measured,
                verdict(b.passed)
            );
        }
        out
    }
}

fn verdict(passed: Option<bool>) -> &'static str {
    match passed {
        Some(true) => "pass",
        Some(false) => "**missed**",
        None => "",
    }
}

/// The middle value; of an even number, the mean of the two.
pub fn median(values: &[f64]) -> f64 {
    let mut v = values.to_vec();
    v.sort_by(f64::total_cmp);
    let mid = v.len() / 2;
    match v.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => v[mid],
        _ => f64::midpoint(v[mid - 1], v[mid]),
    }
}

/// `0.93 (0.91-0.95)`: median, least and greatest of the rounds.
pub fn spread(values: &[f64], digits: usize) -> String {
    let (low, high) = values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| {
            (l.min(v), h.max(v))
        });
    format!(
        "{:.digits$} ({low:.digits$} to {high:.digits$})",
        median(values)
    )
}
