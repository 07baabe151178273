//! One call as text: `write(7<TCP ...>, 0xc0001a6000, 123) = 123`, and the whole line of a trace around it.

use std::fmt::Write;

use gostall_model::{Arch, Event, FdInfo, METHOD_ANY, errno};

use super::args::{self, Arg, Ret};
use crate::text::Paint;
use crate::{Clock, clean, units};

/// The line of a call in a trace, without its newline.
pub(super) fn trace(event: &Event, clock: &Clock, arch: Arch, colour: bool) -> String {
    let paint = Paint(colour);
    let time = clock.time_of_day(event.ts_unix_ns);
    let who = paint.dim(&format!("[{}]", who(event)));
    let (call, result) = call(event, arch);
    let result = if event.result == "ok" {
        result
    } else {
        paint.bad(&result)
    };
    let duration = units::duration(event.duration_ns);
    format!("{time} {who} {call} = {result} <{duration}>")
}

/// An endpoint's name; without the verb where it is not known.
pub(crate) fn endpoint(method: &str, route: &str) -> String {
    if method == METHOD_ANY {
        return clean(route).into_owned();
    }
    format!("{} {}", clean(method), clean(route))
}

/// Thread, goroutine, and endpoint or role.
fn who(event: &Event) -> String {
    let mut who = event.tid.to_string();
    if let Some(goid) = event.goid {
        let _ = write!(who, " g{goid}");
    }
    match (&event.method, &event.route, event.role) {
        (Some(method), Some(route), _) => {
            let _ = write!(who, " {}", endpoint(method, route));
        }
        (_, _, Some(role)) => {
            let _ = write!(who, " {}", role.name());
        }
        _ => {}
    }
    who
}

/// The call with its arguments, and its result.
pub(crate) fn call(event: &Event, arch: Arch) -> (String, String) {
    let row = args::row(&event.name);
    let (kinds, ret) = row.map_or((&[Arg::Hex; 6][..], Ret::Int), |row| {
        (&row.1[..args::used(row, &event.args)], row.2)
    });
    // Without a number the description is of the first file descriptor; with one, of that.
    let mut fd_open = event.fd.is_some();
    let mut path_open = event.path.is_some();
    let mut described = |text: &mut String, number: i32| {
        if fd_open && event.fd_number.is_none_or(|n| n == number) {
            fd_open = false;
            if let Some(fd) = &event.fd {
                let _ = write!(text, "<{}>", fd_text(fd));
            }
        }
    };
    let mut text = format!("{}(", event.name);
    for (i, (kind, value)) in kinds.iter().zip(event.args).enumerate() {
        if i > 0 {
            text.push_str(", ");
        }
        match (kind, &event.path) {
            (Arg::Path, Some(path)) if path_open => {
                path_open = false;
                text.push_str(&quoted(path));
            }
            _ => text.push_str(&args::write(*kind, value, arch)),
        }
        if matches!(kind, Arg::Fd | Arg::Dir) {
            described(&mut text, value as i32);
        }
    }
    text.push(')');
    let mut result = result_text(event, ret);
    if ret == Ret::Fd && event.result == "ok" {
        described(&mut result, event.ret as i32);
    }
    (text, result)
}

fn result_text(event: &Event, ret: Ret) -> String {
    if event.result != "ok" {
        let number = u16::try_from(event.ret.unsigned_abs()).unwrap_or(0);
        return match errno::sentence(number) {
            Some(sentence) => format!("-1 {} ({sentence})", event.result),
            None => format!("-1 {}", event.result),
        };
    }
    match ret {
        Ret::Ptr => format!("{:#x}", event.ret),
        Ret::Int | Ret::Fd => event.ret.to_string(),
    }
}

/// What a file descriptor leads to: `TCP 127.0.0.1:8080->127.0.0.1:51234`, a path, `pipe:[17]`.
pub(crate) fn fd_text(fd: &FdInfo) -> String {
    match fd {
        FdInfo::File { path } => clean(path).into_owned(),
        FdInfo::Other { text } => clean(text).into_owned(),
        FdInfo::Socket {
            family,
            local,
            remote,
            state,
        } => {
            let mut text = clean(family).into_owned();
            let ends = (local.as_deref(), remote.as_deref());
            let _ = match ends {
                (Some(local), Some(remote)) => {
                    write!(text, " {}->{}", clean(local), clean(remote))
                }
                (Some(local), None) => write!(text, " {}", clean(local)),
                (None, Some(remote)) => write!(text, " ->{}", clean(remote)),
                (None, None) => Ok(()),
            };
            // An established connection is the rule and needs no word.
            if let Some(state) = state.as_deref().filter(|s| *s != "ESTABLISHED") {
                let _ = write!(text, " {}", clean(state));
            }
            text
        }
    }
}

fn quoted(path: &str) -> String {
    let escaped = path.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", clean(&escaped))
}
