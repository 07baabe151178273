//! Field offsets of executables without debug information: `offsets.tsv`, measured release by release. A release that
//! was not measured gets nothing but a reason, for a wrong offset reads as a plausible number.

use crate::offsets::{FIELDS, Field, NoOffsets, OffsetSource, Offsets};
use crate::version::GoVersion;

/// One row a measured release; how it came about stands at its top.
const TABLE: &str = include_str!("offsets.tsv");

/// GOEXPERIMENT values (`X:name`) measured to leave every field where it is, each with one or two releases that have
/// it (1.21.13, 1.22.12, 1.24.11, 1.25.5, 1.26.8), by building the corpus program with and without.
const HARMLESS: &[&str] = &[
    "boringcrypto",
    "goroutineleakprofile",
    "greenteagc",
    "jsonv2",
    "loopvar",
    "noaliastypeparams",
    "nocoverageredesign",
    "nodwarf5",
    "nogreenteagc",
    "norandomizedheapbase64",
    "nospinbitmutex",
    "noswissmap",
    "runtimesecret",
    "simd",
    "synctest",
];

struct Row {
    release: (u32, u32),
    name: String,
    values: Vec<Option<u32>>,
}

fn rows() -> Option<Vec<Row>> {
    parse(TABLE)
}

fn parse(table: &str) -> Option<Vec<Row>> {
    let mut lines = table
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let columns: Vec<&str> = lines.next()?.split('\t').skip(1).collect();
    let places: Option<Vec<usize>> = FIELDS
        .iter()
        .map(|field| columns.iter().position(|c| *c == field.column))
        .collect();
    let places = places?;
    lines
        .map(|line| {
            let mut cells = line.split('\t');
            let name = cells.next()?.to_owned();
            let cells: Vec<&str> = cells.collect();
            let values = places
                .iter()
                .map(|&place| match *cells.get(place)? {
                    "-" => Some(None),
                    number => number.parse().ok().map(Some),
                })
                .collect::<Option<_>>()?;
            Some(Row {
                release: GoVersion::parse(&name)?.release(),
                name,
                values,
            })
        })
        .collect()
}

/// The offsets of a release by the built-in table.
pub(crate) fn from_table(version: &GoVersion) -> Result<Offsets, NoOffsets> {
    if version.pre_release {
        return Err(NoOffsets::PreRelease(version.raw.clone()));
    }
    if !ordinary(&version.suffix) {
        return Err(NoOffsets::Modified(version.raw.clone()));
    }
    choose(&rows().ok_or(NoOffsets::Damaged)?, version)
}

/// The row of a release, or what the rows around it agree on.
fn choose(rows: &[Row], version: &GoVersion) -> Result<Offsets, NoOffsets> {
    let wanted = version.release();
    let low = rows.iter().rev().find(|r| r.release <= wanted);
    let high = rows.iter().find(|r| r.release >= wanted);
    let (Some(low), Some(high)) = (low, high) else {
        let version = version.raw.clone();
        return Err(match low {
            Some(low) => NoOffsets::TooNew {
                version,
                newest: low.name.clone(),
            },
            None => NoOffsets::TooOld {
                version,
                oldest: rows.first().map(|r| r.name.clone()).unwrap_or_default(),
            },
        });
    };
    if low.release == wanted {
        return low.offsets(OffsetSource::Table {
            release: low.name.clone(),
        });
    }
    if low.release.0 != wanted.0 {
        // Also a first patch release we have no row of: both neighbours are other minor versions.
        return Err(NoOffsets::Moved {
            version: version.raw.clone(),
            field: "any field".into(),
            low: low.name.clone(),
            high: high.name.clone(),
        });
    }
    if high.release.0 != wanted.0 {
        return Err(NoOffsets::TooNew {
            version: version.raw.clone(),
            newest: low.name.clone(),
        });
    }
    let agreed = Row {
        release: wanted,
        name: version.raw.clone(),
        values: low
            .values
            .iter()
            .zip(&high.values)
            .map(|(a, b)| if a == b { *a } else { None })
            .collect(),
    };
    let source = OffsetSource::Between {
        low: low.name.clone(),
        high: high.name.clone(),
    };
    Offsets::collect(source, |field| agreed.value(field)).map_err(|field| NoOffsets::Moved {
        version: version.raw.clone(),
        field: field.to_owned(),
        low: low.name.clone(),
        high: high.name.clone(),
    })
}

