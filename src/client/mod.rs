//! Talks to Notion: one gate for the whole process, retries, pagination.
//!
//! This module knows HTTP and Notion's envelope, limits and errors (API version 2025-09-03), and nothing
//! of Airbyte. From outside in: [`Listing`] (pages of results) → [`NotionClient`] (retries) → [`Gate`]
//! (every attempt passes it) → the HTTP transport.

mod error;
mod gate;
mod list;
mod notion;
mod retry;
mod transport;

pub use error::{ApiError, ConnectStep, ListError, RequestError};
pub use gate::{Gate, Hold};
pub use list::{ListRequest, Listing, ResultPage};
pub use notion::{ClientSettings, NotionClient, RefreshedTokens, RequestCounts};
pub use retry::{RetryDecision, RetryPolicy};
pub use transport::{Method, Request, Timeouts};
