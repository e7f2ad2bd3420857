//! One workspace that is read under disturbances, and what a platform would have kept of it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, AtomicUsize, Ordering},
};

use chrono::{DateTime, TimeDelta, Utc};
use fake_notion::{FakeNotion, Fault, Route};
use serde_json::{Value, json};

use super::{
    plan::{Fate, Plan, Random, faults, some_streams},
    program::{known, run},
    workspace::{edit, wait, workspace},
};
use crate::{
    invariants::{Destination, Peace},
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
    /// The start date in the end; the first reads may have a later one.
    start: DateTime<Utc>,
    /// The streams that are selected in the end.
    streams: Vec<&'static str>,
    /// Whether search does not show some objects.
    hides: bool,
    destination: Destination,
    story: Arc<Mutex<Vec<String>>>,
}

impl Case {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let streams = some_streams(&mut random);
        let hides = random.happens(50);
        let notion = FakeNotion::start_blocking(workspace(&mut random, hides));
        let start = Utc::now() - TimeDelta::days(random.pick(&[2_000, 2_000, 15]));
        let connector = Connector::new(&notion).with_config("num_workers", json!(random.pick(&[1, 2, 4, 8])));
        let (destination, story) = (Destination::default(), Arc::default());
        Self { seed, random, notion, connector, start, streams, hides, destination, story }
    }

    /// Fails with the story of a violation.
    pub(super) fn run(mut self) -> Result<(), String> {
        let mut starts_late = self.random.happens(20);
        for _run in 0..=self.random.below(4) {
            let plan = Plan::new(&mut self.random, &self.streams);
            self.disturbed(&plan, starts_late).map_err(|violation| self.tell(&violation))?;
            starts_late &= self.random.happens(60);
            for _edit in 0..self.random.below(8) {
                let mut random = Random(self.random.number());
                let done = self.notion.edit(|workspace| edit(workspace, &mut random, self.hides));
                self.note(format!("  {done}"));
            }
            let random = &mut self.random;
            self.notion.edit(|workspace| wait(workspace, random));
        }
        self.peace().map_err(|violation| self.tell(&violation))
    }

    fn tell(&self, violation: &str) -> String {
        format!("CHAOS_SEED={}: {violation}\n{}", self.seed, self.story.lock().unwrap().join("\n"))
    }

    fn note(&self, what: String) {
        self.story.lock().unwrap().push(what);
    }

    /// Notes what a run says of what it left out.
    fn note_logs(&self, output: &SyncOutput) {
        let said = output.logs().into_iter().filter(|(_, text)| text.starts_with("Read in "));
        said.for_each(|(_, text)| self.note(format!("  {text}")));
    }

    fn disturbed(&mut self, plan: &Plan, starts_late: bool) -> Result<(), String> {
        if let Some(stream) = plan.reset {
            self.destination.clear(stream);
        }
        let process = Arc::new(AtomicU32::new(0));
        let start = if starts_late { self.start.max(Utc::now() - TimeDelta::days(7)) } else { self.start };
        self.note(format!("{plan:?} from {start}"));
        self.disturb(plan, &process);
        let output = self.read(&plan.streams, start, &self.destination.state, plan.fate, &process);
        self.notion.clear_hooks();
        self.notion.clear_faults();
        let output = output?;
        self.note(format!(
            "  exit {:?}, {} records, {} states, {} requests",
            output.exit_code,
            output.all_records().count(),
            output.states().len(),
            self.notion.requests().len(),
        ));
        self.note_logs(&output);
        judge(&output, &plan.streams, plan.fate)?;
        self.keep(&output, plan.is_cut)
    }

    /// Sets the traps of a plan.
    fn disturb(&mut self, plan: &Plan, process: &Arc<AtomicU32>) {
        if plan.fault_percent > 0 {
            let chance = f64::from(u8::try_from(plan.fault_percent).unwrap()) / 100.0;
            self.notion.fail_randomly(self.random.number(), chance, faults());
        }
        let (fate, edit_percent, outage_at) = (plan.fate, plan.edit_percent, plan.outage_at);
        let (hides, story) = (self.hides, Arc::clone(&self.story));
        let process = Arc::clone(process);
        let (count, edits) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let random = Mutex::new(Random(self.random.number()));
        self.notion.clear_requests();
        self.notion.on_request(move |request, workspace| {
            let number = count.fetch_add(1, Ordering::Relaxed);
            let mut random = random.lock().unwrap();
            if random.happens(edit_percent) && edits.fetch_add(1, Ordering::Relaxed) < MOST_EDITS {
                let done = edit(workspace, &mut random, hides);
                story.lock().unwrap().push(format!("  before {} {}: {done}", request.method, request.path));
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
    fn read(
        &self,
        streams: &[&str],
        start: DateTime<Utc>,
        state: &Value,
        fate: Fate,
        process: &Arc<AtomicU32>,
    ) -> Result<SyncOutput, String> {
        let now = self.notion.edit(|workspace| workspace.now());
        let connector =
            self.connector.clone().streams(streams).with_config("start_date", json!(start.to_rfc3339()));
        let connector = if state.is_null() { connector } else { connector.state(state.clone()) };
        let mut command = connector.command(&impatient_program(), "read");
        run(command.env("IMPATIENT_NOW", now.to_rfc3339()), fate, process).map_err(|hang| {
            let requests = self.notion.requests();
            format!("{hang} after {} requests, the last: {:?}", requests.len(), requests.last())
        })
    }

    /// Keeps what a platform would have kept.
    fn keep(&mut self, output: &SyncOutput, is_cut: bool) -> Result<(), String> {
        let states = output.states();
        let cut = (is_cut && !states.is_empty()).then(|| self.random.pick(&states).line);
        if let Some(line) = cut {
            let kept = states.iter().filter(|state| state.line <= line).count();
            self.note(format!("  kept {kept} of {} states", states.len()));
        }
        self.destination.take(output, cut)
    }

    /// Reads in peace, and compares.
    fn peace(&mut self) -> Result<(), String> {
        let mut destination = std::mem::take(&mut self.destination);
        let peace = Peace {
            notion: &self.notion,
            start: self.start,
            streams: &self.streams,
            is_one_by_one: self.random.happens(25),
            // What search hides below an archived row comes as late as that row.
            waits_a_day: self.hides || self.random.happens(50),
            faults: self.random.happens(40).then(|| (self.random.number(), 0.05, faults())),
        };
        let process = Arc::default();
        peace.check(&mut destination, &mut |streams, state| {
            let output = self.read(streams, self.start, state, Fate::Peace, &process)?;
            self.note(format!("in peace {streams:?}: {} records", output.all_records().count()));
            self.note_logs(&output);
            judge(&output, streams, Fate::Peace).map(|()| output)
        })
    }
}

/// Whether the end fits what happened.
fn judge(output: &SyncOutput, streams: &[&str], fate: Fate) -> Result<(), String> {
    let incomplete: Vec<&&str> = streams
        .iter()
        .filter(|stream| output.statuses(stream).last().is_none_or(|last| last != "COMPLETE"))
        .collect();
    let is_told = !output.errors().is_empty();
    let is_sane = match (output.exit_code, fate) {
        // It may have put everything into the pipe before that was closed.
        (Some(0 | 1), Fate::ClosedAtByte(_)) | (None, Fate::SignalAtRequest(..) | Fate::SignalAtByte(..)) => {
            true
        }
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
