//! The report as a reader sees it: whole pages, at several widths, of plain and of extreme runs.

mod support;

use gostall_export::{Clock, Exporter, Json, Text, TextOptions, width};
use gostall_model::{Arch, ExactCost, GuardAct, GuardAction, Model, Overhead, Sampling, Snapshot};
use support::{crowd, idle, kept, orders, snapshot};

fn page(snapshot: &Snapshot, options: TextOptions) -> String {
    let mut out = Vec::new();
    Text { options }.export(snapshot, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn at(width: usize) -> TextOptions {
    TextOptions {
        width,
        clock: Clock::utc(),
        ..TextOptions::default()
    }
}

#[test]
fn a_service_at_80_columns() {
    insta::assert_snapshot!(page(&snapshot(orders()), at(80)));
}

#[test]
fn a_service_at_120_columns() {
    insta::assert_snapshot!(page(&snapshot(orders()), at(120)));
}

/// The waterfalls alone: the rest of the page is the same.
fn waterfalls(width: usize) -> String {
    let page = page(&snapshot(kept()), at(width));
    let from = page.find("SLOWEST REQUESTS").expect("they are there");
    let to = page.find("OUTSIDE OF REQUESTS").expect("it follows");
    page[from..to].to_owned()
}

#[test]
fn slow_requests_at_80_columns() {
    insta::assert_snapshot!(waterfalls(80));
}

#[test]
fn slow_requests_at_120_columns() {
    insta::assert_snapshot!(waterfalls(120));
}

#[test]
fn an_idle_process() {
    insta::assert_snapshot!(page(&snapshot(idle()), at(80)));
}

#[test]
fn nothing_at_all() {
    insta::assert_snapshot!(page(&snapshot(Model::new(Arch::X86_64)), at(80)));
}

#[test]
fn three_hundred_endpoints() {
    let options = TextOptions { top: 4, ..at(80) };
    insta::assert_snapshot!(page(&snapshot(crowd()), options));
}

#[test]
fn a_sampled_run() {
    let mut model = orders();
    model.set_sampling(Sampling {
        one_request_in: 100,
        syscalls: Some(vec!["write".to_owned(), "fsync".to_owned()]),
        slower_than_ns: 1_000_000,
        exact_missing: vec!["pid 7 is not measured exactly".to_owned()],
        guards: vec![GuardAction {
            action: GuardAct::SamplingRaised,
            after_ns: 3_000_000_000,
            reason: "too much".to_owned(),
        }],
    });
    let text = page(&snapshot(model), at(80));
    assert!(text.contains("After 3.00s: too much."), "{text}");
    assert!(text.contains("! pid 7 is not measured exactly"), "{text}");
    assert!(
        text.contains("Sampled: one request in 100; only write, fsync; only calls slower than"),
        "{text}"
    );
}

#[test]
fn what_exact_costs() {
    let mut model = orders();
    model.set_overhead(Overhead {
        exact: Some(ExactCost {
            hits: 12_340,
            ns_per_hit: Some(912.3),
            cpu_fraction: Some(0.0113),
        }),
        ..Overhead::default()
    });
    let text = page(&snapshot(model), at(120));
    assert!(
        text.contains("--exact: 12,340 probe hits at 912ns, 1.1% of a CPU"),
        "{text}"
    );
}

#[test]
fn no_line_is_too_long_and_no_control_character_gets_through() {
    for model in [orders(), kept(), idle(), crowd(), Model::new(Arch::X86_64)] {
        let snapshot = snapshot(model);
        for columns in [0, 40, 60, 79, 80, 100, 120, 160, 1000] {
            let options = TextOptions {
                top: 400,
                snapshots: 50,
                ..at(columns)
            };
            let text = page(&snapshot, options);
            // A table of numbers needs some 72 columns; below, lines are as short as they can be.
            let limit = columns.clamp(72, 160);
            for line in text.lines() {
                assert!(
                    width(line) <= limit,
                    "{columns}: {} columns: {line}",
                    width(line)
                );
                assert!(!line.chars().any(char::is_control), "{line:?}");
                assert!(!line.ends_with(' '), "{line:?}");
            }
            assert!(text.ends_with('\n') && !text.ends_with("\n\n"));
        }
    }
}

#[test]
fn colour_changes_nothing_but_colour() {
    let snapshot = snapshot(kept());
    let plain = page(&snapshot, at(80));
    let colour = page(
        &snapshot,
        TextOptions {
            colour: true,
            ..at(80)
        },
    );
    let mut stripped = String::new();
    let mut rest = colour.as_str();
    while let Some(start) = rest.find("\u{1b}[") {
        stripped.push_str(&rest[..start]);
        let end = rest[start..].find('m').expect("a whole sequence");
        rest = &rest[start + end + 1..];
    }
    stripped.push_str(rest);
    assert_eq!(stripped, plain);
    assert!(colour.len() > plain.len());
}

#[test]
fn json_is_the_snapshot() {
    let snapshot = snapshot(kept());
    for pretty in [false, true] {
        let mut out = Vec::new();
        Json { pretty }.export(&snapshot, &mut out).unwrap();
        assert_eq!(out.last(), Some(&b'\n'));
        assert_eq!(out.iter().filter(|b| **b == b'\n').count() == 1, !pretty);
        let back: Snapshot = serde_json::from_slice(&out).unwrap();
        assert_eq!(back.endpoints.len(), 3);
        assert_eq!(back.schema, "gostall.report/1");
    }
}

#[test]
fn a_writer_that_fails_is_an_error() {
    struct Closed;
    impl std::io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let snapshot = snapshot(orders());
    for exporter in [&Json::default() as &dyn Exporter, &Text::default()] {
        let error = exporter.export(&snapshot, &mut Closed).unwrap_err();
        let gostall_export::ExportError::Write { source, .. } = error;
        assert_eq!(source.kind(), std::io::ErrorKind::BrokenPipe);
    }
}
