//! What was delivered decides what is due: whatever changed comes, and what did not is not sent again.

use chrono::{TimeDelta, Utc};
use fake_notion::{
    FakeNotion, Fault, LoggedRequest, Route, Workspace,
    generate::{GenerateOptions, generated_workspace},
    sample::sample_workspace,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    Connector, SyncOutput, assert_reads_everything, contains, days_ago, incremental_streams, old_pages, read,
    state_after, stream_names, together,
};

/// The records of all streams but those that are read whole each time.
fn news(output: &SyncOutput) -> usize {
    incremental_streams().into_iter().map(|stream| output.records(stream).len()).sum()
}

#[test]
fn a_sync_in_which_nothing_changed_sends_no_record() {
    for varies_forms in [false, true] {
        let generated =
            GenerateOptions { seed: 5, pages: 120, blocks_per_page: 4, ..GenerateOptions::default() };
        for mut workspace in [sample_workspace(), generated_workspace(generated)] {
            workspace.settings.varies_forms = varies_forms;
            let notion = FakeNotion::start_blocking(workspace);
            let connector = Connector::new(&notion);
            let mut state = json!([]);
            read(&connector, &stream_names(), &mut state).assert_complete();
            // The last minute is over only now, and read once more.
            notion.edit(|workspace| workspace.advance(TimeDelta::minutes(2)));
            read(&connector, &stream_names(), &mut state).assert_complete();
            let quiet = read(&connector, &stream_names(), &mut state);
            quiet.assert_complete();
            for stream in incremental_streams() {
                assert_eq!(quiet.records(stream), Vec::<&Value>::new(), "{stream}, {varies_forms}");
            }
        }
    }
}

#[test]
fn a_page_that_is_shared_late_comes_with_its_old_blocks_and_comments() {
    for is_edited in [false, true] {
        let (mut workspace, pages) = old_pages(3);
        workspace.unshare(pages[1]);
        let notion = FakeNotion::start_blocking(workspace);
        let connector = Connector::new(&notion);
        let mut state = json!([]);
        read(&connector, &stream_names(), &mut state).assert_complete();
        notion.edit(|workspace| {
            workspace.share(pages[1]);
            if is_edited {
                workspace.append_text(pages[1], "paragraph", "new");
            }
        });
        let second = read(&connector, &stream_names(), &mut state);
        second.assert_complete();
        assert_eq!(second.ids("pages"), [pages[1].to_string()].into());
        assert_eq!(second.records("blocks").len(), if is_edited { 2 } else { 1 });
        assert_eq!(second.records("comments").len(), 1);
    }
}

#[test]
fn pages_that_search_shows_late_come_with_their_old_times() {
    // GIVEN an index that fills only after the first sync
    let (mut workspace, pages) = old_pages(60);
    pages[..57].iter().for_each(|page| workspace.hide_from_search(*page));
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    let mut state = json!([]);
    let first = read(&connector, &stream_names(), &mut state);
    assert_eq!(first.ids("pages").len(), 3);
    notion.edit(|workspace| pages[..57].iter().for_each(|page| workspace.show_in_search(*page)));
    let second = read(&connector, &stream_names(), &mut state);
    second.assert_complete();
    for stream in ["pages", "blocks", "comments"] {
        assert_eq!(second.records(stream).len(), 57, "{stream}");
    }
}

#[test]
fn a_page_moved_to_another_place_comes_and_its_content_does_not() {
    let (workspace, pages) = old_pages(3);
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    let mut state = json!([]);
    read(&connector, &stream_names(), &mut state).assert_complete();
    notion.edit(|workspace| {
        workspace.move_page(pages[1], Some(pages[0]));
        // The page around it is edited by that; a change of the moved one alone is looked for.
        workspace.touch(pages[0], days_ago(30));
    });
    let second = read(&connector, &stream_names(), &mut state);
    second.assert_complete();
    assert_eq!(second.record("pages", pages[1])["parent"]["page_id"], pages[0].to_string());
    assert_eq!((second.records("blocks").len(), second.records("comments").len()), (0, 0));
}

