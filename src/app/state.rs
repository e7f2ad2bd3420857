//! The verb `state`: prints what a state says, for a person; no platform calls it.

use super::inputs::read_state;
use crate::{engine::describe_state, error::Error, protocol::Emitter};

pub(super) async fn perform(path: &str, emitter: &Emitter) -> Result<(), Error> {
    emitter.print(describe_state(&read_state(path)?)).await?;
    Ok(())
}
