//! What a state says, in words: for whoever wonders what a sync will read.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::ledger::{Description, Ledger, LedgerError};
use crate::{protocol::InputState, workspace::Minute};

/// Describes the state of each stream.
pub fn describe_state(state: &InputState) -> String {
    let mut text = String::new();
    for (name, state) in state.streams() {
        writeln!(text, "{name}:").expect("writing to a string cannot fail");
        for line in lines(state) {
            writeln!(text, "  {line}").expect("writing to a string cannot fail");
        }
    }
    if text.is_empty() { "There is no state of any stream.\n".to_owned() } else { text }
}

fn lines(state: &Map<String, Value>) -> Vec<String> {
    let cursor = state.get("state").and_then(Value::as_object).unwrap_or(state).get("last_edited_time");
    let cursor = cursor.and_then(Value::as_str);
    let Some(ledger) = state.get("ledger") else {
        return vec![cursor.map_or_else(
            || "no cursor and no ledger: everything is read".to_owned(),
            |cursor| format!("a cursor alone, {cursor}: what was edited a day before it counts as delivered"),
        )];
    };
    let mut lines = vec![match ledger.get("complete") {
        Some(Value::Bool(true)) => "complete: the sync that wrote it delivered everything".to_owned(),
        _ => "not complete: the next sync goes on from here".to_owned(),
    }];
    lines.extend(cursor.map(|cursor| format!("cursor for Airbyte's connector: {cursor}")));
    match Ledger::decode(ledger.get("entries").and_then(Value::as_str).unwrap_or_default()) {
        Ok(ledger) => lines.extend(described(&ledger.describe())),
        Err(error) => lines.push(unreadable(error)),
    }
    for (key, what) in
        [("read_at", "content was read last at"), ("archived_rows_read", "archived rows were read at")]
    {
        lines.extend(ledger.get(key).and_then(Value::as_str).map(|time| format!("{what} {time}")));
    }
    if let Some(held) = ledger.get("held").and_then(Value::as_u64) {
        lines.push(format!("deletions are held back: about {held} pages were not found"));
    }
    lines
}

fn unreadable(error: LedgerError) -> String {
    format!("the ledger cannot be read ({error}): everything is read again")
}

fn described(ledger: &Description) -> Vec<String> {
    let time = |minute: Option<Minute>| {
        minute.map_or_else(
            || "none".to_owned(),
            |minute| minute.start().format("%Y-%m-%d %H:%M UTC").to_string(),
        )
    };
    vec![
        format!("delivered: {} pages, {} data sources", ledger.pages, ledger.data_sources),
        format!("oldest: {}, newest: {}", time(ledger.oldest), time(ledger.newest)),
        format!("due whatever happens: {} whose last minute was not over", ledger.unsettled),
        format!("known and not delivered: {}", ledger.without_version),
        format!("shown by no listing: {}, archived: {}", ledger.unlisted, ledger.archived),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described_file(text: &str) -> String {
        describe_state(&InputState::parse(text).unwrap())
    }

    #[test]
    fn each_form_is_described() {
        assert_eq!(described_file("[]"), "There is no state of any stream.\n");
        let stream = |state: &str| {
            format!(
                r#"{{"type":"STREAM","stream":{{"stream_descriptor":{{"name":"pages"}},"stream_state":{state}}}}}"#
            )
        };
        let cursor = described_file(&stream(r#"{"last_edited_time":"2026-01-01T00:00:00.000000Z"}"#));
        assert!(cursor.contains("a cursor alone, 2026-01-01"), "{cursor}");
        let entries = Ledger::default().encode();
        let ledger =
            format!(r#"{{"ledger":{{"version":1,"complete":false,"entries":"{entries}","held":3}}}}"#);
        let text = described_file(&stream(&ledger));
        for line in ["not complete", "delivered: 0 pages", "held back: about 3 pages"] {
            assert!(text.contains(line), "{text}");
        }
        assert!(described_file(&stream(r#"{"ledger":{"entries":"?"}}"#)).contains("cannot be read"));
    }
}
