//! Errno numbers and names, both ways.
//!
//! One rule for output: the name a program's author knows (`EAGAIN`), and `E` with the number where
//! user space has no name (`E524`). It does not interpret what an errno means for a server.

use std::borrow::Cow;

use crate::errno_table::{INTERNAL, USER};
use crate::near;

/// A name that is no errno.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown errno `{name}`{}", near::hint(.near))]
pub struct UnknownErrno {
    /// What was asked for.
    pub name: String,
    /// Known names spelled alike, nearest first; may be empty.
    pub near: Vec<&'static str>,
}

fn row(
    table: &'static [(u16, &'static str, &'static str)],
    number: u16,
) -> Option<&'static (u16, &'static str, &'static str)> {
    table
        .binary_search_by_key(&number, |row| row.0)
        .ok()
        .map(|at| &table[at])
}

/// The name of an errno as every output shows it: `EAGAIN`, or `E524` where user space has no name.
pub fn name(number: u16) -> Cow<'static, str> {
    match row(USER, number) {
        Some(row) => Cow::Borrowed(row.1),
        None => Cow::Owned(format!("E{number}")),
    }
}

/// The sentence for an errno (`Resource temporarily unavailable`). For the kernel's private codes it
/// begins with the kernel's own name (`ERESTARTSYS: To be restarted ...`). `None`: no such errno.
pub fn sentence(number: u16) -> Option<Cow<'static, str>> {
    row(USER, number)
        .map(|row| Cow::Borrowed(row.2))
        .or_else(|| row(INTERNAL, number).map(|row| Cow::Owned(format!("{}: {}", row.1, row.2))))
}

/// The result of a syscall as output shows it: `ok` for 0, else the errno's [`name`].
pub fn result_name(res: u16) -> Cow<'static, str> {
    if res == 0 {
        Cow::Borrowed("ok")
    } else {
        name(res)
    }
}

/// The number of a name, in any case: `EAGAIN`, its synonyms (`EWOULDBLOCK`, `ENOTSUP`, `EDEADLOCK`), the
/// kernel's private names (`ERESTARTSYS`), and `E524` or `524` as numbers.
///
/// # Errors
/// [`UnknownErrno`] with the nearest names.
pub fn number(name: &str) -> Result<u16, UnknownErrno> {
    let upper = name.trim().to_ascii_uppercase();
    // asm-generic/errno.h defines these as other names of the same number.
    let canonical = match upper.as_str() {
        "EWOULDBLOCK" => "EAGAIN",
        "EDEADLOCK" => "EDEADLK",
        "ENOTSUP" => "EOPNOTSUPP",
        other => other,
    };
    if let Some(row) = USER.iter().chain(INTERNAL).find(|row| row.1 == canonical) {
        return Ok(row.0);
    }
    let digits = canonical.strip_prefix('E').unwrap_or(canonical);
    if let Ok(number @ 1..=4095) = digits.parse::<u16>() {
        return Ok(number);
    }
    Err(UnknownErrno {
        near: near::nearest(canonical, USER.iter().map(|row| row.1)),
        name: name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_ascend_and_names_are_unique() {
        let all: Vec<_> = USER.iter().chain(INTERNAL).collect();
        assert!(all.windows(2).all(|w| w[0].0 < w[1].0));
        let mut names: Vec<_> = all.iter().map(|r| r.1).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|w| w[0] != w[1]));
        assert_eq!(USER.len(), 131);
    }

    #[test]
    fn names_as_the_contract_has_them() {
        assert_eq!(name(11), "EAGAIN");
        assert_eq!(name(133), "EHWPOISON");
        assert_eq!(name(524), "E524");
        assert_eq!(name(512), "E512");
        assert_eq!(name(41), "E41");
        assert_eq!(result_name(0), "ok");
        assert_eq!(
            sentence(512).unwrap(),
            "ERESTARTSYS: To be restarted if SA_RESTART is set"
        );
        assert_eq!(sentence(41), None);
    }

    #[test]
    fn every_name_finds_its_number() {
        for row in USER.iter().chain(INTERNAL) {
            assert_eq!(number(row.1), Ok(row.0));
            assert_eq!(number(&name(row.0).to_lowercase()), Ok(row.0));
        }
        assert_eq!(number("EWOULDBLOCK"), Ok(11));
        assert_eq!(number("E524"), Ok(524));
        assert_eq!(number("24"), Ok(24));
    }

    #[test]
    fn a_slip_is_answered_with_the_near_names() {
        let slip = number("EMFLIE").unwrap_err();
        assert_eq!(slip.near.first(), Some(&"EMFILE"));
        assert!(slip.to_string().contains("did you mean EMFILE"), "{slip}");
        assert!(number("0").is_err());
        assert!(number("99999").is_err());
        assert!(
            number("")
                .unwrap_err()
                .to_string()
                .starts_with("unknown errno ``")
        );
    }
}
