//! `--exact`: where the runtime changes a goroutine's status, and when to watch it.
//!
//! All changes go through `runtime.casgstatus(gp, old, new)`, which is called directly: at the call the registers hold
//! the arguments, whatever the release, and the kernel emulates the instruction. Entering and leaving a system call, by
//! far the most frequent, are left out: those are known anyway.

use std::collections::HashMap;
use std::sync::Arc;

use gostall_gobin::{Binary, Function};
use gostall_model::ExactCost;
use gostall_probes::{EXACT_JBE, EXACT_PARKS, EXACT_STARTS, Error, ExactSites, Probes};
use gostall_targets::maps;

use crate::session::Traced;

const CASGSTATUS: &str = "runtime.casgstatus";
/// A goroutine is stopped where it stands, to be scanned.
const PREEMPT: &str = "runtime.casGToPreemptScan";
/// A goroutine parks: it has said why.
const PARK: &str = "runtime.park_m";
/// Functions that call it and of which one is needed at least: to park, to be made ready, to run, to be preempted, to come
/// back from a call without a P (up to Go 1.26, since).
const NEEDED: [&[&str]; 5] = [
    &[PARK],
    &["runtime.ready"],
    &["runtime.execute"],
    &["runtime.goschedImpl"],
    &["runtime.exitsyscall0", "runtime.exitsyscallNoP"],
];
/// Others: goroutines made ready by the poller, those that yield, and what the collector does.
const MORE: [&str; 13] = [
    "runtime.findRunnable",
    "runtime.injectglist",
    "runtime.goyield_m",
    "runtime.preemptPark",
    "runtime.casGToWaiting",
    "runtime.casGToWaitingForSuspendG",
    "runtime.gcAssistAlloc1",
    "runtime.gcMarkDone",
    "runtime.gcMarkTermination",
    "runtime.markroot",
    "runtime.stopTheWorld",
    "runtime.stopTheWorldWithSema",
    "runtime.forEachP",
];

