//! The size of result pages: smaller where Notion is too slow for a full one, and full again when it is not.

use fake_notion::{FakeNotion, Fault, Route, Workspace};
use serde_json::Value;

use crate::support::{Connector, assert_ids, at, hidden_rows, pages_a_minute_apart, queries, searches};

/// The page sizes that these bodies ask for.
fn page_sizes<'a>(bodies: impl IntoIterator<Item = &'a Value>) -> Vec<u64> {
    bodies.into_iter().map(|body| body["page_size"].as_u64().unwrap()).collect()
}

/// The page sizes of the searches for a kind of object.
fn search_sizes(notion: &FakeNotion, kind: &str) -> Vec<u64> {
    let searches = searches(notion, kind);
    page_sizes(searches.iter().filter_map(|logged| logged.body.as_ref()))
}

#[test]
fn a_query_shrinks_its_result_pages_when_notion_is_too_slow_for_full_ones() {
    let (mut workspace, source, rows) = hidden_rows(110);
    workspace.settings.times_out_above = Some(30);
    let notion = FakeNotion::start_blocking(workspace);
    let output = Connector::new(&notion).streams(&["pages"]).read();
    output.assert_complete();
    assert_ids(&output, "pages", &rows);
    let sizes = page_sizes(&queries(&notion, source, false));
    // Two timeouts before the first answer, and none before the next ones.
    assert_eq!(sizes, [100, 50, 25, 25, 25, 25, 25], "{sizes:?}");
}

#[test]
fn a_search_shrinks_its_result_pages_when_notion_is_too_slow_for_full_ones() {
    let (mut workspace, expected) = pages_a_minute_apart(110);
    workspace.settings.times_out_above = Some(30);
    let notion = FakeNotion::start_blocking(workspace);
    let output = Connector::new(&notion).streams(&["pages"]).read();
    output.assert_complete();
    assert_ids(&output, "pages", &expected);
    let sizes = search_sizes(&notion, "page");
    // Five result pages, and the head of the list once more.
    assert_eq!(sizes, [100, 50, 25, 25, 25, 25, 25, 100, 50, 25], "{sizes:?}");
}

#[test]
fn result_pages_shrink_at_each_sign_of_trouble_and_grow_back_when_it_is_over() {
    for status in [500, 502, 503, 504] {
        // GIVEN data sources and rows whose listings have several result pages, whatever their size
        let mut workspace = Workspace::with_seed(9);
        let (_database, source) = workspace.add_top_database("Table", at(40, 0));
        for number in 0..13 {
            workspace.add_top_database("Other", at(39, number));
            let row = workspace.add_row(source, "Row", at(30, number));
            workspace.hide_from_search(row);
        }
        workspace.settings.max_page_size = 2;
        let notion = FakeNotion::start_blocking(workspace);

        // WHEN the first two requests of each listing are too slow
        let query = Route::QueryDataSource(Some(source));
        for route in [Route::Search, query] {
            notion.fail_times(route, Fault::status(status), 2);
        }
        let connector = Connector::new(&notion).with_config("num_workers", 1.into());
        let output = connector.streams(&["data_sources", "pages"]).read();

        // THEN half is asked for each time, and twice as much after five answers
        output.assert_complete();
        assert_eq!((output.ids("data_sources").len(), output.ids("pages").len()), (14, 13));
        let expected = [100, 50, 25, 25, 25, 25, 25, 50, 50];
        assert_eq!(page_sizes(&queries(&notion, source, false)), expected, "{status}");
        // The head of search is looked at once more.
        let sizes = search_sizes(&notion, "data_source");
        assert_eq!((&sizes[..9], &sizes[9..]), (&expected[..], &[100][..]), "{status}");
        // What was not slow was asked for as a whole.
        let archived = page_sizes(&queries(&notion, source, true));
        assert_eq!((archived, search_sizes(&notion, "page")), (vec![100], vec![100]), "{status}");
    }
}
