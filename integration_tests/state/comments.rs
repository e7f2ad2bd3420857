//! Comments across a kill: a resumed sync reads no tree twice, and asks every page for its comments once.

use std::{collections::BTreeSet, sync::mpsc, time::Duration};

use chrono::{TimeDelta, Utc};
use fake_notion::{FakeNotion, Fault, LoggedRequest, Route, Workspace};
use serde_json::json;
use uuid::Uuid;

use crate::support::{Connector, SyncOutput, state_after};

const PAGES: usize = 20;

/// Pages edited one minute after the other a month ago, each with a block and a comment of that time.
fn commented_pages() -> (FakeNotion, Vec<Uuid>) {
    let mut workspace = Workspace::new();
    let edited =
        |number: usize| Utc::now() - TimeDelta::days(30) + TimeDelta::minutes(number.try_into().unwrap());
    let pages = (0..PAGES).map(|number| {
        let time = edited(number);
        workspace.set_now(Some(time));
        let page = workspace.add_top_page_at("Page", time);
        workspace.append_text(page, "paragraph", "text");
        workspace.add_comment(page, &format!("old {number}"));
        workspace.touch(page, time);
        page
    });
    let pages = pages.collect();
    workspace.set_now(None);
    (FakeNotion::start_blocking(workspace), pages)
}

/// A connector that tells its state after each page.
fn connector(notion: &FakeNotion, streams: &[&str]) -> Connector {
    Connector::new(notion)
        .streams(streams)
        .with_config("num_workers", json!(1))
        .with_settings(|settings| settings.policy.records = 1)
}

/// What a platform holds of a read that was killed after so many states of comments.
fn killed_after(output: &SyncOutput, count: usize) -> SyncOutput {
    let states = output.states();
    let state = states.iter().filter(|state| state.stream == "comments").nth(count - 1).unwrap();
    let mut output = output.clone();
    output.messages.truncate(state.line + 1);
    output
}

fn comments(output: &SyncOutput) -> Vec<String> {
    let texts = output.records("comments").into_iter();
    let mut texts: Vec<String> =
        texts.map(|comment| comment["plain_text"].as_str().unwrap().to_owned()).collect();
    texts.sort();
    texts
}

fn asked(notion: &FakeNotion, page: Uuid) -> usize {
    notion.request_count(Route::Comments(Some(page)))
}

#[test]
fn a_comment_made_after_the_kill_on_a_page_that_was_done_comes_with_the_run_that_resumes() {
    // GIVEN a first sync that was killed when half of the pages were done, the latest edits first
    let (notion, pages) = commented_pages();
    let connector = connector(&notion, &["blocks", "comments"]);
    let killed = killed_after(&connector.read(), PAGES / 2);
    let done = *pages.last().unwrap();
    assert!(comments(&killed).contains(&format!("old {}", PAGES - 1)));

    // WHEN the page that was done first gets a comment, which does not move its time
    notion.edit(|workspace| workspace.add_comment(done, "new"));
    notion.clear_requests();
    let resumed = connector.clone().state(state_after(&killed)).read();

    // THEN it comes with all comments of that page, and of the others what was not read before
    resumed.assert_complete();
    let mut expected: Vec<String> = (0..PAGES).map(|number| format!("old {number}")).collect();
    expected.extend(["new".to_owned(), format!("old {}", PAGES - 1)]);
    expected.sort();
    let mut all = comments(&killed);
    all.extend(comments(&resumed));
    all.sort();
    assert_eq!(all, expected);
    // AND each page is asked once, the pages that were never asked before the others, and no tree is read again
    assert!(pages.iter().all(|page| asked(&notion, *page) == 1));
    let order: Vec<Uuid> = notion
        .requests()
        .iter()
        .filter(|request| Route::Comments(None).covers(request.route))
        .filter_map(LoggedRequest::object_id)
        .collect();
    let place = |page: Uuid| order.iter().position(|asked| *asked == page).unwrap();
    assert!(place(pages[0]) < place(done), "{order:?}");
    assert_eq!(notion.request_count(Route::BlockChildren(Some(done))), 0);
}

