//! The `source-notion` program.

use std::{env, io, process::ExitCode};

use source_notion::{Settings, run};

fn main() -> ExitCode {
    ExitCode::from(run(env::args_os(), io::stdout(), &Settings::default()))
}
