//! `gostall doctor`: what this kernel, these privileges and this executable allow, a line
//! each, with the remedy. It tries rather than guesses: the programs are really loaded.

mod machine;
mod target;

use std::process::ExitCode;

use serde::Serialize;

use crate::cli::config::{Format, TargetChoice};
use crate::cli::doctor::Doctor;
use crate::cli::output;
use crate::run::{Failure, exit};

/// The JSON's schema.
const SCHEMA: &str = "gostall.doctor/1";

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As it should be.
    Ok,
    /// It works, but less of it.
    Degraded,
    /// Without this nothing can be traced.
    Missing,
}

/// One line.
#[derive(Debug, Serialize)]
pub struct Check {
    /// Of what: `machine`, or a process's pid, or a command.
    subject: String,
    /// What was looked at.
    name: &'static str,
    /// How it came out.
    status: Status,
    /// What was found.
    detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// Collects the checks of one subject.
pub struct Checks<'a> {
    subject: String,
    all: &'a mut Vec<Check>,
}

impl Checks<'_> {
    fn add(&mut self, name: &'static str, status: Status, detail: String, remedy: Option<String>) {
        self.all.push(Check {
            subject: self.subject.clone(),
            name,
            status,
            detail,
            remedy,
        });
    }

    fn ok(&mut self, name: &'static str, detail: impl Into<String>) {
        self.add(name, Status::Ok, detail.into(), None);
    }

    fn degraded(&mut self, name: &'static str, detail: impl Into<String>, remedy: &str) {
        self.add(
            name,
            Status::Degraded,
            detail.into(),
            Some(remedy.to_owned()),
        );
    }

    fn missing(&mut self, name: &'static str, detail: impl Into<String>, remedy: &str) {
        self.add(
            name,
            Status::Missing,
            detail.into(),
            Some(remedy.to_owned()),
        );
    }
}

#[derive(Serialize)]
struct Diagnosis<'a> {
    schema: &'static str,
    can_trace: bool,
    checks: &'a [Check],
}

pub fn run(config: &Doctor) -> ExitCode {
    match doctor(config) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(2),
        Err(failure) => exit(Err(failure)),
    }
}

fn doctor(config: &Doctor) -> Result<bool, Failure> {
    let mut all = Vec::new();
    machine::check(&mut Checks {
        subject: "machine".into(),
        all: &mut all,
    });
    match &config.target {
        None => {}
        Some(TargetChoice::Launch { argv }) => {
            let path = gostall_targets::resolve_command(&argv[0])?;
            let mut checks = Checks {
                subject: path.display().to_string(),
                all: &mut all,
            };
            target::executable(&mut checks, &path);
        }
        Some(TargetChoice::Existing { selector, .. }) => {
            for t in selector.resolve()? {
                let mut checks = Checks {
                    subject: format!("pid {}", t.pid),
                    all: &mut all,
                };
                target::process(&mut checks, &t);
                target::executable(&mut checks, &t.exe_open_path);
            }
        }
    }
    let can_trace = all.iter().all(|c| c.status != Status::Missing);
    let text = match config.output.format {
        Format::Json => {
            let d = Diagnosis {
                schema: SCHEMA,
                can_trace,
                checks: &all,
            };
            gostall_export::clean_json(&serde_json::to_string_pretty(&d)?).into_owned() + "\n"
        }
        Format::Text => render(&all, can_trace, config.output.color),
    };
    output::write_whole(&config.output.destination, text.as_bytes()).map_err(Failure::Write)?;
    Ok(can_trace)
}

fn render(all: &[Check], can_trace: bool, color: bool) -> String {
    let mut out = String::new();
    let mut subject = "";
    for c in all {
        if c.subject != subject {
            if !subject.is_empty() {
                out.push('\n');
            }
            subject = &c.subject;
            out.push_str(&format!("{}\n", gostall_export::clean(subject)));
        }
        let (word, code) = match c.status {
            Status::Ok => ("ok", "32"),
            Status::Degraded => ("less", "33"),
            Status::Missing => ("MISSING", "31;1"),
        };
        let word = format!("{word:<7}");
        let word = if color {
            format!("\x1b[{code}m{word}\x1b[0m")
        } else {
            word
        };
        out.push_str(&format!(
            "  {word}  {:<12} {}\n",
            c.name,
            gostall_export::clean(&c.detail)
        ));
        if let Some(remedy) = &c.remedy {
            out.push_str(&format!("           {:<12} -> {remedy}\n", ""));
        }
    }
    let degraded = all.iter().any(|c| c.status == Status::Degraded);
    out.push_str(match (can_trace, degraded) {
        (true, false) => "\nEverything is in place.\n",
        (true, true) => "\nIt can be traced; what is marked `less` will be missing.\n",
        (false, _) => "\nIt cannot be traced; see MISSING above.\n",
    });
    out
}