#[test]
fn a_value_that_changes_without_an_edit_comes() {
    // GIVEN a page and a row, each with a formula
    let (mut workspace, pages) = old_pages(2);
    let (_database, source) = workspace.add_top_database("Table", days_ago(30));
    let row = workspace.add_row(source, "Row", days_ago(30));
    let number = |number: i64| json!({"type": "formula", "formula": {"type": "number", "number": number}});
    for page in [pages[0], row] {
        workspace.set_property_unstamped(page, "Formula", number(1));
    }
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    let mut state = json!([]);
    read(&connector, &stream_names(), &mut state).assert_complete();

    // WHEN both change
    notion.edit(|workspace| {
        for page in [pages[0], row] {
            workspace.set_property_unstamped(page, "Formula", number(2));
        }
    });
    notion.clear_requests();
    let second = read(&connector, &stream_names(), &mut state);

    // THEN they come, without their content; the page that search alone shows was asked for, to be sure
    second.assert_complete();
    assert_eq!(second.ids("pages"), [pages[0], row].map(|page| page.to_string()).into());
    assert_eq!(news(&second), 2);
    let asked = |page| notion.request_count(Route::Page(Some(page)));
    assert_eq!((asked(pages[0]), asked(row)), (1, 0));
    assert_eq!(news(&read(&connector, &stream_names(), &mut state)), 0);
}

#[test]
fn a_stale_copy_in_search_overwrites_nothing() {
    // GIVEN a page and a row that were read
    let (mut workspace, pages) = old_pages(1);
    let (_database, source) = workspace.add_top_database("Table", days_ago(30));
    let row = workspace.add_row(source, "Row", days_ago(30));
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion).with_config("num_workers", json!(1));
    let mut state = json!([]);
    read(&connector, &["pages", "blocks"], &mut state).assert_complete();

    // WHEN search answers with copies from an hour earlier, or of the same minute, that say something else
    for time in [Some(days_ago(31)), None] {
        let copies: Vec<Value> = [pages[0], row]
            .map(|page| {
                let mut copy = notion.edit(|workspace| workspace.object(page).unwrap());
                copy["properties"] = json!({"title": {"id": "title", "type": "title", "title": []}});
                if let Some(time) = time {
                    copy["last_edited_time"] = json!(time.format("%Y-%m-%dT%H:%M:00.000Z").to_string());
                }
                copy
            })
            .to_vec();
        notion.fail(Route::Search, Fault::json(json!({"results": copies, "has_more": false}).to_string()));
        let second = read(&connector, &["pages", "blocks"], &mut state);
        assert_eq!(notion.waiting_faults(), 0);

        // THEN nothing of them comes
        second.assert_complete();
        assert_eq!(news(&second), 0, "{time:?}");
    }
}

#[test]
fn what_was_edited_in_the_minute_of_a_sync_is_read_once_more() {
    let (mut workspace, pages) = old_pages(3);
    workspace.edit_page_title(pages[1], "Now");
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion).streams(&["pages", "blocks"]);
    let mut state = json!([]);
    let streams = ["pages", "blocks"];
    read(&connector, &streams, &mut state).assert_complete();
    notion.edit(|workspace| workspace.advance(TimeDelta::minutes(2)));
    let second = read(&connector, &streams, &mut state);
    assert_eq!(second.ids("pages"), [pages[1].to_string()].into());
    assert_eq!(second.records("blocks").len(), 1);
    assert_eq!(news(&read(&connector, &streams, &mut state)), 0);
}

