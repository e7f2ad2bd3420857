//! Decides when each thing is read, and what the states may claim.
//!
//! One `reader` owns all state of a run by `&mut`: no part of it is shared, so no part needs a cell or a lock. Jobs are
//! single requests that come back with their answer; every object that is found is handed to each stream for which its
//! ledger says that it is due; one table (`verdict`) says what a failure means. The engine names no stream.
//!
//! ```text
//! reader ─> answers ─> reading, deletions ─> dispatch ─> crawl ─> stream_reader ─> state ─> ledger
//!    └─> scheduler ─> job      └─> verdict, probe       └─> queue, lookups, output
//! ```

mod answers;
mod checkpoint;
mod content;
mod crawl;
mod deletions;
mod describe;
mod dispatch;
mod failures;
mod heartbeat;
mod job;
mod ledger;
mod lookups;
mod output;
mod probe;
mod progress;
mod queue;
mod read_clock;
mod reader;
mod reading;
mod report;
mod scheduler;
mod state;
mod state_format;
mod stream_reader;
mod tally;
mod verdict;

pub use checkpoint::CheckpointPolicy;
pub use describe::describe_state;
pub use ledger::{Delivery, Kind, Ledger, Version};
pub use reader::{ReadOutcome, ReadRequest, Stop, read};
