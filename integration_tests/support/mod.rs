//! Runs the connector and reads its output.

mod connector;
mod network;
mod sync_output;

pub(crate) use connector::{Connector, Process, impatient};
pub(crate) use network::{AUTHORITY, ClosedPort, serve_bytes, serve_bytes_over_tls};
pub(crate) use sync_output::{StateLine, SyncOutput};
