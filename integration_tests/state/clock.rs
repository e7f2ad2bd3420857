//! A machine whose clock is wrong: no cursor passes what somebody may still edit by Notion's clock.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use fake_notion::{FakeNotion, Fault, Route, Workspace};
use serde_json::{Value, json};

use crate::support::Connector;

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

#[test]
fn a_clock_an_hour_ahead_of_notions_moves_no_cursor_past_notions_time() {
    // GIVEN a Notion whose clock is an hour behind this machine's, and a page that is edited while the sync runs
    let notions_now = Utc::now().trunc_subsecs(0) - TimeDelta::hours(1);
    let mut workspace = Workspace::with_seed(24);
    workspace.set_now(Some(notions_now));
    for minutes in 1..=12 {
        let page = workspace.add_top_page_at("Page", notions_now - TimeDelta::hours(minutes));
        workspace.add_comment(page, "comment");
    }
    workspace.add_top_page_at("Edited meanwhile", notions_now + TimeDelta::minutes(3));
    let notion = FakeNotion::start_blocking(workspace);
    // The first answer, to the search for data sources, tells Notion's time.
    notion.fail(
        Route::Search,
        Fault::Raw {
            status: 200,
            content_type: "application/json".to_owned(),
            body: json!({"results": [], "has_more": false}).to_string().into_bytes(),
            headers: vec![("Date".to_owned(), notions_now.format("%a, %d %b %Y %H:%M:%S GMT").to_string())],
        },
    );

    // WHEN it is read
    let connector = Connector::new(&notion)
        .with_config("num_workers", json!(1))
        .with_settings(|settings| settings.policy.records = 1);
    let output = connector.clone().streams(&["pages", "blocks", "comments"]).read();

    // THEN the cursors stay behind Notion's time
    output.assert_complete();
    assert_eq!(output.ids("pages").len(), 13);
    let limit = notions_now - TimeDelta::minutes(10);
    // The answer took a moment, and times are cut to the minute.
    let earliest = limit - TimeDelta::minutes(3);
    for stream in ["pages", "blocks", "comments"] {
        let state = output.last_state(stream);
        let cursor = time(&state.get("state").unwrap_or(&state)["last_edited_time"]);
        assert!(cursor <= limit && cursor >= earliest, "{stream}: {cursor} is not {limit}");
    }

    // AND an edit of this minute, which was not over by Notion's clock, comes with the next sync
    let [edited] = notion.edit(|workspace| {
        let page = workspace.add_top_page_at("Same minute", notions_now);
        [page]
    });
    let second = connector.streams(&["pages"]).state(output.state_file(&json!([]))).read();
    second.assert_complete();
    assert!(second.ids("pages").contains(&edited.to_string()));
}
