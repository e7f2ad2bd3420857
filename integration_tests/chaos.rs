//! Chaos: random faults, edits, kills and slow or closed outputs over random workspaces, and nothing is lost.
//!
//! Each case reads a small workspace a few times under disturbances, with a clock of its own, and then in peace: once
//! to finish what is unfinished, and once more, because new comments in pages that an unfinished read had done are
//! read by the sync after the one that finishes it. What a platform would have kept of all these reads must hold every object that a read from scratch shows,
//! as it is now. Whatever a read printed after its last state counts as lost, and so does, now and then, whatever
//! it printed after an earlier one.
//!
//! `cargo test chaos` runs a few cases. `CHAOS_CASES=1000 cargo test chaos` runs more, `CHAOS_SEED=7` starts with that
//! case: a failure names its seed. The order of requests is the scheduler's, so a case may need several attempts.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    io::Read,
    process::ChildStdout,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicUsize, Ordering},
        mpsc::{self, Receiver},
    },
    thread,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use fake_notion::{
    FakeNotion, Fault, Route, SyncedCopies, Workspace,
    generate::{EditDone, GenerateOptions, generated_workspace, random_edit},
};
use serde_json::{Value, json};

use crate::support::{Connector, SyncOutput, impatient_program, signal};

/// How many cases run when nobody asks for more.
const FEW_CASES: u64 = 20;

/// A run that takes longer hangs.
const LONGEST_RUN: Duration = Duration::from_mins(1);

const STREAMS: [&str; 5] = ["users", "data_sources", "pages", "blocks", "comments"];

#[test]
fn no_disturbance_loses_anything() {
    let number = |name: &str, default| env::var(name).map_or(default, |text| text.parse().unwrap());
    let first = number("CHAOS_SEED", 1);
    let cases = number("CHAOS_CASES", if env::var_os("CHAOS_SEED").is_some() { 1 } else { FEW_CASES });
    let violations: Vec<String> =
        (first..first + cases).filter_map(|seed| Case::new(seed).run().err()).collect();
    assert!(violations.is_empty(), "{} of {cases} cases:\n{}", violations.len(), violations.join("\n\n"));
}

/// Numbers that look random and are the same for the same seed (splitmix64).
#[derive(Clone, Debug)]
struct Random(u64);

