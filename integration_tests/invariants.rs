//! Whatever is edited, fails or is killed: once a run has completed, everything was received as it is.

mod budget;
mod progress;
mod truth;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicU64, Ordering},
};

pub(crate) use budget::Budget;
use chrono::{DateTime, TimeDelta, Utc};
use fake_notion::{
    CursorMeaning, FakeNotion, Fault, Workspace,
    generate::{EditDone, Extras, GenerateOptions, generated_workspace, random_edit, random_extra_edit},
};
use progress::cursor;
pub(crate) use progress::step_back;
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};
pub(crate) use truth::{Truth, everything, outdated};
use uuid::Uuid;

use crate::support::{Connector, SyncOutput};

/// How many cases run when nobody asks for another number, if there is time.
const FEW_CASES: u32 = 16;

/// The most edits during one run. Each makes for further requests, and these would make for further edits for ever.
const MOST_EDITS: u64 = 200;

/// What happens in one case.
#[derive(Clone, Debug)]
struct Script {
    seed: u64,
    pages: usize,
    /// The streams that are selected in the end.
    selection: Vec<&'static str>,
    /// Whether some pages and data sources are hidden from search.
    hides: bool,
    /// Whether there are synced blocks, wikis, linked databases and long values.
    extras: bool,
    /// Whether positions in searches and queries are numbers of results.
    counts: bool,
    workers: u64,
    runs: Vec<RunScript>,
}

/// What happens before, during and after one run.
#[derive(Clone, Debug)]
struct RunScript {
    /// The streams that are selected, if others than in the end.
    selection: Option<Vec<&'static str>>,
    edits_before: u8,
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
        vec!["pages"],
        vec!["blocks"],
        vec!["blocks", "comments"],
        vec!["pages", "blocks"],
        vec!["data_sources", "pages", "blocks", "comments"],
        vec!["data_sources", "pages", "blocks", "comments"],
    ])
}

fn run_script() -> impl Strategy<Value = RunScript> {
    (
        prop::option::weighted(0.3, selection()),
        0_u8..6,
        0_u8..12,
        prop::sample::select(vec![0_u16, 0, 20, 80]),
        prop::option::of(0_u16..1000),
        1_u64..40,
    )
        .prop_map(|(selection, edits_before, edit_every, faults, killed_after, checkpoint_records)| {
            RunScript { selection, edits_before, edit_every, faults, killed_after, checkpoint_records }
        })
}

fn script() -> impl Strategy<Value = Script> {
    let runs = prop::collection::vec(run_script(), 1..5);
    let habits = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.3), 1_u64..9);
    (any::<u64>(), 3_usize..25, selection(), habits, runs).prop_map(
        |(seed, pages, selection, (hides, extras, counts, workers), runs)| Script {
            seed,
            pages,
            // Only trees lead to what search hides.
            hides: hides && selection.contains(&"blocks"),
            selection,
            extras,
            counts,
            workers,
            runs,
        },
    )
}

/// One edit of a kind that the API shows: what comes back from the trash, or is moved, keeps its old time.
fn edit(workspace: &mut Workspace, seed: u64, extras: bool) {
    if extras && seed.is_multiple_of(2) {
        random_extra_edit(workspace, seed);
        return;
    }
    let mut edited = workspace.clone();
    match random_edit(&mut edited, seed) {
        EditDone::Restored { .. } | EditDone::Moved { .. } => {}
        _shown => *workspace = edited,
    }
}

/// Whether an edit took something out of a listing. Where positions are numbers of results, another result moves out
/// of sight then, and nobody could know.
pub(crate) fn shortens_listings(before: &Workspace, after: &Workspace) -> bool {
    let listed = |workspace: &Workspace| -> BTreeSet<(Uuid, bool)> {
        let pages = workspace.page_infos().into_iter().map(|page| (page.id, page.archived));
        pages.chain(workspace.visible_data_sources().into_iter().map(|(id, _time)| (id, false))).collect()
    };
    !listed(before).is_subset(&listed(after))
}

fn workspace(script: &Script) -> Workspace {
    let mut workspace = generated_workspace(GenerateOptions {
        seed: script.seed,
        pages: script.pages,
        blocks_per_page: 4,
        extras: if script.extras { Extras::some() } else { Extras::default() },
        ..GenerateOptions::default()
    });
    workspace.settings.max_page_size = 7;
    if script.counts {
        workspace.settings.cursor_meaning = CursorMeaning::ResultCount;
    }
    if script.hides {
        let below: Vec<_> = workspace.page_infos().into_iter().filter(|page| page.parent.is_some()).collect();
        for page in below.iter().step_by(2) {
            workspace.hide_from_search(page.id);
        }
        for (index, (source, _time)) in workspace.visible_data_sources().into_iter().enumerate() {
            if index % 2 == 0 {
                workspace.hide_from_search(source);
                for (row, _time, _archived) in workspace.visible_rows(source) {
                    workspace.hide_from_search(row);
                }
            }
        }
    }
    workspace
}

/// What a platform has received so far.
#[derive(Default)]
struct Received {
    /// The latest record by stream and id.
    records: BTreeMap<(String, String), Value>,
    state: Value,
}

