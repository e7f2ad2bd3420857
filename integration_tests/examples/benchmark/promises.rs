//! The other promises: requests, budgets, latency, resuming, the time of `spec`.

use std::{collections::BTreeSet, process::Stdio};

use chrono::{DateTime, TimeDelta};
use serde_json::json;
use source_notion::{
    engine::{Delivery, Kind, Ledger, Version},
    workspace::Minute,
};
use tokio::time::Instant;

use crate::{
    Outcome,
    notion::Notion,
    process::{self, Connector},
    reads::median,
    targets::Targets,
};

const ALL: [&str; 5] = ["users", "data_sources", "pages", "blocks", "comments"];

/// A thousand result pages, one after the other: more than an eighth of half of the walk.
const STRAGGLER_BLOCKS: u64 = 100_000;

/// Requests of a full sync of all streams.
pub(crate) fn requests(targets: &mut Targets) -> Outcome<()> {
    for pages in [300, 3_000] {
        let mut notion = Notion::start(pages)?;
        Connector::new(&notion, &ALL)?.read(None)?;
        let answered = notion.take_log()?.answered;
        let what = format!("full sync of {pages} pages, {answered} requests / the arithmetic");
        targets.at_most(&what, answered / notion.ideal as f64, 1.02);
    }
    Ok(())
}

/// Requests of a sync of blocks after an edit of one page in a hundred.
pub(crate) fn incremental(targets: &mut Targets) -> Outcome<()> {
    let mut notion = Notion::start(3_000)?;
    let connector = Connector::new(&notion, &["blocks"])?;
    let state = connector.read(None)?.state;
    let ideal = notion.ask(&json!({"do": "edit", "pages": 30}))?;
    notion.take_log()?;
    connector.read(Some(&state))?;
    let sent = notion.take_log()?.answered;
    let ideal = ideal.as_f64().unwrap_or(f64::NAN);
    let what = format!(
        "blocks after 30 of 3,000 pages were edited, {sent} requests / (the whole listing + their trees, {ideal})"
    );
    targets.at_most(&what, sent / ideal, 1.02);
    Ok(())
}

/// The sizes of states, and what a sync costs in which nothing is new.
pub(crate) fn states(targets: &mut Targets) -> Outcome<()> {
    const PAGES: usize = 50_000;
    let mut notion = Notion::start(PAGES)?;
    let connector = Connector::new(&notion, &ALL)?;
    let first = connector.read(None)?;
    println!("\n| stream | bytes of its state after {PAGES} pages |\n| --- | ---: |");
    let sizes: Vec<usize> =
        first.state.as_array().into_iter().flatten().map(|state| state.to_string().len()).collect();
    for (state, size) in first.state.as_array().into_iter().flatten().zip(&sizes) {
        println!(
            "| {} | {size} |",
            state["stream"]["stream_descriptor"]["name"].as_str().unwrap_or_default()
        );
    }
    println!();
    let megabytes = sizes.iter().sum::<usize>() as f64 / 1e6;
    targets.at_most(&format!("MB of all states, {PAGES} pages, five streams"), megabytes, 3.0);
    targets.at_most("bytes of the states on the way / bytes of the run", first.state_share, 0.1);
    // The first one settles the minute of the last edits.
    let settled = connector.read(Some(&first.state))?;
    notion.take_log()?;
    let quiet = connector.read(Some(&settled.state))?;
    targets.at_most(
        &format!("records of a sync of {PAGES} pages in which nothing is new, users left out"),
        quiet.records_with_cursor as f64,
        0.0,
    );
    targets.at_most(
        &format!("CPU seconds of such a sync, of which {:.0} requests", notion.take_log()?.answered),
        quiet.usage.cpu_seconds,
        3.0,
    );
    targets.at_most("peak RSS in MiB of such a sync", quiet.usage.peak_mib, 32.0);
    ledgers(targets);
    Ok(())
}

