//! The verb `check`: bounded in time, for a person waits for it.

use super::{
    FAILURE, SUCCESS, Settings, Signals,
    inputs::{connect, load_config},
    process::LAST_ANSWER,
};
use crate::{
    check::check,
    cli::ConfigArgs,
    client::RetryPolicy,
    error::Error,
    protocol::{AirbyteMessage, Emitter},
};

/// Asks, and tells the answer; returns the exit code.
pub(super) async fn perform(
    config: &ConfigArgs,
    emitter: &Emitter,
    settings: &Settings,
    signals: &Signals,
) -> Result<u8, Error> {
    let patience = settings.check;
    let retry = RetryPolicy { max_retries: patience.max_retries, ..settings.retry };
    let config = load_config(config, emitter)?;
    let client = connect(&config, emitter, &Settings { retry, ..*settings })?;
    signals.defer();
    let answer = tokio::select! {
        answer = tokio::time::timeout(patience.limit, check(&client)) => answer,
        () = signals.requested() => {
            client.finish_exchange(LAST_ANSWER).await;
            return Ok(signals.asked().unwrap_or(FAILURE));
        }
    };
    let Ok(status) = answer else {
        client.finish_exchange(LAST_ANSWER).await;
        let is_held = !client.rate_limiter().remaining_hold().is_zero();
        return Err(Error::SlowCheck { seconds: patience.limit.as_secs(), is_held });
    };
    emitter.message(&AirbyteMessage::ConnectionStatus(status)).await?;
    Ok(SUCCESS)
}
