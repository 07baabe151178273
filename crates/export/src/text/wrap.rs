//! Lines broken at a width: running text, and items separated by a dot.

use crate::width;

/// Items joined by ` · ` after a label, continued below the first item. `painted` is what is written for an
/// item, its plain form is what counts for the width.
pub(super) fn items(label: &str, items: &[(String, String)], columns: usize) -> Vec<String> {
    let indent = " ".repeat(width(label));
    let mut lines = Vec::new();
    let mut line = label.to_owned();
    let mut used = width(label);
    let mut first = true;
    for (plain, painted) in items {
        let w = width(plain);
        if !first && used + 3 + w > columns {
            lines.push(std::mem::replace(&mut line, indent.clone()));
            used = indent.len();
            first = true;
        }
        if !first {
            line.push_str(" · ");
            used += 3;
        }
        line.push_str(painted);
        used += w;
        first = false;
    }
    lines.push(line);
    lines
}

/// Text broken between words, with a label before the first line and an indent below it.
pub(super) fn text(label: &str, text: &str, columns: usize) -> Vec<String> {
    let indent = " ".repeat(width(label));
    let mut lines = Vec::new();
    let mut line = label.to_owned();
    let mut first = true;
    for word in text.split_whitespace() {
        if !first && width(&line) + 1 + width(word) > columns {
            lines.push(std::mem::replace(&mut line, indent.clone()));
            first = true;
        }
        if !first {
            line.push(' ');
        }
        line.push_str(word);
        first = false;
    }
    lines.push(line);
    lines
}

/// An item whose painted form is its plain one.
pub(super) fn plain(text: impl Into<String>) -> (String, String) {
    let text = text.into();
    (text.clone(), text)
}
