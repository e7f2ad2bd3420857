//! Full reads: the table of costs.

use tempfile::TempDir;

use crate::{
    Outcome,
    floor::{self, Depth},
    notion::Notion,
    process::{Connector, Run},
    targets::Targets,
};

const STREAMS: [&str; 5] = ["users", "data_sources", "pages", "blocks", "comments"];

/// 300 and 3,000 pages.
pub(crate) fn small(targets: &mut Targets) -> Outcome<()> {
    heading();
    let measured = [workspace(300, 31)?, workspace(3_000, 9)?];
    println!();
    for costs in &measured {
        costs.hold(targets);
    }
    Ok(())
}

/// 50,000 pages with a million blocks.
pub(crate) fn large(targets: &mut Targets) -> Outcome<()> {
    heading();
    let costs = workspace(50_000, 3)?;
    println!();
    costs.hold(targets);
    Ok(())
}

/// What reading a workspace costs.
struct Costs {
    pages: usize,
    /// The median of the pairs: CPU of the connector / of the floor that throws every answer away.
    cpu_by_floor: f64,
    cpu_a_record: f64,
    peak_mib: f64,
    requests_by_ideal: f64,
}

impl Costs {
    /// Holds them against what is promised.
    fn hold(&self, targets: &mut Targets) {
        let Self { pages, .. } = self;
        targets.at_most(&format!("CPU / floor (transport), {pages} pages"), self.cpu_by_floor, 1.5);
        targets.at_most(&format!("peak RSS in MiB, {pages} pages"), self.peak_mib, 32.0);
        targets.at_most(&format!("requests / ideal, {pages} pages"), self.requests_by_ideal, 1.02);
        targets.flat(*pages, self.cpu_a_record);
    }
}

fn heading() {
    println!(
        "\n| pages | blocks | | records | MB out | wall s | CPU s | peak RSS MiB | requests | / ideal | records / CPU s |"
    );
    println!("| ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
}

/// Reads a workspace several times, in turn with the floor; prints the medians.
fn workspace(pages: usize, times: usize) -> Outcome<Costs> {
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
    let [listings, transport] = &floors;
    row("floor, listings", listings);
    row("floor, transport", transport);
    let compare = |name: &str, floors: &[Run]| {
        let pairs = reads.iter().zip(floors);
        let ratios = pairs.map(|(read, floor)| read.usage.cpu_seconds / floor.usage.cpu_seconds);
        let ratio = median(ratios.collect());
        let sum = |runs: &[Run]| runs.iter().map(|run| run.usage.cpu_seconds).sum::<f64>();
        let of_sums = sum(&reads) / sum(floors);
        println!(
            "| {pages} | | connector / {name} | | | | **{ratio:.2}** (of sums {of_sums:.2}, {times} pairs) | | | | |"
        );
        ratio
    };
    compare("floor, listings", listings);
    let cpu_by_floor = compare("floor, transport", transport);
    let of = |figure: fn(&Run) -> f64| median(reads.iter().map(figure).collect());
    Ok(Costs {
        pages,
        cpu_by_floor,
        cpu_a_record: of(|run| run.usage.cpu_seconds / run.records as f64),
        peak_mib: of(|run| run.usage.peak_mib),
        requests_by_ideal: answered / notion.ideal as f64,
    })
}

/// The middle of some figures.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
