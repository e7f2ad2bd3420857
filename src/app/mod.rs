//! The entry point: from arguments to messages on stdout and an exit code.
//!
//! [`run`] performs one verb, each in a file of its own; whatever fails is one [`Error`], told in one place.
//! [`process`] is what surrounds a verb: output, logs, runtime, signals.

mod check;
mod discover;
mod inputs;
mod logs;
mod panics;
mod process;
mod read;
mod signals;
mod state;
mod stdout;

use std::{env, ffi::OsString, io::Write, panic::AssertUnwindSafe, time::Duration};

use chrono::{DateTime, Utc};
use futures_util::FutureExt;

use signals::Signals;
pub use stdout::{Stdout, stdout};

use crate::{
    cli::{Cli, Command},
    client::{RetryPolicy, Timeouts},
    engine::CheckpointPolicy,
    error::{Error, panic_text},
    protocol::{AirbyteMessage, ConnectionStatus, Emitter, LogLevel, OutputClosed, Person},
    spec::specification,
};

/// The exit code for a success, a FAILED check included.
const SUCCESS: u8 = 0;
/// The exit code for a failure that a TRACE message explains.
const FAILURE: u8 = 1;
/// The exit code for a command line that cannot be understood.
const USAGE: u8 = 2;

/// How patient and how talkative a run is; the defaults are what users get.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How patiently failures are retried.
    pub retry: RetryPolicy,
    /// How long an attempt may take.
    pub timeouts: Timeouts,
    /// How often states and progress are sent.
    pub policy: CheckpointPolicy,
    /// How patient a check is.
    pub check: CheckPatience,
    /// Whether SIGINT and SIGTERM are heard; a process with other things to do keeps them for itself.
    pub hears_signals: bool,
    /// Whether a person at a terminal behind stderr is told what happens.
    pub tells_person: bool,
    /// When the run begins, by Notion's clock; none is now, by the system's.
    pub now: Option<DateTime<Utc>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            retry: RetryPolicy::default(),
            timeouts: Timeouts::default(),
            policy: CheckpointPolicy::default(),
            check: CheckPatience::default(),
            hears_signals: true,
            tells_person: true,
            now: None,
        }
    }
}

/// How patient a check is: a person waits for it.
#[derive(Clone, Copy, Debug)]
pub struct CheckPatience {
    /// How many times a request is sent again, instead of [`RetryPolicy::max_retries`].
    pub max_retries: usize,
    /// How long the whole may take, waiting for the rate limit included.
    pub limit: Duration,
}

impl Default for CheckPatience {
    /// Three attempts within two minutes; a platform ends a check after about nine.
    fn default() -> Self {
        Self { max_retries: 2, limit: Duration::from_mins(2) }
    }
}

/// Runs one command and returns its exit code.
///
/// `args` are those of the process, its name first. Messages go to `stdout`, usage errors to stderr.
pub fn run<A, W>(args: impl IntoIterator<Item = A>, mut stdout: W, settings: &Settings) -> u8
where
    A: Into<OsString> + Clone,
    W: Write + Send + 'static,
{
    let signals = Signals::new(settings.hears_signals);
    let cli = match Cli::understand(args, env::var_os(inputs::TOKEN).is_some_and(|token| !token.is_empty())) {
        Ok(cli) => cli,
        Err(usage) if usage.use_stderr() => {
            drop(usage.print());
            return USAGE;
        }
        Err(help) => {
            // Help and version go to stdout, which belongs to nobody else in that case.
            let written = write!(stdout, "{}", help.render()).and_then(|()| stdout.flush());
            return if written.is_ok() { SUCCESS } else { FAILURE };
        }
    };
    let is_check = matches!(cli.command, Command::Check(_));
    let person = if settings.tells_person { Person::at_stderr() } else { Person::default() };
    process::conduct(stdout, cli.debug, &signals, person, async |emitter| {
        conclude(perform(cli.command, emitter, settings, &signals), is_check, emitter).await
    })
}

async fn perform(
    command: Command,
    emitter: &Emitter,
    settings: &Settings,
    signals: &Signals,
) -> Result<u8, Error> {
    match command {
        Command::Spec => emitter.message(&AirbyteMessage::Spec(specification())).await?,
        Command::Check(config) => return check::perform(&config, emitter, settings, signals).await,
        Command::Discover(config) => discover::perform(&config, emitter).await?,
        Command::Read(args) => return read::perform(&args, emitter, settings, signals).await,
        Command::State { state } => state::perform(&state, emitter).await?,
    }
    Ok(SUCCESS)
}

/// Waits for a command's end and tells a failure, a panic included; returns the exit code.
async fn conclude(
    command: impl Future<Output = Result<u8, Error>>,
    is_check: bool,
    emitter: &Emitter,
) -> Result<u8, OutputClosed> {
    let result = AssertUnwindSafe(command).catch_unwind().await;
    let error = match result.unwrap_or_else(|panic| Err(Error::Panic(panic_text(&*panic)))) {
        Ok(code) => return Ok(code),
        Err(Error::Output(closed)) => return Err(closed),
        Err(error) => error,
    };
    let failure = error.to_failure();
    if is_check && !matches!(error, Error::Panic(_)) {
        let status = ConnectionStatus::Failed(failure.message);
        emitter.message(&AirbyteMessage::ConnectionStatus(status)).await?;
        return Ok(SUCCESS);
    }
    // A read has told what failed, and its last LOG is the report.
    if !matches!(error, Error::Streams { .. }) {
        emitter.log(LogLevel::Fatal, failure.message.clone());
    }
    emitter.message(&AirbyteMessage::Error(failure.to_trace(None))).await?;
    Ok(FAILURE)
}
