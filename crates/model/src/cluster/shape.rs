//! The shape of a path segment: what is left of it when the part that varies is taken out.
//!
//! Siblings of one shape (`user_17`, `user_204`; `ord-9f8a7c`, `ord-77be01`) are values, not names. A digit
//! alone proves nothing (`v2`, `oauth2`, `s3`): the proof is several siblings of the same shape. This file
//! only tells shapes; how many make a proof is [`Shape::enough`], and what follows is `decide`'s.

/// What a segment has in common with its like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    /// Digits taken out: `user_*`, `img_*.png`, `k*` for `k12`.
    pub(super) fine: String,
    /// Every token that holds a digit taken out whole: `user_*`, `img_*.png`, `*` for `k12`.
    pub(super) coarse: String,
    /// Siblings of the fine shape that prove it varies.
    pub(super) enough: usize,
}

/// Siblings of one coarse shape but different fine ones that prove it (`amber0.css`, `delta1.css`): more
/// than the fine shapes need, since names with digits may meet by chance (`mp4`, `x509`, `base64`).
pub(super) const ENOUGH_COARSE: usize = 8;

/// Names that hold a digit and vary no more than other names do.
#[rustfmt::skip]
const NAMES: &[&str] = &[
    "2d", "2fa", "3d", "3ds", "a11y", "auth0", "b2b", "b2c", "base32", "base64", "c2c", "d3", "e2e",
    "ec2", "es5", "es6", "fido2", "h2", "h2c", "h264", "h265", "h3", "http2", "http3", "i18n",
    "ip4", "ip6", "ipv4", "ipv6", "k3s", "k8s", "l10n", "log4j", "m3u8", "md5", "mp3", "mp4",
    "neo4j", "o365", "oauth1", "oauth2", "p2p", "r2", "s3", "sha1", "sha224", "sha256", "sha384",
    "sha512", "u2f", "utf16", "utf8", "web2", "web3", "x509",
];

/// Whether a segment is a version as interfaces bear it: `v1`, `v2beta1`, `v1.1`, `2.0` is not (it may
/// be a value), `v1.2.3` is not (packages have those, interfaces do not).
pub(super) fn is_version(text: &str) -> bool {
    let Some(rest) = text.strip_prefix(['v', 'V']) else {
        return false;
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    if !(1..=3).contains(&digits) {
        return false;
    }
    let rest = &rest[digits..];
    let minor = rest.strip_prefix('.').unwrap_or(rest);
    let minor = minor.trim_end_matches(|c: char| c.is_ascii_digit());
    ["", "alpha", "beta", "rc", "p", "preview"].contains(&minor.trim_start_matches(['-', '_']))
}

/// The shape of a segment, or `None` where nothing in it looks as if it varied.
pub(super) fn of(text: &str) -> Option<Shape> {
    if is_version(text) || NAMES.contains(&text.to_ascii_lowercase().as_str()) {
        return None;
    }
    // Addresses, handles and escaped text are data wherever they stand.
    for (mark, shape) in [('@', "@"), ('%', "%")] {
        if text.contains(mark) {
            return Some(Shape {
                fine: shape.to_owned(),
                coarse: shape.to_owned(),
                enough: 3,
            });
        }
    }
    let mut fine = String::with_capacity(text.len());
    let mut coarse = String::with_capacity(text.len());
    let (mut varies, mut strong) = (false, false);
    for token in tokens(text) {
        if !token.bytes().any(|b| b.is_ascii_digit()) {
            strong |= !token.chars().all(char::is_alphanumeric);
            fine.push_str(token);
            coarse.push_str(token);
            continue;
        }
        varies = true;
        coarse.push('*');
        let letters = token.bytes().take_while(u8::is_ascii_alphabetic).count();
        let digits = &token[letters..];
        if letters == 0 || is_random(token) {
            fine.push('*');
            strong = true;
        } else {
            fine.push_str(&token[..letters]);
            fine.push('*');
            strong |= digits.len() >= 3;
        }
    }
    varies.then_some(Shape {
        fine,
        coarse,
        // `step1` to `step3` may be three names; `user-1` to `user-3` hardly are.
        enough: if strong { 3 } else { 4 },
    })
}

/// The coarse shape a segment without any digit would have, were its hexadecimal tokens values: one in
/// some hundreds of 6-digit hex ids has no decimal digit.
pub(super) fn hex_coarse(text: &str) -> Option<String> {
    let mut coarse = String::with_capacity(text.len());
    let mut any = false;
    for token in tokens(text) {
        if token.len() >= 6 && token.bytes().all(|b| b.is_ascii_hexdigit()) {
            coarse.push('*');
            any = true;
        } else {
            coarse.push_str(token);
        }
    }
    any.then_some(coarse)
}

/// A token with digits that is more than a word and a number: hexadecimal, or letters and digits mixed.
fn is_random(token: &str) -> bool {
    if token.len() >= 6 && token.bytes().all(|b| b.is_ascii_hexdigit()) {
        return true;
    }
    let bytes = token.as_bytes();
    let changes = bytes
        .windows(2)
        .filter(|w| w[0].is_ascii_digit() != w[1].is_ascii_digit())
        .count();
    changes >= 2
}

/// The segment in pieces: runs of ASCII letters and digits, and what stands between them.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let inside = first.is_ascii_alphanumeric();
        let end = rest
            .find(|c: char| c.is_ascii_alphanumeric() != inside)
            .unwrap_or(rest.len());
        let (token, tail) = rest.split_at(end);
        rest = tail;
        Some(token)
    })
}

