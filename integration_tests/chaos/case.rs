//! One workspace that is read under disturbances, and what a platform would have kept of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
};

use chrono::{DateTime, TimeDelta, Utc};
use fake_notion::{FakeNotion, Fault, Route};
use serde_json::{Value, json};

use super::{
    plan::{Fate, Plan, Random, faults, some_streams},
    program::{known, run},
    workspace::{edit, edit_meanwhile, workspace},
};
use crate::{
    invariants::{Truth, everything, outdated, step_back},
    support::{Connector, SyncOutput, impatient_program, signal},
};

/// The most edits during one read. Each makes for further requests, and these would make for further edits for ever.
const MOST_EDITS: usize = 60;

/// One workspace, read again and again.
pub(super) struct Case {
    seed: u64,
    random: Random,
    notion: FakeNotion,
    connector: Connector,
    start: DateTime<Utc>,
    /// The streams that are selected in the end.
    streams: Vec<&'static str>,
    /// Whether search does not show some objects.
    hides: bool,
    /// What a platform has kept: the newest record by stream and id.
    kept: BTreeMap<(String, String), Value>,
    states: Value,
    story: Vec<String>,
}

impl Case {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let now: DateTime<Utc> = "2026-05-01T12:00:00Z".parse().unwrap();
        let streams = some_streams(&mut random);
        let start = random.pick(&["2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z", "2026-04-20T00:00:00Z"]);
        // Only block trees lead to what search hides, and only those of pages that are synced are read.
        let hides = streams.contains(&"blocks") && start.starts_with("2020");
        let workspace = workspace(&mut random, now, hides);
        let lookback = if workspace.settings.search_lag.is_zero() { random.pick(&[0, 10]) } else { 10 };
        let notion = FakeNotion::start_blocking(workspace);
        let connector = Connector::new(&notion)
            .with_config("start_date", json!(start))
            .with_config("lookback_minutes", json!(lookback))
            .with_config("num_workers", json!(random.pick(&[1, 2, 4, 8])));
        let start = start.parse().unwrap();
        let (kept, states, story) = (BTreeMap::new(), json!([]), Vec::new());
        Self { seed, random, notion, connector, start, streams, hides, kept, states, story }
    }

    /// Fails with the story of a violation.
    pub(super) fn run(mut self) -> Result<(), String> {
        for _run in 0..=self.random.below(4) {
            let plan = Plan::new(&mut self.random, &self.streams);
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
        let output = self.read(&plan.streams, plan.fate, &process);
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
        self.judge(&output, &plan.streams, plan.fate)?;
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
        let (count, edits) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let random = Mutex::new(Random(self.random.number()));
        self.notion.clear_requests();
        self.notion.on_request(move |_request, workspace| {
            let number = count.fetch_add(1, Ordering::Relaxed);
            let mut random = random.lock().unwrap();
            if random.happens(edit_percent) && edits.fetch_add(1, Ordering::Relaxed) < MOST_EDITS {
                edit_meanwhile(workspace, &mut random, start, hides);
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
    fn read(&self, streams: &[&str], fate: Fate, process: &Arc<AtomicU32>) -> Result<SyncOutput, String> {
        let now = self.notion.edit(|workspace| workspace.now());
        let connector = self.connector.clone().streams(streams).state(self.states.clone());
        let mut command = connector.command(&impatient_program(), "read");
        run(command.env("IMPATIENT_NOW", now.to_rfc3339()), fate, process).map_err(|hang| {
            let requests = self.notion.requests();
            format!("{hang} after {} requests, the last: {:?}", requests.len(), requests.last())
        })
    }

    /// Whether the end fits what happened.
    fn judge(&self, output: &SyncOutput, streams: &[&str], fate: Fate) -> Result<(), String> {
        let incomplete: Vec<&&str> = streams
            .iter()
            .filter(|stream| output.statuses(stream).last().is_none_or(|last| last != "COMPLETE"))
            .collect();
        let is_told = !output.errors().is_empty();
        if let Some(step) = step_back(&self.states, output) {
            return Err(step);
        }
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
            let key = key(stream, data);
            let is_newer = self.kept.get(&key).is_none_or(|known| edited(known) <= edited(data));
            if is_newer {
                self.kept.insert(key, data.clone());
            }
        }
        self.states = output.state_file(&self.states);
        self.story.push(format!("  state {}", self.states));
    }

    /// Reads in peace, once, and compares.
    fn final_run(&mut self) -> Result<(), String> {
        self.notion.edit(|workspace| workspace.set_now(Some(workspace.now() + TimeDelta::minutes(10))));
        let output = self.read(&self.streams, Fate::Peace, &Arc::default())?;
        if output.exit_code != Some(0) {
            return Err(format!("the undisturbed run failed: {:?}", output.errors()));
        }
        self.judge(&output, &self.streams, Fate::Peace)?;
        self.keep(output, false);
        let states = self.states.as_array().unwrap().iter().map(|message| &message["stream"]);
        let mut unfinished = states.filter(|state| {
            let (name, state) = (&state["stream_descriptor"]["name"], &state["stream_state"]);
            let is_read = |name: &Value| self.streams.iter().any(|stream| name == stream);
            // What is below a page that failed waits for a stream that reads trees.
            let waits =
                ["pages", "data_sources"].iter().any(|stream| name == stream) && !is_read(&json!("blocks"));
            let is_retried = |kind: &str| state["retry"][kind].as_array().is_some_and(|ids| !ids.is_empty());
            let is_unfinished = state.get("resume").is_some()
                || is_retried("data_sources")
                || (is_retried("pages") && !waits);
            is_read(name) && is_unfinished
        });
        if let Some(state) = unfinished.next() {
            return Err(format!("something remains to be read by {:?}: {state}", self.streams));
        }
        self.states = json!([]);
        let reference = self.read(&self.streams, Fate::Peace, &Arc::default())?;
        self.judge(&reference, &self.streams, Fate::Peace)?;
        let violations = self.compare(&reference);
        if violations.is_empty() { Ok(()) } else { Err(violations.join("\n")) }
    }

    /// Whether a read from scratch shows what there is, and whether what was kept is the same.
    fn compare(&self, reference: &SyncOutput) -> Vec<String> {
        let records = reference.all_records();
        let fresh: BTreeMap<(String, String), &Value> =
            records.map(|(_line, stream, data)| (key(stream, data), data)).collect();
        let mut truths = BTreeMap::new();
        for stream in &self.streams {
            let expected = self.expected(stream).into_iter();
            truths.extend(expected.map(|(id, truth)| (((*stream).to_owned(), id), truth)));
        }
        let wrong = truths.iter().filter_map(|(key, truth)| {
            let Some(record) = fresh.get(key) else {
                return Some(format!("a read from scratch lacks {key:?}"));
            };
            truth.contradicts(record).map(|wrong| format!("a read from scratch of {key:?}: {wrong}"))
        });
        let lost =
            fresh.iter().filter(|((stream, _id), _record)| stream != "users").filter_map(|(key, record)| {
                let Some(kept) = self.kept.get(key) else { return Some(format!("lost {key:?}: {record}")) };
                outdated(kept, record, truths.get(key)).map(|wrong| format!("outdated {key:?}: {wrong}"))
            });
        wrong.chain(lost).collect()
    }

    /// What a read of a stream must show.
    fn expected(&self, stream: &str) -> BTreeMap<String, Truth> {
        self.notion.edit(|workspace| {
            let pages =
                everything(workspace, "pages").into_iter().filter(|(_, page)| page.time >= self.start);
            let synced: BTreeSet<String> = pages.map(|(id, _)| id).collect();
            let is_synced = |truth: &Truth| {
                truth.time >= self.start && truth.page_id.as_ref().is_none_or(|page| synced.contains(page))
            };
            everything(workspace, stream).into_iter().filter(|(_, truth)| is_synced(truth)).collect()
        })
    }
}

fn key(stream: &str, record: &Value) -> (String, String) {
    (stream.to_owned(), record["id"].as_str().unwrap().to_owned())
}

fn edited(record: &Value) -> &str {
    record["last_edited_time"].as_str().unwrap_or_default()
}
