//! Foreign text made fit for a terminal: paths and names come from the traced program and its clients, who
//! may put anything in them. It knows nothing of layout.

use std::borrow::Cow;
use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The text with whatever could move the cursor, recolour or reorder the line shown as `\x1b` or
/// `\u{202e}`: control characters, line separators, invisible and direction-changing ones.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            c if is_unsafe(c) && (c as u32) < 0x100 => {
                let _ = write!(safe, "\\x{:02x}", c as u32);
            }
            c if is_unsafe(c) => {
                let _ = write!(safe, "\\u{{{:x}}}", c as u32);
            }
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// JSON with the same characters escaped as JSON does it: JSON itself demands that of the first 32
/// only, and a document, too, is looked at in a terminal.
pub fn clean_json(json: &str) -> Cow<'_, str> {
    // Outside of strings there are none but newlines.
    let harmful = |c: char| c != '\n' && is_unsafe(c);
    if !json.chars().any(harmful) {
        return Cow::Borrowed(json);
    }
    let mut safe = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        if harmful(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Columns the text takes on a terminal.
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// The beginning of the text, ending in `…` if it takes more than `columns`.
pub fn shorten(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    if columns == 0 {
        return Cow::Borrowed("");
    }
    Cow::Owned(format!("{}…", head(text, columns - 1)))
}

/// The beginning and the end of the text with `…` between, if it takes more than `columns`. For paths,
/// which differ at their end.
pub fn shorten_middle(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    if columns < 5 {
        return shorten(text, columns);
    }
    let end = (columns - 1) / 2;
    let start = columns - 1 - end;
    Cow::Owned(format!("{}…{}", head(text, start), tail(text, end)))
}

/// As many characters from the start as fit; marks that combine with the last one stay with it.
fn head(text: &str, columns: usize) -> &str {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > columns {
            return &text[..at];
        }
    }
    text
}

/// As many characters from the end as fit, never beginning with a mark without its base.
fn tail(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let mut from = text.len();
    for (at, c) in text.char_indices().rev() {
        let w = c.width().unwrap_or(0);
        used += w;
        if used > columns {
            break;
        }
        if w > 0 {
            from = at;
        }
    }
    &text[from..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_could_harm_is_shown() {
        assert_eq!(clean("/a/b"), "/a/b");
        assert_eq!(clean("/\u{1b}[31m\r\n\t\u{7f}"), "/\\x1b[31m\\r\\n\\t\\x7f");
        assert_eq!(clean("a\u{202e}b\u{9b}c"), "a\\u{202e}b\\x9bc");
        assert_eq!(clean("/日本/é"), "/日本/é");
    }

    #[test]
    fn json_says_the_same_without_them() {
        let text = "a\u{9b}b\u{7f}\u{202e}\u{e0041}é\n";
        let json = serde_json::to_string_pretty(&[text]).unwrap();
        let safe = clean_json(&json);
        assert_eq!(
            safe,
            "[\n  \"a\\u009bb\\u007f\\u202e\\udb40\\udc41é\\n\"\n]"
        );
        let back: Vec<String> = serde_json::from_str(&safe).unwrap();
        assert_eq!(back, [text]);
    }

    #[test]
    fn shortening() {
        assert_eq!(shorten("abcdef", 6), "abcdef");
        assert_eq!(shorten("abcdefg", 6), "abcde…");
        assert_eq!(shorten("日本語", 4), "日…");
        assert_eq!(shorten("abc", 0), "");
        assert_eq!(shorten_middle("/very/long/path/to/x", 11), "/very…/to/x");
        assert_eq!(shorten_middle("abcdefgh", 3), "ab…");
        // e + combining acute: the mark goes with its letter.
        assert_eq!(shorten("e\u{301}e\u{301}e\u{301}", 2), "e\u{301}…");
        assert_eq!(
            shorten_middle("aaaaaae\u{301}e\u{301}", 5),
            "aa…e\u{301}e\u{301}"
        );
    }

    proptest! {
        #[test]
        fn it_always_fits(text in any::<String>(), columns in 0usize..40) {
            let text = clean(&text).into_owned();
            prop_assert!(!text.chars().any(char::is_control));
            prop_assert!(width(&shorten(&text, columns)) <= columns);
            prop_assert!(width(&shorten_middle(&text, columns)) <= columns);
        }
    }
}
