//! What is in a page: a page that is due is read whole, and its latest reading says what is there, in which order.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use fake_notion::{FakeNotion, Workspace};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Connector, SyncOutput, contains, days_ago, read};

/// What a destination holds of a page's blocks or comments after these runs: the records of its latest reading, in order.
fn current(runs: &[&SyncOutput], stream: &str, page: Uuid) -> Vec<Value> {
    let mut latest: BTreeMap<String, Value> = BTreeMap::new();
    for record in runs.iter().flat_map(|run| run.records(stream)) {
        latest.insert(record["id"].as_str().unwrap().to_owned(), record.clone());
    }
    let of_page: Vec<Value> =
        latest.into_values().filter(|record| record["page_id"] == page.to_string()).collect();
    let read_at = of_page.iter().map(|record| record["page_read_at"].as_str().unwrap().to_owned()).max();
    let mut current: Vec<Value> =
        of_page.into_iter().filter(|record| record["page_read_at"].as_str() == read_at.as_deref()).collect();
    current.sort_by_key(|record| record["parent"]["sequence_number"].as_u64());
    current
}

/// The texts of these records; a marker has none.
fn texts(records: &[Value]) -> Vec<&str> {
    records.iter().filter_map(|record| record["plain_text"].as_str()).collect()
}

/// An old page with these paragraphs, and another one beside it.
fn page_with(paragraphs: &[&str]) -> (Workspace, Uuid, Uuid) {
    let mut workspace = Workspace::new();
    workspace.set_now(Some(days_ago(30)));
    let page = workspace.add_top_page("Page");
    for text in paragraphs {
        workspace.append_text(page, "paragraph", text);
    }
    let other = workspace.add_top_page("Other");
    workspace.append_text(other, "paragraph", "other");
    workspace.set_now(None);
    (workspace, page, other)
}

/// Reads pages, blocks and comments, edits, and reads again.
fn before_and_after(
    workspace: Workspace,
    edit: impl FnOnce(&mut Workspace),
) -> (FakeNotion, [SyncOutput; 2]) {
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    let streams = ["pages", "blocks", "comments"];
    let mut state = json!([]);
    let first = read(&connector, &streams, &mut state);
    first.assert_complete();
    notion.edit(edit);
    let second = read(&connector, &streams, &mut state);
    second.assert_complete();
    (notion, [first, second])
}

#[test]
fn an_insertion_sends_all_blocks_of_the_page_so_that_their_order_is_right() {
    let (workspace, page, other) = page_with(&["0", "1", "2"]);
    let (_notion, [first, second]) = before_and_after(workspace, |workspace| {
        workspace.insert_text(page, 0, "paragraph", "new");
    });
    assert_eq!(second.records("blocks").len(), 4);
    assert!(!second.records("blocks").iter().any(|block| block["page_id"] == other.to_string()));
    assert_eq!(texts(&current(&[&first, &second], "blocks", page)), ["new", "0", "1", "2"]);
}

#[test]
fn records_say_when_their_page_was_read_and_edited() {
    let (mut workspace, page, other) = page_with(&["0", "1"]);
    for commented in [page, other] {
        workspace.add_comment(commented, "comment");
    }
    let (notion, [first, second]) = before_and_after(workspace, |workspace| {
        workspace.append_text(page, "paragraph", "2");
    });
    let read_at = |output: &SyncOutput, stream: &str, page: Uuid| -> DateTime<Utc> {
        let records =
            output.records(stream).into_iter().filter(|record| record["page_id"] == page.to_string());
        let times: std::collections::BTreeSet<String> =
            records.map(|record| record["page_read_at"].as_str().unwrap().to_owned()).collect();
        assert_eq!(times.len(), 1, "{times:?}");
        let time = times.first().unwrap();
        assert_eq!((time.len(), time.ends_with('Z')), ("2026-01-01T00:00:00.000Z".len(), true), "{time}");
        time.parse().unwrap()
    };
    assert_ne!(read_at(&first, "blocks", page), read_at(&first, "blocks", other));
    assert!(
        read_at(&second, "blocks", page)
            > read_at(&first, "blocks", page).max(read_at(&first, "blocks", other))
    );
    for (output, stream) in [(&first, "blocks"), (&first, "comments"), (&second, "blocks")] {
        for record in output.records(stream) {
            let of: Uuid = record["page_id"].as_str().unwrap().parse().unwrap();
            let expected = &output.record("pages", of)["last_edited_time"];
            assert_eq!(&record["page_last_edited_time"], expected, "{stream}");
        }
    }
    drop(notion);
}

