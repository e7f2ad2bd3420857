//! Talks to Notion: one rate limiter for the whole process, retries, pagination.
//!
//! This module knows HTTP and Notion's envelope, limits and errors (API version 2025-09-03), and nothing
//! of Airbyte. From outside in: [`Listing`] (pages of results) → [`NotionClient`] (retries) → [`RateLimiter`]
//! (every attempt needs its permit) → the HTTP transport.

mod answer;
mod clock;
mod error;
mod list;
mod notion;
mod rate_limiter;
mod retry;
mod token;
mod transport;

pub use error::{ApiError, ConnectStep, ListError, RequestError};
pub use list::{ListRequest, Listing, ResultPage};
pub use notion::{Answer, ClientSettings, NotionClient, RequestCounts};
pub use rate_limiter::{Hold, Permit, RateLimiter};
pub use retry::RetryPolicy;
pub use token::{OAuthClient, RefreshedTokens};
pub use transport::{Method, Request, Timeouts};
