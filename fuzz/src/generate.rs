//! Streams of valid HTTP/1, made from a fuzzer's bytes, with what a reader must find in them.

use libfuzzer_sys::arbitrary::{Result, Unstructured};

use crate::wire::Event;

const METHODS: [&str; 9] = [
    "GET",
    "POST",
    "HEAD",
    "PUT",
    "DELETE",
    "PURGE",
    "X",
    "M-SEARCH",
    "VERSION-CONTROL",
];
/// Names that almost are one of the three that count, and some that begin like them.
const NAMES: [&str; 12] = [
    "Host",
    "Content-Type",
    "Content-Lengths",
    "Content-Lengt",
    "X-Content-Length",
    "Transfer-Encodings",
    "Transfer",
    "Traceparents",
    "Tracestate",
    "a",
    "Accept-Encoding",
    "Content_Length",
];
/// Longer paths are cut (TARGET_MAX of http1.h).
const TARGET_MAX: usize = 1024;

/// A stream and the events in it. The hashes of lines are 0: they are nobody's business.
#[derive(Debug, Default)]
pub struct Stream {
    pub bytes: Vec<u8>,
    pub events: Vec<Event>,
}

impl Stream {
    fn put(&mut self, text: impl AsRef<[u8]>) {
        self.bytes.extend_from_slice(text.as_ref());
    }
}

/// `n` bytes of an alphabet.
fn text(u: &mut Unstructured<'_>, n: usize, alphabet: &[u8]) -> Result<Vec<u8>> {
    (0..n).map(|_| u.choose(alphabet).copied()).collect()
}

/// A length: mostly small, at times around a word's, a line's step's or a cut's size.
fn length(u: &mut Unstructured<'_>) -> Result<usize> {
    Ok(match u.int_in_range(0..=9)? {
        0 => u.int_in_range(TARGET_MAX - 12..=TARGET_MAX + 12)?,
        1 | 2 => u.int_in_range(50..=75)?,
        _ => u.int_in_range(0..=20)?,
    })
}

/// A name in any mixture of cases.
fn cased(u: &mut Unstructured<'_>, name: &str) -> Result<String> {
    let bits: u32 = u.arbitrary()?;
    let case = |(i, c): (usize, char)| {
        if bits >> (i % 32) & 1 == 1 {
            c.to_ascii_uppercase()
        } else {
            c.to_ascii_lowercase()
        }
    };
    Ok(name.chars().enumerate().map(case).collect())
}

fn value(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let n = length(u)?;
    text(
        u,
        n,
        b"abcXYZ0123456789 :-;=/\"content-length: 7\t\x80\xff,",
    )
}

