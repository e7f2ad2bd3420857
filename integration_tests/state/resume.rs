//! Runs that end before their time, and what the next ones make of it.

use std::{collections::BTreeMap, sync::mpsc, time::Duration};

use chrono::{TimeDelta, Utc};
use fake_notion::{FakeNotion, Fault, Route, Workspace};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    Connector, SyncOutput, assert_reads_everything, at, cut_after_state, days_ago, state_after, together,
};

/// Top pages one minute apart, the oldest first, each with blocks that are as old as all others.
fn pages(count: i64, blocks: usize) -> (Workspace, Vec<Uuid>) {
    let mut workspace = Workspace::with_seed(11);
    workspace.set_default_time(Some(at(60, 0)));
    let pages = (0..count).map(|number| {
        let page = workspace.add_top_page_at(&format!("Page {number}"), at(60, 0));
        for block in 0..blocks {
            workspace.append_text(page, "paragraph", &format!("Block {block}"));
        }
        workspace.add_comment(page, "comment");
        workspace.touch(page, at(30, number));
        page
    });
    let pages = pages.collect();
    workspace.set_default_time(None);
    (workspace, pages)
}

fn in_full_refresh(connector: Connector) -> Connector {
    let streams = ["data_sources", "pages", "blocks", "comments"].map(|name| {
        json!({"stream": {"name": name, "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
            "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"})
    });
    connector.catalog(json!({ "streams": streams }))
}

#[test]
fn a_killed_run_is_resumed_without_loss_and_without_reading_finished_pages_again() {
    for is_full_refresh in [false, true] {
        // GIVEN
        let (workspace, pages) = pages(60, 5);
        let notion = FakeNotion::start_blocking(workspace);
        let connector = Connector::new(&notion);
        let connector = if is_full_refresh { in_full_refresh(connector) } else { connector };
        let whole = connector.read();
        whole.assert_complete();
        let state_count = whole.states().iter().filter(|state| state.stream == "blocks").count();
        assert!(state_count > 20, "{state_count}");
        for part in [1, 2, 3] {
            // WHEN
            let killed = cut_after_state(&whole, "blocks", state_count * part / 4);
            notion.clear_requests();
            let resumed = connector.clone().state(state_after(&killed)).read();

            // THEN
            resumed.assert_complete();
            notion.edit(|workspace| assert_reads_everything(&together(&[&killed, &resumed]), workspace));
            // A page of which all five blocks came is finished, but for those under way when the state was made.
            let mut blocks_of = BTreeMap::<&str, usize>::new();
            for block in killed.records("blocks") {
                *blocks_of.entry(block["page_id"].as_str().unwrap()).or_default() += 1;
            }
            let finished = blocks_of.values().filter(|count| **count == 5).count();
            assert!(finished >= 60 * part / 5, "{part}: {finished}");
            let asked: Vec<usize> =
                pages.iter().map(|page| notion.request_count(Route::BlockChildren(Some(*page)))).collect();
            assert!(asked.iter().all(|count| *count <= 1), "{asked:?}");
            let read_again = asked.iter().sum::<usize>();
            assert!(read_again <= 60 - finished + 8, "{part}: {read_again} trees, {finished} were finished");
        }
    }
}

#[test]
fn a_process_killed_while_a_request_hangs_is_resumed_from_its_last_state() {
    // GIVEN enough blocks for a checkpoint, and a page that is read last and never answers
    let (mut workspace, pages) = pages(30, 0);
    workspace.set_default_time(Some(at(60, 0)));
    for (number, page) in (0..).zip(&pages) {
        for block in 0..450 {
            workspace.append_text(*page, "paragraph", &format!("{block}"));
        }
        workspace.touch(*page, at(30, number));
    }
    workspace.set_default_time(None);
    let notion = FakeNotion::start_blocking(workspace);
    let (first, last) = (pages[29], pages[0]);
    notion.fail_always(Route::BlockChildren(Some(last)), Fault::Silence);
    let connector = Connector::new(&notion).streams(&["blocks"]);

    // WHEN
    let mut process = connector.spawn("read");
    let (_keep, never) = mpsc::channel::<()>();
    for _look in 0..6_000 {
        if process.printed().contains("\"ledger\"") {
            break;
        }
        assert_eq!(never.recv_timeout(Duration::from_millis(10)), Err(mpsc::RecvTimeoutError::Timeout));
    }
    process.kill();
    let killed = process.wait();
    notion.clear_faults();
    notion.clear_requests();
    let resumed = connector.state(state_after(&killed)).read();

    // THEN
    assert_eq!(killed.exit_code, None);
    resumed.assert_complete();
    let both = together(&[&killed, &resumed]);
    notion.edit(|workspace| assert_eq!(both.ids("blocks").len(), workspace.visible_blocks().len()));
    assert_eq!(notion.request_count(Route::BlockChildren(Some(first))), 0);
}

#[test]
fn a_terminated_process_leaves_a_state_from_which_nothing_is_lost() {
    let (workspace, pages) = pages(30, 3);
    let notion = FakeNotion::start_blocking(workspace);
    notion.fail_always(Route::BlockChildren(Some(pages[10])), Fault::Silence);
    let (told, is_reached) = mpsc::channel();
    let (hanging, asked) = (pages[10], std::sync::Mutex::new(Some(told)));
    notion.on_request(move |request, _workspace| {
        if request.route == Route::BlockChildren(Some(hanging))
            && let Some(told) = asked.lock().unwrap().take()
        {
            told.send(()).unwrap();
        }
    });
    let connector = Connector::new(&notion);
    let process = connector.spawn("read");
    is_reached.recv_timeout(Duration::from_mins(1)).unwrap();
    process.terminate();
    let ended = process.wait();
    assert_eq!(ended.exit_code, Some(143));
    for stream in ["pages", "blocks", "comments"] {
        assert_eq!(ended.statuses(stream).last().unwrap(), "INCOMPLETE");
    }
    assert_eq!(ended.last_state("blocks")["ledger"]["complete"], false);
    notion.clear_faults();
    notion.clear_hooks();
    notion.clear_requests();
    let resumed = connector.state(state_after(&ended)).read();
    resumed.assert_complete();
    notion.edit(|workspace| assert_reads_everything(&together(&[&ended, &resumed]), workspace));
    assert_eq!(notion.request_count(Route::BlockChildren(Some(pages[29]))), 0);
}

#[test]
fn a_hidden_page_below_an_unfinished_one_is_not_taken_for_done() {
    // GIVEN a hidden page below the page that is read last
    let (mut workspace, pages) = pages(10, 2);
    workspace.set_default_time(Some(at(50, 0)));
    let hidden = workspace.add_page_at(pages[0], "Hidden", at(50, 0));
    let block = workspace.append_text(hidden, "paragraph", "hidden");
    workspace.touch(pages[0], at(60, 0));
    workspace.hide_from_search(hidden);
    workspace.set_default_time(None);
    let notion = FakeNotion::start_blocking(workspace);
    let connector =
        Connector::new(&notion).with_config("num_workers", json!(1)).streams(&["pages", "blocks"]);
    let whole = connector.read();
    let killed = cut_after_state(&whole, "blocks", 2);
    assert!(!killed.ids("blocks").contains(&block.to_string()));

    // WHEN
    let resumed = connector.state(state_after(&killed)).read();

    // THEN
    resumed.assert_complete();
    assert!(resumed.ids("blocks").contains(&block.to_string()));
}

#[test]
fn a_page_that_keeps_failing_blocks_no_other_and_is_read_by_the_next_sync() {
    // GIVEN
    let (workspace, pages) = pages(40, 3);
    let notion = FakeNotion::start_blocking(workspace);
    let failing = pages[10];
    notion.fail_always(Route::BlockChildren(Some(failing)), Fault::status(500));
    let connector = Connector::new(&notion);

    // WHEN
    let first = connector.read();

    // THEN everything else is read; what only this tree leads to may be missing
    assert_eq!(first.exit_code, Some(1));
    for stream in ["blocks", "pages", "data_sources"] {
        assert_eq!(first.statuses(stream).last().unwrap(), "INCOMPLETE", "{stream}");
        assert!(first.last_state(stream).get("last_edited_time").is_none(), "{stream}");
    }
    assert_eq!(first.statuses("comments").last().unwrap(), "COMPLETE");
    assert_eq!(first.ids("blocks").len(), 39 * 3);

    // WHEN the next sync runs
    notion.clear_faults();
    notion.clear_requests();
    let second = connector.clone().state(state_after(&first)).read();

    // THEN it reads that page, whose old blocks come, and nothing else
    second.assert_complete();
    let walked =
        notion.requests().into_iter().filter(|logged| matches!(logged.route, Route::BlockChildren(_)));
    assert_eq!(walked.filter_map(|logged| logged.object_id()).collect::<Vec<_>>(), [failing]);
    assert_eq!((second.records("blocks").len(), second.records("pages").len()), (3, 0));
    let together = together(&[&first, &second]);
    notion.edit(|workspace| assert_reads_everything(&together, workspace));
}

#[test]
fn a_page_that_failed_for_one_stream_is_read_for_the_others_when_it_is_edited() {
    let (workspace, pages) = pages(5, 1);
    let notion = FakeNotion::start_blocking(workspace);
    notion.fail_always(Route::Comments(Some(pages[0])), Fault::status(500));
    let connector = Connector::new(&notion);
    let first = connector.read();
    assert_eq!(first.exit_code, Some(1));
    let block = notion.edit(|workspace| workspace.append_text(pages[0], "paragraph", "new"));
    notion.clear_faults();
    let second = connector.state(state_after(&first)).read();
    second.assert_complete();
    assert!(second.ids("blocks").contains(&block.to_string()));
    notion.edit(|workspace| assert_reads_everything(&together(&[&first, &second]), workspace));
}

#[test]
fn a_hidden_page_below_a_page_that_failed_is_found_when_that_one_is_tried_again() {
    let (mut workspace, pages) = pages(5, 1);
    let hidden = workspace.add_page_at(pages[0], "Hidden", at(50, 0));
    workspace.set_default_time(Some(at(50, 0)));
    workspace.append_text(hidden, "paragraph", "old");
    let (_, source) = workspace.add_database(pages[0], "Hidden", at(50, 0));
    let row = workspace.add_row(source, "Row", at(50, 0));
    workspace.set_default_time(None);
    for id in [hidden, source, row] {
        workspace.hide_from_search(id);
    }
    let notion = FakeNotion::start_blocking(workspace);
    notion.fail_always(Route::BlockChildren(Some(pages[0])), Fault::status(500));
    let connector = Connector::new(&notion);
    let first = connector.read();
    assert_eq!(first.exit_code, Some(1));
    assert!(!first.ids("pages").contains(&hidden.to_string()));
    notion.clear_faults();
    let second = connector.state(state_after(&first)).read();
    second.assert_complete();
    notion.edit(|workspace| assert_reads_everything(&together(&[&first, &second]), workspace));
    assert_eq!(second.ids("data_sources"), [source.to_string()].into());
}

#[test]
fn many_pages_that_fail_for_ever_do_not_keep_the_next_sync_from_the_others() {
    let (workspace, pages) = pages(60, 1);
    let notion = FakeNotion::start_blocking(workspace);
    for page in pages.iter().step_by(3) {
        notion.fail_always(Route::BlockChildren(Some(*page)), Fault::status(500));
    }
    let connector = Connector::new(&notion).with_config("num_workers", json!(2)).streams(&["blocks"]);
    let first = connector.read();
    assert_eq!(first.ids("blocks").len(), 40);
    let block = notion.edit(|workspace| workspace.append_text(pages[1], "paragraph", "new"));
    let second = connector.clone().state(state_after(&first)).read();
    assert_eq!(second.exit_code, Some(1));
    // All blocks of the page that was edited.
    assert_eq!(second.ids("blocks").len(), 2);
    assert!(second.ids("blocks").contains(&block.to_string()));

    // WHEN they can be read at last THEN they come, and nothing else but the minute that was not over
    notion.clear_faults();
    let third = connector.state(second.state_file(&state_after(&first))).read();
    third.assert_complete();
    let ids = third.ids("blocks");
    assert_eq!(ids.difference(&second.ids("blocks")).count(), 20);
    assert!(ids.len() <= 20 + 2, "{}", ids.len());
}

#[test]
fn half_of_all_pages_may_fail_and_all_others_are_read() {
    let (workspace, pages) = pages(320, 1);
    let notion = FakeNotion::start_blocking(workspace);
    for page in pages.iter().step_by(2) {
        notion.fail_always(Route::BlockChildren(Some(*page)), Fault::status(500));
    }
    let connector = Connector::new(&notion)
        .with_settings(|settings| settings.retry.max_retries = 0)
        .streams(&["blocks", "comments"]);
    let first = connector.read();
    assert_eq!(first.exit_code, Some(1));
    assert_eq!(first.statuses("comments").last().unwrap(), "COMPLETE");
    assert_eq!((first.ids("blocks").len(), first.ids("comments").len()), (160, 320));

    // WHEN they work again THEN the others come
    notion.clear_faults();
    let second = connector.state(state_after(&first)).read();
    second.assert_complete();
    assert_eq!(second.records("blocks").len(), 160);
    assert_eq!(together(&[&first, &second]).ids("blocks").len(), 320);
}

#[test]
fn a_data_source_whose_query_fails_is_read_by_the_next_sync() {
    // GIVEN rows of a data source that fails, some of them shown by search
    let (mut workspace, _pages) = pages(5, 1);
    let (_, source) = workspace.add_top_database("Table", at(50, 0));
    workspace.set_default_time(Some(at(50, 0)));
    let rows: Vec<Uuid> = (0..6)
        .map(|number| {
            let row = workspace.add_row(source, "Row", at(50, number));
            workspace.append_text(row, "paragraph", "old");
            if number % 2 == 0 {
                workspace.hide_from_search(row);
            }
            row
        })
        .collect();
    workspace.set_default_time(None);
    let notion = FakeNotion::start_blocking(workspace);
    notion.fail_always(Route::QueryDataSource(Some(source)), Fault::status(500));
    let connector = Connector::new(&notion);

    // WHEN
    let first = connector.read();

    // THEN the others are read
    assert_eq!(first.exit_code, Some(1));
    for stream in ["pages", "blocks", "comments"] {
        assert_eq!(first.statuses(stream).last().unwrap(), "INCOMPLETE");
    }
    // Search shows three rows, which are asked for by their ids.
    assert_eq!(first.ids("pages").len(), 5 + 3);

    // WHEN the data source answers, but one of its rows fails
    notion.clear_faults();
    notion.fail_always(Route::BlockChildren(Some(rows[0])), Fault::status(500));
    let second = connector.clone().state(state_after(&first)).read();

    // THEN all rows are there
    assert_eq!(second.exit_code, Some(1));
    assert!(rows.iter().all(|row| together(&[&first, &second]).ids("pages").contains(&row.to_string())));

    // WHEN everything answers THEN nothing was lost
    notion.clear_faults();
    let third = connector.state(second.state_file(&state_after(&first))).read();
    third.assert_complete();
    notion.edit(|workspace| assert_reads_everything(&together(&[&first, &second, &third]), workspace));
    assert_eq!(third.records("blocks").len(), 1, "the block of the row that failed");
}

#[test]
fn a_hidden_data_source_that_cannot_be_fetched_makes_its_stream_incomplete() {
    let mut workspace = Workspace::with_seed(12);
    let (_, source) = workspace.add_top_database("Hidden", at(50, 0));
    workspace.add_row(source, "Row", at(40, 0));
    workspace.hide_from_search(source);
    workspace.add_top_page_at("Newest", at(1, 0));
    let notion = FakeNotion::start_blocking(workspace);
    notion.fail_always(Route::DataSource(Some(source)), Fault::status(500));
    let connector = Connector::new(&notion).streams(&["data_sources", "pages"]);
    let first = connector.read();
    assert_eq!(first.exit_code, Some(1));
    assert_eq!(first.statuses("data_sources").last().unwrap(), "INCOMPLETE");
    notion.clear_faults();
    let second = connector.state(state_after(&first)).read();
    second.assert_complete();
    assert_eq!(second.ids("data_sources"), [source.to_string()].into());
}

#[test]
fn edits_of_what_no_listing_shows_are_found_by_incremental_syncs() {
    // GIVEN
    let (mut workspace, pages) = pages(5, 1);
    let hidden = workspace.add_page_at(pages[0], "Hidden", at(50, 0));
    let block = workspace.append_text(hidden, "paragraph", "old");
    let (_, source) = workspace.add_database(pages[1], "Hidden", at(50, 0));
    for id in [hidden, source] {
        workspace.hide_from_search(id);
    }
    let old = at(50, 0);
    for id in [hidden, block, pages[0], pages[1]] {
        workspace.touch(id, old);
    }
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    let first = connector.read();
    first.assert_complete();

    // WHEN
    let row = notion.edit(|workspace| {
        workspace.edit_block_text(block, "new");
        let row = workspace.add_row(source, "New", Utc::now());
        workspace.hide_from_search(row);
        workspace.append_text(row, "paragraph", "new");
        row
    });
    let second = connector.state(state_after(&first)).read();

    // THEN
    second.assert_complete();
    assert!(second.ids("pages").is_superset(&[hidden.to_string(), row.to_string()].into()));
    assert_eq!(second.record("blocks", block)["plain_text"], "new");
}

#[test]
fn checkpoints_follow_the_policy() {
    let (workspace, _pages) = pages(40, 5);
    let notion = FakeNotion::start_blocking(workspace);
    let states_of = |interval: Duration, records: u64, walk_parts: usize| {
        let connector = Connector::new(&notion).streams(&["blocks"]).with_settings(|settings| {
            settings.policy.interval = interval;
            settings.policy.records = records;
            settings.policy.parts = walk_parts;
        });
        let output = connector.read();
        output.assert_complete();
        output.states()
    };
    let hour = Duration::from_hours(1);
    assert_eq!(states_of(hour, 1_000_000, 0).len(), 1);
    let by_records = states_of(hour, 50, 0);
    assert!((4..=5).contains(&by_records.len()), "{by_records:?}");
    // A checkpoint waits for progress: at most the pages of all workers lie between.
    assert!(by_records.iter().all(|state| state.record_count <= f64::from(50 + 8 * 5)), "{by_records:?}");
    let by_time = states_of(Duration::from_millis(1), 1_000_000, 0);
    assert!(by_time.len() > 5, "{by_time:?}");
    // A part is ten pages, and the pages of the other workers may be done before the one that holds the mark back.
    let by_parts = states_of(hour, 1_000_000, 4);
    assert!((3..=5).contains(&by_parts.len()), "{by_parts:?}");
    // Parts that come too soon after the last state have none.
    let connector = Connector::new(&notion).streams(&["blocks"]).with_settings(|settings| {
        settings.policy.records = 1_000_000;
        settings.policy.spacing = hour;
    });
    assert_eq!(connector.read().states().len(), 1);
}

#[test]
fn a_run_in_which_every_page_fails_stops_early_and_loses_nothing() {
    let (workspace, _pages) = pages(150, 1);
    let notion = FakeNotion::start_blocking(workspace);
    notion.fail_always(Route::BlockChildren(None), Fault::status(500));
    let connector = Connector::new(&notion).streams(&["pages", "blocks"]);
    let first = connector.read();
    assert_eq!(first.exit_code, Some(1));
    // Five attempts a page, and two pages a worker, with those that are under way.
    assert!(notion.request_count(Route::BlockChildren(None)) <= 5 * 8 * 4);
    notion.clear_faults();
    let second = connector.state(state_after(&first)).read();
    second.assert_complete();
    assert_eq!(second.ids("blocks").len(), 150);
}

#[test]
fn a_row_of_a_data_source_found_late_is_not_forgotten_by_a_killed_run() {
    // GIVEN a finished sync that saw nothing of a data source
    let (mut workspace, _pages) = pages(30, 1);
    let (_, source) = workspace.add_top_database("Hidden", at(70, 0));
    workspace.hide_from_search(source);
    workspace.set_default_time(Some(at(60, 0)));
    for number in 0..20 {
        let row = workspace.add_row(source, "Row", at(60, number));
        workspace.append_text(row, "paragraph", "old");
        workspace.touch(row, at(60, number));
        workspace.hide_from_search(row);
    }
    workspace.set_default_time(None);
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion).streams(&["data_sources", "pages", "blocks"]);
    let first = connector.read();
    first.assert_complete();
    assert_eq!(first.ids("blocks").len(), 30);

    // WHEN a row of it shows up, and that sync is killed while it reads
    notion.edit(|workspace| workspace.add_row(source, "Shown", Utc::now()));
    let second = connector.clone().state(state_after(&first)).read();
    second.assert_complete();
    let killed = cut_after_state(&second, "blocks", 1);
    assert!(killed.ids("blocks").len() < 20);
    let third = connector.state(killed.state_file(&state_after(&first))).read();

    // THEN the next one reads the others of its rows
    third.assert_complete();
    let all = together(&[&first, &killed, &third]);
    notion.edit(|workspace| assert_reads_pages_and_blocks(&all, workspace));
    assert_eq!(all.ids("data_sources"), [source.to_string()].into());
}