/// The offsets of the measured release nearest to a version (the last of it or before; else the first of all).
/// Not known to fit: to be used behind a check at run time, or not at all.
pub fn nearest_offsets(version: &GoVersion) -> Option<Offsets> {
    let rows = rows()?;
    let row = rows
        .iter()
        .rev()
        .find(|r| r.release <= version.release())
        .or(rows.first())?;
    row.offsets(OffsetSource::Nearest {
        release: row.name.clone(),
    })
    .ok()
}

/// No suffix, or one that says the runtime's structs are as released. `go1.24.1 X:name`, since 1.25 `go1.26.1-X:name`.
fn ordinary(suffix: &str) -> bool {
    match suffix.trim_start_matches('-').strip_prefix("X:") {
        Some(experiments) => experiments.split(',').all(|e| HARMLESS.contains(&e)),
        // Red Hat's mark its packaging; its runtime is the release's.
        None => suffix.is_empty() || suffix.starts_with("(Red Hat "),
    }
}

impl Row {
    fn value(&self, field: &Field) -> Option<u32> {
        let i = FIELDS.iter().position(|f| f.column == field.column)?;
        self.values.get(i).copied().flatten()
    }

    fn offsets(&self, source: OffsetSource) -> Result<Offsets, NoOffsets> {
        Offsets::collect(source, |field| self.value(field)).map_err(|_| NoOffsets::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(raw: &str) -> GoVersion {
        GoVersion::parse(raw).expect("a version")
    }

    #[test]
    fn the_table() {
        let rows = rows().expect("the table parses");
        assert!(rows.is_sorted_by(|a, b| a.release < b.release));
        // A minor version's first release bounds what may be taken from its neighbours.
        for minor in 18..=27 {
            assert!(rows.iter().any(|r| r.release == (minor, 0)), "1.{minor}.0");
        }
        for row in &rows {
            assert!(row.offsets(OffsetSource::Dwarf).is_ok(), "{}", row.name);
        }
        // The fields that moved within a minor version have both neighbours.
        let status = |raw| from_table(&version(raw)).map(|o| o.response_status);
        assert_eq!(
            (status("go1.26.10"), status("go1.26.11")),
            (Ok(Some(120)), Ok(Some(128)))
        );
    }

    /// A release to come: refused today, known with one more row and no more.
    #[test]
    fn a_new_release_takes_a_row() {
        let next = version("go1.29.1");
        let newest = TABLE.lines().last().expect("a row");
        let cells = newest.split_once('\t').expect("cells").1;
        assert!(
            matches!(from_table(&next), Err(NoOffsets::TooNew { newest: name, .. }) if newest.starts_with(&name))
        );
        let longer = format!("{TABLE}go1.29.1\t{cells}\n");
        let known = choose(&parse(&longer).expect("rows"), &next).expect("offsets");
        assert_eq!(
            known.source,
            OffsetSource::Table {
                release: "go1.29.1".into()
            }
        );
    }

    #[test]
    fn between_rows() {
        let mut rows: Vec<Row> = rows()
            .expect("the table parses")
            .into_iter()
            .filter(|r| r.release.0 == 26)
            .collect();
        rows.retain(|r| r.release == (26, 0) || r.release == (26, 11));
        let between = choose(&rows, &version("go1.26.4")).expect("offsets");
        assert!(
            matches!(&between.source, OffsetSource::Between { low, high } if low == "go1.26.0" && high == "go1.26.11")
        );
        assert_eq!(
            (between.g_goid, between.response_status),
            (152, None),
            "status moved somewhere between"
        );
        let goid = FIELDS
            .iter()
            .position(|f| f.column == "g.goid")
            .expect("a column");
        rows[1].values[goid] = Some(160);
        let moved = choose(&rows, &version("go1.26.4"));
        assert!(
            matches!(&moved, Err(NoOffsets::Moved { field, .. }) if field == "g.goid"),
            "{moved:?}"
        );
        assert!(matches!(
            choose(&rows, &version("go1.26.12")),
            Err(NoOffsets::TooNew { .. })
        ));
        assert!(matches!(
            choose(&rows, &version("go1.25.14")),
            Err(NoOffsets::TooOld { .. })
        ));
    }

    #[test]
    fn modified_toolchains() {
        assert!(from_table(&version("go1.26.1-X:nodwarf5")).is_ok());
        assert!(from_table(&version("go1.24.1 X:synctest,noswissmap")).is_ok());
        assert!(from_table(&version("go1.20.10 (Red Hat 1.20.10-1.el9)")).is_ok());
        for raw in [
            "go1.24.1 X:unheardof",
            "go1.24.1 X:synctest,unheardof",
            "go1.24.1-fork",
        ] {
            assert!(
                matches!(from_table(&version(raw)), Err(NoOffsets::Modified(_))),
                "{raw}"
            );
        }
    }
}
