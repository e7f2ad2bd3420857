//! The fields of a config, taken from its JSON.

use std::ops::RangeInclusive;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::{Map, Value};

use super::ConfigError;

/// Airbyte's connector reads the last two years unless told otherwise.
const DEFAULT_START_DAYS_AGO: i64 = 730;

/// A field's value; null counts as absent.
pub(super) fn present<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

pub(super) fn text<'a>(
    object: &'a Map<String, Value>,
    name: &str,
    field: &'static str,
) -> Result<Option<&'a str>, ConfigError> {
    match present(object, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
        Some(_) => Err(invalid(field, "a text")),
    }
}

fn invalid(field: &'static str, expected: &'static str) -> ConfigError {
    ConfigError::Invalid { field, expected }
}

pub(super) fn whole(
    object: &Map<String, Value>,
    field: &'static str,
    default: u32,
    bounds: RangeInclusive<u32>,
    expected: &'static str,
) -> Result<u32, ConfigError> {
    let Some(value) = present(object, field) else { return Ok(default) };
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number.filter(|number| bounds.contains(number)).ok_or_else(|| invalid(field, expected))
}

pub(super) fn truth(
    object: &Map<String, Value>,
    field: &'static str,
    default: bool,
) -> Result<bool, ConfigError> {
    let Some(value) = present(object, field) else { return Ok(default) };
    value.as_bool().ok_or_else(|| invalid(field, "true or false"))
}

pub(super) fn start_date(
    config: &Map<String, Value>,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, ConfigError> {
    const FIELD: &str = "start_date";
    let Some(text) = text(config, FIELD, FIELD)? else {
        return Ok(now - TimeDelta::days(DEFAULT_START_DAYS_AGO));
    };
    let date = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    let start = DateTime::parse_from_rfc3339(text)
        .map(|start| start.to_utc())
        .ok()
        .or_else(|| date().map(|start| start.and_utc()))
        .ok_or_else(|| invalid(FIELD, "a UTC time such as 2024-01-31T00:00:00.000Z"))?;
    if start > now { Err(ConfigError::FutureStartDate) } else { Ok(start) }
}