#[track_caller]
fn assert_reads_pages_and_blocks(output: &SyncOutput, workspace: &Workspace) {
    assert_eq!(output.ids("pages").len(), workspace.visible_pages().len());
    let texts = workspace.visible_blocks().into_iter().filter(|block| block.kind == "paragraph");
    assert_eq!(output.content_ids("blocks"), texts.map(|block| block.id.to_string()).collect());
}

#[test]
fn rows_of_a_database_found_late_are_read_from_the_start_when_its_query_fails_first() {
    // GIVEN a hidden database with an old row, and a sync of pages alone that does not see it
    let mut workspace = Workspace::new();
    let old = Utc::now() - TimeDelta::days(30);
    let page = workspace.add_top_page_at("Page", old);
    let (_database, source) = workspace.add_database(page, "Table", old);
    let row = workspace.add_row(source, "Row", old);
    workspace.hide_from_search(source);
    workspace.hide_from_search(row);
    workspace.add_top_page_at("New", Utc::now() - TimeDelta::days(1));
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    let first = connector.clone().streams(&["pages"]).read();
    first.assert_complete();
    assert!(!first.ids("pages").contains(&row.to_string()));

    // WHEN blocks join, find the database, and its rows cannot be listed
    notion.fail_always(Route::QueryDataSource(Some(source)), Fault::status(500));
    let both = connector.streams(&["pages", "blocks"]);
    let second = both.clone().state(state_after(&first)).read();
    assert_eq!(second.exit_code, Some(1));

    // THEN the next sync brings the row, although it is older than the cursor of pages
    notion.clear_faults();
    let third = both.state(second.state_file(&state_after(&first))).read();
    third.assert_complete();
    assert!(third.ids("pages").contains(&row.to_string()));
}

