//! Chaos: random faults, edits, kills and slow or closed outputs over random workspaces, and nothing is lost.
//!
//! Each case reads a small workspace a few times under disturbances with the program itself, and then in peace. What a
//! platform would have kept of all these reads must then be what the workspace holds. A platform keeps what came before a
//! stream's last state, or everything; now and then it gets no further than an earlier state. Streams are selected and
//! left out between reads, cleared, and the start date moves back.
//!
//! `cargo test chaos` runs a few cases, as many as it can in a bounded time. `CHAOS_CASES=1000 cargo test chaos` runs
//! exactly so many, `CHAOS_SEED=7` starts with that case: a failure names its seed. The order of requests is the
//! scheduler's, so a case may need several attempts.

mod case;
mod plan;
mod program;
mod workspace;

use std::{env, panic::catch_unwind};

use case::Case;

use crate::invariants::Budget;

/// How many cases run when nobody asks for another number, if there is time.
const FEW_CASES: u32 = 20;

#[test]
fn no_disturbance_loses_anything() {
    let seed: Option<u64> = env::var("CHAOS_SEED").ok().map(|text| text.parse().unwrap());
    let budget = Budget::new("CHAOS_CASES", seed.map_or(FEW_CASES, |_asked| 1));
    let seeds = (seed.unwrap_or(1)..).zip(0..budget.most()).map(|(seed, _number)| seed);
    let violations: Vec<String> =
        seeds.take_while(|_seed| budget.begin_case()).filter_map(violation).collect();
    assert!(violations.is_empty(), "{} cases:\n{}", violations.len(), violations.join("\n\n"));
    budget.finish();
}

/// How a case fails, if it does; its seed is always told, and at once, for the others may take hours.
#[expect(clippy::print_stderr, reason = "the test framework shows it to those who ask")]
fn violation(seed: u64) -> Option<String> {
    let result = catch_unwind(|| Case::new(seed).run());
    let violation = result.unwrap_or_else(|_panic| Err(format!("CHAOS_SEED={seed}: it panics"))).err();
    violation.inspect(|violation| eprintln!("{violation}"))
}
