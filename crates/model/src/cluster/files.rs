//! Which positions are file trees: a catch-all served them, whatever their depth.
//!
//! `/static/css/site.css`, `/static/js/vendor/d3.js` and `/static/logo.svg` have no template of
//! placeholders in common. Names with an extension, at several depths below one node, are what a file
//! server's paths look like, and nothing else's do.

use super::trie::{Ix, Trie};

/// Fewer files show no tree.
const FILES: usize = 6;
/// Of ten paths that end below, so many are files at least.
const OF_TEN: usize = 8;
/// Longer is no extension.
const EXTENSION: usize = 5;

/// `app.js`, `font.woff2`; not `v1.2`, `.well-known`, `example.com:80`.
fn is_file(text: &str) -> bool {
    text.rsplit_once('.').is_some_and(|(name, extension)| {
        !name.is_empty()
            && (1..=EXTENSION).contains(&extension.len())
            && extension.bytes().all(|b| b.is_ascii_alphanumeric())
            && extension.bytes().any(|b| b.is_ascii_alphabetic())
    })
}

#[derive(Default)]
struct Seen {
    files: usize,
    others: usize,
    shallow: bool,
    deep: bool,
}

/// Whether what lies below a node is a tree of files.
pub(super) fn is_tree(trie: &Trie<'_>, at: Ix) -> bool {
    let mut seen = Seen::default();
    let mut todo = vec![(at, 0)];
    while let Some((ix, depth)) = todo.pop() {
        let node = &trie.nodes[ix];
        for (text, child) in &node.literals {
            if !trie.nodes[*child].ends.is_empty() {
                if is_file(text) {
                    seen.files += 1;
                    seen.shallow |= depth == 0;
                    seen.deep |= depth > 0;
                } else if !text.is_empty() {
                    seen.others += 1;
                }
            }
            todo.push((*child, depth + 1));
        }
        todo.extend(node.wild.map(|child| (child, depth + 1)));
    }
    seen.shallow
        && seen.deep
        && seen.files >= FILES
        && seen.files * 10 >= (seen.files + seen.others) * OF_TEN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_by_their_names() {
        for text in ["app.js", "font.woff2", "a.b.css", "x.7z"] {
            assert!(is_file(text), "{text}");
        }
        for text in ["v1.2", ".htaccess", "users", "1.0", "example.comment", "a."] {
            assert!(!is_file(text), "{text}");
        }
    }
}