#[test]
fn a_sync_killed_twice_goes_on_where_it_was_and_loses_nothing() {
    // GIVEN a sync that was killed, and then again when half of the rest was read
    let (notion, pages) = commented_pages();
    let connector = connector(&notion, &["comments"]);
    let first = killed_after(&connector.read(), PAGES / 2);
    let states = state_after(&first);
    let second = connector.clone().state(states.clone()).read();
    second.assert_complete();
    let second = killed_after(&second, PAGES / 4);
    assert!(!comments(&second).is_empty() && comments(&first).len() + comments(&second).len() < PAGES);
    let states = second.state_file(&states);

    // WHEN pages that the first run asked, the second one, and none of them get comments
    notion.edit(|workspace| {
        for (page, text) in [(PAGES - 1, "new 0"), (PAGES / 2 - 2, "new 1"), (0, "new 2")] {
            workspace.add_comment(pages[page], text);
        }
    });
    notion.clear_requests();
    let third = connector.clone().state(states).read();

    // THEN they come, and everything is there
    third.assert_complete();
    let mut all: BTreeSet<String> = comments(&first).into_iter().collect();
    all.extend(comments(&second));
    all.extend(comments(&third));
    assert_eq!(all.len(), PAGES + 3, "{all:?}");
    assert!(pages.iter().all(|page| asked(&notion, *page) == 1));
    // AND what did not change is not sent again: the comments of two pages come with their new ones, and at each kill one page
    // may have been sent whose state was not
    let sent = comments(&first).len() + comments(&second).len() + comments(&third).len();
    assert!(sent <= PAGES + 3 + 2 + 2, "{sent}");
}

#[test]
fn a_page_whose_comments_fail_in_the_run_that_resumes_is_read_by_the_next_sync() {
    let (notion, pages) = commented_pages();
    let connector = connector(&notion, &["comments"]);
    let killed = killed_after(&connector.read(), PAGES / 2);
    let done = pages[PAGES - 2];
    notion.edit(|workspace| workspace.add_comment(done, "new"));
    notion.fail_always(Route::Comments(Some(done)), Fault::status(500));
    let states = state_after(&killed);
    let second = connector.clone().state(states.clone()).read();
    assert_eq!(second.exit_code, Some(1));
    assert!(!comments(&second).contains(&"new".to_owned()));
    let states = second.state_file(&states);
    notion.clear_faults();
    let third = connector.state(states).read();
    third.assert_complete();
    assert_eq!(comments(&third), ["new".to_owned(), format!("old {}", PAGES - 2)]);
}

#[test]
fn a_sync_that_was_not_interrupted_asks_each_page_once() {
    let (notion, pages) = commented_pages();
    let connector = connector(&notion, &["blocks", "comments"]);
    let first = connector.read();
    first.assert_complete();
    notion.clear_requests();
    connector.state(state_after(&first)).read().assert_complete();
    assert!(pages.iter().all(|page| asked(&notion, *page) == 1));
}

#[test]
fn a_page_that_takes_long_does_not_make_a_killed_run_repeat_those_behind_it() {
    // GIVEN a page that is read first and not answered while all others are read
    let mut workspace = Workspace::new();
    let pages: Vec<Uuid> = (0..150)
        .map(|number| {
            let time = Utc::now() - TimeDelta::days(30) + TimeDelta::minutes(number);
            workspace.set_now(Some(time));
            let page = workspace.add_top_page_at("Page", time);
            workspace.append_text(page, "paragraph", "text");
            workspace.touch(page, time);
            page
        })
        .collect();
    workspace.set_now(None);
    let notion = FakeNotion::start_blocking(workspace);
    let asked_for_last = wait_for(&notion, Route::BlockChildren(Some(pages[0])));
    notion.fail_always(Route::BlockChildren(Some(pages[149])), Fault::Silence);
    let connector = Connector::new(&notion).streams(&["blocks"]).with_config("num_workers", json!(2));

    // WHEN it is ended then
    let process = connector.spawn("read");
    asked_for_last.recv_timeout(Duration::from_mins(1)).unwrap();
    process.terminate();
    let ended = process.wait();
    notion.clear_faults();
    notion.clear_hooks();
    notion.clear_requests();
    let resumed = connector.state(state_after(&ended)).read();

    // THEN only it and what was under way is read again, and nothing is missing
    resumed.assert_complete();
    assert!(notion.request_count(Route::BlockChildren(None)) <= 2 + 1);
    let mut all = ended.ids("blocks");
    all.extend(resumed.ids("blocks"));
    assert_eq!(all.len(), pages.len());
}

/// Tells when the fake has received a request of this route.
fn wait_for(notion: &FakeNotion, route: Route) -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel();
    notion.on_request(move |request, _workspace| {
        if request.route == route {
            sender.send(()).unwrap_or_default();
        }
    });
    receiver
}
