//! Points in time for people: ns since the epoch as time of day in a zone. The caller chooses the zone.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Shows points in time in one zone.
#[derive(Debug, Clone)]
pub struct Clock(TimeZone);

impl Clock {
    /// The zone of this machine's user; UTC where none is set.
    pub fn local() -> Clock {
        Clock(TimeZone::system())
    }

    /// UTC.
    pub fn utc() -> Clock {
        Clock(TimeZone::UTC)
    }

    /// `12:00:01.123456`.
    pub fn time_of_day(&self, unix_ns: u64) -> String {
        self.format(unix_ns, "%H:%M:%S%.6f")
    }

    /// `2026-01-02 12:00:01 CET`.
    pub fn date_and_time(&self, unix_ns: u64) -> String {
        self.format(unix_ns, "%Y-%m-%d %H:%M:%S %Z")
    }

    fn format(&self, unix_ns: u64, format: &str) -> String {
        match Timestamp::from_nanosecond(i128::from(unix_ns)) {
            Ok(time) => time.to_zoned(self.0.clone()).strftime(format).to_string(),
            // Beyond the year 9999 no clock is right; u64 ends in 2554.
            Err(_) => unix_ns.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utc() {
        let clock = Clock::utc();
        let t = 1_767_355_201_123_456_789;
        assert_eq!(clock.time_of_day(t), "12:00:01.123456");
        assert_eq!(clock.date_and_time(t), "2026-01-02 12:00:01 UTC");
        assert_eq!(clock.time_of_day(0), "00:00:00.000000");
        assert_eq!(clock.time_of_day(u64::MAX), "23:34:33.709551");
    }
}