#[test]
fn a_stopped_stream_does_not_claim_what_others_found_after_it() {
    // GIVEN comments that have a cursor, and then no capability, while blocks find a hidden page with an old comment
    let mut workspace = Workspace::new();
    let old = Utc::now() - TimeDelta::days(30);
    workspace.set_now(Some(old));
    let page = workspace.add_top_page_at("Page", old);
    let hidden = workspace.add_page_at(page, "Hidden", old);
    workspace.add_comment(hidden, "old comment");
    workspace.set_now(None);
    workspace.hide_from_search(hidden);
    let new = workspace.add_top_page_at("New", Utc::now() - TimeDelta::days(1));
    workspace.add_comment(new, "comment");
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    let first = connector.clone().streams(&["comments"]).read();
    first.assert_complete();
    notion.edit(|workspace| workspace.settings.capabilities.comments = false);
    let both = connector.streams(&["blocks", "comments"]);
    let second = both.clone().state(state_after(&first)).read();
    assert_eq!(second.statuses("comments").last().unwrap(), "INCOMPLETE");
    assert_eq!(second.statuses("blocks").last().unwrap(), "COMPLETE");

    // WHEN it is granted again
    notion.edit(|workspace| workspace.settings.capabilities.comments = true);
    let third = both.state(second.state_file(&state_after(&first))).read();

    // THEN the old comment of the hidden page comes
    third.assert_complete();
    let texts: Vec<&Value> = third.records("comments").iter().map(|comment| &comment["plain_text"]).collect();
    assert!(texts.contains(&&json!("old comment")), "{texts:?}");
}

