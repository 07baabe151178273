//! The parsers of bpf/include/http1.h and response1.h, called through wire/wire.c.

use std::ffi::{CStr, c_char};
use std::sync::Mutex;

/// As `FOUND_LINE` and its like in wire.c.
const LINE: u64 = 1;
const END: u64 = 2;
const BAD: u64 = 3;

/// `struct found` of wire.c.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Found {
    kind: u64,
    at: u64,
    method: u64,
    path: u64,
    path_end: u64,
    hash: u64,
    cut: u64,
    chunked: u64,
    has_length: u64,
    trace_hi: u64,
    trace_lo: u64,
    span: u64,
    left: u64,
}

/// `struct answer` of wire.c.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answer {
    /// 0: no response.
    pub status: u64,
    /// 0: not within the bytes.
    pub head_end: u64,
    pub chunked: u64,
    pub has_length: u64,
    pub length: u64,
}

unsafe extern "C" {
    fn gostall_wire_requests(
        data: *const u8,
        n: u64,
        pieces: *const u32,
        npieces: u32,
        garbage: u8,
        found: *mut Found,
        max: u32,
        broken: *mut *const c_char,
    ) -> u32;
    fn gostall_wire_response(
        data: *const u8,
        n: u32,
        whole: u32,
        garbage: u8,
        out: *mut Answer,
        broken: *mut *const c_char,
    );
}

/// What the parser says of a stream. Offsets count from the stream's beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A request line, as far as its path's end.
    Line {
        at: usize,
        /// Its first eight letters.
        method: [u8; 8],
        path: (usize, usize),
        hash: u64,
        cut: bool,
    },
    /// A whole message.
    End {
        at: usize,
        chunked: bool,
        has_length: bool,
        trace: (u64, u64, u64),
    },
    /// What begins here is no request.
    Bad { at: usize },
    /// The stream is over; so many bytes of a body or chunk were still to come.
    Rest { left: u64 },
}

fn hold(broken: *const c_char, data: &[u8]) {
    if !broken.is_null() {
        // SAFETY: wire.c only points it at string literals.
        let what = unsafe { CStr::from_ptr(broken) }.to_string_lossy();
        panic!("{what}: {:?}", String::from_utf8_lossy(data));
    }
}

/// The events of a stream that arrives in pieces of the lengths given, over and over; in one piece without any. Windows
/// are filled up with `garbage`.
pub fn requests(data: &[u8], pieces: &[u32], garbage: u8) -> Vec<Event> {
    // The shortest request takes four bytes and makes two events. One list for all calls: it is dear to make.
    static FOUND: Mutex<Vec<Found>> = Mutex::new(Vec::new());
    let mut found = FOUND.lock().expect("nobody panics with it");
    if found.len() < data.len() / 2 + 3 {
        found.resize(data.len() / 2 + 3, Found::default());
    }
    let mut broken = std::ptr::null();
    // SAFETY: every pointer comes with the length of what it points to.
    let count = unsafe {
        gostall_wire_requests(
            data.as_ptr(),
            data.len() as u64,
            pieces.as_ptr(),
            pieces.len() as u32,
            garbage,
            found.as_mut_ptr(),
            found.len() as u32,
            &mut broken,
        )
    };
    hold(broken, data);
    found[..count as usize]
        .iter()
        .map(|f| match f.kind {
            LINE => Event::Line {
                at: f.at as usize,
                method: f.method.to_le_bytes(),
                path: (f.path as usize, f.path_end as usize),
                hash: f.hash,
                cut: f.cut != 0,
            },
            END => Event::End {
                at: f.at as usize,
                chunked: f.chunked != 0,
                has_length: f.has_length != 0,
                trace: (f.trace_hi, f.trace_lo, f.span),
            },
            BAD => Event::Bad { at: f.at as usize },
            _ => Event::Rest { left: f.left },
        })
        .collect()
}

/// As much of a response's beginning as the kernel side looks at.
pub const RESPONSE_WINDOW: usize = 1024;

/// What the parser says of a response's first bytes (at most [`RESPONSE_WINDOW`]); `whole`: they are all of the write.
pub fn response(data: &[u8], whole: bool, garbage: u8) -> Answer {
    assert!(data.len() <= RESPONSE_WINDOW);
    let mut answer = Answer::default();
    let mut broken = std::ptr::null();
    // SAFETY: the pointers are good for `data.len()` bytes and one answer.
    unsafe {
        gostall_wire_response(
            data.as_ptr(),
            data.len() as u32,
            whole.into(),
            garbage,
            &mut answer,
            &mut broken,
        );
    }
    hold(broken, data);
    answer
}