impl Random {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.number() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    fn happens(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    fn minutes(&mut self, bound: usize) -> TimeDelta {
        TimeDelta::minutes(i64::try_from(self.below(bound)).unwrap())
    }
}

/// What happens to the process.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// It ends by itself.
    Peace,
    /// It gets a signal before an answer.
    SignalAtRequest(&'static str, usize),
    /// It gets a signal when it has printed so many bytes.
    SignalAtByte(&'static str, usize),
    /// Nobody reads on after so many bytes.
    ClosedAtByte(usize),
    /// The output is read slowly, so many bytes at a time.
    Slow(usize),
}

/// One disturbed read.
#[derive(Clone, Debug)]
struct Plan {
    fate: Fate,
    /// The chance that a request fails, in percent.
    fault_percent: usize,
    /// Everything fails from this request on.
    outage_at: Option<usize>,
    /// The chance of an edit before an answer, in percent.
    edit_percent: usize,
    /// Whether the output after some state, and not the last one, is lost.
    is_cut: bool,
}

impl Plan {
    fn new(random: &mut Random) -> Self {
        let name = random.pick(&["KILL", "TERM"]);
        let fate = match random.below(10) {
            0..=1 => Fate::Peace,
            2..=5 => Fate::SignalAtRequest(name, 1 + random.below(80)),
            6 => Fate::SignalAtByte(name, random.below(40_000)),
            7..=8 => Fate::ClosedAtByte(random.below(40_000)),
            _ => Fate::Slow(500 + random.below(5_000)),
        };
        Self {
            fate,
            fault_percent: random.pick(&[0, 0, 5, 20, 40, 65]),
            outage_at: random.happens(10).then(|| random.below(60)),
            edit_percent: random.pick(&[0, 10, 30]),
            is_cut: random.happens(20),
        }
    }
}

/// Whatever a later attempt can get past.
fn faults() -> Vec<Fault> {
    let held = |retry_after: Option<&str>| Fault::RateLimited {
        retry_after: retry_after.map(str::to_owned),
        reason: Some("public_api_request_rate_limit".to_owned()),
    };
    let mut faults: Vec<Fault> = [408, 409, 500, 502, 503, 504].map(Fault::status).into();
    faults.extend([502, 503].map(Fault::html));
    faults.extend([held(Some("0")), held(Some("0.01")), held(None)]);
    faults.extend([Fault::Disconnect, Fault::ResetBeforeBody, Fault::CutBody, Fault::TruncatedJson]);
    faults.extend([Fault::corrupt_gzip(), Fault::json("<html>"), Fault::json("")]);
    faults.push(Fault::SlowBody { chunk_delay: Duration::from_millis(1) });
    faults.push(Fault::Slow(Duration::from_millis(5)));
    faults.extend([Fault::InvalidCursor, Fault::RepeatedCursor, Fault::HasMoreWithoutCursor]);
    faults.extend([Fault::EmptyPage, Fault::DuplicateResults]);
    faults
}

/// One workspace, read again and again.
struct Case {
    seed: u64,
    random: Random,
    notion: FakeNotion,
    connector: Connector,
    start: DateTime<Utc>,
    streams: Vec<&'static str>,
    /// Whether search does not show some objects.
    hides: bool,
    /// What a platform has kept: the newest record by stream and id.
    kept: BTreeMap<(String, String), Value>,
    states: Value,
    story: Vec<String>,
}

impl Case {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let now: DateTime<Utc> = "2026-05-01T12:00:00Z".parse().unwrap();
        let streams: Vec<&str> = if random.happens(70) {
            STREAMS.to_vec()
        } else {
            let some: Vec<&str> = STREAMS.into_iter().filter(|_stream| random.happens(50)).collect();
            if some.is_empty() { vec!["blocks"] } else { some }
        };
        let start = random.pick(&["2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z", "2026-04-20T00:00:00Z"]);
        // Only block trees lead to what search hides, and only those of pages that are synced are read.
        let hides = streams.contains(&"blocks") && start.starts_with("2020");
        let workspace = workspace(&mut random, now, hides);
        let lookback = if workspace.settings.search_lag.is_zero() { random.pick(&[0, 10]) } else { 10 };
        let notion = FakeNotion::start_blocking(workspace);
        let connector = Connector::new(&notion)
            .streams(&streams)
            .with_config("start_date", json!(start))
            .with_config("lookback_minutes", json!(lookback))
            .with_config("num_workers", json!(random.pick(&[1, 2, 4, 8])));
        let start = start.parse().unwrap();
        let (kept, states, story) = (BTreeMap::new(), json!([]), Vec::new());
        Self { seed, random, notion, connector, start, streams, hides, kept, states, story }
    }

    /// Fails with the story of a violation.
    fn run(mut self) -> Result<(), String> {
        for _run in 0..=self.random.below(4) {
            let plan = Plan::new(&mut self.random);
            self.disturbed(&plan).map_err(|violation| self.tell(&violation))?;
            for _edit in 0..self.random.below(6) {
                let (mut random, start) = (Random(self.random.number()), self.start);
                let hides = self.hides;
                self.notion.edit(|workspace| edit(workspace, &mut random, start, hides));
            }
            self.wait(25);
        }
        self.final_run().map_err(|violation| self.tell(&violation))
    }

    fn tell(&self, violation: &str) -> String {
        format!("CHAOS_SEED={}: {violation}\n{}", self.seed, self.story.join("\n"))
    }

    /// Lets some time pass for everyone.
    fn wait(&mut self, minutes: usize) {
        let passed = self.random.minutes(minutes);
        self.notion.edit(|workspace| workspace.set_now(Some(workspace.now() + passed)));
    }

    fn disturbed(&mut self, plan: &Plan) -> Result<(), String> {
        let process = Arc::new(AtomicU32::new(0));
        self.disturb(plan, &process);
        let output = self.read(plan.fate, &process);
        self.notion.clear_hooks();
        self.notion.clear_faults();
        let output = output?;
        self.story.push(format!(
            "{plan:?}: exit {:?}, {} records, {} states, requests {}",
            output.exit_code,
            output.all_records().count(),
            output.states().len(),
            self.notion.requests().len(),
        ));
        self.judge(&output, plan.fate)?;
        self.keep(output, plan.is_cut);
        Ok(())
    }

    /// Sets the traps of a plan.
    fn disturb(&mut self, plan: &Plan, process: &Arc<AtomicU32>) {
        if plan.fault_percent > 0 {
            let chance = f64::from(u8::try_from(plan.fault_percent).unwrap()) / 100.0;
            self.notion.fail_randomly(self.random.number(), chance, faults());
        }
        let (fate, edit_percent, outage_at) = (plan.fate, plan.edit_percent, plan.outage_at);
        let (start, hides) = (self.start, self.hides);
        let process = Arc::clone(process);
        let (count, random) = (AtomicUsize::new(0), Mutex::new(Random(self.random.number())));
        self.notion.clear_requests();
        self.notion.on_request(move |_request, workspace| {
            let number = count.fetch_add(1, Ordering::Relaxed);
            let mut random = random.lock().unwrap();
            if random.happens(edit_percent) {
                edit(workspace, &mut random, start, hides);
            }
            if let Fate::SignalAtRequest(name, at) = fate
                && number == at
            {
                signal(known(&process), name);
            }
        });
        if let Some(at) = outage_at {
            self.notion.fail_after(Route::Any, at, Fault::status(503));
        }
    }

    /// Runs the program to its end.
    fn read(&self, fate: Fate, process: &Arc<AtomicU32>) -> Result<SyncOutput, String> {
        let now = self.notion.edit(|workspace| workspace.now());
        let connector = self.connector.clone().state(self.states.clone());
        let mut command = connector.command(&impatient_program(), "read");
        let mut child = command.env("IMPATIENT_NOW", now.to_rfc3339()).spawn().unwrap();
        process.store(child.id(), Ordering::Relaxed);
        let (stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let id = child.id();
        let printed = in_background(move || read_output(stdout, fate, id));
        let complaints = in_background(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        // The process holds its stderr until it ends.
        let Ok(stderr) = complaints.recv_timeout(LONGEST_RUN) else {
            child.kill().unwrap();
            child.wait().unwrap();
            return Err(format!("it hangs: {fate:?}"));
        };
        let stdout = printed.recv().unwrap();
        let status = child.wait().unwrap();
        Ok(SyncOutput::parse(String::from_utf8(stdout).unwrap(), stderr, status.code()))
    }

    /// Whether the end fits what happened.
    fn judge(&self, output: &SyncOutput, fate: Fate) -> Result<(), String> {
        let incomplete: Vec<&&str> = self
            .streams
            .iter()
            .filter(|stream| output.statuses(stream).last().is_none_or(|last| last != "COMPLETE"))
            .collect();
        let is_told = !output.errors().is_empty();
        let is_sane = match (output.exit_code, fate) {
            // It may have put everything into the pipe before that was closed.
            (Some(0 | 1), Fate::ClosedAtByte(_))
            | (None, Fate::SignalAtRequest(..) | Fate::SignalAtByte(..)) => true,
            (Some(0), _) => incomplete.is_empty() && !is_told,
            (Some(143), Fate::SignalAtRequest("TERM", _) | Fate::SignalAtByte("TERM", _)) => is_told,
            (Some(1), _) => is_told && !incomplete.is_empty(),
            _ => false,
        };
        if is_sane && output.stderr.is_empty() {
            return Ok(());
        }
        Err(format!(
            "exit {:?}, not complete: {incomplete:?}, errors: {:?}, stderr: {}",
            output.exit_code,
            output.errors(),
            output.stderr
        ))
    }

    /// Keeps what a platform would have kept.
    fn keep(&mut self, mut output: SyncOutput, is_cut: bool) {
        let states = output.states();
        if is_cut && !states.is_empty() {
            let cut = self.random.pick(&states).line;
            output.messages.truncate(cut + 1);
            self.story.push(format!("  kept {} of {} states", output.states().len(), states.len()));
        }
        let last_states: BTreeMap<String, usize> =
            output.states().into_iter().map(|state| (state.stream, state.line)).collect();
        for (line, stream, data) in output.all_records() {
            if last_states.get(stream).is_none_or(|last| line > *last) {
                continue;
            }
            let key = (stream.to_owned(), data["id"].as_str().unwrap().to_owned());
            let is_newer = self.kept.get(&key).is_none_or(|known| edited(known) <= edited(data));
            if is_newer {
                self.kept.insert(key, data.clone());
            }
        }
        self.states = output.state_file(&self.states);
        self.story.push(format!("  state {}", self.states));
    }

    /// Reads in peace, and compares.
    fn final_run(&mut self) -> Result<(), String> {
        self.notion.edit(|workspace| workspace.set_now(Some(workspace.now() + TimeDelta::minutes(10))));
        for _read in 0..2 {
            let output = self.read(Fate::Peace, &Arc::default())?;
            if output.exit_code != Some(0) {
                return Err(format!("the undisturbed run failed: {:?}", output.errors()));
            }
            self.judge(&output, Fate::Peace)?;
            self.keep(output, false);
        }
        let states = self.states.to_string();
        if states.contains("\"resume\"") || states.contains("\"retry\"") {
            return Err("something remains to be read".to_owned());
        }
        self.states = json!([]);
        let reference = self.read(Fate::Peace, &Arc::default())?;
        self.judge(&reference, Fate::Peace)?;
        self.check_reference(&reference)?;
        let mut lost = Vec::new();
        for (_line, stream, expected) in reference.all_records().filter(|(_, stream, _)| *stream != "users") {
            let id = expected["id"].as_str().unwrap().to_owned();
            let kept = self.kept.get(&(stream.to_owned(), id.clone()));
            if kept.is_none_or(|kept| content(kept) != content(expected)) {
                lost.push(format!(
                    "{stream} {id}: {:?} instead of {:?}",
                    kept.map(content),
                    content(expected)
                ));
            }
        }
        if lost.is_empty() { Ok(()) } else { Err(format!("lost:\n{}", lost.join("\n"))) }
    }

    /// What a read from scratch shows is what there is.
    fn check_reference(&self, reference: &SyncOutput) -> Result<(), String> {
        let start = self.start;
        let expected = self.notion.edit(|workspace| {
            let pages = workspace.visible_pages().into_iter().filter(|(_, time)| *time >= start);
            let synced: BTreeSet<_> = pages.map(|(id, _)| id).collect();
            let blocks = workspace.visible_blocks().into_iter().filter(|block| {
                let is_record = !crate::read::LEFT_OUT.contains(&block.kind.as_str());
                block.reachable
                    && is_record
                    && block.last_edited_time >= start
                    && synced.contains(&block.page_id)
            });
            let comments = workspace.visible_comments().into_iter().filter(|comment| {
                !comment.on_block && comment.last_edited_time >= start && synced.contains(&comment.page_id)
            });
            let blocks: BTreeSet<String> = blocks.map(|block| block.id.to_string()).collect();
            let comments: BTreeSet<String> = comments.map(|comment| comment.id.to_string()).collect();
            let pages: BTreeSet<String> = synced.iter().map(ToString::to_string).collect();
            [("pages", pages), ("blocks", blocks), ("comments", comments)]
        });
        for (stream, ids) in expected.iter().filter(|(stream, _)| self.streams.contains(stream)) {
            let missing: Vec<_> = ids.difference(&reference.ids(stream)).cloned().collect();
            if !missing.is_empty() {
                return Err(format!("a read from scratch lacks {stream} {missing:?}"));
            }
        }
        Ok(())
    }
}

/// Runs something on a thread of its own.
fn in_background<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(work()));
    receiver
}

/// The id of a process that is just being started.
fn known(process: &AtomicU32) -> u32 {
    loop {
        match process.load(Ordering::Relaxed) {
            0 => thread::yield_now(),
            id => return id,
        }
    }
}

/// Reads what the process prints, as its fate wants it.
fn read_output(mut stdout: ChildStdout, fate: Fate, process: u32) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    let (_never_sends, never) = mpsc::channel::<()>();
    let size = if let Fate::Slow(size) = fate { size.min(buffer.len()) } else { buffer.len() };
    let mut signalled = false;
    loop {
        match stdout.read(&mut buffer[..size]) {
            Ok(0) | Err(_) => return all,
            Ok(count) => all.extend_from_slice(&buffer[..count]),
        }
        match fate {
            Fate::ClosedAtByte(at) if all.len() >= at => return all,
            Fate::SignalAtByte(name, at) if all.len() >= at && !signalled => {
                signalled = true;
                signal(process, name);
            }
            // A reader that is slow, and nothing that waits for anything.
            Fate::Slow(_) => drop(never.recv_timeout(Duration::from_millis(2))),
            _ => {}
        }
    }
}

