//! When what is read: enumeration once, walks concurrently, cursors, checkpoints, statuses.
//!
//! The engine names no stream; it knows pages and data sources as the objects that hold everything else.
//! It runs on one thread: between two awaits nothing else happens, so its state needs no lock.
//!
//! ```text
//! reader  ── enumerate ──> inventory ── order ──> walk ── low-water mark ──> states
//!    tasks go through one queue, `num_workers` of them at a time; found objects push more tasks
//! ```

mod cursor;
mod enumerate;
mod inventory;
mod observe;
mod progress;
mod queue;
mod reader;
mod run;
mod scope;
mod settle;
mod states;
mod status;
mod stream_run;
mod visit;
mod walk;

pub use crate::error::{ReadError, StateError};
pub use cursor::{PageRef, Resume, RetryList, StateForm, StreamState, Unlisted, to_minute};
pub use reader::{ReadOutcome, ReadRequest, Stop, read};
pub use run::CheckpointPolicy;
pub use visit::{Node, Visit};
