//! What a newcomer runs first: a sample workspace behind a fake Notion on this machine, read twice by the connector.
//!
//! At a terminal it shows what a person wants to see; elsewhere, or with `--messages`, the connector's messages go to
//! stdout and the story to stderr. `--svg` prints a picture of the terminal.

mod connector;
mod person;
mod picture;
mod story;

use std::{
    env,
    error::Error,
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use story::Audience;

const USAGE: &str = "\
Shows the connector at work on a fake Notion.

Usage: demo [--messages | --svg]

  --messages  print the connector's messages; that is also what happens where the output is no terminal
  --svg       print a picture of what a terminal shows; needs util-linux's script
";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        [connector::NAME, ..] => return Ok(connector::be(&words)),
        [] if io::stdout().is_terminal() && io::stderr().is_terminal() => story::tell(Audience::Person)?,
        [] | ["--messages"] => story::tell(Audience::Program)?,
        ["--svg"] => io::stdout().write_all(picture::draw()?.as_bytes())?,
        ["--help"] => io::stdout().write_all(USAGE.as_bytes())?,
        _ => {
            io::stderr().write_all(USAGE.as_bytes())?;
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}