fn workspace(random: &mut Random, now: DateTime<Utc>, hides: bool) -> Workspace {
    let mut workspace = generated_workspace(GenerateOptions {
        seed: random.number(),
        pages: 1 + random.below(25),
        blocks_per_page: random.below(8),
        depth: 1 + random.below(4),
        row_share: random.pick(&[0.0, 0.3, 0.7]),
        data_sources: random.below(4),
        comments_per_page: random.pick(&[0.0, 0.5, 1.5]),
        users: 3,
        oldest_days: 30,
        now: Some(now),
        ..GenerateOptions::default()
    });
    workspace.set_now(Some(now));
    let settings = &mut workspace.settings;
    settings.max_page_size = random.pick(&[1, 2, 3, 10, 100]);
    settings.gzip = random.happens(50);
    settings.synced_copies =
        random.pick(&[SyncedCopies::NotFound, SyncedCopies::Empty, SyncedCopies::Content]);
    if random.happens(30) {
        settings.search_lag = Duration::from_mins(1 + random.number() % 5);
    }
    for page in workspace.page_infos() {
        if hides && page.parent.is_some() && random.happens(10) {
            workspace.hide_from_search(page.id);
        }
    }
    for (data_source, _time) in workspace.visible_data_sources() {
        if hides && random.happens(10) {
            workspace.hide_from_search(data_source);
        }
    }
    workspace
}