#[test]
fn an_earlier_start_date_brings_what_it_adds_and_nothing_else() {
    let mut workspace = Workspace::new();
    let pages: Vec<Uuid> = (1..=10)
        .map(|number| {
            workspace.set_now(Some(days_ago(10 * number)));
            let page = workspace.add_top_page("Page");
            workspace.append_text(page, "paragraph", "text");
            workspace.add_comment(page, "comment");
            page
        })
        .collect();
    workspace.set_now(None);
    let notion = FakeNotion::start_blocking(workspace);
    let since = |days| Connector::new(&notion).with_config("start_date", json!(days_ago(days).to_rfc3339()));
    for is_killed in [false, true] {
        let first = since(55).read();
        first.assert_complete();
        assert_eq!(first.ids("pages"), pages[..5].iter().map(Uuid::to_string).collect());
        let first = if is_killed { crate::support::cut_after_state(&first, "blocks", 2) } else { first };
        let mut state = state_after(&first);
        let second = read(&since(1_000), &stream_names(), &mut state);
        second.assert_complete();
        notion.edit(|workspace| assert_reads_everything(&together(&[&first, &second]), workspace));
        if !is_killed {
            for stream in ["pages", "blocks", "comments"] {
                assert_eq!(second.records(stream).len(), 5, "{stream}");
            }
        }
        // A later one again forgets nothing and deletes nothing.
        assert_eq!(news(&read(&since(55), &stream_names(), &mut state)), 0);
        assert_eq!(news(&read(&since(1_000), &stream_names(), &mut state)), 0);
    }
}

#[test]
fn a_stream_that_is_added_later_or_reset_is_read_whole_and_the_others_are_not() {
    let (workspace, _pages) = old_pages(5);
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    let mut state = json!([]);
    let mut selected: Vec<&str> = Vec::new();
    for stream in ["pages", "comments", "blocks"] {
        selected.push(stream);
        let output = read(&connector, &selected, &mut state);
        output.assert_complete();
        assert_eq!((output.records(stream).len(), news(&output)), (5, 5), "{stream}");
    }
    // A reset stream comes without its state.
    state.as_array_mut().unwrap().retain(|state| state["stream"]["stream_descriptor"]["name"] != "blocks");
    let output = read(&connector, &selected, &mut state);
    assert_eq!((output.records("blocks").len(), news(&output)), (5, 5));
}

#[test]
fn the_rows_of_a_data_source_that_search_hides_come_with_every_sync() {
    // GIVEN a hidden table that only a tree leads to, found by a sync that reads trees
    let (mut workspace, pages) = old_pages(1);
    let (_database, source) = workspace.add_database(pages[0], "Table", days_ago(30));
    workspace.hide_from_search(source);
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    let mut state = json!([]);
    read(&connector, &["pages", "blocks"], &mut state).assert_complete();

    // WHEN it gets a row that search hides too THEN a sync without trees finds it
    let row = notion.edit(|workspace| {
        let row = workspace.add_row(source, "Row", days_ago(3));
        workspace.hide_from_search(row);
        row
    });
    let second = read(&connector, &["pages"], &mut state);
    second.assert_complete();
    assert!(contains(&second, "pages", row));
}

#[test]
fn archived_rows_are_asked_for_once_a_day() {
    let mut workspace = Workspace::new();
    let (_database, source) = workspace.add_top_database("Table", days_ago(30));
    let [row, other] = [0, 1].map(|_row| workspace.add_row(source, "Row", days_ago(30)));
    workspace.archive(other);
    workspace.touch(other, days_ago(30));
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    let archived_queries = || {
        let is_archived = |logged: &LoggedRequest| {
            Route::QueryDataSource(None).covers(logged.route)
                && logged.body.as_ref().is_some_and(|body| body["is_archived"] == true)
        };
        let count = notion.requests().iter().filter(|logged| is_archived(logged)).count();
        notion.clear_requests();
        count
    };
    let mut state = json!([]);
    let first = read(&connector, &["pages"], &mut state);
    assert_eq!((first.ids("pages").len(), archived_queries()), (2, 1));
    let second = read(&connector, &["pages"], &mut state);
    second.assert_complete();
    assert_eq!((news(&second), archived_queries()), (0, 0), "an archived row is not taken for gone");

    // WHEN a day is over THEN they are asked for again, and an edit of one comes
    notion.edit(|workspace| {
        workspace.edit_page_title(other, "Edited");
        workspace.advance(TimeDelta::hours(25));
    });
    let tomorrow =
        connector.clone().with_settings(|settings| settings.now = Some(Utc::now() + TimeDelta::hours(25)));
    let third = read(&tomorrow, &["pages"], &mut state);
    third.assert_complete();
    assert_eq!((third.ids("pages"), archived_queries()), ([other.to_string()].into(), 1));

    // WHEN a row is archived meanwhile THEN it is not gone, and its table is asked for its archived rows
    notion.edit(|workspace| workspace.archive(row));
    let fourth = read(&tomorrow, &["pages"], &mut state);
    fourth.assert_complete();
    assert_eq!(fourth.ids("pages"), [row.to_string()].into());
    assert!(fourth.records("pages").iter().all(|page| page["_ab_cdc_deleted_at"].is_null()));
    assert_eq!(archived_queries(), 1);
}

