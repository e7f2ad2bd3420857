//! The fake Notion in a process of its own, told what to do through its stdin.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Stdio},
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use fake_notion::{
    FakeNotion, LoggedRequest, RateLimit, Route, Workspace,
    generate::{GenerateOptions, generated_workspace},
    ideal_requests, ideal_requests_for,
};
use reqwest::Url;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Outcome, process};

/// Blocks in a page, on average: 50,000 pages have a million.
const BLOCKS_PER_PAGE: usize = 20;

/// A fake Notion that runs elsewhere; it ends with this handle.
pub(crate) struct Notion {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    pub(crate) url: String,
    pub(crate) token: String,
    /// The fewest requests of a full read of everything.
    pub(crate) ideal: u64,
    pub(crate) blocks: u64,
}

impl Notion {
    /// Generates a workspace and serves it.
    pub(crate) fn start(pages: usize) -> Outcome<Self> {
        let mut command = process::command("as-notion")?;
        let mut child =
            command.arg(pages.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let mut notion =
            Self { child, stdin, stdout, url: String::new(), token: String::new(), ideal: 0, blocks: 0 };
        let facts = notion.answer()?;
        let text = |name: &str| facts[name].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| facts[name].as_u64().unwrap_or_default();
        (notion.url, notion.token) = (text("url"), text("token"));
        (notion.ideal, notion.blocks) = (number("ideal"), number("blocks"));
        Ok(notion)
    }

    /// Sends an order and returns the answer.
    pub(crate) fn ask(&mut self, order: &Value) -> Outcome<Value> {
        let stdin = self.stdin.as_mut().ok_or("no stdin")?;
        writeln!(stdin, "{order}")?;
        self.answer()
    }

    /// What was asked since the log was last cleared; clears it.
    pub(crate) fn take_log(&mut self) -> Outcome<Log> {
        let log = self.ask(&json!({"do": "take_log"}))?;
        let number = |name: &str| log[name].as_f64().unwrap_or(f64::NAN);
        let list =
            |name: &str| log[name].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
        Ok(Log {
            answered: number("answered"),
            walk_requests: number("walk_requests"),
            walk_seconds: number("walk_seconds"),
            refused_by_window: list("refused_by_window"),
            late_by_window_ms: list("late_by_window_ms"),
        })
    }

    /// Writes the requests in the log to a file, in the form that the floor reads.
    pub(crate) fn write_requests(&mut self, path: &Path) -> Outcome<()> {
        self.ask(&json!({"do": "write_requests", "path": path.to_string_lossy()})).map(drop)
    }

    fn answer(&mut self) -> Outcome<Value> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Notion {
    fn drop(&mut self) {
        // The end of its stdin ends it.
        self.stdin = None;
        drop(self.child.wait());
    }
}

/// What a log of requests says.
#[derive(Debug)]
pub(crate) struct Log {
    /// Requests that were not answered 429.
    pub(crate) answered: f64,
    /// Those for blocks and comments, and the time from the first to the last.
    pub(crate) walk_requests: f64,
    pub(crate) walk_seconds: f64,
    /// For each window of the budget that was spent, how many requests were answered 429.
    pub(crate) refused_by_window: Vec<u64>,
    /// For the same windows, how long after the first 429 the last request came.
    pub(crate) late_by_window_ms: Vec<u64>,
}

/// Plays the role.
pub(crate) fn serve(arguments: &[String]) -> Outcome<()> {
    let pages: usize = arguments.get(2).ok_or("no number of pages")?.parse()?;
    let mut workspace = generated_workspace(GenerateOptions {
        seed: 7,
        pages,
        blocks_per_page: BLOCKS_PER_PAGE,
        data_sources: 5,
        ..GenerateOptions::default()
    });
    // Whether Notion's search has a limit of results is not established; beyond 20,000 pages it would be an error.
    workspace.settings.search_result_cap = usize::MAX;
    let facts = json!({
        "ideal": ideal_requests(&workspace).total(),
        "blocks": workspace.visible_blocks().len(),
    });
    let notion = FakeNotion::start_blocking(workspace);
    let mut answer = facts;
    answer["url"] = notion.url().into();
    answer["token"] = notion.token().into();
    let mut window = Duration::ZERO;
    println!("{answer}");
    for line in io::stdin().lines() {
        let order: Value = serde_json::from_str(&line?)?;
        println!("{}", obey(&notion, &order, &mut window)?);
    }
    Ok(())
}

fn obey(notion: &FakeNotion, order: &Value, window: &mut Duration) -> Outcome<Value> {
    let number = |name: &str| order[name].as_u64().unwrap_or_default();
    Ok(match order["do"].as_str().unwrap_or_default() {
        "take_log" => {
            let requests = notion.requests();
            notion.clear_requests();
            summary(&requests, *window)
        }
        "write_requests" => {
            let mut file = BufWriter::new(File::create(order["path"].as_str().unwrap_or_default())?);
            let base = Url::parse(&notion.url())?;
            for request in notion.requests() {
                writeln!(file, "{}", replayable(&request, &base))?;
            }
            file.flush()?;
            Value::Null
        }
        "set_latency" => {
            notion.edit(|workspace| workspace.settings.latency = Duration::from_millis(number("ms")));
            Value::Null
        }
        "set_budget" => {
            *window = Duration::from_secs(number("seconds"));
            let requests = u32::try_from(number("requests"))?;
            let limit = RateLimit::Window { requests, window: *window };
            notion.edit(|workspace| workspace.settings.rate_limit = limit);
            Value::Null
        }
        "edit" => notion.edit(|workspace| edit(workspace, number("pages"))),
        "add_straggler" => notion.edit(|workspace| add_straggler(workspace, number("blocks"))),
        "count_walk" => json!(
            notion.request_count(Route::BlockChildren(None)) + notion.request_count(Route::Comments(None))
        ),
        "walked_pages" => {
            let pages: BTreeSet<Uuid> =
                notion.edit(|workspace| workspace.visible_pages()).into_iter().map(|(id, _)| id).collect();
            json!(walked(&notion.requests(), &pages).iter().map(Uuid::to_string).collect::<Vec<_>>())
        }
        other => return Err(format!("there is no order \"{other}\"").into()),
    })
}

/// Edits a text in this many pages; returns how many requests an incremental sync of blocks must send.
fn edit(workspace: &mut Workspace, pages: u64) -> Value {
    let all = workspace.visible_pages();
    let step = (all.len() / usize::try_from(pages).unwrap_or(1)).max(1);
    let mut edited = Vec::new();
    for (page, _time) in all.iter().step_by(step).take(usize::try_from(pages).unwrap_or_default()) {
        workspace.append_text(*page, "paragraph", "Edited.");
        edited.push(*page);
    }
    // The whole listing, and the trees of the edited pages; neither users nor comments nor cut values.
    let ideal = ideal_requests_for(workspace, &edited);
    json!(ideal.total() - ideal.users - ideal.comments - ideal.properties)
}

/// Adds a page at the head of the walk's order with so many blocks in a flat list, which is read one result page
/// after the other; returns its id.
fn add_straggler(workspace: &mut Workspace, blocks: u64) -> Value {
    let oldest = workspace.visible_pages().into_iter().map(|(_page, time)| time).min();
    let time = oldest.unwrap_or_default() - TimeDelta::days(1);
    workspace.set_default_time(Some(time));
    let page = workspace.add_top_page_at("Straggler", time);
    for _block in 0..blocks {
        workspace.append_text(page, "paragraph", "One of many.");
    }
    workspace.set_default_time(None);
    json!(page.to_string())
}

/// The pages whose direct children were asked for.
fn walked(requests: &[LoggedRequest], pages: &BTreeSet<Uuid>) -> BTreeSet<Uuid> {
    let ids = requests
        .iter()
        .filter(|request| matches!(request.route, Route::BlockChildren(_)) && request.status == 200);
    ids.filter_map(LoggedRequest::object_id).filter(|id| pages.contains(id)).collect()
}

fn replayable(request: &LoggedRequest, base: &Url) -> Value {
    let mut url = base.clone();
    url.set_path(&request.path);
    if !request.query.is_empty() {
        url.query_pairs_mut().extend_pairs(&request.query);
    }
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    json!([request.method, format!("{}{query}", url.path()), request.body.as_ref().map(Value::to_string)])
}

fn summary(requests: &[LoggedRequest], window: Duration) -> Value {
    let walk: Vec<Instant> = requests
        .iter()
        .filter(|request| {
            !request.held && matches!(request.route, Route::BlockChildren(_) | Route::Comments(_))
        })
        .map(|request| request.at)
        .collect();
    let walk_seconds = match (walk.first(), walk.last()) {
        (Some(first), Some(last)) => (*last - *first).as_secs_f64(),
        _ => 0.0,
    };
    let (refused, late) = windows(requests, window);
    json!({
        "answered": requests.iter().filter(|request| !request.held).count(),
        "walk_requests": walk.len(),
        "walk_seconds": walk_seconds,
        "refused_by_window": refused,
        "late_by_window_ms": late,
    })
}

/// For each window that was spent: how many requests were refused, and how late the last of them came.
fn windows(requests: &[LoggedRequest], window: Duration) -> (Vec<u64>, Vec<u64>) {
    let mut opened: Option<Instant> = None;
    let mut by_window: BTreeMap<Instant, Vec<Instant>> = BTreeMap::new();
    for request in requests {
        if opened.is_none_or(|opened| request.at >= opened + window) {
            opened = Some(request.at);
        }
        if let Some(opened) = opened.filter(|_| request.held) {
            by_window.entry(opened).or_default().push(request.at);
        }
    }
    let late = |times: &Vec<Instant>| {
        let span = times.last().zip(times.first()).map(|(last, first)| last.duration_since(*first));
        u64::try_from(span.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
    };
    (by_window.values().map(|times| times.len() as u64).collect(), by_window.values().map(late).collect())
}