/// Somebody edits something; time passes.
fn edit(workspace: &mut Workspace, random: &mut Random, start: DateTime<Utc>, hides: bool) {
    if random.happens(40) {
        workspace.set_now(Some(workspace.now() + random.minutes(4)));
    }
    match random.below(20) {
        0 => {
            let comments = workspace.visible_comments();
            if !comments.is_empty() {
                let comment = random.pick(&comments);
                workspace.edit_comment(comment.id, &format!("edited {}", random.number()));
                into_scope(workspace, comment.page_id, start);
            }
        }
        1 => {
            let data_sources = workspace.visible_data_sources();
            if !data_sources.is_empty() {
                workspace.edit_title(random.pick(&data_sources).0, &format!("renamed {}", random.number()));
            }
        }
        _ => match random_edit(workspace, random.number()) {
            // What comes back from the trash keeps its old times, and no listing of changes shows it.
            EditDone::Restored { id } => workspace.trash(id),
            EditDone::PageAdded { page } if hides && random.happens(30) => workspace.hide_from_search(page),
            EditDone::CommentAdded { comment } => {
                let found = workspace.visible_comments().into_iter().find(|known| known.id == comment);
                into_scope(workspace, found.unwrap().page_id, start);
            }
            _ => {}
        },
    }
}

/// Comments on a page from before the start date are not synced; this one gets edited then.
fn into_scope(workspace: &mut Workspace, page: uuid::Uuid, start: DateTime<Utc>) {
    if workspace.last_edited_time(page).is_some_and(|time| time < start) {
        let now = workspace.now();
        workspace.touch(page, now);
    }
}

fn edited(record: &Value) -> &str {
    record["last_edited_time"].as_str().unwrap_or_default()
}

/// The part of a record that does not change without its time.
fn content(record: &Value) -> [&Value; 4] {
    ["last_edited_time", "plain_text", "title", "name"].map(|field| &record[field])
}
