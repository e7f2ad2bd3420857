//! The verb `discover`: prints the streams. The config must be right, but nobody is asked.

use super::inputs::load_config;
use crate::{
    cli::ConfigArgs,
    error::Error,
    protocol::{AirbyteMessage, Emitter},
    streams::catalog,
};

pub(super) async fn perform(config: &ConfigArgs, emitter: &Emitter) -> Result<(), Error> {
    load_config(config, emitter)?;
    emitter.message(&AirbyteMessage::Catalog(catalog())).await?;
    Ok(())
}
