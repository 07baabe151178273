//! The requests in flight, as the kernel side knows them at this moment: read from its table in place, without a
//! system call for each.

use std::mem::offset_of;

use gostall_bpf::{abi, types};
use gostall_model::LedgerState;
use libbpf_rs::{MapCore, MapFlags, MapHandle};

use crate::bytes;
use crate::error::Error;
use crate::loader::Probes;
use crate::mapped::Mapped;
use crate::walls::wait_state;

/// A request in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Whose connection it came by.
    pub slot: u32,
    /// Its endpoint's leaf.
    pub leaf: u32,
    /// The goroutine that serves it.
    pub g: u64,
    /// When it began; with `g` its identity.
    pub begin_ns: u64,
    place: Place,
}

impl Request {
    /// One that is in no table, for tests.
    #[doc(hidden)]
    pub fn new(slot: u32, leaf: u32, g: u64, begin_ns: u64) -> Self {
        Self {
            slot,
            leaf,
            g,
            begin_ns,
            place: Place::Near(0),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Near(usize),
    Far(u64),
}

/// A goroutine that works for a request, its own goroutine's child to whatever depth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Child {
    /// Its address in the target.
    pub g: u64,
    /// The lower half of its id.
    pub goid: u32,
    /// What it waits for since its last call returned, if for anything.
    pub waits: Option<LedgerState>,
}

/// The table of connections, mapped.
#[derive(Debug)]
pub struct InFlight {
    near: Mapped<types::gs_conn>,
    walls: Mapped<types::gs_wall>,
    descriptors: usize,
    high: Mapped<types::near_high>,
    far: MapHandle,
    far_places: Mapped<u64>,
}

impl Probes {
    /// A view of the requests in flight that another thread may use.
    pub fn in_flight(&self) -> Result<InFlight, Error> {
        let fail = |why: String| Error::Map {
            map: "near_conns",
            verb: "mapped",
            why,
        };
        let maps = self.maps();
        let handle =
            |map| MapHandle::try_from(map).map_err(|e: libbpf_rs::Error| fail(e.to_string()));
        let near = Mapped::new(&maps.near_conns).map_err(|e| fail(e.to_string()))?;
        Ok(InFlight {
            walls: Mapped::new(&maps.near_walls).map_err(|e| fail(e.to_string()))?,
            descriptors: near.entries() / types::near_high::default().fd.len(),
            high: Mapped::new(&maps.near_highs).map_err(|e| fail(e.to_string()))?,
            far: handle(&maps.conns)?,
            far_places: Mapped::new(&maps.far_places).map_err(|e| fail(e.to_string()))?,
            near,
        })
    }
}

fn request(slot: u32, c: &types::gs_conn, place: Place) -> Option<Request> {
    let known = c.leaf >= abi::GS_FIRST_NODE && c.leaf != abi::GS_PENDING;
    (c.kind != 0 && c.active != 0 && c.g != 0 && known).then_some(Request {
        slot,
        leaf: c.leaf,
        g: c.g,
        begin_ns: c.begin_ns,
        place,
    })
}

impl InFlight {
    /// Whether threads of a process are kept off all processors by its cgroup at this moment.
    pub fn throttled(&self, slot: u32) -> bool {
        let now = self.high.get(0).throttled;
        now.get(slot as usize).is_some_and(|n| *n > 0)
    }

    /// The children of a request that made calls of late: a few of them, and only on connections with a place in the
    /// table.
    pub fn children(&self, r: &Request) -> impl Iterator<Item = Child> + use<> {
        let wall = match r.place {
            Place::Near(at) => Some(self.walls.get(at)),
            Place::Far(_) => None,
        };
        let wall = wall.filter(|w| w.begin_ns == r.begin_ns);
        wall.into_iter().flat_map(|w| {
            (0..w.child_g.len())
                .map(move |i| Child {
                    g: w.child_g[i],
                    goid: w.child_goid[i],
                    waits: wait_state(w.child_state[i].into()),
                })
                .filter(|c| c.g != 0)
        })
    }

    /// Calls `each` with every request.
    pub fn each(&self, mut each: impl FnMut(Request)) {
        for (slot, fd) in self.high.get(0).fd.into_iter().enumerate() {
            // 0 is nobody's connection: this process has none.
            let last = (fd as usize).min(self.descriptors - 1);
            for fd in 1..=last {
                let at = slot * self.descriptors + fd;
                // The first line of a record that is not in use is all that is read of it.
                if self.near.byte(at, offset_of!(types::gs_conn, active)) == 0 {
                    continue;
                }
                if let Some(r) = request(slot as u32, &self.near.get(at), Place::Near(at)) {
                    each(r);
                }
            }
        }
        for key in self.far_places.iter() {
            if key == 0 {
                continue;
            }
            if let Ok(Some(value)) = self.far.lookup(&key.to_ne_bytes(), MapFlags::ANY) {
                let slot = if key >> 63 == 1 { key >> 48 } else { key >> 32 };
                let slot = slot as u32 & (abi::GS_MAX_SLOTS - 1);
                if let Some(r) = request(slot, &bytes::to(&value), Place::Far(key)) {
                    each(r);
                }
            }
        }
    }

    /// Is it still in flight?
    pub fn goes_on(&self, r: &Request) -> bool {
        let now = match r.place {
            Place::Near(at) => self.near.get(at),
            Place::Far(key) => match self.far.lookup(&key.to_ne_bytes(), MapFlags::ANY) {
                Ok(Some(value)) => bytes::to(&value),
                _ => return false,
            },
        };
        request(r.slot, &now, r.place).as_ref() == Some(r)
    }
}
