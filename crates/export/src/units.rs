//! Numbers for people: durations, counts, bytes and fractions to three significant digits.
//! JSON has none of this; it has integers with the unit in the name.

/// A duration in ns with the unit that gives it one to three digits before the point: `87ns`, `1.20us`, `45.6ms`,
/// `3.10s`; thousands of seconds stay seconds. At most 6 columns up to a day.
pub fn duration(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns}ns"),
        1_000..999_500 => format!("{}us", three_digits(ns as f64 / 1e3)),
        999_500..999_500_000 => format!("{}ms", three_digits(ns as f64 / 1e6)),
        _ => format!("{}s", three_digits(ns as f64 / 1e9)),
    }
}

/// A count with thousands separated, in millions and more from 10 million on: `12,340`, `12.3M`.
pub fn count(n: u64) -> String {
    match n {
        0..10_000_000 => {
            let digits = n.to_string();
            let mut text = String::with_capacity(digits.len() + 3);
            for (i, c) in digits.chars().enumerate() {
                if i > 0 && (digits.len() - i).is_multiple_of(3) {
                    text.push(',');
                }
                text.push(c);
            }
            text
        }
        10_000_000..999_500_000 => format!("{}M", three_digits(n as f64 / 1e6)),
        999_500_000..999_500_000_000 => format!("{}G", three_digits(n as f64 / 1e9)),
        _ => format!("{}T", three_digits(n as f64 / 1e12)),
    }
}

/// A size: `512 B`, `38.1 MiB`.
pub fn bytes(n: u64) -> String {
    let mut value = n as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 999.5 {
            return if unit == "B" {
                format!("{n} B")
            } else {
                format!("{} {unit}", three_digits(value))
            };
        }
        value /= 1024.0;
    }
    format!("{} TiB", three_digits(value))
}

/// A share as a percentage: `72.1%`, `0.34%`, `<0.01%`; what is not all is never shown as `100%`.
pub fn fraction(part: f64) -> String {
    let percent = part * 100.0;
    if !percent.is_finite() || percent <= 0.0 {
        return "0%".to_owned();
    }
    if percent < 0.01 {
        return "<0.01%".to_owned();
    }
    if (99.95..100.0).contains(&percent) {
        return ">99.9%".to_owned();
    }
    if percent < 1.0 {
        return format!("{percent:.2}%");
    }
    if percent < 100.0 {
        return format!("{percent:.1}%");
    }
    format!("{percent:.0}%")
}

/// Three significant digits, never fewer digits than the whole part has.
pub(crate) fn three_digits(value: f64) -> String {
    if value < 9.995 {
        format!("{value:.2}")
    } else if value < 99.95 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (ns, text) in [
            (0, "0ns"),
            (999, "999ns"),
            (1_000, "1.00us"),
            (12_345, "12.3us"),
            (99_949, "99.9us"),
            (99_950, "100us"),
            (999_499, "999us"),
            (999_500, "1.00ms"),
            (45_600_000, "45.6ms"),
            (999_499_999, "999ms"),
            (999_500_000, "1.00s"),
            (61_000_000_000, "61.0s"),
            (86_400_000_000_000, "86400s"),
        ] {
            assert_eq!(duration(ns), text);
            assert!(text.len() <= 6);
        }
        assert_eq!(duration(u64::MAX), "18446744074s");
    }

    #[test]
    fn counts_sizes_and_shares() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_000), "1,000");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(12_345_678), "12.3M");
        assert_eq!(count(u64::MAX), "18446744T");
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(40_000_000), "38.1 MiB");
        assert_eq!(bytes(1_020 * 1024), "1.00 MiB");
        assert_eq!(fraction(0.7214), "72.1%");
        assert_eq!(fraction(1.0), "100%");
        assert_eq!(fraction(0.999_99), ">99.9%");
        assert_eq!(fraction(3.5), "350%");
        assert_eq!(fraction(0.0034), "0.34%");
        assert_eq!(fraction(0.000_001), "<0.01%");
        assert_eq!(fraction(f64::NAN), "0%");
    }
}