/// Whether a segment looks like a value on its own: weak evidence, for use over many siblings.
pub(super) fn looks_like_value(text: &str) -> bool {
    let digit = text.bytes().any(|b| b.is_ascii_digit());
    let words = text
        .split(['-', '_', '+', '.', ' '])
        .filter(|w| !w.is_empty())
        .count();
    let extension = text
        .rsplit_once('.')
        .is_some_and(|(stem, ext)| !stem.is_empty() && (1..=5).contains(&ext.len()));
    (digit && of(text).is_some())
        || words >= 3
        || extension
        || text.chars().count() >= 24
        || text.contains(['@', '%'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fine(text: &str) -> Option<String> {
        of(text).map(|s| s.fine)
    }

    #[test]
    fn names_have_no_shape() {
        for name in [
            "v1", "v2", "v10", "v2beta1", "v1.1", "v1alpha", "v2-beta", "oauth2", "s3", "metrics",
            "healthz", "users", "k8s", "sha256", "",
        ] {
            assert_eq!(of(name), None, "{name}");
        }
    }

    #[test]
    fn values_of_one_kind_have_one_shape() {
        for (shape, texts) in [
            ("user_*", ["user_1", "user_123", "user_99"]),
            ("item-*", ["item-42", "item-7", "item-00"]),
            ("ord-*", ["ord-9f8a7c", "ord-123456", "ord-a1b2c3"]),
            ("img_*.png", ["img_0001.png", "img_2.png", "img_77.png"]),
            ("*", ["9f8a7c", "k3j9x2", "7e0"]),
            ("@", ["a@b.org", "@alice", "c.d@e.fr"]),
            ("v*.*.*", ["v1.2.3", "v0.10.0", "v11.0.9"]),
            ("b*", ["b00", "b01", "b99"]),
        ] {
            for text in texts {
                assert_eq!(fine(text).as_deref(), Some(shape), "{text}");
            }
        }
    }

    #[test]
    fn coarse_shapes_forget_the_word_before_the_digits() {
        for text in ["amber0.css", "delta17.css", "x9.css"] {
            assert_eq!(of(text).unwrap().coarse, "*.css");
        }
        assert_eq!(hex_coarse("ord-abcdef").as_deref(), Some("ord-*"));
        assert_eq!(hex_coarse("facade").as_deref(), Some("*"));
        assert_eq!(hex_coarse("orders"), None);
    }

    #[test]
    fn plain_words_with_small_numbers_need_more_siblings() {
        assert_eq!(of("step1").unwrap().enough, 4);
        assert_eq!(of("step-1").unwrap().enough, 3);
        assert_eq!(of("user1234").unwrap().enough, 3);
    }

    #[test]
    fn odd_text_does_not_panic() {
        for text in ["%", "é9é", "日本7", "...", "-", "9", "🦀1🦀", "\u{0}1"] {
            let _ = (
                of(text),
                hex_coarse(text),
                looks_like_value(text),
                is_version(text),
            );
        }
    }
}
