//! Times as the API writes them: minutes for most objects, milliseconds for databases.

use std::fmt::Write;

use chrono::{DateTime, Datelike, Timelike, Utc};

const MINUTE_MS: i64 = 60_000;

/// `milliseconds` rounded down to the minute.
pub(crate) fn floor_to_minute(milliseconds: i64) -> i64 {
    milliseconds - milliseconds.rem_euclid(MINUTE_MS)
}

/// The instant `milliseconds` after the epoch.
pub(crate) fn instant(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(milliseconds).expect("workspace times lie within chrono's range")
}

/// Appends the time rounded down to the minute, as `2026-06-27T16:47:00.000Z`.
pub(crate) fn write_minute(milliseconds: i64, out: &mut String) {
    let time = instant(milliseconds);
    write!(
        out,
        "{:04}-{:02}-{:02}T{:02}:{:02}:00.000Z",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute()
    )
    .expect("writing to a String cannot fail");
}

/// The time rounded down to the minute, as the API writes it.
pub(crate) fn minute_text(milliseconds: i64) -> String {
    let mut out = String::with_capacity(24);
    write_minute(milliseconds, &mut out);
    out
}

/// The time in milliseconds with a numeric offset, as databases have it.
pub(crate) fn millisecond_text(milliseconds: i64) -> String {
    instant(milliseconds).format("%Y-%m-%dT%H:%M:%S%.3f+00:00").to_string()
}

/// The time as the header `Date` says it.
pub(crate) fn header_text(time: DateTime<Utc>) -> String {
    time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Reads an ISO 8601 date or time; without an offset it is UTC.
pub(crate) fn parse(text: &str) -> Option<i64> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_millis());
    }
    if let Ok(time) = text.parse::<chrono::NaiveDateTime>() {
        return Some(time.and_utc().timestamp_millis());
    }
    let date = text.parse::<chrono::NaiveDate>().ok()?;
    Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis())
}