#[test]
fn a_page_that_takes_long_holds_up_no_state() {
    // GIVEN a page that is read first and fails in the end, while the other worker reads many pages
    let mut workspace = Workspace::new();
    let pages: Vec<Uuid> = (0..300)
        .map(|number| {
            let time = days_ago(30) + TimeDelta::minutes(number);
            let page = workspace.add_top_page_at("Page", time);
            for _block in 0..5 {
                workspace.append_text(page, "paragraph", "text");
            }
            workspace.touch(page, time);
            page
        })
        .collect();
    let notion = FakeNotion::start_blocking(workspace);
    notion.fail_always(Route::BlockChildren(Some(pages[299])), Fault::status(500));
    let connector = Connector::new(&notion).streams(&["blocks"]).with_config("num_workers", json!(2));

    // WHEN
    let output = connector
        .with_settings(|settings| {
            settings.policy.parts = 0;
            settings.policy.records = 60;
            settings.retry.first_delay = Duration::from_millis(5);
            settings.retry.max_delay = Duration::from_millis(20);
        })
        .read();

    // THEN states come with the progress of the others, without waiting for it
    let states = output.states();
    assert!(states.len() >= 300 * 5 / 60, "{}", states.len());
    // One page may be under way.
    assert!(states.iter().all(|state| state.record_count <= f64::from(60 + 2 * 5)), "{states:?}");
}