impl Received {
    /// Takes in a run that was killed after one of its states, or not at all. What came after the last state of its
    /// stream is not kept.
    fn take(&mut self, output: &SyncOutput, killed_after: Option<u16>) {
        assert_eq!(step_back(&self.state, output), None);
        let states = output.states();
        let last_line = match killed_after {
            None => usize::MAX,
            Some(share) => states.get(states.len() * usize::from(share) / 1000).map_or(0, |state| state.line),
        };
        let mut committed: BTreeMap<String, usize> = BTreeMap::new();
        for state in states.iter().filter(|state| state.line <= last_line) {
            committed.insert(state.stream.clone(), state.line);
        }
        for (line, stream, data) in output.all_records() {
            if committed.get(stream).is_some_and(|committed| line < *committed) {
                let id = data["id"].as_str().unwrap().to_owned();
                self.records.insert((stream.to_owned(), id), data.clone());
            }
        }
        let lines: Vec<&str> = output.stdout.lines().take(last_line.saturating_add(1)).collect();
        let cut = SyncOutput::parse(lines.join("\n") + "\n", String::new(), None);
        self.state = cut.state_file(&self.state);
    }
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

fn connector(notion: &FakeNotion, script: &Script, selection: &[&str], state: &Value) -> Connector {
    let connector =
        Connector::new(notion).streams(selection).with_config("num_workers", json!(script.workers));
    if state.is_null() { connector } else { connector.state(state.clone()) }
}

fn check(script: &Script) {
    let notion = FakeNotion::start_blocking(workspace(script));
    let mut received = Received { state: Value::Null, ..Received::default() };
    let mut seed = script.seed;
    let mut next_seed = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed
    };
    // GIVEN runs that are disturbed in every way
    for run in &script.runs {
        for _edit in 0..run.edits_before {
            let seed = next_seed();
            notion.edit(|workspace| edit(workspace, seed, script.extras));
        }
        if run.faults > 0 {
            notion.fail_randomly(next_seed(), f64::from(run.faults) / 1000.0, faults());
        }
        let (edit_every, base, count) = (u64::from(run.edit_every), next_seed(), AtomicU64::new(0));
        let (extras, counts) = (script.extras, script.counts);
        notion.on_request(move |_request, workspace| {
            let number = count.fetch_add(1, Ordering::Relaxed);
            let is_due = edit_every > 0 && number % edit_every == edit_every - 1;
            if is_due && number / edit_every < MOST_EDITS {
                let before = workspace.clone();
                edit(workspace, base ^ number, extras);
                if counts && shortens_listings(&before, workspace) {
                    *workspace = before;
                }
            }
        });
        let records = run.checkpoint_records;
        let selection = run.selection.as_ref().unwrap_or(&script.selection);
        let output = connector(&notion, script, selection, &received.state)
            .with_settings(|settings| settings.policy.records = records)
            .read();
        received.take(&output, run.killed_after);
        notion.clear_hooks();
        notion.clear_faults();
    }

    // WHEN one run completes
    let began = Utc::now() - TimeDelta::minutes(1);
    let last = connector(&notion, script, &script.selection, &received.state).read();
    last.assert_complete();
    received.take(&last, None);

    // THEN everything was received, as it is
    let fresh = connector(&notion, script, &script.selection, &Value::Null).read();
    fresh.assert_complete();
    for stream in &script.selection {
        let visible = notion.edit(|workspace| everything(workspace, stream));
        let of_stream = |(name, id): &(String, String)| (name == stream).then(|| id.clone());
        let ids: BTreeSet<String> = received.records.keys().filter_map(of_stream).collect();
        let missing: Vec<_> = visible.iter().filter(|(id, _truth)| !ids.contains(*id)).collect();
        assert!(missing.is_empty(), "{stream}: {missing:?} never came");
        for (id, truth) in &visible {
            let (kept, fresh) =
                (&received.records[&((*stream).to_owned(), id.clone())], fresh.record(stream, id));
            assert_eq!(truth.contradicts(fresh), None, "a first read of {stream} {id}");
            assert_eq!(outdated(kept, fresh, Some(truth)), None, "{stream} {id}");
        }
    }

    // THEN another run repeats at most the seam
    let again = connector(&notion, script, &script.selection, &received.state).read();
    again.assert_complete();
    for stream in &script.selection {
        let visible = notion.edit(|workspace| everything(workspace, stream));
        let seam = cursor(&last.last_state(stream)).unwrap();
        // The newest page decides for all of its kind.
        let newest = visible.values().map(|truth| truth.time).max();
        if let (Some(newest), "pages" | "blocks") = (newest, *stream) {
            let newest = began.min(newest) - TimeDelta::minutes(1);
            assert!(seam >= newest, "{stream}: {seam} before {newest}");
        }
        for record in again.records(stream) {
            let time: DateTime<Utc> = record["last_edited_time"].as_str().unwrap().parse().unwrap();
            assert!(time >= seam, "{stream}: {time} before {seam}");
        }
    }
}

#[test]
fn a_page_known_only_to_the_state_of_another_stream_is_read() {
    check(&Script {
        seed: 5_036_845_068_999_559_968,
        pages: 33,
        selection: vec!["data_sources", "pages", "blocks", "comments"],
        hides: true,
        extras: false,
        counts: false,
        workers: 3,
        runs: vec![
            RunScript {
                selection: None,
                edits_before: 5,
                edit_every: 2,
                faults: 0,
                killed_after: Some(185),
                checkpoint_records: 39,
            },
            RunScript {
                selection: None,
                edits_before: 2,
                edit_every: 11,
                faults: 0,
                killed_after: None,
                checkpoint_records: 26,
            },
        ],
    });
}

#[test]
fn nothing_is_lost_whatever_is_edited_fails_or_is_killed() {
    let budget = Budget::new("PROPTEST_CASES", FEW_CASES);
    let config = ProptestConfig {
        cases: budget.most(),
        max_shrink_iters: 30,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut runner = TestRunner::new(config);
    let result = runner.run(&script(), |script| {
        if budget.begin_case() {
            check(&script);
        }
        Ok(())
    });
    // A failure holds the whole script, which begins with its seed.
    result.unwrap_or_else(|failure| panic!("{failure}\n{runner}"));
    budget.finish();
}
