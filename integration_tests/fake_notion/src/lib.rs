//! An in-memory Notion workspace behind a real HTTP server: API version 2025-09-03, for tests.
//!
//! [`Workspace`] holds pages, data sources, blocks, comments and users, and is edited by plain method calls;
//! [`FakeNotion`] serves it on a socket with the API's pagination, errors, limits and edit times, keeps a log
//! of every request, and misbehaves on demand ([`Fault`]). The fake knows nothing of whoever reads from it.
//!
//! - [`workspace`]: the objects, their edits, and what a complete reader should have received.
//! - [`settings`]: limits, capabilities and habits of the server, changed at any time.
//! - [`sample`] and [`generate`]: ready-made workspaces, and random edits.
//! - [`ideal`]: the fewest requests that a complete read costs.
//! - [`rich_text`]: builders for rich text.

#![expect(clippy::missing_panics_doc, reason = "a fake for tests panics on ids that it does not know")]

mod answer;
mod call;
mod clock;
mod connection;
mod control;
mod delivery;
mod endpoints;
mod fault;
mod forms;
pub mod generate;
pub mod ideal;
mod ids;
mod pipeline;
mod rate_limit;
mod request_log;
pub mod rich_text;
mod route;
pub mod sample;
mod server;
pub mod settings;
pub mod workspace;

pub use fault::{Fault, When};
pub use ideal::{IdealRequests, ideal_requests, ideal_requests_for, ideal_requests_since};
pub use request_log::LoggedRequest;
pub use route::Route;
pub use server::FakeNotion;
pub use settings::{Capabilities, CursorLifetime, CursorMeaning, RateLimit, Settings, SyncedCopies};
pub use workspace::{
    BlockInfo, CommentInfo, Expected, ExpectedBlock, ExpectedComment, ExpectedObject, Home, LinkedDatabase,
    PageInfo, Placement, Workspace,
};
