//! Objects of unusual shapes: none is lost, and none ends a sync.

use chrono::Utc;
use fake_notion::{FakeNotion, Fault, Route, Workspace};
use serde_json::json;

use crate::support::{Connector, contains, days_ago};

#[test]
fn the_parts_of_a_meeting_that_its_listing_does_not_show_are_read() {
    for listed in 0..2 {
        // GIVEN a meeting whose payload names three parts, of which its listing shows none or one
        let mut workspace = Workspace::new();
        let page = workspace.add_top_page_at("Page", days_ago(9));
        let meeting = workspace.append_block(page, "transcription", json!({"title": []}));
        let parts =
            ["Summary", "Notes", "Transcript"].map(|text| workspace.append_text(meeting, "paragraph", text));
        let below = parts.map(|part| workspace.append_text(part, "paragraph", "What was said"));
        let [summary, notes, transcript] = parts.map(|part| part.to_string());
        let children =
            json!({"summary_block_id": summary, "notes_block_id": notes, "transcript_block_id": transcript});
        workspace.set_block_payload(meeting, &json!({"title": [], "children": children}));
        let shown: Vec<_> = parts[..listed].iter().filter_map(|part| workspace.object(*part)).collect();
        let notion = FakeNotion::start_blocking(workspace);
        let list = json!({"object": "list", "results": shown, "has_more": false, "next_cursor": null});
        notion.fail_always(Route::BlockChildren(Some(meeting)), Fault::json(list.to_string()));

        // WHEN
        let output = Connector::new(&notion).streams(&["blocks"]).read();

        // THEN
        output.assert_complete();
        for block in below {
            assert!(contains(&output, "blocks", block), "{listed} listed");
        }
    }
}

#[test]
fn a_database_among_the_results_of_search_leads_to_its_rows() {
    let mut workspace = Workspace::new();
    let (database, source) = workspace.add_top_database("Table", days_ago(9));
    let row = workspace.add_row(source, "Row", days_ago(9));
    for id in [source, row] {
        workspace.hide_from_search(id);
    }
    let notion = FakeNotion::start_blocking(workspace);
    let object = json!({"object": "database", "id": database.to_string(), "title": [],
        "last_edited_time": "2026-01-01T00:00:00.000Z"});
    notion.fail(Route::Search, Fault::json(json!({"results": [object], "has_more": false}).to_string()));
    let output = Connector::new(&notion).read();
    output.assert_complete();
    assert!(contains(&output, "data_sources", source));
    assert_eq!(output.ids("pages"), [row.to_string()].into());
}

#[test]
fn any_number_of_tables_that_notion_refuses_to_list_ends_nothing() {
    let mut workspace = Workspace::new();
    let message = "Database does not contain any data sources accessible by this API bot.";
    for _table in 0..120 {
        let (_database, source) = workspace.add_top_database("Linked", days_ago(20));
        workspace.lock_queries(source, 400, "validation_error", message);
    }
    let (_database, good) = workspace.add_top_database("Good", days_ago(20));
    let row = workspace.add_row(good, "Row", days_ago(20));
    let page = workspace.add_top_page_at("Page", days_ago(20));
    let block = workspace.append_text(page, "paragraph", "text");
    let notion = FakeNotion::start_blocking(workspace);
    let output = Connector::new(&notion).read();
    output.assert_complete();
    assert!(contains(&output, "pages", row) && contains(&output, "pages", page));
    assert!(contains(&output, "blocks", block));
    let told = "120 × rows of a data source that Notion refuses to list";
    assert!(output.report().contains(told), "{}", output.report());
}

#[test]
fn the_owner_of_a_bot_is_in_one_place_whoever_owns_it() {
    let mut workspace = Workspace::new();
    let person = workspace.add_person("Owner", Some("owner@example.com"));
    workspace.set_bot_owner(person);
    let bot = workspace.own_bot();
    let notion = FakeNotion::start_blocking(workspace);
    let output = Connector::new(&notion).streams(&["users"]).read();
    output.assert_complete();
    let owner = &output.record("users", bot)["bot"]["owner"];
    assert_eq!((&owner["type"], &owner["info"]["id"]), (&json!("user"), &json!(person.to_string())));
    assert!(owner.get("user").is_none(), "{owner}");
}

#[test]
fn an_object_without_a_time_comes_once() {
    // GIVEN a page that says no time, and one of 1970
    let mut workspace = Workspace::new();
    let pages = ["1970-01-01T00:00:00.000Z", ""].map(|time| {
        let mut page = json!({"object": "page", "id": workspace.new_id().to_string(), "properties": {}, "parent":
            {"type": "workspace", "workspace": true}});
        if !time.is_empty() {
            page["last_edited_time"] = json!(time);
        }
        page
    });
    workspace.add_top_page_at("Page", Utc::now() - chrono::TimeDelta::days(3));
    let notion = FakeNotion::start_blocking(workspace);
    let list = json!({"results": pages, "has_more": false}).to_string();
    let connector = Connector::new(&notion).streams(&["pages"]);
    notion.fail(Route::Search, Fault::json(list.clone()));
    let first = connector.read();
    first.assert_complete();
    assert_eq!(first.ids("pages").len(), 3);

    // WHEN nothing changes THEN they do not come again
    notion.fail(Route::Search, Fault::json(list));
    let second = connector.state(first.state_file(&json!([]))).read();
    second.assert_complete();
    assert!(second.ids("pages").is_empty(), "{:?}", second.records("pages"));
}

#[test]
fn a_later_result_page_that_is_refused_has_the_listing_read_again() {
    // GIVEN a page with blocks and comments on several result pages
    for status in [404, 403, 400] {
        for (is_blocks, stream) in [(true, "blocks"), (false, "comments")] {
            let mut workspace = Workspace::new();
            workspace.settings.max_page_size = 5;
            let page = workspace.add_top_page_at("Page", days_ago(9));
            for _entry in 0..12 {
                workspace.append_text(page, "paragraph", "text");
                workspace.add_comment(page, "comment");
            }
            let notion = FakeNotion::start_blocking(workspace);
            let route =
                if is_blocks { Route::BlockChildren(Some(page)) } else { Route::Comments(Some(page)) };
            let connector = Connector::new(&notion).streams(&[stream]);

            // WHEN the second one is refused once THEN nothing is missing
            notion.fail_times(route, Fault::Slow(std::time::Duration::ZERO), 1);
            notion.fail(route, Fault::error(status, "validation_error", "start_cursor: block not found."));
            let output = connector.read();
            assert_eq!(notion.waiting_faults(), 0);
            output.assert_complete();
            assert_eq!(output.ids(stream).len(), 12, "{stream}: {status}");
        }
    }
}

#[test]
fn one_refusal_of_the_networks_edge_among_many_answers_ends_nothing() {
    for fault in [Fault::html(403), Fault::html(401), Fault::status(401)] {
        let mut workspace = Workspace::new();
        let pages: Vec<_> = (0..20)
            .map(|number| {
                let page = workspace.add_top_page_at("Page", days_ago(30 - number));
                workspace.append_text(page, "paragraph", "text");
                page
            })
            .collect();
        let notion = FakeNotion::start_blocking(workspace);
        notion.fail(Route::BlockChildren(Some(pages[5])), fault.clone());
        let output = Connector::new(&notion).streams(&["pages", "blocks"]).read();
        output.assert_complete();
        assert_eq!(output.ids("blocks").len(), 20, "{fault:?}");
    }
}
