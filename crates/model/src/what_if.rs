//! What some changes would save an endpoint, from what was measured of it: `--what-if`. Each answer names its formula and
//! its data; where the data do not allow one, it says why. Pure arithmetic: nothing is tried out.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::hist::Histogram;
use crate::input::{MOVED_BYTES, MOVED_ELSEWHERE, MOVED_FULL, NR_READ, NR_WRITE};
use crate::role::Role;
use crate::snapshot::{Protocol, RoleCalls, SyscallStat};

/// What a change would save, or why that cannot be told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WhatIf {
    /// The endpoint's; `null`: of all of them.
    pub method: Option<Arc<str>>,
    /// The endpoint's; `null`: of all of them.
    pub route: Option<Arc<str>>,
    /// `coalesced_writes`, `larger_read_buffer`, `fewer_wakeups`, `faster_accept`.
    pub change: Cow<'static, str>,
    /// The mean saving; absent where it cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saves_ns_per_request: Option<u64>,
    /// `at_least`: the calls alone, and the program's own part of them goes as well; `at_most`: all of it would have to go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<Bound>,
    /// How it was computed from `data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formula: Option<String>,
    /// What was measured, by the names in the formula.
    pub data: BTreeMap<String, f64>,
    /// Why there is no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cannot: Option<String>,
}

/// How far an answer may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// More, for the program's own part of what goes is not measured.
    AtLeast,
    /// All of it would have to go.
    AtMost,
}

/// net/http buffers so much of an answer before it writes.
const BUFFER: f64 = 4096.0;
/// Above it a call copies for longer than it does anything else.
const COPYING: f64 = 16384.0;
/// Read buffers that are asked about are so many times as large.
const LARGER: f64 = 4.0;
/// Fewer requests are no distribution.
const ENOUGH: u64 = 20;
/// A call that takes longer has waited.
const WAITED_NS: u64 = 1_000_000;

/// An endpoint's reads and writes told apart.
#[derive(Debug, Clone, Default)]
pub(crate) struct Moved(BTreeMap<(u16, u16), Histogram>);

impl Moved {
    pub(crate) fn add(&mut self, nr: u16, res: u16, histogram: &Histogram) {
        self.0.entry((nr, res)).or_default().merge(histogram);
    }

    fn of(&self, nr: u16, res: u16) -> Moves {
        let sum = |res| {
            self.0
                .get(&(nr, res))
                .map_or((0, 0), |h| (h.count(), h.sum_ns()))
        };
        let (count, ns) = sum(res);
        Moves {
            count,
            ns,
            bytes: sum(res | MOVED_BYTES).1,
        }
    }
}

/// Calls of one sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Moves {
    count: u64,
    ns: u64,
    bytes: u64,
}

impl Moves {
    fn add(self, other: Moves) -> Moves {
        Moves {
            count: self.count + other.count,
            ns: self.ns + other.ns,
            bytes: self.bytes + other.bytes,
        }
    }

    fn mean_ns(self) -> f64 {
        self.ns as f64 / self.count.max(1) as f64
    }

    fn mean_bytes(self) -> f64 {
        self.bytes as f64 / self.count.max(1) as f64
    }
}

/// What is asked about.
pub(crate) struct Subject<'a> {
    pub(crate) method: &'a Arc<str>,
    pub(crate) route: &'a Arc<str>,
    pub(crate) protocol: Protocol,
    pub(crate) requests: u64,
    pub(crate) moved: &'a Moved,
    pub(crate) calls: &'a [SyscallStat],
}

