//! Following a target that is started again: `--name`, `--port` and `--cgroup` say what is meant
//! whatever its pid, so whoever comes to match while the window is open is watched as well.
//!
//! A pid is not followed (another process under it is another program), and neither is a launched
//! command. Between the start of a process and the look that finds it its calls are not seen.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use gostall_probes::SlotState;
use gostall_targets::{Selector, Target, maps, namespaces, usage};

use super::start::program_of;
use super::{Session, WARM_UP};
use crate::error::Error;

/// How soon a look follows another while a target is missing.
const MISSING: Duration = Duration::from_millis(400);
/// The same while all are there: a second instance, or a successor that starts before its
/// predecessor ends.
const COMPLETE: Duration = Duration::from_millis(1500);
/// So many times the CPU time of a look is rested at least: 2 % and 0.2 % of a processor, however
/// many processes the machine has.
const REST_MISSING: u32 = 50;
const REST_COMPLETE: u32 = 500;

/// Which processes were looked at and are none of ours; by more than the pid, for a shell becomes
/// a server by exec.
type Seen = (u32, u64, PathBuf);

/// What is followed.
#[derive(Debug)]
pub(super) struct Follow {
    selector: Selector,
    next: Instant,
    missing: bool,
    rejected: HashSet<Seen>,
    /// Slots that have just begun to be watched, and since when.
    settling: Vec<(u32, Instant)>,
    /// The pids whose end was told.
    ended: HashSet<u32>,
}

impl Follow {
    /// `None` when nothing can be followed.
    pub(super) fn new(selector: &Selector) -> Option<Self> {
        Some(Self {
            selector: selector.restartable()?,
            next: Instant::now() + MISSING,
            missing: false,
            rejected: HashSet::new(),
            settling: Vec::new(),
            ended: HashSet::new(),
        })
    }
}

impl Session {
    /// Looks for processes that match by now, when it is time to.
    pub(super) fn follow(&mut self) -> Result<(), Error> {
        let Some(mut follow) = self.follow.take() else {
            return Ok(());
        };
        let result = self.look(&mut follow);
        self.follow = Some(follow);
        result
    }

    fn look(&mut self, follow: &mut Follow) -> Result<(), Error> {
        let now = Instant::now();
        let mut settled = Ok(());
        follow.settling.retain(|(slot, since)| {
            let waits = since.elapsed() < WARM_UP;
            if !waits && settled.is_ok() {
                settled = self.probes.settle(*slot);
            }
            waits
        });
        settled?;
        let missing = self.tell_ended(follow);
        if missing && !follow.missing {
            follow.next = now;
        }
        follow.missing = missing;
        if now < follow.next {
            return Ok(());
        }
        let cpu = usage::cpu_time();
        for target in follow.selector.present() {
            let seen: Seen = (target.pid, target.start_time, target.exe_display.clone());
            if follow.rejected.contains(&seen) || self.watches(&target) {
                continue;
            }
            let name = format!("pid {} ({})", target.pid, target.exe_display.display());
            match self.adopt(target, follow.selector.children) {
                Ok(slot) => {
                    follow.settling.push((slot, Instant::now()));
                    follow.ended.remove(&seen.0);
                    self.notices.push(format!("now watching {name} as well"));
                }
                // It may have ended, or be no Go program.
                Err(Error::Program { .. } | Error::Target(_)) => {
                    follow.rejected.insert(seen);
                }
                Err(e @ Error::Probes(gostall_probes::Error::Process { .. })) => {
                    follow.rejected.insert(seen);
                    self.notices.push(format!("{name} is not watched: {e}"));
                }
                Err(e) => return Err(e),
            }
        }
        let took = usage::cpu_time().saturating_sub(cpu);
        follow.next = now
            + if missing {
                MISSING.max(took * REST_MISSING)
            } else {
                COMPLETE.max(took * REST_COMPLETE)
            };
        Ok(())
    }

    /// The pid, as gostall sees it, of the process in a slot that the kernel calls `tgid`. `None`:
    /// it has ended.
    pub(super) fn own_pid(&self, slot: u32, tgid: u32) -> Option<u32> {
        if namespaces::in_initial_pid_ns() != Some(false) {
            return Some(tgid);
        }
        let pids = gostall_targets::proc::pids().unwrap_or_default();
        pids.into_iter()
            .find(|&pid| self.probes.slot_of(pid) == Some(slot))
    }

    /// Whether this very process is watched.
    fn watches(&self, target: &Target) -> bool {
        self.slots.values().any(|t| {
            t.target
                .as_ref()
                .is_some_and(|t| (t.pid, t.start_time) == (target.pid, target.start_time))
        })
    }

    /// Says who has ended; whether there are fewer than in the beginning.
    fn tell_ended(&mut self, follow: &mut Follow) -> bool {
        let mut alive = 0;
        for t in self.slots.values() {
            let Some(target) = &t.target else { continue };
            if target.is_alive() {
                alive += 1;
                continue;
            }
            if follow.ended.insert(t.pid) {
                self.notices.push(format!(
                    "pid {} ({}) has ended: waiting for {}",
                    t.pid,
                    target.exe_display.display(),
                    follow.selector
                ));
            }
        }
        alive < self.begun
    }

    /// Watches one more process.
    pub(super) fn adopt(&mut self, target: Target, children: bool) -> Result<u32, Error> {
        let program = program_of(&mut self.programs, &target)?;
        let pid = target.pid;
        let bias = program.bias(&maps::maps(pid)?);
        let slot = self
            .probes
            .add_process(pid, program.layout.as_ref(), bias, children)?;
        // The mark went to whoever had the pid at that moment. One that is alive now had it all
        // the time; else it may be on another process, which is nobody's business.
        if !target.is_alive() {
            self.probes
                .set_executable(slot, None, 0, SlotState::Ignored)?;
            return Err(gostall_targets::Error::Gone { pid }.into());
        }
        // An exec between the reading of the executable and the mark was told to nobody.
        let current = self.programs.get(&target.exe_open_path).ok();
        let changed = current
            .as_ref()
            .is_some_and(|(p, _)| !std::sync::Arc::ptr_eq(p, &program));
        // Executed in place (an upgrade without downtime), the same file is known already.
        if let Some((p, (dev, ino))) = current
            && self.known_exes.insert((dev, ino))
        {
            self.probes.add_executable(dev, ino, p.layout.as_ref())?;
        }
        self.met(slot, pid, Some(target), Some(program), bias);
        if changed {
            self.executed(slot, pid, false)?;
        }
        if self.opened.is_some() {
            self.probes.mark_threads()?;
            if let Some(t) = self.slots.get(&slot) {
                self.lineage.attach(&mut self.probes, t);
            }
            self.measure(slot)?;
        }
        Ok(slot)
    }
}
