//! Prints each system call of a process that takes longer than a millisecond, for five seconds; then only writes; then
//! how many requests there were.
//!
//!     cargo build --example slow_calls && sudo target/debug/examples/slow_calls PID

use std::time::{Duration, Instant};

use gostall_session::{Event, Filter, Options, Selector, Session, Start, TailRule};

fn print(event: &Event) -> bool {
    println!(
        "{} {} -> {} in {} us",
        event.route.as_deref().unwrap_or("-"),
        event.name,
        event.result,
        event.duration_ns / 1000
    );
    true
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pid = std::env::args()
        .nth(1)
        .and_then(|a| a.parse().ok())
        .ok_or("usage: slow_calls PID")?;
    let selector = Selector {
        pids: vec![pid],
        ..Selector::default()
    };
    let slow = TailRule {
        trace: true,
        trace_slower_ns: 1_000_000,
        ..TailRule::default()
    };
    let options = Options {
        tail: slow.clone(),
        ..Options::default()
    };
    let targets = selector.resolve()?;
    let mut session = Session::start(Start::Running { targets, selector }, &options)?;

    session.run(Instant::now() + Duration::from_secs(5), print)?;

    // write(2) alone, and every tenth request: nothing is attached anew.
    session.set_filter(Filter {
        one_request_in: 10,
        ..Filter::default()
    });
    session.set_tail(&TailRule {
        trace_syscalls: Some(vec![1]),
        ..slow
    });
    session.run(Instant::now() + Duration::from_secs(1), print)?;

    session.stop()?;
    let report = session.snapshot()?;
    let requests: u64 = report.endpoints.iter().map(|e| e.requests).sum();
    println!(
        "{requests} requests at {} endpoints",
        report.endpoints.len()
    );
    Ok(())
}
