//! The cursors that Airbyte's connector and earlier builds of this one wrote, and how they are written back.
//!
//! A cursor says from when on objects were *not* read. A state without a ledger has nothing else, so its cursor becomes the
//! [`Floor`] of the first sync. The forms are those of `source-notion` 2.x to 4.x with airbyte-cdk up to 7.39.

use std::collections::HashMap;

use chrono::{DateTime, DurationRound, NaiveDateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::streams::StateFormat;

/// Airbyte's cursor passes edits that were made during its syncs; none takes longer than this.
const FLOOR_MARGIN: TimeDelta = TimeDelta::days(1);

/// What a state without a ledger says was delivered: whatever was edited before these times.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Floor {
    common: Option<DateTime<Utc>>,
    by_page: HashMap<Uuid, DateTime<Utc>>,
}

impl Floor {
    /// Reads the cursors of a stored state in any form that was ever written; none where it has no cursor.
    pub(super) fn parse(stored: &Map<String, Value>, field: &str) -> Result<Option<Self>, String> {
        let (common, by_page) = parse_cursors(stored, field)?;
        let below = |cursor: DateTime<Utc>| {
            let below = cursor.checked_sub_signed(FLOOR_MARGIN).unwrap_or(cursor);
            below.duration_trunc(TimeDelta::minutes(1)).unwrap_or(below)
        };
        let by_page: HashMap<_, _> = by_page.into_iter().map(|(id, cursor)| (id, below(cursor))).collect();
        let floor = Self { common: common.map(below), by_page };
        Ok((floor != Self::default()).then_some(floor))
    }

    /// Before when the page, or what belongs to it, counts as delivered.
    pub(super) fn of(&self, page: Uuid) -> Option<DateTime<Utc>> {
        self.by_page.get(&page).copied().or(self.common)
    }
}

/// The cursor in the form that Airbyte's connector reads.
pub(super) fn cursor_state(format: StateFormat, field: &str, cursor: DateTime<Utc>) -> Map<String, Value> {
    let cursor = json!({ field: written(cursor) });
    match format {
        StateFormat::Flat => cursor.as_object().cloned().unwrap_or_default(),
        StateFormat::GlobalCursor => {
            let mut state = no_cursor(format);
            state.insert("state".to_owned(), cursor);
            state
        }
    }
}

/// What Airbyte's connector writes before its first sync is complete.
pub(super) fn no_cursor(format: StateFormat) -> Map<String, Value> {
    let mut state = Map::new();
    if format == StateFormat::GlobalCursor {
        state.insert("use_global_cursor".to_owned(), json!(true));
        state.insert("lookback_window".to_owned(), json!(0));
        state.insert("parent_state".to_owned(), json!({}));
    }
    state
}

/// A time as Airbyte's connector writes it: six digits and `Z`.
pub(super) fn written(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    let zoned = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()).ok();
    zoned.or_else(|| Some(NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?.and_utc()))
}

fn time_at(object: &Value, field: &str) -> Result<Option<DateTime<Utc>>, String> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => parse_time(text)
            .map(Some)
            .ok_or_else(|| format!("\"{field}\" is \"{text}\", which is not a time")),
        Some(other) => Err(format!("\"{field}\" is {other}, which is not a time")),
    }
}

type Cursors = (Option<DateTime<Utc>>, HashMap<Uuid, DateTime<Utc>>);

/// The cursor for all pages, less its lookback, and those of single pages.
fn parse_cursors(stored: &Map<String, Value>, field: &str) -> Result<Cursors, String> {
    let whole = Value::Object(stored.clone());
    if stored.contains_key("state") || stored.contains_key("states") {
        let cursor = stored.get("state").map_or(Ok(None), |state| time_at(state, field))?;
        let lookback = stored.get("lookback_window").and_then(Value::as_i64).unwrap_or_default();
        let lookback = TimeDelta::try_seconds(lookback.max(0)).unwrap_or_default();
        let cursor = cursor.map(|cursor| cursor.checked_sub_signed(lookback).unwrap_or(cursor));
        let is_global = stored.get("use_global_cursor").and_then(Value::as_bool).unwrap_or(false);
        let by_page = if is_global { HashMap::new() } else { parse_partitions(stored, field)? };
        return Ok((cursor, by_page));
    }
    if let Some(Value::Array(slices)) = stored.get("slices") {
        let mut newest = None;
        for slice in slices {
            let reached = time_at(slice, "most_recent_cursor_value")?;
            newest = newest.max(reached.map_or_else(|| time_at(slice, "end"), |time| Ok(Some(time)))?);
        }
        return Ok((newest, HashMap::new()));
    }
    if let Some(cursor) = time_at(&whole, field)? {
        return Ok((Some(cursor), HashMap::new()));
    }
    // Connector versions before 3 kept one cursor a page, at the top level.
    let mut by_page = HashMap::new();
    for (key, value) in stored {
        if let (Ok(page), Some(cursor)) = (Uuid::try_parse(key), time_at(value, field)?) {
            by_page.insert(page, cursor);
        }
    }
    Ok((None, by_page))
}

fn parse_partitions(
    stored: &Map<String, Value>,
    field: &str,
) -> Result<HashMap<Uuid, DateTime<Utc>>, String> {
    let mut by_page = HashMap::new();
    for entry in stored.get("states").and_then(Value::as_array).into_iter().flatten() {
        let partition = entry.get("partition").and_then(Value::as_object);
        let id =
            partition.into_iter().flatten().find_map(|(_name, value)| Uuid::try_parse(value.as_str()?).ok());
        let cursor = entry.get("cursor").map_or(Ok(None), |cursor| time_at(cursor, field))?;
        // A partition that names no page cannot be told; its page is read from the common cursor.
        if let (Some(id), Some(cursor)) = (id, cursor) {
            by_page.insert(id, cursor);
        }
    }
    Ok(by_page)
}
