//! Single values: one function per kind of value, from the word typed to the thing meant.
//!
//! Each error is a sentence that says what is expected; clap puts the flag and the word in front.

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use gostall_targets::NameGlob;

use super::config::Route;

const MICROSECOND: Duration = Duration::from_micros(1);
const HOUR: Duration = Duration::from_secs(3600);

/// How long to watch.
///
/// # Errors
/// No time, or out of bounds: below 100 ms the probes are hardly in place (attaching takes some tens
/// of ms), beyond a day a report of one window says nothing any more.
pub fn window(text: &str) -> Result<Duration, String> {
    bounded(text, Duration::from_millis(100)..=24 * HOUR)
}

/// A duration of a single syscall.
///
/// # Errors
/// No time, or out of bounds: the clock reads of the probes themselves cost some 100 ns, and a
/// threshold beyond an hour is a slip of the unit.
pub fn latency(text: &str) -> Result<Duration, String> {
    bounded(text, MICROSECOND..=HOUR)
}

/// What tracing may add to a system call.
///
/// # Errors
/// No time, or out of bounds: no program runs in less than some ns, and 1 ms is a thousand times
/// what is usual.
pub fn cost(text: &str) -> Result<Duration, String> {
    bounded(text, Duration::from_nanos(1)..=Duration::from_millis(1))
}

/// A share of one processor, from a number of per cent.
///
/// # Errors
/// No number above 0 and up to 100.
pub fn percent(text: &str) -> Result<f64, String> {
    match text.trim().trim_end_matches('%').trim_end().parse::<f64>() {
        Ok(n) if n > 0.0 && n <= 100.0 => Ok(n / 100.0),
        _ => Err("it must be a number of per cent above 0 and up to 100, as 2 or 0.5".into()),
    }
}

/// A number of bytes with its unit.
///
/// # Errors
/// No size, or out of bounds: gostall itself takes some MB, and more than 64 GB is a slip of the unit.
pub fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 7] = [
        ("kib", 1 << 10),
        ("mib", 1 << 20),
        ("gib", 1 << 30),
        ("kb", 1_000),
        ("mb", 1_000_000),
        ("gb", 1_000_000_000),
        ("", 1),
    ];
    let lower = text.trim().to_ascii_lowercase();
    let (number, unit) = UNITS
        .iter()
        .find_map(|(name, unit)| Some((lower.strip_suffix(name)?.trim_end(), *unit)))
        .unwrap_or((&lower, 1));
    let bytes = number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit));
    match bytes {
        Some(n) if (1_000_000..=64_000_000_000).contains(&n) => Ok(n),
        Some(_) => Err("it must be between 1MB and 64GB".into()),
        None => Err("not a size: write it as 80MB or 64MiB".into()),
    }
}

fn bounded(text: &str, bounds: RangeInclusive<Duration>) -> Result<Duration, String> {
    let value = duration(text)?;
    if bounds.contains(&value) {
        return Ok(value);
    }
    Err(format!(
        "it must be between {} and {}",
        humantime::format_duration(*bounds.start()),
        humantime::format_duration(*bounds.end())
    ))
}

fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if text.parse::<f64>().is_ok() {
        return Err(format!(
            "a time needs a unit, as in {text}s, {text}ms or {text}us"
        ));
    }
    humantime::parse_duration(text)
        .map_err(|_| "not a time: write it as 10s, 500ms, 250us, 2m or 1m30s".to_owned())
}

/// A pattern for process names.
///
/// # Errors
/// The pattern is no glob.
pub fn name_glob(text: &str) -> Result<NameGlob, String> {
    NameGlob::new(text).map_err(|e| e.to_string())
}

/// A pattern for endpoints, held against `METHOD ROUTE` and against the route alone.
///
/// # Errors
/// The pattern is no glob.
pub fn endpoint_glob(text: &str) -> Result<glob::Pattern, String> {
    if text.trim().is_empty() {
        return Err("the pattern is empty: write it as '/api/*' or 'GET /api/users/{id}'".into());
    }
    glob::Pattern::new(text).map_err(|e| format!("{} (`*`, `?` and `[a-z]` are understood)", e.msg))
}