type Answer = Result<(f64, Bound, &'static str), String>;

impl Subject<'_> {
    fn line(&self, change: &'static str, ask: impl Fn(&mut Data) -> Answer) -> WhatIf {
        let mut data = Data::default();
        data.put("requests", self.requests as f64);
        let answer = if self.requests < ENOUGH {
            Err(format!(
                "{} requests are too few, it takes {ENOUGH}",
                self.requests
            ))
        } else {
            ask(&mut data)
        };
        WhatIf::new(Some((self.method, self.route)), change, data, answer)
    }

    /// The four questions.
    pub(crate) fn ask(&self) -> Vec<WhatIf> {
        vec![self.writes(), self.reads(), self.wakeups()]
    }

    fn writes(&self) -> WhatIf {
        self.line("coalesced_writes", |data| {
            if matches!(self.protocol, Protocol::Http2 | Protocol::Grpc) {
                return Err("frames of several requests share a connection's writes".into());
            }
            let w = self.moved.of(NR_WRITE, 0);
            let per = w.count as f64 / self.requests as f64;
            data.put("writes_per_request", per);
            data.put("write_mean_ns", w.mean_ns());
            data.put("write_mean_bytes", w.mean_bytes());
            if per <= 1.0 {
                return Err("its answers are written in one call each already".into());
            }
            if w.mean_bytes() > BUFFER {
                return Err(format!(
                    "its writes are large ({:.0} bytes on average): how much of their time is copying is not known",
                    w.mean_bytes()
                ));
            }
            let saves = (per - 1.0) * w.mean_ns();
            Ok((saves, Bound::AtLeast, "(writes_per_request - 1) * write_mean_ns"))
        })
    }

    fn reads(&self) -> WhatIf {
        self.line("larger_read_buffer", |data| {
            let full = |at| self.moved.of(NR_READ, MOVED_FULL | at);
            let f = full(0).add(full(MOVED_ELSEWHERE));
            let per = f.count as f64 / self.requests as f64;
            data.put("full_reads_per_request", per);
            data.put("full_read_mean_ns", f.mean_ns());
            data.put("full_read_mean_bytes", f.mean_bytes());
            data.put("times", LARGER);
            if f.count == 0 {
                return Err("no read filled its buffer".into());
            }
            if f.mean_bytes() > COPYING {
                return Err(format!(
                    "its buffers are large ({:.0} bytes on average): how much of the reads' time is copying is not known",
                    f.mean_bytes()
                ));
            }
            let saves = per * (1.0 - 1.0 / LARGER) * f.mean_ns();
            Ok((
                saves,
                Bound::AtMost,
                "full_reads_per_request * (1 - 1 / times) * full_read_mean_ns",
            ))
        })
    }

    fn wakeups(&self) -> WhatIf {
        self.line("fewer_wakeups", |data| {
            let of: Vec<&SyscallStat> = self
                .calls
                .iter()
                .filter(|s| s.name == "futex" && s.result == "ok")
                .collect();
            let count: u64 = of.iter().map(|s| s.count).sum();
            let ns: u64 = of.iter().map(|s| s.total_ns).sum();
            let per = count as f64 / self.requests as f64;
            data.put("futex_per_request", per);
            data.put("futex_mean_ns", ns as f64 / count.max(1) as f64);
            if count == 0 {
                return Err("it makes no futex call".into());
            }
            if of.iter().any(|s| s.p90_ns > WAITED_NS) {
                return Err("many of its futex calls waited, so they woke nobody".into());
            }
            let saves = ns as f64 / self.requests as f64;
            Ok((saves, Bound::AtMost, "futex_per_request * futex_mean_ns"))
        })
    }
}

/// Accepting is nobody's request: one line for all.
pub(crate) fn accepting(requests: u64, runtime: &[RoleCalls]) -> WhatIf {
    let mut data = Data::default();
    data.put("requests", requests as f64);
    let rows = runtime
        .iter()
        .filter(|r| r.role == Role::Connection)
        .flat_map(|r| &r.syscalls);
    let (mut count, mut ns) = (0, 0);
    for row in rows.filter(|s| matches!(&*s.name, "accept4" | "accept") && s.result == "ok") {
        count += row.count;
        ns += row.total_ns;
    }
    let answer = if requests < ENOUGH {
        Err(format!(
            "{requests} requests are too few, it takes {ENOUGH}"
        ))
    } else if count == 0 {
        Err("no connection was accepted".into())
    } else {
        let per = count as f64 / requests as f64;
        data.put("accepts_per_request", per);
        data.put("accept_mean_ns", ns as f64 / count as f64);
        Ok((
            ns as f64 / requests as f64,
            Bound::AtMost,
            "accepts_per_request * accept_mean_ns (before the request; how long connections wait to be accepted is not measured)",
        ))
    };
    WhatIf::new(None, "faster_accept", data, answer)
}

#[derive(Debug, Default)]
struct Data(BTreeMap<String, f64>);

impl Data {
    fn put(&mut self, name: &str, value: f64) {
        self.0
            .insert(name.to_owned(), (value * 100.0).round() / 100.0);
    }
}

impl WhatIf {
    fn new(
        endpoint: Option<(&Arc<str>, &Arc<str>)>,
        change: &'static str,
        data: Data,
        answer: Answer,
    ) -> WhatIf {
        let mut line = WhatIf {
            method: endpoint.map(|e| Arc::clone(e.0)),
            route: endpoint.map(|e| Arc::clone(e.1)),
            change: change.into(),
            saves_ns_per_request: None,
            bound: None,
            formula: None,
            data: data.0,
            cannot: None,
        };
        match answer {
            Ok((ns, bound, formula)) => {
                line.saves_ns_per_request = Some(ns.round() as u64);
                line.bound = Some(bound);
                line.formula = Some(formula.to_owned());
            }
            Err(why) => line.cannot = Some(why),
        }
        line
    }
}

