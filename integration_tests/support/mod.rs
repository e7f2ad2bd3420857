//! Runs the connector and reads its output.

mod connector;
mod impatient;
mod network;
mod sync_output;

pub(crate) use connector::{Connector, Process, impatient_program, program, signal};
pub(crate) use impatient::impatient;
pub(crate) use network::{ClosedPort, serve_bytes};
pub(crate) use sync_output::SyncOutput;
