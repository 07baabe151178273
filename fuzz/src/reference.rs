//! The same bytes read by somebody else: heads by the crate `httparse`, framing by the words of RFC 9112. Has no opinion
//! on what net/http refuses (then no handler runs, and no endpoint is at stake).

/// A request as the reference reads it. Offsets count from the beginning of its line.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    pub method: Vec<u8>,
    pub path: (usize, usize),
    pub head_end: usize,
    pub chunked: bool,
    pub length: Option<u64>,
    /// Behind the last byte; `None`: not within the bytes, or not told.
    pub end: Option<usize>,
}

/// Decimal digits and nothing else, few enough for every reader.
fn number(value: &[u8]) -> Option<u64> {
    (!value.is_empty() && value.len() < 16 && value.iter().all(u8::is_ascii_digit))
        .then(|| std::str::from_utf8(value).ok()?.parse().ok())
        .flatten()
}

/// Whether the headers say that the body is chunked, and how long it is. `None`: net/http would not take it.
fn framing(headers: &[httparse::Header<'_>]) -> Option<(bool, Option<u64>)> {
    let (mut chunked, mut length) = (false, None);
    for header in headers {
        if header.name.eq_ignore_ascii_case("transfer-encoding") {
            if chunked || !header.value.eq_ignore_ascii_case(b"chunked") {
                return None;
            }
            chunked = true;
        } else if header.name.eq_ignore_ascii_case("content-length") {
            let n = number(header.value)?;
            if length.is_some_and(|l| l != n) {
                return None;
            }
            length = Some(n);
        }
    }
    Some((chunked, length))
}

/// Behind the last byte of a chunked body. Only plain CRLF framing is told.
fn chunks_end(body: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let (line, size) = match httparse::parse_chunk_size(&body[at..]) {
            Ok(httparse::Status::Complete(found)) => found,
            _ => return None,
        };
        // A bare line feed ends the line for net/http and for us; httparse takes it for a part of the extension.
        if body[at..at + line - 2].contains(&b'\n') || !body[at].is_ascii_hexdigit() {
            return None;
        }
        at += line;
        if size == 0 {
            break;
        }
        let data_end = at.checked_add(usize::try_from(size).ok()?)?;
        at = data_end.checked_add(2)?;
        if body.get(data_end..at)? != b"\r\n" {
            return None;
        }
    }
    loop {
        let line = at + body[at..].iter().position(|&b| b == b'\n')?;
        let text = &body[at..line];
        at = line + 1;
        match text {
            b"" | b"\r" => return Some(at),
            _ if text[0] == b'\r' => return None,
            _ => {}
        }
    }
}

/// The path's length in a request's target.
fn path_len(target: &[u8]) -> usize {
    let end = target.iter().position(|b| b"?#".contains(b));
    end.unwrap_or(target.len())
}

/// The request that begins with its method at the bytes' beginning; `None`: not whole, or not one that is sure to be
/// served.
pub fn request(bytes: &[u8]) -> Option<Request> {
    let mut headers = [httparse::EMPTY_HEADER; 48];
    let mut parsed = httparse::Request::new(&mut headers);
    let Ok(httparse::Status::Complete(head_end)) = parsed.parse(bytes) else {
        return None;
    };
    let (method, target) = (parsed.method?.as_bytes(), parsed.path?.as_bytes());
    let (chunked, length) = framing(parsed.headers)?;
    let path = method.len() + 1;
    // httparse skips blank lines before the request and more than one blank in its line.
    if !bytes.starts_with(method) || !bytes[path..].starts_with(target) {
        return None;
    }
    let rest = &bytes[head_end..];
    let end = match (chunked, length) {
        (true, _) => chunks_end(rest),
        (false, None) => Some(0),
        (false, Some(n)) => usize::try_from(n).ok().filter(|&n| n <= rest.len()),
    };
    Some(Request {
        method: method.to_vec(),
        path: (path, path + path_len(target)),
        head_end,
        chunked,
        length,
        end: end.map(|n| head_end + n),
    })
}

/// A response's head as the reference reads it.
#[derive(Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u64,
    pub head_end: usize,
    pub chunked: bool,
    pub length: Option<u64>,
    /// Lines of the head.
    pub lines: usize,
}

/// The response at the bytes' beginning, with headers as net/http writes them (`Name: value`).
pub fn response(bytes: &[u8]) -> Option<Response> {
    let mut headers = [httparse::EMPTY_HEADER; 128];
    let mut parsed = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(head_end)) = parsed.parse(bytes) else {
        return None;
    };
    if !bytes.starts_with(b"HTTP/1.") {
        return None;
    }
    let (chunked, length) = framing(parsed.headers)?;
    let head = &bytes[..head_end];
    let plain = parsed.headers.iter().all(|h| {
        // Not a date, but text of a handler: behind it a body can make it look like one.
        if h.name.eq_ignore_ascii_case("date") && h.value.len() != 29 {
            return false;
        }
        let place = |text: &[u8]| text.as_ptr() as usize - bytes.as_ptr() as usize;
        let colon = place(h.name.as_bytes()) + h.name.len();
        h.value.is_empty() || head[colon..].starts_with(b": ") && place(h.value) == colon + 2
    });
    plain.then(|| Response {
        status: parsed.code.unwrap_or_default().into(),
        head_end,
        chunked,
        length,
        lines: head.iter().filter(|&&b| b == b'\n').count(),
    })
}
