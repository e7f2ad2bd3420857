//! The verb `read`: what to read, and what its outcome is for the process.

use chrono::Utc;

use super::{
    FAILURE, SUCCESS, Settings, Signals,
    inputs::{connect, load_catalog, load_config, load_state},
    process::LAST_ANSWER,
};
use crate::{
    cli::ReadArgs,
    engine::{ReadOutcome, ReadRequest, Stop, read},
    error::Error,
    protocol::{Emitter, OutputClosed},
};

/// Reads until everything is read or the process is asked to end; returns the exit code.
pub(super) async fn perform(
    args: &ReadArgs,
    emitter: &Emitter,
    settings: &Settings,
    signals: &Signals,
) -> Result<u8, Error> {
    let config = load_config(&args.config, emitter)?;
    let catalog = load_catalog(args)?;
    let state = load_state(args, &catalog, emitter)?;
    let client = connect(&config, emitter, settings)?;
    let request = ReadRequest {
        client: client.clone(),
        emitter: emitter.clone(),
        catalog: &catalog,
        state: &state,
        start_date: config.start_date,
        complete_properties: config.complete_properties,
        comments_every: config.comments_every,
        report_deletions: config.report_deletions,
        worker_count: config.num_workers,
        policy: settings.policy,
        now: settings.now.unwrap_or_else(Utc::now),
    };
    signals.defer();
    let ReadOutcome { failed, stop } = read(request, signals.requested()).await?;
    match stop {
        Some(Stop::OutputClosed) => return Err(OutputClosed.into()),
        Some(Stop::Interrupted) => {
            client.finish_exchange(LAST_ANSWER).await;
            return Ok(signals.asked().unwrap_or(FAILURE));
        }
        None => {}
    }
    let Some((_name, first)) = failed.first() else { return Ok(SUCCESS) };
    // The platform goes by the first failure, which was told with its stream; this one sums up.
    let failure_type = first.failure_type;
    let names: Vec<&str> = failed.iter().map(|(name, _failure)| name.as_str()).collect();
    Err(Error::Streams { names: names.join(", "), failure_type })
}
