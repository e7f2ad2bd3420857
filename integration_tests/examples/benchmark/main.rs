//! Prints the connector's figures: what a read costs in time, memory and requests, beside the least it could cost.
//!
//! `cargo run --release --example benchmark [PART ...]`; the parts are listed in [`PARTS`], without any all but
//! `large` run. `docs/performance.md` says how to read the tables. Everything is measured and printed, whatever
//! target is missed; the last line names those, and then the program fails.
//!
//! The fake Notion, the connector and the floor each run in a process of their own (this program again, with a
//! first argument that names the role), so that their CPU time and memory are told apart.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the tables are for people, on stdout")]
#![expect(clippy::cast_precision_loss, reason = "the counts are far below 2^52")]

mod floor;
mod machine;
mod notion;
mod process;
mod promises;
mod reads;
mod targets;

use std::{
    env,
    error::Error,
    io,
    process::{ExitCode, id},
};

use process::Usage;
use source_notion::{Settings, run};
use targets::Targets;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A name, what is measured, and what measures it.
type Part = (&'static str, &'static str, fn(&mut Targets) -> Outcome<()>);

/// The parts of the benchmark.
const PARTS: [Part; 10] = [
    ("small", "full reads of 300 and 3,000 pages, beside the floor", reads::small),
    ("large", "full read of 50,000 pages with 1,000,000 blocks, beside the floor", reads::large),
    ("requests", "requests of a full sync of all streams", promises::requests),
    ("incremental", "requests of an incremental sync of blocks", promises::incremental),
    ("states", "the sizes of states, and a sync in which nothing is new", promises::states),
    ("budget", "wall time under a request budget", promises::budget),
    ("latency", "requests a second when every answer takes 200 ms", promises::latency),
    ("resume", "pages read again after a kill", promises::resume),
    ("spec", "the time that `spec` takes", promises::spec),
    ("all", "everything, `large` included", all),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    let outcome = match arguments.get(1).map(String::as_str) {
        Some("as-notion") => notion::serve(&arguments),
        Some("as-floor") => floor::fetch(&arguments),
        Some("as-connector") => return connector(arguments),
        _ => return measure(arguments.get(1..).unwrap_or_default()),
    };
    code(&outcome)
}

fn code(outcome: &Outcome<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("benchmark (process {}): {error}", id());
            ExitCode::FAILURE
        }
    }
}

/// What `main.rs` of the connector does, and a last line on stderr about its own cost.
fn connector(mut arguments: Vec<String>) -> ExitCode {
    arguments.remove(1);
    let code = run(arguments, io::stdout(), &Settings::default());
    Usage::print_own();
    ExitCode::from(code)
}

/// Measures these parts; fails when one cannot be measured, or a target is missed.
fn measure(names: &[String]) -> ExitCode {
    let mut targets = Targets::default();
    let outcome = parts(names, &mut targets);
    let code = code(&outcome);
    match targets.missed() {
        [] if outcome.is_ok() => println!("\nAll targets are met."),
        [] => {}
        missed => {
            println!("\nMISSED {}: {}", missed.len(), missed.join("; "));
            return ExitCode::FAILURE;
        }
    }
    code
}

fn parts(names: &[String], targets: &mut Targets) -> Outcome<()> {
    if names.is_empty() {
        let most = ["small", "requests", "incremental", "budget", "latency", "resume", "spec"];
        return parts(&most.map(String::from), targets);
    }
    let mut chosen = Vec::new();
    for name in names {
        let part = PARTS.iter().find(|(known, ..)| known == name);
        let Some((_name, _about, run)) = part else {
            for (name, about, _run) in PARTS {
                eprintln!("{name:<12} {about}");
            }
            return Err(format!("there is no part \"{name}\"").into());
        };
        chosen.push(run);
    }
    machine::print();
    chosen.into_iter().try_for_each(|run| run(targets))
}

fn all(targets: &mut Targets) -> Outcome<()> {
    reads::small(targets)?;
    reads::large(targets)?;
    promises::requests(targets)?;
    promises::incremental(targets)?;
    promises::states(targets)?;
    promises::budget(targets)?;
    promises::latency(targets)?;
    promises::resume(targets)?;
    promises::spec(targets)
}
