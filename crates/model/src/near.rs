//! "Did you mean": the known names nearest to one that is not known.
//! It judges spelling only; what the names stand for is the caller's business.

/// At most three of `known`, nearest first: names that contain `wanted` or are contained in it, and
/// those within an edit distance of a third of its length (2 at least, as in `wirte` for `write`).
pub(crate) fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = wanted.to_ascii_lowercase();
    let reach = (wanted.len() / 3).max(2);
    let mut found: Vec<(bool, usize, usize, &str)> = known
        .filter_map(|name| {
            let lower = name.to_ascii_lowercase();
            let distance = strsim::osa_distance(&wanted, &lower);
            let related = wanted.len() >= 3
                && lower.len() >= 3
                && (lower.contains(&wanted) || wanted.contains(&lower));
            // The C library's `pread` is the kernel's `pread64`: a common beginning comes first.
            let prefix = related && (lower.starts_with(&wanted) || wanted.starts_with(&lower));
            (distance <= reach || related).then_some((
                !prefix,
                distance,
                wanted.len().abs_diff(lower.len()),
                name,
            ))
        })
        .collect();
    found.sort();
    found.into_iter().take(3).map(|(.., name)| name).collect()
}

/// `: did you mean a, b or c?`, or nothing when there is no near name.
pub(crate) fn hint(near: &[&str]) -> String {
    match near {
        [] => String::new(),
        [one] => format!(": did you mean {one}?"),
        [head @ .., last] => format!(": did you mean {} or {last}?", head.join(", ")),
    }
}
