//! States that Airbyte's connector wrote, and those that ours writes for it.

use std::collections::BTreeSet;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use fake_notion::{FakeNotion, Fault, Route, Workspace};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Connector, SyncOutput};

/// Three pages, 30, 20 and 10 days old, each with a block and a comment of its age.
struct Three {
    notion: FakeNotion,
    pages: [Uuid; 3],
    blocks: [Uuid; 3],
    comments: [Uuid; 3],
    times: [DateTime<Utc>; 3],
}

impl Three {
    fn new() -> Self {
        let now = Utc::now();
        let times = [30, 20, 10].map(|days| now - TimeDelta::days(days));
        let mut workspace = Workspace::with_seed(13);
        let mut ids = Vec::new();
        for time in times {
            workspace.set_default_time(Some(time));
            let page = workspace.add_top_page("Page");
            ids.push((
                page,
                workspace.append_text(page, "paragraph", "text"),
                workspace.add_comment(page, "comment"),
            ));
        }
        workspace.set_default_time(None);
        let pick = |part: fn(&(Uuid, Uuid, Uuid)) -> Uuid| [0, 1, 2].map(|index: usize| part(&ids[index]));
        Self {
            notion: FakeNotion::start_blocking(workspace),
            pages: pick(|ids| ids.0),
            blocks: pick(|ids| ids.1),
            comments: pick(|ids| ids.2),
            times,
        }
    }

    /// A time between the edits of the first and the second page, as Airbyte's connector writes it.
    fn between(&self) -> String {
        written(self.times[0] + TimeDelta::days(1))
    }

    /// Reads one stream from this state.
    fn read(&self, stream: &str, state: &Value) -> SyncOutput {
        let connector = Connector::new(&self.notion).streams(&[stream]).state(file(stream, state));
        let output = connector.read();
        output.assert_complete();
        output
    }

    /// The indexes of the pages whose objects came.
    fn read_indexes(&self, stream: &str, state: &Value) -> Vec<usize> {
        let ids = self.read(stream, state).ids(stream);
        let all = match stream {
            "pages" => &self.pages,
            "blocks" => &self.blocks,
            _comments => &self.comments,
        };
        (0..3).filter(|index| ids.contains(&all[*index].to_string())).collect()
    }
}

