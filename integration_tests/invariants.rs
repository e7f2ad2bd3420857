//! Whatever is edited, fails or is killed: after one run in peace, the destination is what the workspace is.
//!
//! Each case reads a small workspace a few times while people edit it in all ways, requests fail, and the output is cut
//! after a state; streams are selected, left out and reset, and the start date moves. Then it reads in peace. What is
//! not covered is named where it is left out: in [`edits`], [`truth`] and [`peace`].

mod budget;
mod destination;
mod edits;
mod peace;
mod truth;

use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use budget::Budget;
use chrono::{DateTime, TimeDelta, Utc};
pub(crate) use destination::Destination;
pub(crate) use edits::{edit, hide_some};
use fake_notion::{
    CursorMeaning, FakeNotion, Fault, SyncedCopies, Workspace,
    generate::{Extras, GenerateOptions, generated_workspace},
};
pub(crate) use peace::Peace;
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};

use crate::support::{Connector, SyncOutput};

/// How many cases run when nobody asks for another number, if there is time.
const FEW_CASES: u32 = 16;

/// The most edits during one run. Each makes for further requests, and these would make for further edits for ever.
const MOST_EDITS: u64 = 100;

/// All streams with a cursor.
const STREAMS: [&str; 4] = ["data_sources", "pages", "blocks", "comments"];

/// What happens in one case.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each switches one habit of the workspace")]
struct Script {
    seed: u64,
    pages: usize,
    /// The streams that are selected in the end.
    selection: Vec<&'static str>,
    /// Whether each of them gets a run of its own in the end.
    is_one_by_one: bool,
    waits_a_day: bool,
    /// Whether the last edits are followed by a run with faults.
    has_late_faults: bool,
    /// Whether some pages and data sources are hidden from search.
    hides: bool,
    /// Whether there are synced blocks, wikis, linked databases and long values.
    extras: bool,
    /// Whether positions in searches and queries are numbers of results.
    counts: bool,
    varies_forms: bool,
    shows_copies: bool,
    /// How long ago the start date of the last runs is, in days.
    start_days: i64,
    workers: u64,
    runs: Vec<RunScript>,
}

/// What happens before, during and after one run.
#[derive(Clone, Debug)]
struct RunScript {
    /// The streams that are selected, if others than in the end.
    selection: Option<Vec<&'static str>>,
    /// A stream whose data is cleared before it.
    reset: Option<&'static str>,
    /// Whether the start date is later than in the end.
    starts_late: bool,
    edits_before: u8,
    /// How much time passes before it, in minutes.
    minutes: i64,
    /// One edit before each so manieth request; none if zero.
    edit_every: u8,
    /// The chance of a fault for each request, in thousandths.
    faults: u16,
    /// Which of its states is the last that the platform gets, in thousandths of all; none if it is not killed.
    killed_after: Option<u16>,
    checkpoint_records: u64,
}

fn selection() -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::select(vec![
        vec!["data_sources"],
        vec!["pages"],
        vec!["blocks"],
        vec!["comments"],
        vec!["blocks", "comments"],
        vec!["pages", "blocks"],
        STREAMS.to_vec(),
        STREAMS.to_vec(),
        STREAMS.to_vec(),
    ])
}

fn run_script() -> impl Strategy<Value = RunScript> {
    let what = (
        prop::option::weighted(0.3, selection()),
        prop::option::weighted(0.1, prop::sample::select(STREAMS.to_vec())),
        prop::bool::weighted(0.3),
    );
    let edits = (0_u8..8, prop::sample::select(vec![0_i64, 0, 1, 3, 60, 1500]), 0_u8..12);
    let disturbed = (prop::sample::select(vec![0_u16, 0, 20, 80]), prop::option::of(0_u16..1000), 1_u64..40);
    (what, edits, disturbed).prop_map(
        |(
            (selection, reset, starts_late),
            (edits_before, minutes, edit_every),
            (faults, killed_after, checkpoint_records),
        )| {
            RunScript {
                selection,
                reset,
                starts_late,
                edits_before,
                minutes,
                edit_every,
                faults,
                killed_after,
                checkpoint_records,
            }
        },
    )
}

