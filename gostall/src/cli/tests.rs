//! Whole command lines: what they mean, and what a wrong one says.

use std::time::Duration;

use super::config::{Destination, Format, TargetChoice, Threshold};
use super::{Config, Env, Stop, parse_from};

fn parse(line: &str) -> Result<Config, Stop> {
    parse_on(line, &Env::default())
}

fn parse_on(line: &str, env: &Env) -> Result<Config, Stop> {
    parse_from(
        std::iter::once("gostall").chain(line.split_whitespace()),
        env,
    )
}

fn report(line: &str) -> super::report::Report {
    match parse(line) {
        Ok(Config::Report(report)) => report,
        other => panic!("{line}: {other:?}"),
    }
}

fn trace(line: &str) -> super::trace::Trace {
    match parse(line) {
        Ok(Config::Trace(trace)) => trace,
        other => panic!("{line}: {other:?}"),
    }
}

fn usage(line: &str) -> String {
    match parse(line) {
        Err(Stop::Usage(text)) => text,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn a_plain_report() {
    let report = report("report --port 8080");
    let TargetChoice::Existing { selector, wait } = &report.target else {
        panic!("{report:?}")
    };
    assert_eq!(selector.ports, [8080]);
    assert!(!wait && !selector.children);
    assert_eq!(report.duration, Some(Duration::from_secs(10)));
    assert_eq!(report.output.format, Format::Text);
    assert_eq!(report.output.destination, Destination::Stdout);
    assert_eq!(report.top, Some(20));
    assert_eq!(report.sampling.one_in, 1);
    assert_eq!(report.sampling.syscalls, None);
    assert_eq!(report.threshold, Threshold::Adaptive);
}

#[test]
fn target_flags_add_up() {
    let report = report(
        "report -p 1,2 -p 3 --name api-* --name x --port 80,81 --cgroup /a --children --wait",
    );
    let TargetChoice::Existing { selector, wait } = report.target else {
        panic!()
    };
    assert_eq!(selector.pids, [1, 2, 3]);
    assert_eq!(selector.names.len(), 2);
    assert_eq!(selector.ports, [80, 81]);
    assert_eq!(selector.cgroups.len(), 1);
    assert!(selector.children && wait);
}

#[test]
fn a_command_keeps_its_own_flags() {
    let report = report("report --format json -- ./server -p 1 --wait -- x");
    let TargetChoice::Launch { argv } = &report.target else {
        panic!("{report:?}")
    };
    assert_eq!(argv, &["./server", "-p", "1", "--wait", "--", "x"]);
    assert_eq!(report.duration, None);
    assert_eq!(report.top, None);
    assert!(!report.progress);
}

#[test]
fn every_flag_of_report() {
    let report = report(
        "report -p 1 -d 1m30s --route /a/{id} --route /b --threshold 50ms --errno emfile,EAGAIN,EMFILE \
         --sample 10 -e write,read,read --slower-than 1ms --top 3 --snapshots 0 --format JSON",
    );
    assert_eq!(report.duration, Some(Duration::from_secs(90)));
    assert_eq!(report.routes.len(), 2);
    assert_eq!(
        report.threshold,
        Threshold::Fixed(Duration::from_millis(50))
    );
    assert_eq!(report.errnos, [11, 24]);
    assert_eq!(report.sampling.one_in, 10);
    let set = report.sampling.syscalls.unwrap();
    assert_eq!(set.numbers().len(), 2);
    assert!(!set.numbers().is_empty() && !set.numbers().contains(&9999));
    assert_eq!(report.sampling.slower_than, Some(Duration::from_millis(1)));
    assert_eq!((report.top, report.snapshots), (Some(3), 0));
}

#[test]
fn requests_are_kept_whole_when_asked_for() {
    let none = report("report -p 1");
    assert_eq!((none.slowest, none.slow), (0, None));
    let some = report("report -p 1 --slowest 5 --slow 500ms");
    let slow = Some(Duration::from_millis(500));
    assert_eq!((some.slowest, some.slow), (5, slow));
    let one = report("report -p 1 --slow 1s");
    assert_eq!((one.slowest, one.slow), (0, Some(Duration::from_secs(1))));
}

#[test]
fn every_flag_of_trace() {
    let trace = trace(
        "trace --port 1 -e trace=write,read --slower 1ms --errno EMFILE -d 5s --stacks --limit 7 \
         --endpoint /api/* --format json",
    );
    assert_eq!(trace.syscalls.unwrap().numbers().len(), 2);
    assert_eq!(trace.slower, Some(Duration::from_millis(1)));
    assert_eq!(trace.errnos, [24]);
    assert_eq!(trace.duration, Some(Duration::from_secs(5)));
    assert!(trace.stacks);
    assert_eq!(trace.limit, Some(7));
    assert!(trace.endpoint.unwrap().matches("/api/users"));
    let plain = self::trace("trace -p 1");
    assert_eq!((plain.duration, plain.limit), (None, None));
    assert!(plain.syscalls.is_none() && plain.errnos.is_empty());
}

#[test]
fn doctor_needs_no_target() {
    let Ok(Config::Doctor(doctor)) = parse("doctor") else {
        panic!()
    };
    assert_eq!(doctor.target, None);
    let Ok(Config::Doctor(doctor)) = parse("doctor -- ./server") else {
        panic!()
    };
    assert!(doctor.target.unwrap().is_launch());
}

#[test]
fn colours_and_progress() {
    let terminal = Env {
        no_color: false,
        stdout_terminal: true,
        stderr_terminal: true,
    };
    let no_color = Env {
        no_color: true,
        ..terminal
    };
    for (line, env, expected) in [
        ("report -p 1", &terminal, true),
        ("report -p 1", &no_color, false),
        ("report -p 1", &Env::default(), false),
        ("report -p 1 --color always", &no_color, true),
        ("report -p 1 --color never", &terminal, false),
        ("report -p 1 -o /dev/null", &terminal, false),
        ("report -p 1 --format json --color always", &terminal, false),
    ] {
        let Ok(Config::Report(report)) = parse_on(line, env) else {
            panic!("{line}")
        };
        assert_eq!(report.output.color, expected, "{line}");
        assert_eq!(report.progress, env.stderr_terminal, "{line}");
    }
}

#[test]
fn a_dash_is_standard_output() {
    let report = report("report -p 1 -o -");
    assert_eq!(report.output.destination, Destination::Stdout);
}

#[test]
fn wrong_command_lines_say_what_to_do() {
    for (line, says) in [
        ("report", "no target given: `gostall report`"),
        ("trace -d 1s", "no target given: `gostall trace`"),
        ("report --wait", "--wait without a target"),
        ("report -p 1 --slowest 0", "0 is not in 1..=50"),
        ("report -p 1 --slowest 51", "51 is not in 1..=50"),
        ("report -p 1 --slow 500", "a time needs a unit"),
        ("report -p 1 --slow 0s", "between 1us and 1h"),
        ("doctor --children", "--children without a target"),
        ("report -p 1 -- ./x", "two kinds of target"),
        ("report --wait -- ./x", "gostall starts it itself"),
        ("report -p 0", "'0' for '--pid"),
        ("report -p x", "'x' for '--pid"),
        ("report -p", "a value is required for '--pid"),
        ("report --port 65536", "'65536' for '--port"),
        ("report --port 0", "'0' for '--port"),
        ("report --name [a", "not a valid name pattern"),
        ("report --name a/b", "a name has no slash"),
        ("report -p 1 -d 10", "needs a unit, as in 10s"),
        ("report -p 1 -d 1ms", "between 100ms and 1day"),
        ("report -p 1 -d soon", "not a time"),
        ("report -p 1 --threshold 5ns", "between 1us and 1h"),
        ("report -p 1 --format yaml", "'yaml' for '--format"),
        ("report -p 1 --color blue", "'blue' for '--color"),
        ("report -p 1 --top 0", "'0' for '--top"),
        ("report -p 1 --sample 0", "'0' for '--sample"),
        ("report -p 1 -e wirte", "unknown syscall `wirte`"),
        ("report -p 1 -e read,", "an empty name"),
        ("report -p 1 --errno EMFLIE", "unknown errno `EMFLIE`"),
        ("report -p 1 --route users", "begins with a slash"),
        (
            "report -p 1 -o /nonexistent/r.json",
            "its directory does not exist",
        ),
        ("report -p 1 -o /tmp", "it is a directory"),
        ("trace -p 1 --limit 0", "'0' for '--limit"),
        ("trace -p 1 --endpoint [", "are understood"),
        ("report -p 1 --nmae x", "--name"),
        ("report 8080", "unexpected argument '8080'"),
        ("report ./server", "put it after `--`"),
        ("reprot", "'report'"),
        ("top -p 1", "unrecognized subcommand 'top'"),
    ] {
        let text = usage(line);
        assert!(text.contains(says), "{line}: {text}");
        assert!(!text.starts_with("error"), "{line}: {text}");
    }
}

#[test]
fn an_argument_that_is_not_utf8() {
    use std::os::unix::ffi::OsStringExt;
    let bad = std::ffi::OsString::from_vec(b"/tmp/\xff".to_vec());
    let words = ["gostall", "doctor", "--"].map(std::ffi::OsString::from);
    let Ok(Config::Doctor(doctor)) =
        parse_from(words.into_iter().chain([bad.clone()]), &Env::default())
    else {
        panic!()
    };
    assert_eq!(
        doctor.target,
        Some(TargetChoice::Launch { argv: vec![bad] })
    );
}

#[test]
fn nothing_at_all_prints_the_help_as_an_error() {
    let text = usage("");
    assert!(text.starts_with("no command given: "));
    assert!(text.contains("Usage: gostall <COMMAND>"));
}

#[test]
fn the_version() {
    let expected = format!("gostall {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(parse("--version").unwrap_err(), Stop::Info(expected));
}

/// The help as a newcomer sees it on a terminal of 100 columns.
#[test]
fn help_texts() {
    for line in ["--help", "doctor --help", "report --help", "trace --help"] {
        let mut command = <super::Cli as clap::CommandFactory>::command().term_width(100);
        let words = std::iter::once("gostall").chain(line.split_whitespace());
        let help = command
            .try_get_matches_from_mut(words)
            .unwrap_err()
            .to_string();
        assert!(help.lines().all(|l| l.chars().count() <= 100), "{help}");
        let name = line.split_whitespace().next().unwrap().replace("--", "");
        insta::assert_snapshot!(name, help);
    }
}

#[test]
fn the_command_line_is_sound() {
    <super::Cli as clap::CommandFactory>::command().debug_assert();
}
