//! Any bytes, and valid streams made from them, through the kernel side's HTTP/1 parsers. The first byte says which, the
//! next eight how the stream is cut into reads. See ../README.md.
#![no_main]

use gostall_fuzz::wire::{self, Event, RESPONSE_WINDOW};
use gostall_fuzz::{generate, reference};
use libfuzzer_sys::arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;

/// Reads of 1 to 4,000 bytes.
fn pieces(cuts: &[u8]) -> Vec<u32> {
    let piece = |&c: &u8| match c {
        0x80.. => u32::from(c & 0x7f) * 32 + 1,
        c => u32::from(c % 32) + 1,
    };
    cuts.iter().map(piece).collect()
}

/// The same events, whatever the pieces and whatever lies behind the bytes.
fn invariant(stream: &[u8], cuts: &[u8]) -> Vec<Event> {
    let whole = wire::requests(stream, &[], 0);
    let show = || String::from_utf8_lossy(stream).into_owned();
    for garbage in [b'\n', b'a'] {
        let other = wire::requests(stream, &[], garbage);
        assert_eq!(whole, other, "garbage {garbage:#x}: {:?}", show());
    }
    let pieces = pieces(cuts);
    let cut = wire::requests(stream, &pieces, b'A');
    assert_eq!(whole, cut, "in pieces of {pieces:?}: {:?}", show());
    if stream.len() <= 256 {
        let single = wire::requests(stream, &[1], b'\n');
        assert_eq!(whole, single, "byte by byte: {:?}", show());
    }
    whole
}

/// What the reference is sure of must be what was found.
fn agree(stream: &[u8], events: &[Event]) -> usize {
    let mut agreed = 0;
    for (i, event) in events.iter().enumerate() {
        let Event::Line {
            at,
            method,
            path,
            cut,
            ..
        } = *event
        else {
            continue;
        };
        let Some(truth) = reference::request(&stream[at..]) else {
            continue;
        };
        let show = || {
            format!(
                "{truth:?}, {event:?}: {:?}",
                String::from_utf8_lossy(stream)
            )
        };
        let n = truth.method.len().min(8);
        assert_eq!(method[..n], truth.method[..n], "{}", show());
        assert_eq!(path.0, at + truth.path.0, "{}", show());
        if !cut {
            assert_eq!(path.1, at + truth.path.1, "{}", show());
        }
        let Some(end) = truth.end else { continue };
        let Some(Event::End {
            at: found,
            chunked,
            has_length,
            ..
        }) = events.get(i + 1)
        else {
            panic!("no end: {}", show());
        };
        assert_eq!(*found, at + end, "{}", show());
        assert_eq!(*chunked, truth.chunked, "{}", show());
        assert_eq!(*has_length, truth.length.is_some(), "{}", show());
        agreed += 1;
    }
    agreed
}

fn generated(bytes: &[u8], cuts: &[u8]) {
    let stream = generate::requests(&mut Unstructured::new(bytes));
    let mut found = invariant(&stream.bytes, cuts);
    let agreed = agree(&stream.bytes, &found);
    for event in &mut found {
        if let Event::Line { hash, .. } = event {
            *hash = 0;
        }
    }
    let show = || String::from_utf8_lossy(&stream.bytes).into_owned();
    assert_eq!(found, stream.events, "{:?}", show());
    // The reference tells the ends of all bodies but those in chunks with bare line feeds.
    let told = stream
        .events
        .iter()
        .filter(|e| matches!(e, Event::End { chunked: false, .. }))
        .count();
    assert!(agreed >= told, "{agreed} of {told}: {:?}", show());
}

fn response(bytes: &[u8], whole: bool) {
    let seen = &bytes[..bytes.len().min(RESPONSE_WINDOW)];
    let whole = whole && seen.len() == bytes.len();
    let answer = wire::response(seen, whole, 0);
    let show = || String::from_utf8_lossy(bytes).into_owned();
    for garbage in [b'\n', b'0'] {
        let other = wire::response(seen, whole, garbage);
        assert_eq!(answer, other, "garbage {garbage:#x}: {:?}", show());
    }
    let Some(truth) = reference::response(seen) else {
        return;
    };
    if truth.status < 100 {
        return;
    }
    let body = bytes.len() - truth.head_end;
    // More than it says: nobody's response.
    if truth.length.is_some_and(|n| n < body as u64) {
        return;
    }
    let show = || format!("{truth:?}, {answer:?}: {:?}", show());
    assert_eq!(answer.status, truth.status, "{}", show());
    // What takes more steps is given up before its head's end.
    if answer.head_end != 0 || truth.lines + seen.len() / 64 < 90 {
        assert_eq!(answer.head_end, truth.head_end as u64, "{}", show());
        assert_eq!(answer.has_length != 0, truth.length.is_some(), "{}", show());
        assert_eq!(answer.length, truth.length.unwrap_or(0), "{}", show());
        if truth.length.is_none() {
            assert_eq!(answer.chunked != 0, truth.chunked, "{}", show());
        }
    }
}

/// What follows the first head, over and over until it is longer than two windows: the costliest bytes there are for the
/// number of steps, and what a window's end may cut.
fn repeated(bytes: &[u8]) -> Vec<u8> {
    const LEN: usize = 9000;
    let head = bytes.windows(4).position(|w| w == b"\r\n\r\n");
    let (head, rest) = bytes.split_at(head.map_or(0, |at| at + 4));
    let rest = rest.iter().cycle().take(LEN);
    head.iter().chain(rest).copied().collect()
}

fuzz_target!(|data: &[u8]| {
    let Some((head, rest)) = data.split_at_checked(9) else {
        return;
    };
    let (mode, cuts) = (head[0], &head[1..]);
    match mode % 4 {
        0 if mode & 8 == 0 => {
            let events = invariant(rest, cuts);
            agree(rest, &events);
        }
        // Not held against the reference, which reads all that is left for each message.
        0 => drop(invariant(&repeated(rest), cuts)),
        1 | 2 => generated(rest, cuts),
        _ if mode & 4 == 0 => response(rest, cuts[0] & 1 == 0),
        _ => {
            if let Ok((bytes, _)) = generate::response(&mut Unstructured::new(rest)) {
                response(&bytes, cuts[0] & 1 == 0);
            }
        }
    }
});
