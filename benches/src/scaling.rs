//! What a system call costs with few and with many endpoints, with few and with many goroutines: by the kernel's own
//! account of our programs' run time, as every report states it.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use gostall_rig::{Server, Testbed, wrk};

use crate::Effort;
use crate::bars::{Table, median, spread};
use crate::tracers::Tracer;

/// The paths of hello's `-endpoints N`, in an order that no cache likes.
fn paths(n: usize) -> tempfile::NamedTempFile {
    let mut lua = tempfile::NamedTempFile::new().expect("a temporary file");
    writeln!(
        lua,
        "local n, i = {n}, 0\nfunction request()\n  i = (i + 7919) % n\n  \
         return wrk.format('GET', string.format('/e/a%02d/b%02d', math.floor(i / 100), i % 100))\nend"
    )
    .expect("a temporary file");
    lua
}

/// ns per call, while the load goes on for so long.
fn cost(server: &Server, gostall: &Path, seconds: u64, lua: Option<&Path>) -> f64 {
    let addr = server.addr.clone();
    let lua = lua.map(Path::to_owned);
    let loading = std::thread::spawn(move || {
        wrk(
            &addr,
            "/hello",
            16,
            Duration::from_secs(seconds + 2),
            lua.as_deref(),
        )
    });
    std::thread::sleep(Duration::from_millis(300));
    let attached = Tracer::Gostall.attach(gostall, server.pid());
    // Long enough for the first calls, which fill tables, to be few among the samples.
    std::thread::sleep(Duration::from_secs(seconds));
    let report = attached.detach().expect("gostall reports");
    loading.join().expect("the load");
    report
        .at("/overhead/bpf_ns_per_syscall")
        .as_f64()
        .expect("a number")
}

fn compare(
    table: &mut Table,
    what: &str,
    rounds: usize,
    mut few: impl FnMut() -> f64,
    mut many: impl FnMut() -> f64,
) {
    let (mut more, mut low, mut high) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let (a, b) = if round % 2 == 0 {
            let a = few();
            (a, many())
        } else {
            let b = many();
            (few(), b)
        };
        println!("    round {round}: {a:.0} ns a call, {b:.0} ns");
        more.push((b / a - 1.0) * 100.0);
        low.push(a);
        high.push(b);
    }
    let measured = format!(
        "{}; {:.0} and {:.0} ns",
        spread(&more, 1),
        median(&low),
        median(&high)
    );
    table.add(what, "<= 10", measured, Some(median(&more) <= 10.0));
}

/// Endpoints and goroutines.
pub fn run(table: &mut Table, gostall: &Path, effort: Effort) {
    let testbed = Testbed::local();
    let hello = |flags: &[&str]| {
        let all = [&["-addr", "127.0.0.1:0"], flags].concat();
        Server::start(&testbed.program("hello"), all)
    };
    let server = hello(&["-endpoints", "10000"]);
    let (few, many) = (paths(10), paths(10_000));
    let seconds = effort.seconds * 2;
    compare(
        table,
        "cost of a system call, 10,000 endpoints against 10, % more",
        effort.rounds,
        || cost(&server, gostall, seconds, Some(few.path())),
        || cost(&server, gostall, seconds, Some(many.path())),
    );
    drop(server);
    let (few, many) = (
        hello(&["-goroutines", "10"]),
        hello(&["-goroutines", "100000"]),
    );
    compare(
        table,
        "cost of a system call, 100,000 goroutines against 10, % more",
        effort.rounds,
        || cost(&few, gostall, seconds, None),
        || cost(&many, gostall, seconds, None),
    );
}