/// The sizes of ledgers, and how long one takes to be encoded.
fn ledgers(targets: &mut Targets) {
    println!(
        "\n| pages | pages, MB | blocks, MB | comments, MB | sum, MB | with random ids, MB | encoding, ms |"
    );
    println!("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for pages in [1_000, 10_000, 50_000, 100_000, 200_000] {
        let [new, random] = [true, false].map(|has_new_ids| {
            [Content::Objects, Content::Trees, Content::Comments]
                .map(|content| encoded(pages, has_new_ids, content))
        });
        let megabytes =
            |sizes: &[(usize, f64); 3]| sizes.iter().map(|(bytes, _ms)| *bytes as f64 / 1e6).sum::<f64>();
        let [objects, trees, comments] = new.map(|(bytes, _ms)| bytes as f64 / 1e6);
        let slowest = new.iter().chain(&random).map(|(_bytes, ms)| *ms).fold(0.0, f64::max);
        println!(
            "| {pages} | {objects:.2} | {trees:.2} | {comments:.2} | {:.2} | {:.2} | {slowest:.1} |",
            megabytes(&new),
            megabytes(&random),
        );
        if pages == 50_000 {
            targets.at_most("ms to encode the slowest ledger of 50,000 pages", slowest, 50.0);
        }
    }
}

/// What the entries of a ledger stand for.
#[derive(Clone, Copy)]
enum Content {
    Objects,
    Trees,
    Comments,
}

/// The bytes of a ledger's text, and the milliseconds that encoding it takes.
fn encoded(pages: u64, has_new_ids: bool, content: Content) -> (usize, f64) {
    let mut ledger = Ledger::default();
    let begun = DateTime::from_timestamp(1_760_000_000, 0).unwrap_or_default();
    for page in 0..pages {
        let [first, second, third] = [1, 2, 3].map(|salt| mixed(page * 4 + salt));
        // Newer ids begin with the day and the workspace; see the fake's generator.
        let id = if has_new_ids {
            let day = first % 700;
            uuid::Uuid::from_u64_pair(day << 52 | 0xc_9ce7_b60a_0000 << 4 | 0x8000 | first >> 52, second)
        } else {
            uuid::Uuid::from_u64_pair(first, second)
        };
        let minutes_ago = i64::try_from(third % (2 * 365 * 24 * 60)).unwrap_or_default();
        let (edited, checksum) = match content {
            Content::Objects => {
                (begun - TimeDelta::minutes(minutes_ago), u32::try_from(third >> 32).unwrap_or_default())
            }
            Content::Trees => (begun - TimeDelta::minutes(minutes_ago), 0),
            // A sixth of the pages has comments, and all were asked for within hours.
            Content::Comments => {
                let checksum =
                    if third.is_multiple_of(6) { u32::try_from(third >> 32).unwrap_or_default() } else { 0 };
                (begun + TimeDelta::minutes(i64::try_from(page / 500).unwrap_or_default()), checksum)
            }
        };
        let version = Version { edited: Minute::of(edited), checksum };
        ledger.deliver(Kind::Page, id, Delivery { version, is_unsettled: false, has_content: true });
    }
    let started = Instant::now();
    let bytes = ledger.encode().len();
    (bytes, started.elapsed().as_secs_f64() * 1e3)
}

/// A number that looks random (splitmix64).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The wall time under a budget, and what is sent while nobody may.
pub(crate) fn budget(targets: &mut Targets) -> Outcome<()> {
    const SECONDS: u32 = 10;
    /// A request that is under way when the first is refused is answered by then.
    const IN_FLIGHT_MS: f64 = 100.0;
    let mut notion = Notion::start(300)?;
    // Six windows, the last of them just touched.
    let budget = (notion.ideal - 20) / 5;
    notion.ask(&json!({"do": "set_budget", "requests": budget, "seconds": SECONDS}))?;
    let wall = Connector::new(&notion, &ALL)?.read(None)?.wall_seconds;
    let log = notion.take_log()?;
    let ideal = notion.ideal as f64 / budget as f64 * f64::from(SECONDS);
    let what = format!(
        "{} requests, {budget} allowed in {SECONDS} s: {wall:.1} s / (requests / budget, {ideal:.1} s)",
        notion.ideal
    );
    targets.at_most(&what, wall / ideal, 1.05);
    let most = |figures: &[u64]| figures.iter().max().copied().unwrap_or_default() as f64;
    let what = format!("most answers of 429 in one of {} windows", log.refused_by_window.len());
    targets.at_most(&what, most(&log.refused_by_window), 8.0);
    targets.at_most(
        "longest time in ms from a window's first 429 to the last request before its end",
        most(&log.late_by_window_ms),
        IN_FLIGHT_MS,
    );
    Ok(())
}