#[test]
fn a_page_without_blocks_or_comments_any_more_says_so_once() {
    let (mut workspace, page, _other) = page_with(&["only one"]);
    let block = workspace.blocks_of(page)[0].id;
    let comment = workspace.add_comment(page, "only one");
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    let streams = ["pages", "blocks", "comments"];
    let mut state = json!([]);
    let first = read(&connector, &streams, &mut state);
    notion.edit(|workspace| {
        workspace.trash(block);
        workspace.resolve_comment(comment);
    });
    let second = read(&connector, &streams, &mut state);
    second.assert_complete();
    for (stream, depth) in [("blocks", json!(0)), ("comments", Value::Null)] {
        let [marker] = second.records(stream)[..] else { panic!("{:?}", second.records(stream)) };
        let id = page.to_string();
        assert_eq!(
            (&marker["id"], &marker["page_id"], &marker["object"]),
            (&json!(id), &json!(id), &json!("page"))
        );
        assert_eq!(marker["depth"], depth);
        assert!(marker["plain_text"].is_null());
        assert_eq!(texts(&current(&[&first, &second], stream, page)), Vec::<&str>::new());
    }

    // WHEN there is something again THEN it is current, and the marker is not
    notion.edit(|workspace| {
        workspace.restore(block);
        workspace.reopen_comment(comment);
    });
    let third = read(&connector, &streams, &mut state);
    third.assert_complete();
    for stream in ["blocks", "comments"] {
        assert_eq!(texts(&current(&[&first, &second, &third], stream, page)), ["only one"], "{stream}");
    }
}

#[test]
fn a_block_that_is_moved_or_restored_with_its_old_time_comes() {
    // GIVEN a toggle with something in it, in the trash or on a page that is not shared
    for is_moved in [true, false] {
        let (mut workspace, page, _other) = page_with(&["always there"]);
        workspace.set_now(Some(days_ago(30)));
        let unshared = workspace.add_top_page("Not shared");
        let parent = if is_moved { unshared } else { page };
        let toggle = workspace.append_text(parent, "toggle", "toggle");
        workspace.append_text(toggle, "paragraph", "inside");
        workspace.unshare(unshared);
        if !is_moved {
            workspace.trash(toggle);
        }
        workspace.set_now(None);
        let (_notion, [first, second]) = before_and_after(workspace, |workspace| {
            if is_moved {
                workspace.move_block(toggle, page, 1);
            } else {
                workspace.restore(toggle);
            }
        });
        let current = current(&[&first, &second], "blocks", page);
        let mut texts = texts(&current);
        texts.sort_unstable();
        assert_eq!(texts, ["always there", "inside", "toggle"], "{is_moved}");
    }
}

#[test]
fn a_block_that_moves_to_another_page_is_there_and_no_more_here() {
    let (mut workspace, page, other) = page_with(&["0", "1"]);
    let moved = workspace.blocks_of(page)[0].id;
    workspace.touch(moved, days_ago(30));
    let (_notion, [first, second]) =
        before_and_after(workspace, |workspace| workspace.move_block(moved, other, 0));
    assert_eq!(texts(&current(&[&first, &second], "blocks", page)), ["1"]);
    assert_eq!(texts(&current(&[&first, &second], "blocks", other)), ["0", "other"]);
}