fn eol(u: &mut Unstructured<'_>) -> Result<&'static str> {
    Ok(if u.ratio(1, 8)? { "\n" } else { "\r\n" })
}

fn target(u: &mut Unstructured<'_>, s: &mut Stream) -> Result<(usize, usize, bool)> {
    let at = s.bytes.len();
    s.put(match u.int_in_range(0..=9)? {
        0 => "http://example.com/",
        1 => "*",
        _ => "/",
    });
    let n = length(u)?;
    let path = text(u, n, b"abcXYZ0123456789/-_.~%:@!$&'()*+,;=|")?;
    s.put(path);
    let len = s.bytes.len() - at;
    if u.ratio(1, 3)? {
        s.put(if u.ratio(1, 8)? { "#" } else { "?" });
        let n = length(u)?;
        let query = text(u, n, b"abc=&?#/%20")?;
        s.put(query);
    }
    Ok((at, at + len.min(TARGET_MAX), len >= TARGET_MAX))
}

/// Headers that say nothing of the message's length; the last trace identity in them.
fn headers(u: &mut Unstructured<'_>, s: &mut Stream, trace: &mut (u64, u64, u64)) -> Result<()> {
    for _ in 0..u.int_in_range(0..=4)? {
        if u.ratio(1, 4)? {
            let id: (u64, u64, u64) = u.arbitrary()?;
            s.put(cased(u, "Traceparent")?);
            s.put(format!(": 00-{:016x}{:016x}-{:016x}-01", id.0, id.1, id.2));
            *trace = id;
        } else {
            let name = *u.choose(&NAMES)?;
            s.put(cased(u, name)?);
            s.put(":");
            s.put(value(u)?);
        }
        s.put(eol(u)?);
    }
    Ok(())
}

fn chunks(u: &mut Unstructured<'_>, s: &mut Stream) -> Result<()> {
    for _ in 0..u.int_in_range(0..=4)? {
        let n = length(u)?.max(1);
        let data = text(u, n, b"0a\r\n ;")?;
        s.put(match u.int_in_range(0..=2)? {
            0 => format!("{n:x}"),
            1 => format!("{n:X}"),
            _ => format!("00{n:x}"),
        });
        if u.ratio(1, 8)? {
            s.put(";name=\"value\"");
        }
        s.put(eol(u)?);
        s.put(data);
        s.put(eol(u)?);
    }
    s.put("0");
    s.put(eol(u)?);
    for _ in 0..u.int_in_range(0..=2)? {
        s.put("Trailer:");
        s.put(value(u)?);
        s.put(eol(u)?);
    }
    s.put(eol(u)?);
    Ok(())
}

/// One message onto the stream.
fn message(u: &mut Unstructured<'_>, s: &mut Stream) -> Result<()> {
    for _ in 0..u.int_in_range(0..=10)?.max(8) - 8 {
        s.put("\r\n");
    }
    let at = s.bytes.len();
    let name = *u.choose(&METHODS)?;
    s.put(name);
    s.put(" ");
    let (path, path_end, cut) = target(u, s)?;
    let mut method = [0; 8];
    let n = name.len().min(8);
    method[..n].copy_from_slice(&name.as_bytes()[..n]);
    s.events.push(Event::Line {
        at,
        method,
        path: (path, path_end),
        hash: 0,
        cut,
    });
    s.put(if u.ratio(1, 4)? {
        " HTTP/1.0"
    } else {
        " HTTP/1.1"
    });
    s.put(eol(u)?);
    let mut trace = (0, 0, 0);
    headers(u, s, &mut trace)?;
    let chunked = u.ratio(1, 3)?;
    let has_length = u.ratio(1, 3)?;
    let body = match u.int_in_range(0..=39)? {
        0 => u.int_in_range(4000..=9000)?,
        _ => length(u)?,
    };
    if has_length {
        s.put(cased(u, "Content-Length")?);
        s.put(if u.ratio(1, 4)? { ":" } else { ": " });
        s.put(if u.ratio(1, 8)? {
            format!("00{body}")
        } else {
            body.to_string()
        });
        s.put(eol(u)?);
        headers(u, s, &mut trace)?;
    }
    if chunked {
        s.put(cased(u, "Transfer-Encoding")?);
        s.put(": chunked");
        s.put(eol(u)?);
        headers(u, s, &mut trace)?;
    }
    s.put(eol(u)?);
    if chunked {
        chunks(u, s)?;
    } else if has_length {
        // Bodies may hold anything: what looks like a request most of all.
        let fill = *u.choose(&["GET / HTTP/1.1\r\n\r\n", "x", "\r\n", "\0\n"])?;
        let bytes = fill.bytes().cycle().take(body);
        s.bytes.extend(bytes);
    }
    s.events.push(Event::End {
        at: s.bytes.len(),
        chunked,
        has_length,
        trace,
    });
    Ok(())
}

/// Some messages, the last perhaps cut off by the end of the fuzzer's bytes.
pub fn requests(u: &mut Unstructured<'_>) -> Stream {
    let mut s = Stream::default();
    while !u.is_empty() && s.bytes.len() < 16 << 10 && s.events.len() < 32 {
        let (bytes, events) = (s.bytes.len(), s.events.len());
        if message(u, &mut s).is_err() {
            s.bytes.truncate(bytes);
            s.events.truncate(events);
            break;
        }
    }
    s.events.push(Event::Rest { left: 0 });
    s
}

/// A response as net/http writes it: its bytes, and where its head ends.
pub fn response(u: &mut Unstructured<'_>) -> Result<(Vec<u8>, usize)> {
    let mut s = Stream::default();
    let status = u.int_in_range(100..=599)?;
    let reason = *u.choose(&["OK", "Not Found", "Non-Authoritative Information", ""])?;
    s.put(format!("HTTP/1.1 {status} {reason}\r\n"));
    let length = length(u)?;
    for _ in 0..u.int_in_range(0..=6)? {
        match u.int_in_range(0..=5)? {
            0 => s.put("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
            _ => {
                let name = *u.choose(&NAMES)?;
                s.put(name);
                s.put(": ");
                s.put(value(u)?);
                s.put("\r\n");
            }
        }
    }
    let framed = u.int_in_range(0..=2)?;
    match framed {
        0 => s.put(format!("Content-Length: {length}\r\n")),
        1 => s.put("Transfer-Encoding: chunked\r\n"),
        _ => {}
    }
    for _ in 0..u.int_in_range(0..=2)? {
        s.put("Set-Cookie: ");
        s.put(value(u)?);
        s.put("\r\n");
    }
    s.put("\r\n");
    let head_end = s.bytes.len();
    if framed == 0 && !u.ratio(1, 4)? {
        let body = text(u, length, b"x\r\n")?;
        s.put(body);
    }
    Ok((s.bytes, head_end))
}