/// Requests a second through the walk when every answer takes 200 ms.
pub(crate) fn latency(targets: &mut Targets) -> Outcome<()> {
    let mut notion = Notion::start(300)?;
    notion.ask(&json!({"do": "set_latency", "ms": 200}))?;
    Connector::new(&notion, &ALL)?.read(None)?;
    let log = notion.take_log()?;
    let what = "requests a second through the walk, 200 ms an answer, 8 workers (40 is the limit)";
    targets.at_least(what, log.walk_requests / log.walk_seconds, 36.0);
    Ok(())
}

/// The part of the pages read that is read again when the connector is killed in the middle of a walk.
pub(crate) fn resume(targets: &mut Targets) -> Outcome<()> {
    let mut notion = Notion::start(3_000)?;
    let Killed { before, after } = killed_in_the_middle(&mut notion)?;
    let again = before.intersection(&after).count();
    let what = format!(
        "killed in the middle of a walk over 3,000 pages: {again} of {} pages read again, those in flight included",
        before.len()
    );
    targets.at_most(&what, again as f64 / before.len() as f64, 0.05);
    targets.at_most("pages read by neither run", missing(3_000, &before, &after), 0.0);

    // A page that takes longer than half of the walk, at its head: the mark stays before it.
    let straggler = notion.ask(&json!({"do": "add_straggler", "blocks": STRAGGLER_BLOCKS}))?;
    let Killed { before, after } = killed_in_the_middle(&mut notion)?;
    let others: BTreeSet<&String> = before.iter().filter(|page| straggler != **page).collect();
    let again = others.iter().filter(|page| after.contains(**page)).count();
    println!(
        "- the same with a page of {STRAGGLER_BLOCKS} blocks at the head of the walk: **{:.3}**, {again} of {} other pages read \
         again (no target)",
        again as f64 / others.len() as f64,
        others.len()
    );
    targets.at_most("pages read by neither run, with such a page", missing(3_001, &before, &after), 0.0);
    Ok(())
}

/// The pages that a killed run asked for, and those that the next one did.
struct Killed {
    before: BTreeSet<String>,
    after: BTreeSet<String>,
}

/// Reads all blocks, reads them again but is killed after half of as many requests, and goes on from there.
fn killed_in_the_middle(notion: &mut Notion) -> Outcome<Killed> {
    let connector = Connector::new(notion, &["blocks"])?;
    notion.take_log()?;
    connector.read(None)?;
    let half = notion.take_log()?.walk_requests / 2.0;
    let killed = connector
        .read_until(|| Ok(notion.ask(&json!({"do": "count_walk"}))?.as_f64().unwrap_or_default() >= half))?;
    let before = walked_pages(notion)?;
    notion.take_log()?;
    connector.read(Some(&killed.state))?;
    Ok(Killed { before, after: walked_pages(notion)? })
}

fn missing(pages: usize, before: &BTreeSet<String>, after: &BTreeSet<String>) -> f64 {
    (pages - before.union(after).count()) as f64
}

fn walked_pages(notion: &mut Notion) -> Outcome<BTreeSet<String>> {
    let pages = notion.ask(&json!({"do": "walked_pages"}))?;
    Ok(pages.as_array().into_iter().flatten().filter_map(|id| Some(id.as_str()?.to_owned())).collect())
}

/// From the start of the process to its end.
pub(crate) fn spec(targets: &mut Targets) -> Outcome<()> {
    let mut times = Vec::new();
    for _time in 0..51 {
        let mut command = process::command("as-connector")?;
        command.arg("spec").stdout(Stdio::null()).stderr(Stdio::null());
        let started = Instant::now();
        let status = command.status()?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
        if !status.success() {
            return Err(format!("spec ended with {status}").into());
        }
    }
    let fastest = times.iter().copied().fold(f64::INFINITY, f64::min);
    let what = format!("`spec` from start to end, median of {} in ms (fastest {fastest:.2})", times.len());
    targets.at_most(&what, median(times), 10.0);
    Ok(())
}