fn script() -> impl Strategy<Value = Script> {
    let runs = prop::collection::vec(run_script(), 1..5);
    let ends = (
        selection(),
        prop::bool::weighted(0.2),
        any::<bool>(),
        prop::sample::select(vec![3_000_i64, 3_000, 20]),
    );
    let habits = (
        any::<bool>(),
        any::<bool>(),
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.3),
        any::<bool>(),
        prop::bool::weighted(0.4),
    );
    (any::<u64>(), 3_usize..25, ends, habits, 1_u64..9, runs).prop_map(
        |(seed, pages, (selection, is_one_by_one, waits_a_day, start_days), habits, workers, runs)| {
            let (hides, extras, counts, varies_forms, shows_copies, has_late_faults) = habits;
            // What search hides below an archived row comes as late as that row.
            let waits_a_day = waits_a_day || hides;
            Script {
                seed,
                pages,
                selection,
                is_one_by_one,
                waits_a_day,
                has_late_faults,
                hides,
                extras,
                counts,
                varies_forms,
                shows_copies,
                start_days,
                workers,
                runs,
            }
        },
    )
}

fn workspace(script: &Script) -> Workspace {
    let mut workspace = generated_workspace(GenerateOptions {
        seed: script.seed,
        pages: script.pages,
        blocks_per_page: 4,
        oldest_days: 40,
        extras: if script.extras { Extras::some() } else { Extras::default() },
        ..GenerateOptions::default()
    });
    workspace.settings.max_page_size = 7;
    workspace.settings.varies_forms = script.varies_forms;
    if script.counts {
        workspace.settings.cursor_meaning = CursorMeaning::ResultCount;
    }
    if script.shows_copies {
        workspace.settings.synced_copies = SyncedCopies::Content;
    }
    if script.hides {
        let mut number = 0;
        hide_some(&mut workspace, || {
            number += 1;
            number % 2 == 0
        });
    }
    workspace
}

fn faults() -> Vec<Fault> {
    vec![
        Fault::status(500),
        Fault::status(503),
        Fault::status(504),
        Fault::Disconnect,
        Fault::CutBody,
        Fault::TruncatedJson,
        Fault::InvalidCursor,
        Fault::EmptyPage,
        Fault::HasMoreWithoutCursor,
        Fault::RepeatedCursor,
        Fault::DuplicateResults,
        Fault::RateLimited { retry_after: Some("0.01".to_owned()), reason: None },
    ]
}

/// A connector whose clock is the workspace's.
fn connector(
    notion: &FakeNotion,
    workers: u64,
    start: DateTime<Utc>,
    selection: &[&str],
    state: &Value,
) -> Connector {
    let now = notion.edit(|workspace| workspace.now());
    let connector = Connector::new(notion)
        .streams(selection)
        .with_config("start_date", json!(start.to_rfc3339()))
        .with_config("num_workers", json!(workers))
        .with_settings(|settings| settings.now = Some(now));
    if state.is_null() { connector } else { connector.state(state.clone()) }
}

/// Seeds of edits, one after the other.
struct Seeds(u64);

impl Seeds {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The lowest bits of such numbers alternate.
        self.0 >> 16
    }
}

fn check(script: &Script) -> Result<(), String> {
    let notion = FakeNotion::start_blocking(workspace(script));
    let start = Utc::now() - TimeDelta::days(script.start_days);
    let mut destination = Destination::default();
    let mut seeds = Seeds(script.seed);
    for run in &script.runs {
        disturbed_run(script, run, &notion, start, &mut destination, &mut seeds)?;
    }
    let peace = Peace {
        notion: &notion,
        start,
        streams: &script.selection,
        is_one_by_one: script.is_one_by_one,
        waits_a_day: script.waits_a_day,
        faults: script.has_late_faults.then(|| (script.seed, 0.04, faults())),
    };
    peace.check(&mut destination, &mut |streams, state| {
        Ok(connector(&notion, script.workers, start, streams, state).read())
    })
}

