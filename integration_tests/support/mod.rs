//! Runs the connector and reads its output.

mod connector;
mod impatient;
mod network;
mod sync_output;
mod terminal;
mod workspaces;

pub(crate) use connector::{Connector, Process, impatient_program, program, signal};
pub(crate) use impatient::impatient;
pub(crate) use network::{ClosedPort, serve_bytes};
pub(crate) use sync_output::SyncOutput;
pub(crate) use terminal::{Terminal, at_terminal};
pub(crate) use workspaces::{
    LEFT_OUT, ROUTES, assert_ids, assert_reads_everything, at, contains, cut_after_state, days_ago,
    hidden_below, hidden_rows, incremental_streams, old_pages, pages_a_minute_apart, queries, read, received,
    relation, searches, state_after, stream_names, together,
};