fn written(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn file(stream: &str, state: &Value) -> Value {
    json!([{"type": "STREAM", "stream": {"stream_descriptor": {"name": stream}, "stream_state": state}}])
}

#[test]
fn states_of_pages_are_read_as_airbyte_reads_them() {
    let three = Three::new();
    let t = three.between();
    let old = "2026-01-01T00:00:00.000000Z";
    let cases = [
        (json!({"last_edited_time": t}), vec![1, 2]),
        (json!({"__ab_full_refresh_sync_complete": true, "last_edited_time": t}), vec![1, 2]),
        (
            json!({"slices": [{"start": old, "end": t, "most_recent_cursor_value": t}], "state_type": "date-range"}),
            vec![1, 2],
        ),
        (json!({"slices": [{"start": old, "end": t}], "state_type": "date-range"}), vec![1, 2]),
        (json!({}), vec![0, 1, 2]),
        (Value::Null, vec![0, 1, 2]),
        (json!({"__ab_no_cursor_state_message": true}), vec![0, 1, 2]),
        (json!({"__ab_full_refresh_sync_complete": true}), vec![0, 1, 2]),
    ];
    for (state, expected) in cases {
        assert_eq!(three.read_indexes("pages", &state), expected, "{state}");
    }
}

#[test]
fn states_of_comments_and_blocks_are_read_as_airbyte_reads_them() {
    let three = Three::new();
    let cursor = json!({"last_edited_time": three.between()});
    let partitions = |field: &str, pages: &[usize]| -> Vec<Value> {
        let of_page = |index: &usize| {
            let mut partition = json!({"parent_slice": {}});
            partition[field] = json!(three.pages[*index].to_string());
            json!({"partition": partition, "cursor": cursor})
        };
        pages.iter().map(of_page).collect()
    };
    let two_days = 2 * 24 * 3600;
    for (stream, field) in [("comments", "id"), ("blocks", "block_id")] {
        let cases = [
            // Only partitions: theirs from their cursor, others from the start.
            (json!({"states": partitions(field, &[0])}), vec![1, 2]),
            (json!({"states": partitions(field, &[1])}), vec![0, 1, 2]),
            // A first sync that found nothing, or failed.
            (json!({"use_global_cursor": false, "states": [], "lookback_window": 0}), vec![0, 1, 2]),
            (json!({"use_global_cursor": true, "lookback_window": 0, "parent_state": {}}), vec![0, 1, 2]),
            // Partitions and a common cursor: the latter holds for pages that have none of their own.
            (
                json!({"use_global_cursor": false, "states": partitions(field, &[2]), "state": cursor,
                    "lookback_window": 0}),
                vec![1, 2],
            ),
            (
                json!({"use_global_cursor": false, "states": partitions(field, &[1, 2]), "state": cursor,
                    "lookback_window": two_days}),
                vec![0, 1, 2],
            ),
            // A global cursor: partitions are of no use.
            (
                json!({"use_global_cursor": true, "state": cursor, "states": partitions(field, &[0]),
                    "lookback_window": two_days}),
                vec![0, 1, 2],
            ),
            (
                json!({"use_global_cursor": true, "state": cursor, "lookback_window": 0, "parent_state": {}}),
                vec![1, 2],
            ),
            (json!({"state": cursor, "lookback_window": 0, "parent_state": {}}), vec![1, 2]),
            (cursor.clone(), vec![1, 2]),
            // One cursor a page at the top level.
            (json!({three.pages[0].to_string(): cursor}), vec![1, 2]),
            (json!({"__ab_no_cursor_state_message": true}), vec![0, 1, 2]),
        ];
        for (state, expected) in cases {
            assert_eq!(three.read_indexes(stream, &state), expected, "{stream}: {state}");
        }
    }
}

#[test]
fn the_state_of_the_stream_that_is_gone_is_ignored() {
    let three = Three::new();
    let state = file("databases", &json!({"last_edited_time": three.between()}));
    let output = Connector::new(&three.notion).streams(&["pages"]).state(state).read();
    output.assert_complete();
    assert_eq!(output.ids("pages").len(), 3);
}

#[test]
fn finished_states_have_exactly_airbytes_forms() {
    let three = Three::new();
    three.notion.edit(|workspace| workspace.add_top_database("Table", three.times[0]));
    let output = Connector::new(&three.notion).read();
    output.assert_complete();
    let minute = |time: DateTime<Utc>| time.format("%Y-%m-%dT%H:%M:00.000000Z").to_string();
    let newest = minute(three.times[2]);
    let global = json!({"use_global_cursor": true, "state": {"last_edited_time": newest}, "lookback_window": 0,
        "parent_state": {}});
    assert_eq!(output.last_state("pages"), json!({"last_edited_time": newest}));
    assert_eq!(output.last_state("data_sources"), json!({"last_edited_time": minute(three.times[0])}));
    assert_eq!(output.last_state("blocks"), global);
    assert_eq!(output.last_state("comments"), global);
    assert_eq!(output.last_state("users"), json!({"__ab_no_cursor_state_message": true}));
}

#[test]
fn a_lookback_is_taken_off_the_cursor_that_is_written() {
    let three = Three::new();
    let connector = Connector::new(&three.notion).with_config("lookback_minutes", json!(90));
    let output = connector.read();
    output.assert_complete();
    let expected = (three.times[2] - TimeDelta::minutes(90)).format("%Y-%m-%dT%H:%M:00.000000Z").to_string();
    assert_eq!(output.last_state("pages"), json!({"last_edited_time": expected}));
    assert_eq!(output.last_state("blocks")["state"]["last_edited_time"], expected);
}

#[test]
fn a_cursor_in_the_future_stays_and_nothing_is_read() {
    let three = Three::new();
    let future = "2099-01-01T00:00:00.000000Z";
    let output = three.read("pages", &json!({"last_edited_time": future}));
    assert!(output.ids("pages").is_empty());
    assert_eq!(output.last_state("pages"), json!({"last_edited_time": future}));
    let global = json!({"use_global_cursor": true, "state": {"last_edited_time": future}, "lookback_window": 0,
        "parent_state": {}});
    let output = three.read("blocks", &global);
    assert!(output.ids("blocks").is_empty());
    assert_eq!(output.last_state("blocks"), global);
}

#[test]
fn an_unfinished_state_is_the_old_one_with_our_keys() {
    // GIVEN a state of Airbyte's connector, and a walk that stops in the middle
    let three = Three::new();
    let partition = json!({"partition": {"id": three.pages[2].to_string(), "parent_slice": {}},
        "cursor": {"last_edited_time": three.between()}});
    let stored = json!({"use_global_cursor": false, "states": [partition], "lookback_window": 0});
    three.notion.fail_after(Route::Comments(None), 1, Fault::status(403));

    // WHEN
    let connector = Connector::new(&three.notion).with_config("num_workers", json!(1));
    let output = connector.streams(&["comments"]).state(file("comments", &stored)).read();

    // THEN every key of the old one is there, with the position beside it
    assert_eq!(output.exit_code, Some(1));
    let state = output.last_state("comments");
    for (key, value) in stored.as_object().unwrap() {
        assert_eq!(&state[key], value, "{key}");
    }
    let keys: BTreeSet<&str> = state.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["lookback_window", "resume", "states", "use_global_cursor"].into());
    assert_eq!(state["resume"]["id"], three.pages[0].to_string());
    let mark = three.times[0].format("%Y-%m-%dT%H:%M:00.000000Z").to_string();
    assert_eq!(state["resume"]["last_edited_time"], mark);
    assert!(state["resume"]["until"].as_str().unwrap().ends_with(":00.000000Z"));
    assert_eq!(state["resume"].as_object().unwrap().len(), 3);

    // WHEN it works again THEN the rest comes, and the state is whole
    three.notion.clear_faults();
    let resumed = three.read("comments", &state);
    let both: BTreeSet<String> = output.ids("comments").union(&resumed.ids("comments")).cloned().collect();
    assert_eq!(both, three.comments.iter().map(Uuid::to_string).collect());
    assert!(resumed.last_state("comments").get("resume").is_none());
}

#[test]
fn a_first_sync_that_fails_writes_no_cursor_and_the_next_one_reads_everything() {
    let three = Three::new();
    three.notion.fail_always(Route::Search, Fault::status(500));
    let output = Connector::new(&three.notion).streams(&["pages", "blocks"]).read();
    assert_eq!(output.exit_code, Some(1));
    three.notion.clear_faults();
    for stream in ["pages", "blocks"] {
        let state = output.last_state(stream);
        assert_eq!(state, json!({}), "{stream}");
        assert_eq!(three.read_indexes(stream, &state), [0, 1, 2]);
    }
}