/// A path that is not empty, of any bytes.
pub fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(|text: OsString| {
        if text.is_empty() {
            Err("the path is empty")
        } else {
            Ok(PathBuf::from(text))
        }
    })
}

/// A route template, with or without a method in front: `GET /api/users/{id}`.
///
/// # Errors
/// Not a template.
pub fn route(text: &str) -> Result<Route, String> {
    let text = text.trim();
    let (method, template) = match text.split_once(' ') {
        Some((method, rest)) => (Some(method), rest.trim_start()),
        None => (None, text),
    };
    if let Some(method) = method
        && (method.is_empty() || !method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-'))
    {
        return Err(format!(
            "{method:?} is no method: write a template as /api/users/{{id}} or GET /api/users/{{id}}"
        ));
    }
    if !template.starts_with('/') {
        return Err("a template begins with a slash, as in /api/users/{id}".into());
    }
    if template.contains(|c: char| c.is_whitespace() || c.is_control() || c == '?' || c == '#') {
        return Err("a template is a path alone, without spaces, query (?) or fragment (#)".into());
    }
    check_placeholders(template)?;
    Ok(Route {
        method: method.map(str::to_owned),
        template: template.to_owned(),
    })
}

/// Placeholders stand for whole segments; one that takes the rest of the path is the last.
fn check_placeholders(template: &str) -> Result<(), String> {
    let segments: Vec<&str> = template.split('/').skip(1).collect();
    for (i, segment) in segments.iter().enumerate() {
        if !segment.contains(['{', '}']) {
            continue;
        }
        let name = segment
            .strip_prefix('{')
            .and_then(|s| s.strip_suffix('}'))
            .filter(|name| !name.contains(['{', '}']))
            .ok_or_else(|| {
                format!("{segment:?}: a placeholder is a whole segment between slashes, as {{id}}")
            })?;
        let (name, rest) = match name.strip_suffix("...") {
            Some(name) => (name, true),
            None => (name, false),
        };
        // `{$}` ends a pattern of net/http's ServeMux.
        if name != "$" && !name.chars().all(|c| c.is_alphanumeric() || c == '_') || name.is_empty()
        {
            return Err(format!("{segment:?}: a placeholder has a name, as {{id}}"));
        }
        if rest && i + 1 != segments.len() {
            return Err(format!(
                "{segment:?} takes the rest of the path: it must be the last segment"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(window("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(window("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(window("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(window("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(latency("250us"), Ok(Duration::from_micros(250)));
        assert_eq!(latency("1h"), Ok(HOUR));
    }

    #[test]
    fn bad_times() {
        for (text, says) in [
            ("10", "needs a unit, as in 10s"),
            ("0.5", "needs a unit"),
            ("", "not a time"),
            ("ten seconds", "not a time"),
            ("-1s", "not a time"),
            ("50ms", "between 100ms and 1day"),
            ("25h", "between 100ms and 1day"),
            ("99999999999999999999s", "not a time"),
        ] {
            let error = window(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
        assert!(latency("100ns").unwrap_err().contains("between 1us and 1h"));
    }

    #[test]
    fn routes() {
        let plain = route("/api/users/{id}").unwrap();
        assert_eq!(plain.method, None);
        assert_eq!(plain.template, "/api/users/{id}");
        let with_method = route("GET /static/{path...}").unwrap();
        assert_eq!(with_method.method.as_deref(), Some("GET"));
        for good in ["/", "/{$}", "/a/", "/v1/{x}/y"] {
            assert!(route(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn bad_routes() {
        for (text, says) in [
            ("", "begins with a slash"),
            ("users", "begins with a slash"),
            ("get /users", "no method"),
            ("/a b", "no method"),
            ("/a?x=1", "a path alone"),
            ("GET /a b", "a path alone"),
            ("/users/{id", "whole segment"),
            ("/users/x{id}", "whole segment"),
            ("/users/{}", "has a name"),
            ("/{a b}", "no method"),
            ("/{rest...}/x", "last segment"),
        ] {
            let error = route(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
