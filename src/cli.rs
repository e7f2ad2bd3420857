//! The command line: the four verbs of the Airbyte protocol, and what a person needs beside a platform. It knows no
//! Notion.

use std::ffi::OsString;

use clap::{
    Args, CommandFactory, Parser, Subcommand,
    builder::NonEmptyStringValueParser,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::nearest::nearest;

const HELP: &str = "\
Examples:
  NOTION_TOKEN=ntn_… source-notion check
  source-notion read --config config.json --state-file state.json > messages.jsonl

Exit codes:
  0    done; a check, whatever it found: its message says whether the config works
  1    something failed, or the output cannot be written
  2    the command line cannot be understood
  130  stopped by Ctrl-C (SIGINT)
  143  stopped by SIGTERM";

/// Reads a Notion workspace and speaks the Airbyte protocol on stdout.
#[derive(Debug, Parser)]
#[command(name = "source-notion", version, after_help = HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Log in detail; the environment variable `LOG_LEVEL` sets any level.
    #[arg(long, global = true)]
    pub debug: bool,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the config's specification.
    Spec,
    /// Test whether a config lets the workspace be read.
    Check(ConfigArgs),
    /// Print the streams and their schemas.
    Discover(ConfigArgs),
    /// Read streams.
    Read(ReadArgs),
    /// Print what a state says, for a person.
    State {
        /// A state, or the output of an earlier read.
        #[arg(long, value_name = "FILE", value_parser = NonEmptyStringValueParser::new())]
        state: String,
    },
}

/// Where the config is.
#[derive(Args, Debug)]
pub struct ConfigArgs {
    /// The config, a JSON file; - is stdin. Without it, the token in the environment variable `NOTION_TOKEN` is used.
    #[arg(long, value_name = "FILE", value_parser = NonEmptyStringValueParser::new())]
    pub config: Option<String>,
}

/// What to read.
#[derive(Args, Debug)]
pub struct ReadArgs {
    /// Where the config is.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The streams to read: a configured catalog, or what discover printed. Without it, all streams are read.
    #[arg(long, value_name = "FILE", value_parser = NonEmptyStringValueParser::new())]
    pub catalog: Option<String>,
    /// The streams to read, by name, with commas between them.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', conflicts_with = "catalog")]
    pub streams: Vec<String>,
    /// Where earlier reads got to: a state, or the output of an earlier read.
    #[arg(long, value_name = "FILE", value_parser = NonEmptyStringValueParser::new())]
    pub state: Option<String>,
    /// The same, in a file that is kept up to date; the first read makes it.
    #[arg(long, value_name = "FILE", conflicts_with = "state", value_parser = NonEmptyStringValueParser::new())]
    pub state_file: Option<String>,
}

impl Cli {
    /// Understands the arguments of a process, its name first; `has_token` says that a config can be done without.
    pub fn understand<A>(args: impl IntoIterator<Item = A>, has_token: bool) -> Result<Self, clap::Error>
    where
        A: Into<OsString> + Clone,
    {
        let cli = Self::try_parse_from(args).map_err(with_suggestion)?;
        match cli.command.config() {
            Some((verb, None)) if !has_token => {
                let message = "neither --config <FILE> nor the environment variable NOTION_TOKEN is there";
                let mut command = Self::command();
                command.build();
                let verb = command.find_subcommand_mut(verb).expect("it was understood");
                Err(verb.error(ErrorKind::MissingRequiredArgument, message))
            }
            _ => Ok(cli),
        }
    }
}

impl Command {
    /// The verb and its config, if it wants one.
    fn config(&self) -> Option<(&'static str, Option<&str>)> {
        match self {
            Self::Spec | Self::State { .. } => None,
            Self::Check(config) => Some(("check", config.config.as_deref())),
            Self::Discover(config) => Some(("discover", config.config.as_deref())),
            Self::Read(read) => Some(("read", read.config.config.as_deref())),
        }
    }
}

/// An unknown verb is answered with the verbs that there are.
fn with_suggestion(mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(verb)) = error.get(ContextKind::InvalidSubcommand) else { return error };
    let command = Cli::command();
    let verbs: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
    let near = nearest(verb, &verbs).map(|near| vec![near.to_owned()]).unwrap_or_default();
    if !near.is_empty() {
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(near));
    }
    let all = format!("the commands are {}", verbs.join(", "));
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![all.into()]));
    error
}
