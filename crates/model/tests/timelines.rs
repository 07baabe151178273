//! Requests kept whole: which are kept, and what lies between their calls.

mod support;

use std::sync::Arc;

use gostall_model::{
    Arch, Doing, LedgerState, Look, Model, Moment, MomentKind, SlowRequest, Timeline,
    TimelineEvent, TimelineKind,
};
use support::Kernel;

const READ: u16 = 0;
const WRITE: u16 = 1;
const FUTEX: u16 = 202;
const OPENAT: u16 = 257;

/// A call of the request's own goroutine.
fn call(at_ns: u64, nr: u16, fd: Option<i32>, ret: i64) -> Moment {
    Moment {
        kind: MomentKind::Call,
        at_ns,
        duration_ns: 1_000,
        nr,
        ret,
        own: true,
        goid: None,
        runtime: false,
        again: ret == -11,
        blocked_ns: 0,
        runq_ns: 0,
        throttled_ns: 0,
        state: (ret == -11).then_some(LedgerState::NetUpstreamRead),
        fd,
        what: fd.map(|fd| Arc::from(format!("10.0.0.9:{fd}"))),
    }
}

fn timeline(leaf: u32, duration_ns: u64, moments: Vec<Moment>) -> Timeline {
    Timeline {
        leaf,
        res: 200,
        start_unix_ns: 1_700_000_000_000_000_000,
        duration_ns,
        pid: 42,
        goid: Some(7),
        trace_id: None,
        span_id: None,
        slow: false,
        slowest: true,
        moments,
        looks: Vec::new(),
        cut: 0,
    }
}

fn kept(model: &mut Model) -> Vec<SlowRequest> {
    model.snapshot().slowest.clone().expect("it was asked for")
}

fn one(t: Timeline) -> SlowRequest {
    let mut k = Kernel::default();
    k.get("/a", 1);
    let leaf = k.leaf("GET", "/a");
    let mut model = k.model();
    model.keep_slowest(1);
    model.add_timeline(Timeline { leaf, ..t });
    kept(&mut model).remove(0)
}

/// `kind at duration` of what is of a kind.
fn of(r: &SlowRequest, kind: TimelineKind) -> Vec<(u64, u64)> {
    r.events
        .iter()
        .filter(|e| e.kind == kind)
        .map(|e| (e.at_ns, e.duration_ns))
        .collect()
}

#[test]
fn a_wait_lasts_to_the_next_call_on_the_same_descriptor() {
    let runtimes = Moment {
        runtime: true,
        ..call(300_000, READ, Some(4), 8)
    };
    let r = one(timeline(
        0,
        1_000_000,
        vec![
            call(0, READ, Some(5), 10),
            call(100_000, READ, Some(9), -11),
            // A child's, and the runtime's: neither ends it, nor does what has no descriptor.
            Moment {
                own: false,
                goid: Some(8),
                ..call(200_000, WRITE, Some(9), 3)
            },
            runtimes,
            call(400_000, FUTEX, None, 1),
            call(900_000, READ, Some(9), 10),
        ],
    ));
    assert_eq!(of(&r, TimelineKind::Wait), [(101_000, 799_000)]);
    let wait = r.events.iter().find(|e| e.kind == TimelineKind::Wait);
    let wait = wait.expect("there is one");
    assert_eq!(wait.state, Some(LedgerState::NetUpstreamRead));
    assert_eq!(wait.what.as_deref(), Some("10.0.0.9:9"));
    assert_eq!((wait.goroutine, wait.fd), (Some(7), Some(9)));
}

#[test]
fn who_calls_elsewhere_has_given_up() {
    let r = one(timeline(
        0,
        1_000_000,
        vec![
            call(100_000, READ, Some(9), -11),
            call(500_000, WRITE, Some(5), 3),
            call(900_000, READ, Some(9), 10),
        ],
    ));
    assert_eq!(of(&r, TimelineKind::Wait), []);
    // The time is not known to be anything.
    let gaps: Vec<&TimelineEvent> = r
        .events
        .iter()
        .filter(|e| e.kind == TimelineKind::Go)
        .collect();
    assert_eq!(gaps.len(), 4);
    assert!(gaps.iter().all(|g| g.state.is_none()));
}

#[test]
fn a_wait_without_an_end_is_none() {
    let r = one(timeline(0, 1_000_000, vec![call(0, READ, Some(9), -11)]));
    assert_eq!(of(&r, TimelineKind::Wait), []);
}

fn look(at_ns: u64, doing: Doing) -> Look {
    Look {
        at_ns,
        until_ns: at_ns,
        looks: 1,
        doing,
    }
}

