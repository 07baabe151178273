//! Why a goroutine waits: what the numbers of `g.waitreason` mean, release by release. They move between minor
//! releases, so one that was not looked up gets no names.

use crate::version::GoVersion;

const TABLE: &str = include_str!("wait_reasons.tsv");

/// The names of a release's wait reasons, by number, as runtime2.go has them without `waitReason`: `IOWait`,
/// `ChanReceive`. Empty for a release that is not in the table.
pub fn wait_reasons(version: &GoVersion) -> Vec<&'static str> {
    if version.pre_release {
        return Vec::new();
    }
    let release = format!("go1.{}", version.minor);
    TABLE
        .lines()
        .find_map(|line| {
            let (name, reasons) = line.split_once('\t')?;
            (name == release).then(|| reasons.split('\t').collect())
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(version: &str) -> Vec<&'static str> {
        wait_reasons(&GoVersion::parse(version).expect("a version"))
    }

    #[test]
    fn numbers_are_those_of_the_release() {
        for (version, select, sleep) in [
            ("go1.19.8", 9, 19),
            ("go1.24.1", 9, 19),
            ("go1.25.5", 9, 20),
            ("go1.26.8", 18, 14),
            ("go1.27.3", 18, 14),
        ] {
            let reasons = of(version);
            assert_eq!(reasons[0], "Zero", "{version}");
            assert_eq!(reasons[2], "IOWait", "{version}");
            assert_eq!(reasons[select], "Select", "{version}");
            assert_eq!(reasons[sleep], "Sleep", "{version}");
        }
    }

    #[test]
    fn an_unknown_release_has_none() {
        assert!(of("go1.99").is_empty());
        assert!(of("devel go1.27-3f2d7e8").is_empty());
    }
}