#[test]
fn pages_without_comments_may_rest() {
    // GIVEN a page with a comment, and two without
    let mut workspace = Workspace::new();
    let pages = [0, 1, 2].map(|_page| workspace.add_top_page_at("Page", days_ago(30)));
    workspace.set_default_time(Some(days_ago(30)));
    workspace.add_comment(pages[0], "comment");
    workspace.set_default_time(None);
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion).with_config("comments_every_hours", json!(24));
    let mut state = json!([]);
    read(&connector, &["comments"], &mut state).assert_complete();
    let mut asked = || {
        notion.clear_requests();
        read(&connector, &["comments"], &mut state).assert_complete();
        pages.map(|page| notion.request_count(Route::Comments(Some(page))))
    };
    assert_eq!(asked(), [1, 0, 0]);
    notion.edit(|workspace| workspace.edit_page_title(pages[1], "Edited"));
    assert_eq!(asked(), [1, 1, 0]);
    notion.edit(|workspace| workspace.advance(TimeDelta::hours(25)));
    assert_eq!(asked(), [1, 1, 1]);
}

/// A catalog of a full refresh, with the ids of a job.
fn full_refresh(sync: Option<i64>, generation: Option<i64>) -> Value {
    let streams = incremental_streams().into_iter().map(|name| {
        let mut stream = json!({"stream": {"name": name, "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
            "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"});
        if let Some(sync) = sync {
            stream["sync_id"] = json!(sync);
        }
        if let Some(generation) = generation {
            stream["generation_id"] = json!(generation);
        }
        stream
    });
    json!({"streams": streams.collect::<Vec<_>>()})
}

#[test]
fn a_full_refresh_reads_everything_but_in_a_retry_of_the_same_job() {
    let (workspace, _pages) = old_pages(4);
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    let reads = |sync, generation, state: Option<Value>| {
        let connector = connector.clone().catalog(full_refresh(sync, generation));
        let output = if let Some(state) = state { connector.state(state).read() } else { connector.read() };
        output.assert_complete();
        (news(&output), state_after(&output))
    };
    let (count, state) = reads(Some(7), Some(1), None);
    assert_eq!(count, 12);
    // A retry of the same job; the next job; one after the destination was emptied; a platform without ids.
    for (sync, generation, expected) in
        [(Some(7), Some(1), 0), (Some(8), Some(1), 12), (Some(7), Some(2), 12), (None, None, 12)]
    {
        assert_eq!(reads(sync, generation, Some(state.clone())).0, expected, "{sync:?} {generation:?}");
    }
    // A job that was not complete goes on, whatever the ids.
    let first = connector.clone().catalog(full_refresh(Some(7), Some(1))).read();
    let killed = crate::support::cut_after_state(&first, "blocks", 1);
    let (rest, _state) = reads(Some(8), Some(1), Some(state_after(&killed)));
    assert!(rest < 12, "{rest}");
}

#[test]
fn a_ledger_that_cannot_be_used_is_a_warning_and_everything_is_read() {
    let (workspace, _pages) = old_pages(4);
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion).streams(&["pages"]);
    let whole = connector.read();
    let stored = whole.last_state("pages");
    for (field, value, told) in [
        ("version", json!(2), "another version"),
        ("entries", json!("%%%"), "cannot be read"),
        ("entries", json!("AAAA"), "cannot be read"),
        ("entries", Value::Null, "cannot be read"),
    ] {
        let mut state = stored.clone();
        state["ledger"][field] = value.clone();
        let file = json!([{"type": "STREAM", "stream": {"stream_descriptor": {"name": "pages"}, "stream_state": state}}]);
        let output = connector.clone().state(file).read();
        output.assert_complete();
        assert_eq!(output.ids("pages"), whole.ids("pages"), "{field}: {value}");
        let is_told = |(level, text): &(String, String)| {
            level == "WARN" && text.contains(told) && text.contains("\"pages\"")
        };
        assert!(output.logs().iter().any(is_told), "{:?}", output.logs());
    }
}

