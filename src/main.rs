//! The `source-notion` program.

use std::{env, process::ExitCode};

use source_notion::{Settings, run, stdout};

fn main() -> ExitCode {
    ExitCode::from(run(env::args_os(), stdout(), &Settings::default()))
}
