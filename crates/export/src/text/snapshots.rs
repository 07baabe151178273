//! The slowest single calls, each with whom it served, where it came from and what it waited on.

use gostall_model::{Arch, Event, Frame, Snapshot};

use super::Page;
use crate::trace::{call, endpoint, fd_text};
use crate::{clean, duration, shorten, shorten_middle};

/// Frames shown of a stack.
const FRAMES: usize = 8;

pub(super) fn lines(snapshot: &Snapshot, page: &Page) -> Vec<String> {
    let all = &snapshot.snapshots;
    let shown = &all[..all.len().min(page.options.snapshots)];
    if shown.is_empty() {
        return Vec::new();
    }
    let title = if shown.len() == all.len() {
        "SLOWEST CALLS".to_owned()
    } else {
        format!("SLOWEST CALLS, {} of {} caught", shown.len(), all.len())
    };
    let mut lines = vec![page.title(&title)];
    let arch = snapshot.target.as_ref().map_or(Arch::HOST, |t| t.arch);
    for (i, event) in shown.iter().enumerate() {
        if i > 0 {
            lines.push(String::new());
        }
        lines.extend(one(event, arch, page));
    }
    lines
}

fn one(event: &Event, arch: Arch, page: &Page) -> Vec<String> {
    let took = format!("{:>7}", duration(event.duration_ns));
    let room = page.width - 9;
    let (call, result) = call(event, arch);
    let mut lines = Vec::new();
    // The call's end (its result) matters more than its arguments; what they led to gets a line.
    let result = format!(" = {result}");
    let brief = room.saturating_sub(crate::width(&result)).max(20);
    let cut = crate::width(&call) > brief;
    let call = shorten(&call, brief).into_owned();
    let result = shorten(&result, room.saturating_sub(crate::width(&call))).into_owned();
    let result = if event.result == "ok" {
        result
    } else {
        page.paint.mind(&result)
    };
    lines.push(format!("{}  {call}{result}", page.paint.strong(&took)));
    lines.push(format!(
        "         {}",
        shorten_middle(&who(event, page), room)
    ));
    if cut {
        let led_to = [
            event.fd.as_ref().map(fd_text),
            event.path.as_ref().map(|p| clean(p).into_owned()),
        ];
        for text in led_to.into_iter().flatten() {
            lines.push(format!("         {}", shorten_middle(&text, room)));
        }
    }
    if let Some(id) = &event.trace_id {
        lines.push(format!("         trace {}", clean(id)));
    }
    lines.extend(stack(&event.stack, page));
    lines
}

fn who(event: &Event, page: &Page) -> String {
    let mut parts = Vec::new();
    match (&event.method, &event.route, event.role) {
        (Some(method), Some(route), _) => {
            parts.push(endpoint(method, route));
        }
        (_, _, Some(role)) => parts.push(role.name().to_owned()),
        _ => {}
    }
    if let Some(goid) = event.goid {
        parts.push(format!("goroutine {goid}"));
    }
    parts.push(format!("thread {}", event.tid));
    parts.push(page.options.clock.time_of_day(event.ts_unix_ns));
    parts.join(" · ")
}

/// The stack from the first frame that is not the way into the kernel: those are the same in every stack.
fn stack(frames: &[Frame], page: &Page) -> Vec<String> {
    let plumbing = |frame: &Frame| {
        [
            "syscall.",
            "internal/",
            "runtime.",
            "runtime/",
            "golang.org/x/sys/",
        ]
        .iter()
        .any(|package| frame.function.starts_with(package))
    };
    let skipped = frames.iter().take_while(|f| plumbing(f)).count();
    let own = if skipped == frames.len() {
        frames
    } else {
        &frames[skipped..]
    };
    let room = page.width - 9;
    // A line that says "1 more" could have been that one.
    let shown = if own.len() == FRAMES + 1 {
        own.len()
    } else {
        FRAMES
    };
    let mut lines: Vec<String> = own
        .iter()
        .take(shown)
        .map(|frame| {
            let place = place(frame);
            let function = clean(&frame.function);
            if place.is_empty() {
                return format!("         {}", shorten_middle(&function, room));
            }
            let least = (room / 2).saturating_sub(1);
            let function =
                shorten_middle(&function, least.max(room.saturating_sub(place.len() + 2)));
            let pad = least.saturating_sub(crate::width(&function));
            let left = room.saturating_sub(crate::width(&function) + pad + 2);
            format!(
                "         {function}{}  {}",
                " ".repeat(pad),
                page.paint.dim(&shorten_middle(&place, left))
            )
        })
        .collect();
    if own.len() > shown {
        let more = format!("… {} more frames", own.len() - shown);
        lines.push(format!("         {}", page.paint.dim(&more)));
    }
    lines
}

/// `fd_unix.go:165`: the file's last two parts tell it, the rest is where it was built.
fn place(frame: &Frame) -> String {
    let Some(file) = &frame.file else {
        return String::new();
    };
    let parts: Vec<&str> = file.rsplitn(3, '/').collect();
    let short = match parts.as_slice() {
        [file, dir, _] => format!("{dir}/{file}"),
        _ => file.clone(),
    };
    match frame.line {
        Some(line) => format!("{}:{line}", clean(&short)),
        None => clean(&short).into_owned(),
    }
}
