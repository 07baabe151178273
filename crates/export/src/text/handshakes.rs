//! TLS handshakes: how many, and where their time goes, by step.

use gostall_model::{HANDSHAKE_STEPS, Snapshot};

use super::{Page, wrap};
use crate::{count, duration};

pub(super) fn lines(snapshot: &Snapshot, page: &Page) -> Vec<String> {
    let Some(tls) = &snapshot.tls else {
        return Vec::new();
    };
    let mut items = vec![wrap::plain(format!("{} done", count(tls.handshakes)))];
    if tls.failed > 0 {
        let text = format!("{} broken off", count(tls.failed));
        items.push((text.clone(), page.paint.mind(&text)));
    }
    for name in HANDSHAKE_STEPS {
        let Some(step) = tls.steps.get(name) else {
            continue;
        };
        let value = format!("{}/{}", duration(step.p50_ns), duration(step.p99_ns));
        let label = label(name);
        items.push((
            format!("{label} {value}"),
            format!("{} {}", page.paint.dim(label), page.paint.strong(&value)),
        ));
    }
    let mut lines = vec![page.title("TLS HANDSHAKES, p50/p99 of each step")];
    lines.extend(wrap::items("  ", &items, page.width));
    lines
}

fn label(step: &str) -> &str {
    match step {
        "accept_to_hello" => "client's hello",
        "hello_to_answer" => "our answer",
        "answer_to_finished" => "client's end",
        "finished_to_done" => "our end",
        other => other,
    }
}