#[test]
fn blocks_older_than_the_start_date_or_without_a_time_come_with_their_page() {
    let mut workspace = Workspace::new();
    workspace.set_now(Some("2019-05-01T00:00:00Z".parse().unwrap()));
    let page = workspace.add_top_page("Page");
    for number in 0..18 {
        workspace.append_text(page, "paragraph", &format!("{number}"));
    }
    let timeless = workspace.append_text(page, "paragraph", "timeless");
    workspace.touch(timeless, DateTime::UNIX_EPOCH);
    workspace.set_now(None);
    workspace.touch(page, "2019-05-01T00:00:00Z".parse().unwrap());
    let (_notion, [first, second]) = before_and_after(workspace, |workspace| {
        workspace.append_text(page, "paragraph", "new");
    });
    assert_eq!(first.records("blocks").len(), 0, "the page was edited before the start date");
    assert_eq!(second.records("blocks").len(), 20);
    assert!(contains(&second, "blocks", timeless));
}

#[test]
fn comments_of_a_page_are_one_thing() {
    let (mut workspace, page, other) = page_with(&[]);
    workspace.set_now(Some(days_ago(30)));
    let [one, two] = ["one", "two"].map(|text| workspace.add_comment(page, text));
    workspace.add_comment(other, "other");
    workspace.set_now(None);
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    let mut state = json!([]);
    let first = read(&connector, &["comments"], &mut state);
    assert_eq!(first.records("comments").len(), 3);
    let mut runs = vec![first];
    let mut after = |edit: &dyn Fn(&mut Workspace)| {
        notion.edit(|workspace| edit(workspace));
        let output = read(&connector, &["comments"], &mut state);
        output.assert_complete();
        assert!(!output.records("comments").iter().any(|comment| comment["page_id"] == other.to_string()));
        runs.push(output);
        let current = current(&runs.iter().collect::<Vec<_>>(), "comments", page);
        let mut texts: Vec<String> = texts(&current).into_iter().map(str::to_owned).collect();
        texts.sort();
        texts
    };
    assert_eq!(after(&|workspace| workspace.resolve_comment(one)), ["two"]);
    assert_eq!(after(&|workspace| workspace.reopen_comment(one)), ["one", "two"]);
    assert_eq!(after(&|workspace| workspace.edit_comment(two, "changed")), ["changed", "one"]);
    assert_eq!(after(&|workspace| workspace.delete_comment(one)), ["changed"]);
}

#[test]
fn the_content_of_an_original_belongs_to_its_own_page() {
    // GIVEN an original on one page, and a copy of it deep in an older one
    let mut workspace = Workspace::new();
    workspace.set_now(Some(days_ago(30)));
    let [copying, own] = ["With the copy", "With the original"].map(|title| workspace.add_top_page(title));
    let original = workspace.append_block(own, "synced_block", json!({"synced_from": null}));
    let mut parent = original;
    for level in 0..6 {
        parent = workspace.append_text(parent, "toggle", &format!("level {level}"));
    }
    workspace.append_text(parent, "paragraph", "deepest");
    let mut parent = copying;
    for _level in 0..27 {
        parent = workspace.append_text(parent, "toggle", "deep");
    }
    let source = json!({"synced_from": {"type": "block_id", "block_id": original.to_string()}});
    workspace.append_block(parent, "synced_block", source);
    workspace.set_now(None);
    let notion = FakeNotion::start_blocking(workspace);
    let output = Connector::new(&notion).streams(&["blocks"]).read();
    output.assert_complete();
    let inside: Vec<&Value> = output
        .records("blocks")
        .into_iter()
        .filter(|block| {
            block["plain_text"].as_str().is_some_and(|text| text.contains("level") || text == "deepest")
        })
        .collect();
    assert_eq!(inside.len(), 7);
    assert!(inside.iter().all(|block| block["page_id"] == own.to_string()));
    let depths: Vec<u64> = inside.iter().filter_map(|block| block["depth"].as_u64()).collect();
    assert_eq!(depths.iter().max(), Some(&8));
}
