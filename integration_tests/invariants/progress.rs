//! States never say less than those before them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::support::SyncOutput;

/// How the states of a run step back, each compared with the one before it of its stream; the first ones with those
/// in the state file that the run began with.
pub(crate) fn step_back(before: &Value, output: &SyncOutput) -> Option<String> {
    let mut latest: BTreeMap<String, Value> = BTreeMap::new();
    for message in before.as_array().into_iter().flatten() {
        let name = message["stream"]["stream_descriptor"]["name"].as_str().unwrap();
        latest.insert(name.to_owned(), message["stream"]["stream_state"].clone());
    }
    let states = output.states();
    let last_lines: BTreeMap<&str, usize> =
        states.iter().map(|state| (state.stream.as_str(), state.line)).collect();
    for state in &states {
        let stream = state.stream.as_str();
        let last_status = output.statuses(stream).pop().unwrap_or_default();
        let has_ended = matches!(last_status.as_str(), "COMPLETE" | "INCOMPLETE");
        let is_last = has_ended && last_lines[stream] == state.line;
        let before = latest.insert(state.stream.clone(), state.state.clone());
        if let Some(before) = before.filter(|before| is_behind(stream, &state.state, before, is_last)) {
            return Some(format!("the state of {stream} steps back from {before} to {}", state.state));
        }
    }
    None
}

/// Whether a state is behind an earlier one; `is_last`: its stream ends with it.
fn is_behind(stream: &str, state: &Value, before: &Value, is_last: bool) -> bool {
    if cursor(state) != cursor(before) {
        return cursor(state) < cursor(before);
    }
    match (position(state), position(before)) {
        // Comments are asked for once more when the walk is done, from its first page on.
        (_, _) if stream == "comments" => false,
        // With the end of a walk its position goes, and the cursor need not move.
        (None, Some(_)) => !is_last,
        (Some(after), Some(before)) => after.until < before.until || after.page < before.page,
        (_, None) => false,
    }
}

/// From when the next sync reads.
pub(crate) fn cursor(state: &Value) -> Option<DateTime<Utc>> {
    let cursor = state.get("last_edited_time").or_else(|| state.pointer("/state/last_edited_time"));
    cursor.and_then(time)
}

/// How far an unfinished walk is.
struct Position<'a> {
    /// The time of the run that got there.
    until: DateTime<Utc>,
    /// The last page's time and id.
    page: (DateTime<Utc>, &'a str),
}

fn position(state: &Value) -> Option<Position<'_>> {
    let resume = state.get("resume")?;
    let page = (time(&resume["last_edited_time"])?, resume["id"].as_str()?);
    Some(Position { until: time(&resume["until"])?, page })
}

fn time(text: &Value) -> Option<DateTime<Utc>> {
    text.as_str().map(|text| text.parse().unwrap())
}
