//! The program with little patience, for tests that kill it, starve it and let its requests fail.
//!
//! The environment variable `IMPATIENT_NOW` sets the time at which a read begins.

#[path = "../support/impatient.rs"]
mod impatient;

use std::{env, process::ExitCode};

use source_notion::{Settings, run, stdout};

fn main() -> ExitCode {
    let now = env::var("IMPATIENT_NOW").ok().and_then(|text| text.parse().ok());
    ExitCode::from(run(env::args_os(), stdout(), &Settings { now, ..impatient::impatient() }))
}
