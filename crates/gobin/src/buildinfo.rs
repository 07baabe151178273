//! What `go version -m` shows: toolchain version, modules and build settings (`debug/buildinfo/buildinfo.go`,
//! `runtime/debug/mod.go`). Where an executable has none, [`crate::version_scan`] may still tell the version.

use crate::bytes::{u8_at, u64_at, uvarint};
use crate::elf::Elf;

const MAGIC: &[u8] = b"\xff Go buildinf:";
/// The magic's alignment, in bytes.
const ALIGN: usize = 16;
/// Flag: strings inline behind a header of 32 bytes (Go 1.18 and later).
const INLINE: u8 = 2;
const INLINE_HEADER: usize = 32;
/// Longer build information is not believed; real ones are some 10 KiB.
const MAX_TEXT: usize = 1 << 20;
/// The linker puts a marker of this length before and behind the text, for the runtime to find.
const MARKER: usize = 16;

/// One module of the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleVersion {
    /// Import path.
    pub path: String,
    /// Version as in go.mod; `(devel)` for a main module built from a checkout; may be empty.
    pub version: String,
}

/// The build information of an executable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildInfo {
    /// The toolchain's version as written, such as `go1.26.5`.
    pub go_version: String,
    /// Import path of the main package.
    pub path: String,
    /// The main module, where there is one.
    pub main: Option<ModuleVersion>,
    /// Modules the program was linked with, replacements applied.
    pub deps: Vec<ModuleVersion>,
    /// Build settings in the order written: `-buildmode`, `-ldflags`, `CGO_ENABLED`, `GOARCH`, `vcs.revision`...
    pub settings: Vec<(String, String)>,
}

impl BuildInfo {
    /// The value of a build setting.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v.as_str())
    }

    pub(crate) fn find(elf: &Elf, data: &[u8]) -> Option<Self> {
        if let Some(section) = elf.section(".go.buildinfo")
            && let Some(info) = Self::decode(elf, data, elf.section_data(section, data))
        {
            return Some(info);
        }
        // Without the section: aligned, in a writable segment.
        elf.segments.iter().filter(|s| s.writable).find_map(|s| {
            let bytes = elf.tail(data, s.vaddr)?;
            memchr::memmem::find_iter(bytes, MAGIC)
                .filter(|at| (s.vaddr as usize).wrapping_add(*at).is_multiple_of(ALIGN))
                .take(16)
                .find_map(|at| Self::decode(elf, data, &bytes[at..]))
        })
    }

    /// Reads the blob that begins with the magic.
    fn decode(elf: &Elf, data: &[u8], blob: &[u8]) -> Option<Self> {
        if !blob.starts_with(MAGIC) {
            return None;
        }
        let (version, text) = if u8_at(blob, 15)? & INLINE != 0 {
            let rest = blob.get(INLINE_HEADER..)?;
            let (version, rest) = inline_string(rest)?;
            (
                version,
                inline_string(rest).map_or(&[][..], |(text, _)| text),
            )
        } else {
            let string = |at| pointed_string(elf, data, u64_at(blob, at)?);
            (string(16)?, string(24).unwrap_or_default())
        };
        let mut info = BuildInfo {
            go_version: std::str::from_utf8(version).ok()?.to_owned(),
            ..Self::default()
        };
        let marked = text.len() > 2 * MARKER && text[text.len() - MARKER - 1] == b'\n';
        if marked {
            info.read_text(&String::from_utf8_lossy(&text[MARKER..text.len() - MARKER]));
        }
        Some(info)
    }

    fn read_text(&mut self, text: &str) {
        for line in text.lines() {
            let mut parts = line.split('\t');
            let module = |mut parts: std::str::Split<'_, char>| {
                let path = parts.next()?.to_owned();
                Some(ModuleVersion {
                    path,
                    version: parts.next().unwrap_or_default().to_owned(),
                })
            };
            match parts.next() {
                Some("path") => self.path = parts.next().unwrap_or_default().to_owned(),
                Some("mod") => self.main = module(parts),
                Some("dep") => self.deps.extend(module(parts)),
                Some("=>") => {
                    if let (Some(last), Some(replacement)) = (self.deps.last_mut(), module(parts)) {
                        *last = replacement;
                    }
                }
                Some("build") => {
                    if let Some((key, value)) =
                        line.strip_prefix("build\t").and_then(|s| s.split_once('='))
                    {
                        self.settings.push((key.to_owned(), unquote(value)));
                    }
                }
                _ => {}
            }
        }
    }
}

/// A value that `strconv.Quote` wrapped because of blanks or quotes in it.
fn unquote(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) else {
        return value.trim_matches('`').to_owned();
    };
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some('t')) => out.push('\t'),
            ('\\', Some(escaped)) => out.push(escaped),
            _ => out.push(c),
        }
    }
    out
}

fn inline_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, used) = uvarint(bytes)?;
    let len = usize::try_from(len).ok().filter(|&len| len <= MAX_TEXT)?;
    let end = used.checked_add(len)?;
    Some((bytes.get(used..end)?, &bytes[end..]))
}

/// The text of a Go string whose header (pointer, length) lies at `vaddr`.
fn pointed_string<'d>(elf: &Elf, data: &'d [u8], vaddr: u64) -> Option<&'d [u8]> {
    let words = elf.words(data, vaddr, 16)?;
    let len = usize::try_from(words[1])
        .ok()
        .filter(|&len| len <= MAX_TEXT)?;
    elf.at(data, words[0], len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_build_information() {
        let mut info = BuildInfo::default();
        info.read_text(
            "path\texample.com/app/cmd\nmod\texample.com/app\tv1.2.3\th1:x=\ndep\ta.b/c\tv0.1.0\th1:y=\n\
             dep\td.e/f\tv0.2.0\n=>\t../f\t\nbuild\t-ldflags=\"-s -w -X \\\"a.b=c\\\"\"\nbuild\tCGO_ENABLED=0\n",
        );
        assert_eq!(info.path, "example.com/app/cmd");
        assert_eq!(
            info.main.as_ref().map(|m| m.version.as_str()),
            Some("v1.2.3")
        );
        assert_eq!(info.deps.len(), 2);
        assert_eq!(
            info.deps[1],
            ModuleVersion {
                path: "../f".into(),
                version: String::new()
            }
        );
        assert_eq!(info.setting("-ldflags"), Some("-s -w -X \"a.b=c\""));
        assert_eq!(info.setting("CGO_ENABLED"), Some("0"));
        assert_eq!(info.setting("GOARCH"), None);
    }
}
