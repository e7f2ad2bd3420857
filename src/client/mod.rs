//! Talks to Notion: one rate limiter for the whole process, retries, pagination.
//!
//! This module knows HTTP and Notion's envelope, limits and errors (API version 2025-09-03), and nothing
//! of Airbyte. From outside in: [`Listing`] (pages of results) → [`NotionClient`] (retries) → [`RateLimiter`]
//! (every attempt needs its permit) → the HTTP transport.

mod answer;
mod clock;
mod environment;
mod error;
mod list_request;
mod listing;
mod notion;
mod page_size;
mod pager;
mod rate_limiter;
mod result_page;
mod retry;
mod seen_ids;
#[cfg(test)]
mod test_server;
mod token;
mod transport;

pub use error::{ApiError, ConnectStep, ListError, RequestError};
pub use list_request::ListRequest;
pub use listing::Listing;
pub use notion::{Answer, ClientSettings, NotionClient, RequestCounts};
pub use rate_limiter::{Hold, Permit, RateLimiter};
pub use result_page::ResultPage;
pub use retry::RetryPolicy;
pub use token::{OAuthClient, RefreshedTokens};
pub use transport::{Method, Request, Timeouts};