/// A run that is disturbed in every way, and what the platform gets of it.
fn disturbed_run(
    script: &Script,
    run: &RunScript,
    notion: &FakeNotion,
    start: DateTime<Utc>,
    destination: &mut Destination,
    seeds: &mut Seeds,
) -> Result<(), String> {
    let hides = script.hides;
    notion.edit(|workspace| workspace.advance(TimeDelta::minutes(run.minutes)));
    for _edit in 0..run.edits_before {
        let seed = seeds.next();
        notion.edit(|workspace| edit(workspace, seed, hides));
    }
    if let Some(stream) = run.reset {
        destination.clear(stream);
    }
    if run.faults > 0 {
        notion.fail_randomly(seeds.next(), f64::from(run.faults) / 1000.0, faults());
    }
    let (edit_every, base, count) = (u64::from(run.edit_every), seeds.next(), AtomicU64::new(0));
    notion.on_request(move |_request, workspace| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        let is_due = edit_every > 0 && number % edit_every == edit_every - 1;
        if is_due && number / edit_every < MOST_EDITS {
            edit(workspace, Seeds(base ^ number).next(), hides);
        }
    });
    let start = if run.starts_late { start.max(Utc::now() - TimeDelta::days(10)) } else { start };
    let selection = run.selection.as_ref().unwrap_or(&script.selection);
    let output = connector(notion, script.workers, start, selection, &destination.state)
        .with_settings(|settings| settings.policy.records = run.checkpoint_records)
        .read();
    notion.clear_hooks();
    notion.clear_faults();
    let states = output.states();
    let last_line = run
        .killed_after
        .map(|share| states.get(states.len() * usize::from(share) / 1000).map_or(0, |state| state.line));
    destination.take(&output, last_line)
}

#[test]
fn nothing_is_lost_whatever_is_edited_fails_or_is_killed() {
    let budget = Budget::new("PROPTEST_CASES", FEW_CASES);
    let config = ProptestConfig {
        cases: budget.most(),
        max_shrink_iters: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut runner = TestRunner::new(config);
    let result = runner.run(&script(), |script| {
        if budget.begin_case() {
            check(&script).map_err(TestCaseError::fail)?;
        }
        Ok(())
    });
    // A failure holds the whole script, which begins with its seed.
    result.unwrap_or_else(|failure| panic!("{failure}\n{runner}"));
    budget.finish();
}

#[test]
fn a_sync_can_go_on_after_any_of_its_states() {
    // GIVEN a sync of everything that sends many states
    let mut workspace = generated_workspace(GenerateOptions {
        seed: 7,
        pages: 14,
        blocks_per_page: 3,
        extras: Extras::some(),
        ..GenerateOptions::default()
    });
    workspace.settings.max_page_size = 5;
    let notion = FakeNotion::start_blocking(workspace);
    let start = Utc::now() - TimeDelta::days(3_000);
    let first = connector(&notion, 3, start, &STREAMS, &Value::Null)
        .with_settings(|settings| settings.policy.records = 1)
        .read();
    first.assert_complete();
    let states = first.states();
    assert!(states.len() > 20, "{} states", states.len());
    for state in &states {
        // WHEN a run gets no further than any of them, and things change
        let mut destination = Destination::default();
        destination.take(&first, Some(state.line)).unwrap();
        for seed in 0..3 {
            notion
                .edit(|workspace| edit(workspace, seed * 1_000 + u64::try_from(state.line).unwrap(), false));
        }
        // THEN the next one makes up for it
        let peace = Peace {
            notion: &notion,
            start,
            streams: &STREAMS,
            is_one_by_one: false,
            waits_a_day: false,
            faults: None,
        };
        let read = &mut |streams: &[&'static str], state: &Value| -> Result<SyncOutput, String> {
            Ok(connector(&notion, 3, start, streams, state).read())
        };
        peace
            .check(&mut destination, read)
            .unwrap_or_else(|wrong| panic!("after line {}: {wrong}", state.line));
    }
}
