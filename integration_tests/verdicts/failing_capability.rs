//! A capability that is missing or withdrawn: its streams end, and nothing is taken for gone.

use chrono::Utc;
use fake_notion::{FakeNotion, Route, Workspace};
use serde_json::json;

use crate::support::{Connector, days_ago, relation};

#[test]
fn content_withdrawn_while_values_are_completed_is_not_taken_for_a_value_that_is_gone() {
    let mut workspace = Workspace::new();
    let page = workspace.add_top_page_at("Page", days_ago(20));
    workspace.set_property_unstamped(page, "Relation", relation(30));
    let notion = FakeNotion::start_blocking(workspace);
    notion.on_request(|request, workspace| {
        if Route::PageProperty(None).covers(request.route) {
            workspace.settings.capabilities.read_content = false;
        }
    });
    let connector = Connector::new(&notion).streams(&["pages"]);
    let first = connector.read();
    assert_eq!(first.exit_code, Some(1));
    assert_eq!(first.statuses("pages").last().unwrap(), "INCOMPLETE");
    notion.clear_hooks();
    notion.edit(|workspace| workspace.settings.capabilities.read_content = true);
    let second = connector.state(first.state_file(&json!([]))).read();
    second.assert_complete();
    let properties = second.record("pages", page)["properties"].as_array().unwrap();
    let relation = properties.iter().find(|property| property["name"] == "Relation").unwrap();
    assert_eq!(relation["value"]["relation"].as_array().unwrap().len(), 30);
}

#[test]
fn a_capability_withdrawn_while_rows_are_listed_is_not_taken_for_rows_that_are_gone() {
    // GIVEN an integration that loses the right to read content when the first data source is queried
    let mut workspace = Workspace::new();
    let page = workspace.add_top_page("Page");
    let (_database, source) = workspace.add_database(page, "Table", Utc::now());
    workspace.add_row(source, "Row", Utc::now());
    let notion = FakeNotion::start_blocking(workspace);
    notion.on_request(|request, workspace| {
        if Route::QueryDataSource(None).covers(request.route) {
            workspace.settings.capabilities.read_content = false;
        }
    });

    // WHEN it is read
    let output = Connector::new(&notion).streams(&["users", "pages", "blocks"]).read();

    // THEN the streams say so, and the others are complete
    assert_eq!(output.exit_code, Some(1));
    for stream in ["pages", "blocks"] {
        assert_eq!(output.statuses(stream).last().unwrap(), "INCOMPLETE");
        let error = output.error_of(stream);
        assert_eq!(error["failure_type"], "config_error");
        assert!(error["message"].as_str().unwrap().contains("Read content"), "{error}");
    }
    assert_eq!(output.statuses("users").last().unwrap(), "COMPLETE");
}
