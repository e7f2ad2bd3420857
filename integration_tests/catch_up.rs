//! A resumed sync repeats no page that was done: it finishes the interrupted walk first, and then asks the pages that
//! were done before for new comments.

use std::{sync::mpsc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use fake_notion::{FakeNotion, Fault, Route, Workspace};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Connector, SyncOutput};

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

fn state_after(output: &SyncOutput, before: &Value) -> Value {
    output.state_file(before)
}

fn comments(output: &SyncOutput) -> Vec<String> {
    let texts = output.records("comments").into_iter();
    let mut texts: Vec<String> =
        texts.map(|comment| comment["plain_text"].as_str().unwrap().to_owned()).collect();
    texts.sort();
    texts
}

fn cursor(output: &SyncOutput) -> DateTime<Utc> {
    let state = output.last_state("comments");
    state["state"]["last_edited_time"].as_str().unwrap().parse().unwrap()
}

fn asked(notion: &FakeNotion, page: Uuid) -> usize {
    notion.request_count(Route::Comments(Some(page)))
}

#[test]
fn a_comment_made_after_the_kill_on_a_page_that_was_done_comes_with_the_run_that_resumes() {
    // GIVEN a first sync that was killed when half of the pages were done
    let (notion, pages) = commented_pages();
    let connector = connector(&notion, &["blocks", "comments"]);
    let killed = killed_after(&connector.read(), PAGES / 2);
    let until: DateTime<Utc> =
        killed.last_state("comments")["resume"]["until"].as_str().unwrap().parse().unwrap();

    // WHEN the first page, which was done, gets a comment, which does not move its time
    notion.edit(|workspace| workspace.add_comment(pages[0], "new"));
    notion.clear_requests();
    let resumed = connector.clone().state(state_after(&killed, &json!([]))).read();

    // THEN it comes, with what was not read before, and nothing comes twice
    resumed.assert_complete();
    let mut all = comments(&killed);
    all.extend(comments(&resumed));
    all.sort();
    let mut expected: Vec<String> = (0..PAGES).map(|number| format!("old {number}")).collect();
    expected.push("new".to_owned());
    expected.sort();
    assert_eq!(all, expected);
    // AND the pages that were done are asked after the others, for comments alone, each once
    let requests = notion.requests();
    let order: Vec<&Route> = requests.iter().map(|request| &request.route).collect();
    let first_again = order.iter().position(|route| **route == Route::Comments(Some(pages[0]))).unwrap();
    let last_new =
        order.iter().rposition(|route| **route == Route::Comments(Some(pages[PAGES - 1]))).unwrap();
    assert!(last_new < first_again);
    assert!(pages.iter().all(|page| asked(&notion, *page) == 1));
    assert_eq!(notion.request_count(Route::BlockChildren(Some(pages[0]))), 0);
    // AND the cursor passes what the killed run had claimed
    assert!(cursor(&resumed) >= until);
}

#[test]
fn a_run_killed_while_it_asks_again_goes_on_there_and_loses_nothing() {
    // GIVEN a sync that was killed in its walk, and then again while it asked the pages again
    let (notion, pages) = commented_pages();
    let connector = connector(&notion, &["comments"]);
    let first = killed_after(&connector.read(), PAGES / 2);
    let states = state_after(&first, &json!([]));
    let second = connector.clone().state(states.clone()).read();
    second.assert_complete();
    let count = second.states().iter().filter(|state| state.stream == "comments").count();
    let second = killed_after(&second, count - PAGES / 4);
    let state = second.last_state("comments");
    assert!(state["resume"].is_object() && state["state"]["last_edited_time"].is_string(), "{state}");
    let states = state_after(&second, &states);

    // WHEN pages asked by the first run, by the second in its walk and by the second once more get comments
    notion.edit(|workspace| {
        for (page, text) in [(0, "new 0"), (PAGES / 2 - 1, "new 1"), (PAGES - 1, "new 2")] {
            workspace.add_comment(pages[page], text);
        }
    });
    notion.clear_requests();
    let third = connector.clone().state(states).read();

    // THEN they come, and nothing else but the seam: the newest is as old as the cursor
    third.assert_complete();
    assert_eq!(comments(&third), ["new 0", "new 1", "new 2", &format!("old {}", PAGES - 1)]);
    assert!(pages.iter().all(|page| asked(&notion, *page) == 1));
}

#[test]
fn a_page_that_fails_when_it_is_asked_again_is_tried_by_the_next_sync() {
    let (notion, pages) = commented_pages();
    let connector = connector(&notion, &["comments"]);
    let killed = killed_after(&connector.read(), PAGES / 2);
    notion.edit(|workspace| workspace.add_comment(pages[1], "new"));
    notion.fail_always(Route::Comments(Some(pages[1])), Fault::status(500));
    let states = state_after(&killed, &json!([]));
    let second = connector.clone().state(states.clone()).read();
    assert_eq!(second.exit_code, Some(1));
    let states = state_after(&second, &states);
    assert_eq!(second.last_state("comments")["retry"]["pages"][0]["id"], pages[1].to_string());
    notion.clear_faults();
    let third = connector.state(states).read();
    third.assert_complete();
    assert!(comments(&third).contains(&"new".to_owned()));
    assert!(third.last_state("comments").get("retry").is_none());
}

#[test]
fn a_sync_that_was_not_interrupted_asks_each_page_once() {
    let (notion, pages) = commented_pages();
    let connector = connector(&notion, &["blocks", "comments"]);
    let first = connector.read();
    first.assert_complete();
    notion.clear_requests();
    connector.state(state_after(&first, &json!([]))).read().assert_complete();
    assert!(pages.iter().all(|page| asked(&notion, *page) == 1));
}

#[test]
fn a_page_that_takes_long_does_not_make_a_killed_run_repeat_those_behind_it() {
    // GIVEN a page at the head of the walk that is not answered while all others are read
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
    let asked_for_last = wait_for(&notion, Route::BlockChildren(Some(pages[149])));
    notion.fail_always(Route::BlockChildren(Some(pages[0])), Fault::Silence);
    let connector = Connector::new(&notion).streams(&["blocks"]).with_config("num_workers", json!(2));

    // WHEN it is ended then
    let process = connector.spawn("read");
    asked_for_last.recv_timeout(Duration::from_mins(1)).unwrap();
    process.terminate();
    let ended = process.wait();
    assert_eq!(ended.last_state("blocks")["retry"]["pages"][0]["id"], pages[0].to_string());
    notion.clear_faults();
    notion.clear_hooks();
    notion.clear_requests();
    let resumed = connector.state(state_after(&ended, &json!([]))).read();

    // THEN only it and what was under way is read again, and nothing is missing
    resumed.assert_complete();
    assert!(notion.request_count(Route::BlockChildren(None)) <= 2 + 1);
    let mut all = ended.ids("blocks");
    all.extend(resumed.ids("blocks"));
    assert_eq!(all.len(), pages.len());
    assert!(resumed.last_state("blocks").get("retry").is_none());
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
