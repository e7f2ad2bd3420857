//! How many requests a sync sends: each listing once, and only what was edited is walked.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use fake_notion::{
    FakeNotion, LoggedRequest, Route, Workspace,
    generate::{GenerateOptions, generated_workspace},
    ideal_requests,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Connector, assert_reads_everything};

/// What a request asks for: endpoint, path, query and body without the page size. Two alike are one too many.
fn asked(request: &LoggedRequest) -> String {
    let mut body = request.body.clone().unwrap_or_default();
    if let Some(fields) = body.as_object_mut() {
        fields.remove("page_size");
    }
    format!("{} {} {:?} {body}", request.method, request.path, request.query)
}

/// How often each thing was asked for, for requests of a route.
fn asked_counts(notion: &FakeNotion, route: Route) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in notion.requests().iter().filter(|request| route.covers(request.route)) {
        *counts.entry(asked(request)).or_default() += 1;
    }
    counts
}

#[test]
fn a_full_sync_of_all_streams_sends_hardly_more_than_the_arithmetic() {
    // GIVEN a workspace in which every endpoint has something to answer, and listings have several result pages
    let mut workspace = generated_workspace(GenerateOptions {
        seed: 21,
        pages: 280,
        blocks_per_page: 8,
        data_sources: 4,
        ..GenerateOptions::default()
    });
    let pages: Vec<Uuid> = workspace.visible_pages().into_iter().map(|(page, _time)| page).collect();
    for page in pages.iter().step_by(40) {
        let entries: Vec<Value> = (0..30).map(|n| json!({"id": Uuid::from_u128(n).to_string()})).collect();
        let relation = json!({"type": "relation", "relation": entries});
        workspace.set_property_unstamped(*page, "Relation", relation);
    }
    let ideal = ideal_requests(&workspace);
    assert!(ideal.search_pages > 1 && ideal.properties > 0 && ideal.databases == 4, "{ideal:?}");
    let notion = FakeNotion::start_blocking(workspace);

    // WHEN
    let output = Connector::new(&notion).read();

    // THEN everything was read for next to nothing more than it must cost
    output.assert_complete();
    notion.edit(|workspace| assert_reads_everything(&output, workspace));
    let answered = notion.request_count(Route::Any);
    assert!(answered * 100 <= ideal.total() * 102, "{answered} requests, {ideal:?}");

    // AND each listing once, but for the head of search, which is looked at again for what moved there meanwhile
    for (route, expected) in [
        (Route::QueryDataSource(None), ideal.queries + ideal.archived_queries),
        (Route::Users, ideal.users),
        (Route::BlockChildren(None), ideal.children),
        (Route::Comments(None), ideal.comments),
        (Route::PageProperty(None), ideal.properties),
        (Route::Database(None), ideal.databases),
        (Route::Search, ideal.search_pages + ideal.search_data_sources),
        (Route::Page(None), 0),
        (Route::DataSource(None), 0),
    ] {
        let counts = asked_counts(&notion, route);
        assert_eq!(counts.len(), expected, "{route:?}: {counts:#?}");
        let twice: Vec<&String> =
            counts.iter().filter(|(_asked, count)| **count > 1).map(|(asked, _count)| asked).collect();
        if route == Route::Search {
            assert_eq!(twice.len(), 1, "{twice:#?}");
            assert!(twice[0].contains(r#""page""#) && !twice[0].contains("start_cursor"), "{twice:#?}");
            assert_eq!(counts[twice[0]], 2);
        } else {
            assert!(twice.is_empty(), "{route:?}: {twice:#?}");
        }
    }
}

/// Top pages one minute apart, the oldest first, each with a toggle and a toggle in it, and a comment; and the ids
/// whose children a walk of each asks for.
fn nested_pages(count: i64) -> (Workspace, Vec<BTreeSet<Uuid>>) {
    let mut workspace = Workspace::with_seed(22);
    let at = |minutes| -> DateTime<Utc> { Utc::now() - TimeDelta::days(30) + TimeDelta::minutes(minutes) };
    let trees = (0..count).map(|number| {
        workspace.set_default_time(Some(at(number)));
        let page = workspace.add_top_page("Page");
        let outer = workspace.append_text(page, "toggle", "outer");
        let inner = workspace.append_text(outer, "toggle", "inner");
        workspace.append_text(inner, "paragraph", "text");
        workspace.append_text(page, "paragraph", "text");
        workspace.add_comment(page, "comment");
        [page, outer, inner].into()
    });
    let trees = trees.collect();
    workspace.set_default_time(None);
    (workspace, trees)
}

/// The ids that a route was asked for, in order.
fn asked_ids(notion: &FakeNotion, route: Route) -> Vec<Uuid> {
    let requests = notion.requests().into_iter().filter(|request| route.covers(request.route));
    let mut ids: Vec<Uuid> = requests.filter_map(|request| request.object_id()).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn only_edited_pages_are_walked_for_blocks_and_every_synced_page_is_asked_for_comments() {
    // GIVEN a finished sync of 30 pages
    let (workspace, trees) = nested_pages(30);
    let pages: BTreeSet<Uuid> = workspace.visible_pages().into_iter().map(|(page, _time)| page).collect();
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    let first = connector.read();
    first.assert_complete();
    assert_eq!(asked_ids(&notion, Route::BlockChildren(None)).len(), 30 * 3);

    // WHEN the innermost text of one page is edited, and the next sync runs
    let edited = &trees[11];
    notion.edit(|workspace| {
        let page = *edited.intersection(&pages).next().unwrap();
        let text = workspace.blocks_of(page).into_iter().find(|block| block.depth == 3).unwrap();
        workspace.edit_block_text(text.id, "edited");
    });
    notion.clear_requests();
    let second = connector.state(first.state_file(&json!([]))).read();

    // THEN its tree is read, whole and once, and no other, and all its blocks come
    second.assert_complete();
    assert_eq!(asked_ids(&notion, Route::BlockChildren(None)), edited.iter().copied().collect::<Vec<_>>());
    assert_eq!(asked_ids(&notion, Route::Comments(None)), pages.into_iter().collect::<Vec<_>>());
    assert_eq!(second.records("blocks").len(), 4);
    assert_eq!((second.records("pages").len(), second.records("comments").len()), (1, 0));
}

#[test]
fn the_head_of_search_is_not_read_again_and_again_when_nothing_moves() {
    // GIVEN an import of five result pages a few minutes ago
    let mut workspace = Workspace::new();
    let recent = Utc::now() - TimeDelta::minutes(5);
    for _page in 0..450 {
        workspace.add_top_page_at("Imported", recent);
    }
    let notion = FakeNotion::start_blocking(workspace);
    Connector::new(&notion).streams(&["pages"]).read().assert_complete();
    // Twice more, and one for data sources.
    assert_eq!(notion.request_count(Route::Search), 5 + 2 * 5 + 1);
}