#[test]
fn gaps_are_named_where_all_looks_agree() {
    let lock = Doing::State(LedgerState::Lock);
    let mut t = timeline(
        0,
        30_000_000,
        vec![
            call(10_000_000, OPENAT, None, 5),
            call(20_000_000, WRITE, Some(5), 1),
        ],
    );
    t.looks = vec![
        look(1_000_000, lock),
        look(5_000_000, lock),
        look(12_000_000, lock),
        look(15_000_000, Doing::Running),
        // In a call, says the look; the kernel knows better.
        look(25_000_000, Doing::InCall),
    ];
    let r = one(t);
    let gaps: Vec<_> = r
        .events
        .iter()
        .filter(|e| e.kind == TimelineKind::Go)
        .map(|e| (e.at_ns, e.duration_ns, e.state, e.looks))
        .collect();
    assert_eq!(
        gaps,
        [
            (0, 10_000_000, Some(LedgerState::Lock), Some(2)),
            (10_001_000, 9_999_000, None, None),
            (20_001_000, 9_999_000, None, None),
        ]
    );
    // All of its time is accounted for once.
    let own: u64 = r
        .events
        .iter()
        .filter(|e| e.kind != TimelineKind::Look)
        .map(|e| e.duration_ns)
        .sum();
    assert_eq!(own, 30_000_000);
    assert_eq!(
        of(&r, TimelineKind::Look),
        [(1_000_000, 11_000_000), (15_000_000, 0)]
    );
}

#[test]
fn nothing_is_said_of_time_whose_calls_were_cut() {
    let mut t = timeline(0, 30_000_000, vec![call(10_000_000, WRITE, Some(5), 1)]);
    t.cut = 3;
    let r = one(t);
    assert_eq!(of(&r, TimelineKind::Go), [(0, 10_000_000)]);
    assert_eq!(r.cut, 3);
}

#[test]
fn nothing_is_said_of_goroutines_that_cannot_be_told() {
    let mut t = timeline(0, 30_000_000, vec![call(10_000_000, WRITE, Some(5), 1)]);
    t.goid = None;
    t.moments[0].own = false;
    let r = one(t);
    assert_eq!(of(&r, TimelineKind::Go), []);
    assert_eq!(r.events.len(), 1);
}

#[test]
fn the_slowest_are_chosen_by_endpoint_however_many_paths_it_has() {
    let mut k = Kernel::default();
    for id in 0..40 {
        k.get(&format!("/users/{id}"), 3);
    }
    k.get("/health", 3);
    let mut model = k.model();
    model.keep_slowest(2);
    for id in 0..40 {
        let leaf = k.leaf("GET", &format!("/users/{id}"));
        for n in 0..3 {
            model.add_timeline(timeline(leaf, 1_000 + id * 10 + n, vec![]));
        }
    }
    model.add_timeline(timeline(k.leaf("GET", "/health"), 5, vec![]));
    let kept = kept(&mut model);
    let users: Vec<u64> = kept
        .iter()
        .filter(|r| &*r.route == "/users/{id}")
        .map(|r| r.duration_ns)
        .collect();
    assert_eq!(users, [1_392, 1_391]);
    assert_eq!(kept.iter().filter(|r| &*r.route == "/health").count(), 1);
}

#[test]
fn all_that_are_slow_are_kept_up_to_a_bound() {
    let mut k = Kernel::default();
    k.get("/a", 1);
    let leaf = k.leaf("GET", "/a");
    let mut model = k.model();
    model.keep_slowest(3);
    for n in 0..1_200 {
        let mut t = timeline(leaf, 1_000 + n, vec![]);
        // Those that rank and are slow go to the slow ones when they no longer rank.
        (t.slow, t.slowest) = (true, n % 7 == 0);
        model.add_timeline(t);
    }
    let snapshot = model.snapshot();
    let kept = snapshot.slowest.as_ref().expect("asked for");
    let dropped = snapshot.coverage.losses.timelines_dropped;
    assert_eq!(kept.len() as u64 + dropped, 1_200);
    assert_eq!(kept.len(), 1_003);
    assert!(kept.is_sorted_by_key(|r| std::cmp::Reverse(r.duration_ns)));
    assert_eq!(kept[0].duration_ns, 2_199);
}

/// However many paths there are, and however long the requests.
#[test]
fn memory_is_bounded() {
    let mut model = Model::new(Arch::X86_64);
    model.keep_slowest(50);
    let many: Vec<Moment> = (0..256).map(|n| call(n * 10, WRITE, Some(5), 1)).collect();
    for n in 0..3_000u32 {
        let t = timeline(100 + n % 1_000, u64::from(n), many.clone());
        model.add_timeline(t);
    }
    let snapshot = model.snapshot();
    let dropped = snapshot.coverage.losses.timelines_dropped;
    assert!(dropped >= 3_000 - 100_000 / 256, "{dropped}");
    assert!(dropped < 2_999, "{dropped}");
}

#[test]
fn nothing_is_there_unless_asked_for() {
    let mut k = Kernel::default();
    k.get("/a", 1);
    let leaf = k.leaf("GET", "/a");
    let mut model = k.model();
    assert!(model.snapshot().slowest.is_none());
    model.keep_slowest(0);
    model.add_timeline(timeline(leaf, 5, vec![]));
    assert_eq!(kept(&mut model), []);
}