/// Nothing can be told from a part of the calls.
pub(crate) fn sampled(mut line: WhatIf) -> WhatIf {
    line.saves_ns_per_request = None;
    line.bound = None;
    line.formula = None;
    line.cannot =
        Some("only a part of the calls was recorded (--sample, --syscalls, --slower-than)".into());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(values: &[u64]) -> Histogram {
        let mut h = Histogram::default();
        for v in values {
            h.record(*v);
        }
        h
    }

    /// 20 requests, `per` such calls each.
    fn moved(nr: u16, res: u16, per: usize, ns: u64, bytes: u64) -> Moved {
        let mut moved = Moved::default();
        moved.add(nr, res, &histogram(&vec![ns; per * 20]));
        moved.add(nr, res | MOVED_BYTES, &histogram(&vec![bytes; per * 20]));
        moved
    }

    fn ask(moved: &Moved, calls: &[SyscallStat], protocol: Protocol, requests: u64) -> Vec<WhatIf> {
        Subject {
            method: &"GET".into(),
            route: &"/rows".into(),
            protocol,
            requests,
            moved,
            calls,
        }
        .ask()
    }

    #[test]
    fn writes_but_one() {
        let lines = ask(&moved(NR_WRITE, 0, 51, 5_000, 60), &[], Protocol::Http1, 20);
        // 50 writes less, 5 us each.
        assert_eq!(lines[0].change, "coalesced_writes");
        assert_eq!(lines[0].saves_ns_per_request, Some(250_000));
        assert_eq!(lines[0].bound, Some(Bound::AtLeast));
        assert_eq!(lines[0].data["writes_per_request"], 51.0);
        assert!(lines[1].cannot.is_some() && lines[2].cannot.is_some());
    }

    #[test]
    fn where_writes_say_nothing() {
        let cannot = |m: &Moved, p, n| ask(m, &[], p, n)[0].cannot.clone().unwrap();
        let small = moved(NR_WRITE, 0, 51, 5_000, 60);
        assert!(cannot(&small, Protocol::Http2, 20).contains("share"));
        assert!(cannot(&small, Protocol::Http1, 19).contains("too few"));
        let large = moved(NR_WRITE, 0, 51, 5_000, 32_768);
        assert!(cannot(&large, Protocol::Http1, 20).contains("copying"));
        let one = moved(NR_WRITE, 0, 1, 5_000, 60);
        assert!(cannot(&one, Protocol::Http1, 20).contains("one call"));
        // What is written elsewhere is no part of the answer.
        let file = moved(NR_WRITE, MOVED_ELSEWHERE, 51, 5_000, 60);
        assert!(cannot(&file, Protocol::Http1, 20).contains("one call"));
    }

    #[test]
    fn three_quarters_of_the_full_reads() {
        let m = moved(NR_READ, MOVED_FULL | MOVED_ELSEWHERE, 8, 2_000, 512);
        let lines = ask(&m, &[], Protocol::Http1, 20);
        // 8 * 3/4 * 2 us.
        assert_eq!(lines[1].saves_ns_per_request, Some(12_000));
        assert_eq!(lines[1].bound, Some(Bound::AtMost));
        let m = moved(NR_READ, 0, 8, 2_000, 512);
        assert!(
            ask(&m, &[], Protocol::Http1, 20)[1].cannot.is_some(),
            "none filled its buffer"
        );
    }

    #[test]
    fn wakeups() {
        let row = |ns: u64| SyscallStat::new("futex".into(), "ok".into(), histogram(&vec![ns; 40]));
        let lines = ask(&Moved::default(), &[row(3_000)], Protocol::Http1, 20);
        // Two of 3 us each.
        assert_eq!(lines[2].saves_ns_per_request, Some(6_000));
        let lines = ask(&Moved::default(), &[row(5_000_000)], Protocol::Http1, 20);
        assert!(lines[2].cannot.as_deref().unwrap().contains("waited"));
    }

    #[test]
    fn accepts() {
        let calls = RoleCalls {
            role: Role::Connection,
            syscalls: vec![SyscallStat::new(
                "accept4".into(),
                "ok".into(),
                histogram(&[10_000; 10]),
            )],
        };
        let line = accepting(100, std::slice::from_ref(&calls));
        // One connection for ten requests, 10 us each.
        assert_eq!(line.saves_ns_per_request, Some(1_000));
        assert!(accepting(100, &[]).cannot.is_some());
        assert!(
            sampled(accepting(100, &[calls]))
                .saves_ns_per_request
                .is_none()
        );
    }
}
