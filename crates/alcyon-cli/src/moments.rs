//! Points in time as people and programs read them.

use time::{Date, Month, OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

use crate::text::{Language, Text};

/// The last millisecond of the year 9999: senders' clocks may say anything.
const LAST_MS: u64 = 253_402_300_799_999;

fn utc(ms: u64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms.min(LAST_MS)) * 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// RFC 3339, UTC.
pub(crate) fn rfc3339(ms: u64) -> String {
    utc(ms).format(&Rfc3339).unwrap_or_default()
}

/// Where the person's clocks hang.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Zone {
    /// That of the system, with its summer times.
    System,
    /// Always the same.
    #[cfg_attr(not(test), allow(dead_code, reason = "tests want pictures that do not depend on the machine"))]
    Fixed(UtcOffset),
}

impl Zone {
    pub(crate) fn local(self, ms: u64) -> OffsetDateTime {
        let utc = utc(ms);
        let offset = match self {
            Self::System => UtcOffset::local_offset_at(utc).unwrap_or(UtcOffset::UTC),
            Self::Fixed(offset) => offset,
        };
        utc.checked_to_offset(offset).unwrap_or(utc)
    }

    /// When a day begins there, Unix milliseconds; none if there is no such day, or if it was before 1970.
    pub(crate) fn day_begins(self, year: i32, month: u8, day: u8) -> Option<u64> {
        let midnight = Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()?.midnight();
        let offset_at = |at: OffsetDateTime| match self {
            Self::System => UtcOffset::local_offset_at(at).unwrap_or(UtcOffset::UTC),
            Self::Fixed(offset) => offset,
        };
        // The offset of about then tells the offset of then, but in the hour in which it changes.
        let near = midnight.assume_offset(offset_at(midnight.assume_utc()));
        u64::try_from(midnight.assume_offset(offset_at(near)).unix_timestamp_nanos() / 1_000_000).ok()
    }

    /// `14:03`.
    pub(crate) fn clock(self, ms: u64) -> String {
        let local = self.local(ms);
        format!("{:02}:{:02}", local.hour(), local.minute())
    }

    /// `2026-01-05 14:03`.
    pub(crate) fn date_and_clock(self, ms: u64) -> String {
        let local = self.local(ms);
        format!("{:04}-{:02}-{:02} {:02}:{:02}", local.year(), u8::from(local.month()), local.day(), local.hour(), local.minute())
    }
}

/// A length of time as it is typed: `30s`, `1h`, `1d 12h`.
pub(crate) fn span(seconds: u32) -> String {
    const UNITS: [(u32, &str); 5] = [(7 * 24 * 60 * 60, "w"), (24 * 60 * 60, "d"), (60 * 60, "h"), (60, "m"), (1, "s")];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (length, unit) in UNITS {
        if rest >= length {
            parts.push(format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

/// A heading for a day, as seen from `today`.
pub(crate) fn day(date: Date, today: Date, language: Language) -> String {
    if date == today {
        return language.say(Text::Today);
    }
    if date.next_day() == Some(today) {
        return language.say(Text::Yesterday);
    }
    let weekday = language.weekday(date.weekday().number_days_from_monday());
    let month = language.month(u8::from(date.month()));
    if date.year() == today.year() {
        format!("{weekday} {} {month}", date.day())
    } else {
        format!("{weekday} {} {month} {}", date.day(), date.year())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use time::macros::{date, offset};

    use super::*;

    #[test]
    fn programs_read_rfc_3339_in_utc() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_767_621_822_123), "2026-01-05T14:03:42.123Z");
        assert_eq!(rfc3339(u64::MAX), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn people_read_their_own_clock() {
        let zone = Zone::Fixed(offset!(+2));
        assert_eq!(zone.clock(1_767_621_822_123), "16:03");
        assert_eq!(zone.date_and_clock(1_767_655_800_000), "2026-01-06 01:30");
        assert_eq!(zone.day_begins(2026, 1, 6).map(rfc3339).as_deref(), Some("2026-01-05T22:00:00Z"));
        assert_eq!(zone.day_begins(2026, 2, 29), None);
        assert_eq!(zone.day_begins(1970, 1, 1), None, "two hours before it all began");
        assert_eq!(zone.clock(u64::MAX), "23:59", "beyond the last year, in UTC rather than not at all");
    }

    #[test]
    fn lengths_are_written_as_they_are_typed() {
        assert_eq!([0, 30, 60, 3600, 129_600, 604_800, 694_861].map(span), ["0s", "30s", "1m", "1h", "1d 12h", "1w", "1w 1d 1h 1m 1s"]);
    }

    #[test]
    fn days_are_called_as_people_call_them() {
        let today = date!(2026 - 01 - 05);
        assert_eq!(day(today, today, Language::English), "Today");
        assert_eq!(day(date!(2026 - 01 - 04), today, Language::French), "Hier");
        assert_eq!(day(date!(2026 - 01 - 03), today, Language::English), "Saturday 3 January");
        assert_eq!(day(date!(2025 - 12 - 25), today, Language::French), "jeudi 25 décembre 2025");
        assert_eq!(day(date!(2026 - 01 - 06), today, Language::English), "Tuesday 6 January");
    }
}
