//! Reads a Notion workspace completely and speaks the Airbyte protocol.
//!
//! ```text
//! cli ─> app::run ─┬─ spec      spec::specification
//!                  ├─ check     check::check ───────────────┐
//!                  ├─ discover  streams::catalog             v
//!                  └─ read      engine::read ─> streams ─> client ─> Notion
//!                                   └──> protocol::Emitter ─> stdout
//! ```
//!
//! - [`protocol`] knows Airbyte's messages and stdout, and nothing of Notion or HTTP.
//! - [`client`] knows HTTP and Notion's envelope, limits and errors, and nothing of Airbyte.
//! - [`record`] opens JSON objects as text, for both.
//! - [`streams`] say what to read; [`engine`] says when, and names no stream.
//! - [`config`] turns untrusted JSON into a valid config, [`error`] a failure into a sentence for the user.

pub mod check;
pub mod cli;
pub mod client;
pub mod config;
pub mod engine;
pub mod error;
pub mod protocol;
pub mod record;
pub mod spec;
pub mod streams;
pub mod workspace;

mod app;
mod nearest;

pub use app::{CheckPatience, Settings, Stdout, run, stdout};