#[test]
fn states_on_the_way_are_at_most_a_tenth_of_all_bytes() {
    let options = GenerateOptions { seed: 9, pages: 300, blocks_per_page: 6, ..GenerateOptions::default() };
    let notion = FakeNotion::start_blocking(generated_workspace(options));
    let output = Connector::new(&notion).with_settings(|settings| settings.policy.share = 10).read();
    output.assert_complete();
    let states = output.states();
    let lines: Vec<&str> = output.stdout.lines().collect();
    let mut on_the_way = 0;
    for (index, state) in states.iter().enumerate() {
        let is_last = states[index + 1..].iter().all(|later| later.stream != state.stream);
        on_the_way += if is_last { 0 } else { lines[state.line].len() };
    }
    assert!(on_the_way > 0, "there are such states");
    assert!(on_the_way * 10 <= output.stdout.len(), "{on_the_way} of {}", output.stdout.len());
}

#[test]
fn a_later_start_date_is_a_way_past_the_limit_of_search() {
    // GIVEN more old pages than search shows
    let mut workspace = Workspace::new();
    workspace.settings.search_result_cap = 10;
    workspace.settings.max_page_size = 5;
    for number in 0..25 {
        workspace.add_top_page_at("Old", days_ago(300 - number));
    }
    let new: Vec<Uuid> = (1..5).map(|number| workspace.add_top_page_at("New", days_ago(number))).collect();
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion).with_config("start_date", json!(days_ago(30).to_rfc3339()));
    let output = connector.streams(&["pages", "blocks", "comments"]).read();
    output.assert_complete();
    assert_eq!(output.ids("pages"), new.iter().map(Uuid::to_string).collect());
}

#[test]
fn each_page_that_no_listing_shows_costs_one_request() {
    let mut workspace = Workspace::new();
    let top = workspace.add_top_page_at("Section", days_ago(60));
    for _page in 0..40 {
        let hidden = workspace.add_page_at(top, "Hidden", days_ago(60));
        workspace.hide_from_search(hidden);
    }
    workspace.touch(top, days_ago(60));
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    let mut state = json!([]);
    let streams = ["pages", "blocks"];
    assert_eq!(read(&connector, &streams, &mut state).ids("pages").len(), 41);
    notion.clear_requests();
    let second = read(&connector, &streams, &mut state);
    second.assert_complete();
    assert_eq!(news(&second), 0);
    assert_eq!(
        (notion.request_count(Route::Page(None)), notion.request_count(Route::BlockChildren(None))),
        (40, 0)
    );
}

#[test]
fn a_page_that_fails_once_does_not_have_everything_below_it_read_again() {
    let mut workspace = Workspace::new();
    workspace.set_now(Some(days_ago(30)));
    let home = workspace.add_top_page("Home");
    for _child in 0..30 {
        let child = workspace.add_page(home, "Child");
        workspace.append_text(child, "paragraph", "old");
    }
    workspace.set_now(None);
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion).with_settings(|settings| settings.retry.max_retries = 0);
    let streams = ["pages", "blocks"];
    let mut state = json!([]);
    read(&connector, &streams, &mut state).assert_complete();
    notion.edit(|workspace| workspace.append_text(home, "paragraph", "new"));
    notion.fail(Route::BlockChildren(Some(home)), Fault::status(500));
    assert_eq!(read(&connector, &streams, &mut state).exit_code, Some(1));
    notion.clear_requests();
    let third = read(&connector, &streams, &mut state);
    third.assert_complete();
    assert_eq!(notion.request_count(Route::BlockChildren(None)), 1);
    assert_eq!(third.records("blocks").len(), 1);
}