/// Whether a function is one of these, or a closure in it.
fn is_of(name: &str, of: &str) -> bool {
    name.strip_prefix(of)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Finds the sites; none where one that is needed is not there.
pub(crate) fn sites(binary: &Binary) -> ExactSites {
    let mut sites = ExactSites::default();
    let found = binary.find(&[CASGSTATUS, PREEMPT]);
    let Some(Some(status)) = found.first() else {
        sites.missing.push(CASGSTATUS);
        return sites;
    };
    let preempt = found.get(1).and_then(Option::as_ref);
    let calls = |caller: &Function| {
        let mut here = binary.call_site(caller, status);
        here.extend(preempt.iter().flat_map(|p| binary.call_site(caller, p)));
        here
    };
    let names: Vec<&str> = NEEDED.concat();
    let mut asked = names.clone();
    asked.push(CASGSTATUS);
    let mut presences = binary.inlined_into(&asked);
    // An optimization by profile may put it into its callers: then nobody calls it.
    if presences.pop().is_none_or(|p| !p.inlined_into.is_empty()) {
        sites.missing.push(CASGSTATUS);
        return sites;
    }
    let mut callers =
        binary.functions_where(|n| names.contains(&n) || MORE.iter().any(|of| is_of(n, of)));
    let mut seen = Vec::new();
    for (name, presence) in names.into_iter().zip(presences) {
        let elsewhere = presence.inlined_into.into_iter().map(|i| i.function);
        let bodies: Vec<Function> = presence.function.into_iter().chain(elsewhere).collect();
        if !bodies.is_empty() && bodies.iter().all(|f| !calls(f).is_empty()) {
            seen.push(name);
        }
        for f in bodies {
            if callers.iter().all(|known| known.entry != f.entry) {
                callers.push(f);
            }
        }
    }
    sites.missing = NEEDED
        .iter()
        .filter(|any| !any.iter().any(|n| seen.contains(n)))
        .map(|any| any[0])
        .collect();
    if !sites.missing.is_empty() {
        return sites;
    }
    for caller in &callers {
        let cookie = if caller.name == PARK { EXACT_PARKS } else { 0 };
        let here = calls(caller);
        sites
            .status
            .extend(here.iter().map(|site| (site.file_offset, cookie)));
    }
    // Without these, waiting for a world that stands still is waiting for a P.
    let world = [
        ("runtime.stopTheWorldWithSema", 0),
        ("runtime.startTheWorldWithSema", EXACT_STARTS),
    ];
    for ((_, cookie), function) in world.into_iter().zip(binary.find(&world.map(|w| w.0))) {
        if let Some(site) = function.as_ref().and_then(|f| binary.entry_site(f)) {
            let jbe = if site.kind.skip_when_taken() {
                EXACT_JBE
            } else {
                0
            };
            sites.world.push((site.file_offset, cookie | jbe));
        }
    }
    if sites.world.len() < world.len() {
        sites.world.clear();
    }
    sites
}

/// Which executables are measured.
#[derive(Debug)]
pub(crate) struct Exact {
    /// By program; whether its probes are attached.
    programs: HashMap<usize, bool>,
    slots: Vec<u32>,
    given_up: bool,
    /// Why something is not measured, a line each.
    pub(crate) missing: Vec<String>,
    trap_ns: Option<f64>,
}

impl Exact {
    /// Measures first what a hit costs, while nobody is watched.
    pub(crate) fn new(probes: &Probes) -> Self {
        Self {
            programs: HashMap::new(),
            slots: Vec::new(),
            given_up: false,
            missing: Vec::new(),
            trap_ns: trap_ns(probes),
        }
    }

    /// A process is met: from now on it is measured, if that can be.
    pub(crate) fn meet(
        &mut self,
        probes: &mut Probes,
        slot: u32,
        traced: &Traced,
    ) -> Result<(), Error> {
        let Some(program) = &traced.program else {
            return Ok(());
        };
        if self.given_up {
            return Ok(());
        }
        let id = Arc::as_ptr(program) as usize;
        let attached = match self.programs.get(&id) {
            Some(attached) => *attached,
            None => {
                let attached = self.attach(probes, traced);
                self.programs.insert(id, attached);
                attached
            }
        };
        if attached {
            probes.measure(slot, true)?;
            self.slots.push(slot);
        }
        Ok(())
    }

    fn attach(&mut self, probes: &mut Probes, traced: &Traced) -> bool {
        let Some((program, layout)) = traced
            .program
            .as_ref()
            .and_then(|p| Some((p, p.layout.as_ref()?)))
        else {
            return false;
        };
        let exe = gostall_targets::proc::path(traced.pid, "exe");
        let result = program.exact().and_then(|()| {
            probes
                .attach_exact(&exe, &layout.hooks.exact)
                .map_err(|e| e.to_string())
        });
        if let Err(why) = &result {
            let name = traced
                .target
                .as_ref()
                .map_or_else(String::new, |t| format!(" ({})", t.exe_display.display()));
            self.missing.push(format!(
                "pid {}{name} is not measured exactly, its ledger is sampled: {why}",
                traced.pid
            ));
        }
        result.is_ok()
    }

    /// Measures nobody any more.
    pub(crate) fn give_up(&mut self, probes: &mut Probes) -> Result<(), Error> {
        for slot in self.slots.drain(..) {
            probes.measure(slot, false)?;
        }
        self.given_up = true;
        probes.detach_exact();
        Ok(())
    }

    /// What so many hits cost, whose program ran so long each.
    pub(crate) fn cost(&self, hits: u64, run_ns: Option<f64>, window_ns: u64) -> ExactCost {
        let ns_per_hit = self.trap_ns.zip(run_ns).map(|(trap, run)| trap + run);
        ExactCost {
            hits,
            ns_per_hit,
            cpu_fraction: ns_per_hit
                .filter(|_| window_ns > 0)
                .map(|ns| ns * hits as f64 / window_ns as f64),
        }
    }
}

/// What it takes to get to a probe and back, ns: at a `nop` of our own, less the program's run time.
fn trap_ns(probes: &Probes) -> Option<f64> {
    const HITS: u32 = 2000;
    let me = maps::maps(std::process::id()).ok()?;
    let offset = me.offset_of_address(Probes::own_site())?;
    let _stats = gostall_probes::RunStats::enable().ok()?;
    let before = probes.exact_totals();
    // Once to have everything in place.
    probes.trap(offset, HITS).ok()?;
    let took = probes.trap(offset, HITS).ok()?;
    let after = probes.exact_totals();
    let runs = after.runs.saturating_sub(before.runs).max(1) as f64;
    let run = after.run_ns.saturating_sub(before.run_ns) as f64 / runs;
    Some((took.as_nanos() as f64 / f64::from(HITS) - run).max(0.0))
}
