//! Go release numbers as executables write them (`runtime.buildVersion`): parsing and order. Says nothing of what a
//! release is like inside.

use std::fmt;

/// The version of the Go toolchain that built an executable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GoVersion {
    /// `1.MINOR`: releases of Go 2 are not expected by any of the formats.
    pub minor: u32,
    /// The patch release; 0 for `go1.N`, as releases before 1.21 call their first.
    pub patch: u32,
    /// Not a release: `devel`, `rc1`, `beta2`. Such a toolchain may differ from every release.
    pub pre_release: bool,
    /// What follows the number: GOEXPERIMENT (` X:name`) or a vendor's mark; empty in an ordinary release.
    pub suffix: String,
    /// As the executable has it.
    pub raw: String,
}

impl GoVersion {
    /// Parses `go1.26.5`, `go1.21rc2`, `go1.24.1 X:nodwarf5`, `devel go1.27-3f2d7e8 ...`; `None` for anything else.
    pub fn parse(raw: &str) -> Option<Self> {
        let (devel, rest) = match raw.strip_prefix("devel ") {
            Some(rest) => (true, rest),
            None => (false, raw),
        };
        let rest = rest.strip_prefix("go1.")?;
        let (minor, mut rest) = number(rest)?;
        let mut patch = 0;
        if let Some((n, tail)) = rest.strip_prefix('.').and_then(number) {
            (patch, rest) = (n, tail);
        }
        let unreleased = ["rc", "beta", "alpha", "-devel"]
            .iter()
            .any(|mark| rest.starts_with(mark));
        Some(GoVersion {
            minor,
            patch,
            pre_release: devel || unreleased,
            suffix: rest.trim_start().to_owned(),
            raw: raw.to_owned(),
        })
    }

    /// (minor, patch), which orders releases.
    pub fn release(&self) -> (u32, u32) {
        (self.minor, self.patch)
    }
}

impl fmt::Display for GoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.raw)
    }
}

fn number(text: &str) -> Option<(u32, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let value = text
        .get(..end)
        .filter(|digits| digits.len() <= 4)?
        .parse()
        .ok()?;
    Some((value, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let v = |raw| GoVersion::parse(raw).map(|v| (v.minor, v.patch, v.pre_release, v.suffix));
        assert_eq!(v("go1.26.5"), Some((26, 5, false, String::new())));
        assert_eq!(v("go1.19"), Some((19, 0, false, String::new())));
        assert_eq!(v("go1.21rc2"), Some((21, 0, true, "rc2".into())));
        assert_eq!(
            v("go1.24.1 X:nodwarf5"),
            Some((24, 1, false, "X:nodwarf5".into()))
        );
        assert_eq!(
            v("devel go1.27-3f2d Tue"),
            Some((27, 0, true, "-3f2d Tue".into()))
        );
        assert_eq!(
            v("go1.20.6 (Red Hat 1.20.6-1)"),
            Some((20, 6, false, "(Red Hat 1.20.6-1)".into()))
        );
        for bad in [
            "",
            "go",
            "go2.0",
            "1.22",
            "go1.",
            "go1.x",
            "go1.99999",
            "unknown",
        ] {
            assert_eq!(v(bad), None, "{bad}");
        }
    }
}
