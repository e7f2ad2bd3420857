//! The connector, as users run it: a process of its own, whose stderr is the terminal if there is one.

use std::{
    env,
    error::Error,
    io::{self, BufRead, BufReader, Write},
    process::{Command, ExitCode, Stdio},
};

use serde_json::Value;
use source_notion::Settings;

/// Called by this name, the demo is the connector.
pub(crate) const NAME: &str = "source-notion";

/// Runs a command line of the connector in this process; the name comes first.
pub(crate) fn be(arguments: &[&str]) -> ExitCode {
    ExitCode::from(source_notion::run(arguments, source_notion::stdout(), &Settings::default()))
}

/// Runs a command of the connector and returns its messages, which are also passed on if wanted.
pub(crate) fn run(arguments: &[&str], passes_on: bool) -> Result<Vec<Value>, Box<dyn Error>> {
    let mut command = Command::new(env::current_exe()?);
    let mut child = command.arg(NAME).args(arguments).stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().ok_or("the output is not piped")?;
    let mut messages = Vec::new();
    for line in BufReader::new(output).lines() {
        let line = line?;
        if passes_on {
            writeln!(io::stdout(), "{line}")?;
        }
        messages.push(serde_json::from_str(&line)?);
    }
    let status = child.wait()?;
    if status.success() { Ok(messages) } else { Err(format!("the command ended with {status}").into()) }
}
