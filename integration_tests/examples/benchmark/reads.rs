//! Full reads: the table of costs.

use tempfile::TempDir;

use crate::{
    Outcome,
    floor::{self, Depth},
    notion::Notion,
    process::{Connector, Run},
};

const STREAMS: [&str; 5] = ["users", "data_sources", "pages", "blocks", "comments"];

/// 300 and 3,000 pages.
pub(crate) fn small() -> Outcome<()> {
    heading();
    workspace(300, 31)?;
    workspace(3_000, 9)
}

/// 50,000 pages with a million blocks.
pub(crate) fn large() -> Outcome<()> {
    heading();
    workspace(50_000, 1)
}

fn heading() {
    println!(
        "\n| pages | blocks | | records | MB out | wall s | CPU s | peak RSS MiB | requests | / ideal | records / CPU s |"
    );
    println!("| ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
}

/// Reads a workspace several times, in turn with the floor; prints the medians.
fn workspace(pages: usize, times: usize) -> Outcome<()> {
    let mut notion = Notion::start(pages)?;
    let connector = Connector::new(&notion, &STREAMS)?;
    let folder = TempDir::new()?;
    let requests = folder.path().join("requests");
    let mut reads = Vec::new();
    let depths = [Depth::Listing, Depth::Transport];
    let mut floors = depths.map(|_depth| Vec::new());
    let mut answered = 0.0;
    for _time in 0..times {
        let read = connector.read(None)?;
        notion.write_requests(&requests)?;
        answered = notion.take_log()?.answered;
        reads.push(read);
        for (depth, floors) in depths.into_iter().zip(&mut floors) {
            floors.push(floor::measure(&notion, &requests, depth)?);
            notion.take_log()?;
        }
    }
    let row = |name: &str, runs: &[Run]| {
        let of = |figure: fn(&Run) -> f64| median(runs.iter().map(figure).collect());
        let records = of(|run| run.records as f64);
        let cpu = of(|run| run.usage.cpu_seconds);
        println!(
            "| {pages} | {} | {name} | {records} | {:.1} | {:.2} | {cpu:.3} | {:.1} | {answered} | {:.3} | {:.0} |",
            notion.blocks,
            of(|run| run.bytes as f64 / 1e6),
            of(|run| run.wall_seconds),
            of(|run| run.usage.peak_mib),
            answered / notion.ideal as f64,
            records / cpu,
        );
    };
    row("connector", &reads);
    for (name, floors) in ["floor, listings", "floor, transport"].into_iter().zip(&floors) {
        row(name, floors);
        let pairs = reads.iter().zip(floors);
        let ratios: Vec<f64> =
            pairs.map(|(read, floor)| read.usage.cpu_seconds / floor.usage.cpu_seconds).collect();
        let sum = |runs: &[Run]| runs.iter().map(|run| run.usage.cpu_seconds).sum::<f64>();
        println!(
            "| {pages} | | connector / {name} | | | | **{:.2}** (of sums {:.2}, {times} pairs) | | | | |",
            median(ratios),
            sum(&reads) / sum(floors),
        );
    }
    Ok(())
}

/// The middle of some figures.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
