//! States that Airbyte's connector wrote, and those that ours writes for it.

use std::collections::BTreeSet;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use fake_notion::{FakeNotion, Fault, Route, Workspace};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Connector, SyncOutput, contains, incremental_streams, read};

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

    /// A time between the edits of the first and the second page, as Airbyte's connector writes it. What was edited from one
    /// day before it on is read again, for Airbyte's cursor passes edits made during its syncs.
    fn between(&self) -> String {
        written(self.times[0] + TimeDelta::days(3))
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

/// The part of a state that Airbyte's connector knows.
fn of_airbyte(mut state: Value) -> Value {
    state.as_object_mut().unwrap().remove("ledger").unwrap();
    state
}

/// The cursor in a state of either form.
fn cursor(state: &Value) -> DateTime<Utc> {
    let text = state.get("state").unwrap_or(state)["last_edited_time"].as_str().unwrap();
    let time: DateTime<Utc> = text.parse().unwrap();
    assert_eq!(text, written(time), "six digits and Z");
    time
}

#[test]
fn a_floor_ends_a_day_before_the_cursor() {
    let three = Three::new();
    // From the times of pages, in minutes.
    let cases = [(24 * 60 + 2, vec![1, 2]), (24 * 60 - 1, vec![0, 1, 2])];
    for (minutes, expected) in cases {
        let cursor = json!({"last_edited_time": written(three.times[0] + TimeDelta::minutes(minutes))});
        for stream in ["pages", "blocks", "comments"] {
            assert_eq!(three.read_indexes(stream, &cursor), expected, "{stream}: {minutes}");
        }
    }
}

#[test]
fn what_counts_as_delivered_comes_when_it_changes() {
    let three = Three::new();
    let streams = ["pages", "blocks", "comments"];
    let stored: Vec<Value> = streams
        .iter()
        .map(|stream| file(stream, &json!({"last_edited_time": three.between()}))[0].clone())
        .collect();
    let mut state = json!(stored);
    let connector = Connector::new(&three.notion);
    let first = read(&connector, &streams, &mut state);
    first.assert_complete();
    assert!(!contains(&first, "blocks", three.blocks[0]));

    // WHEN nothing happens THEN nothing comes, and the floor is not needed any more
    assert!(!state.to_string().contains("floor"), "{state}");
    assert_eq!(read(&connector, &streams, &mut state).all_records().count(), 0);

    // WHEN the old page is edited and gets a comment THEN both come whole
    let comment = three.notion.edit(|workspace| {
        workspace.edit_page_title(three.pages[0], "Edited");
        workspace.add_comment(three.pages[0], "new")
    });
    let third = read(&connector, &streams, &mut state);
    third.assert_complete();
    assert_eq!(third.ids("pages"), [three.pages[0].to_string()].into());
    assert_eq!(third.ids("blocks"), [three.blocks[0].to_string()].into());
    assert_eq!(third.ids("comments"), [three.comments[0], comment].map(|id| id.to_string()).into());
}

#[test]
fn a_floor_lasts_until_a_whole_listing() {
    // GIVEN a cursor from elsewhere, and a sync whose search fails
    let three = Three::new();
    let connector = Connector::new(&three.notion);
    let mut state = file("pages", &json!({"last_edited_time": three.between()}));
    three.notion.fail_always(Route::Search, Fault::status(500));
    let failed = read(&connector, &["pages"], &mut state);
    assert_eq!(failed.exit_code, Some(1));
    three.notion.clear_faults();

    // WHEN the next one is complete THEN the cursor still counted
    let second = read(&connector, &["pages"], &mut state);
    second.assert_complete();
    assert_eq!(second.ids("pages"), three.pages[1..].iter().map(Uuid::to_string).collect());
}

#[test]
fn finished_states_have_airbytes_forms_beside_the_ledger() {
    let three = Three::new();
    three.notion.edit(|workspace| workspace.add_top_database("Table", three.times[0]));
    let before = Utc::now() - TimeDelta::seconds(2);
    let output = Connector::new(&three.notion).read();
    output.assert_complete();
    for stream in incremental_streams() {
        let state = output.last_state(stream);
        let ledger = &state["ledger"];
        assert_eq!((&ledger["version"], &ledger["complete"]), (&json!(1), &json!(true)), "{stream}");
        // Ten minutes before the listing began; comments not after the minute in which they were asked.
        let cursor = cursor(&state);
        let margin = if stream == "comments" { 11 } else { 10 };
        let earliest = before - TimeDelta::minutes(margin);
        let latest = Utc::now() - TimeDelta::minutes(10);
        assert!(cursor >= earliest && cursor <= latest, "{stream}: {cursor}");
        let written = json!({ "last_edited_time": written(cursor) });
        let expected = match stream {
            "blocks" | "comments" => {
                json!({"use_global_cursor": true, "state": written, "lookback_window": 0,
                "parent_state": {}})
            }
            _flat => written,
        };
        assert_eq!(of_airbyte(state), expected, "{stream}");
    }
    assert_eq!(output.last_state("users"), json!({"__ab_no_cursor_state_message": true}));
}

#[test]
fn a_cursor_in_the_future_reads_nothing_and_does_not_stay_there() {
    let three = Three::new();
    let future = "2099-01-01T00:00:00.000000Z";
    let global = json!({"use_global_cursor": true, "state": {"last_edited_time": future}, "lookback_window": 0,
        "parent_state": {}});
    for (stream, state) in
        [("pages", json!({"last_edited_time": future})), ("blocks", global.clone()), ("comments", global)]
    {
        let output = three.read(stream, &state);
        assert!(output.ids(stream).is_empty(), "{stream}");
        assert!(cursor(&output.last_state(stream)) <= Utc::now(), "{stream}");
    }
}

#[test]
fn an_unfinished_state_is_the_old_one_with_the_ledger_beside_it() {
    // GIVEN a state of Airbyte's connector, and a sync that stops in the middle
    let three = Three::new();
    let partition = json!({"partition": {"id": three.pages[2].to_string(), "parent_slice": {}},
        "cursor": {"last_edited_time": three.between()}});
    let stored = json!({"use_global_cursor": false, "states": [partition], "lookback_window": 0});
    three.notion.fail_after(Route::Comments(None), 1, Fault::status(403));

    // WHEN
    let connector = Connector::new(&three.notion).with_config("num_workers", json!(1));
    let output = connector.streams(&["comments"]).state(file("comments", &stored)).read();

    // THEN
    assert_eq!(output.exit_code, Some(1));
    let state = output.last_state("comments");
    assert_eq!(of_airbyte(state.clone()), stored);
    assert_eq!(state["ledger"]["complete"], false);

    // WHEN it works again THEN the rest comes, each once, and the state is whole
    three.notion.clear_faults();
    let resumed = three.read("comments", &state);
    let both: BTreeSet<String> = output.ids("comments").union(&resumed.ids("comments")).cloned().collect();
    assert_eq!(both, three.comments.iter().map(Uuid::to_string).collect());
    assert_eq!(output.records("comments").len() + resumed.records("comments").len(), 3);
    assert_eq!(resumed.last_state("comments")["ledger"]["complete"], true);
}

#[test]
fn a_first_sync_that_fails_writes_no_cursor_and_the_next_one_reads_everything() {
    let three = Three::new();
    three.notion.fail_always(Route::Search, Fault::status(500));
    let output = Connector::new(&three.notion).streams(&["pages", "blocks"]).read();
    assert_eq!(output.exit_code, Some(1));
    three.notion.clear_faults();
    let global = json!({"use_global_cursor": true, "lookback_window": 0, "parent_state": {}});
    for (stream, expected) in [("pages", json!({})), ("blocks", global)] {
        let state = output.last_state(stream);
        assert_eq!(of_airbyte(state.clone()), expected, "{stream}");
        assert_eq!(three.read_indexes(stream, &state), [0, 1, 2]);
    }
}
