//! How the server behaves: its limits, capabilities and habits.

use std::time::Duration;

/// Limits, capabilities and habits of the fake server; every field may be changed between two requests.
#[expect(clippy::struct_excessive_bools, reason = "independent switches of one server, not a state")]
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the connection may read.
    pub capabilities: Capabilities,
    /// The name of the integration in messages about missing objects.
    pub integration_name: String,
    /// Whether the header `Notion-Version: 2025-09-03` is demanded.
    pub strict_version: bool,
    /// Whether answers are gzip-encoded for clients that accept it.
    pub gzip: bool,
    /// How long every answer takes.
    pub latency: Duration,
    /// The most results in one answer, whatever `page_size` asks for: smaller ones give short pages.
    pub max_page_size: usize,
    /// Searches and queries that ask for more results are answered 504; `None` is no such limit.
    pub times_out_above: Option<usize>,
    /// How long an edit stays unknown to search: new objects are missing, edited ones keep their old position.
    pub search_lag: Duration,
    /// The most results that one search lists.
    pub search_result_cap: usize,
    /// After so many results the `start_cursor` of a search is refused, always; `None` is no such limit.
    pub search_position_limit: Option<usize>,
    /// The most results that one data source query lists.
    pub query_result_cap: usize,
    /// What a `start_cursor` of a search or query stands for.
    pub cursor_meaning: CursorMeaning,
    /// How long a `start_cursor` stays valid.
    pub cursor_lifetime: CursorLifetime,
    /// The request budget.
    pub rate_limit: RateLimit,
    /// What the children of a synced copy are.
    pub synced_copies: SyncedCopies,
    /// Whether a search without `filter.in_trash` lists trashed data sources.
    pub search_lists_trashed_data_sources: bool,
    /// Whether search lists archived rows; archived pages elsewhere are always listed.
    pub search_lists_archived_rows: bool,
    /// Whether search, queries, trees and an object's own id answer the same thing in different forms: the order of
    /// keys, `archived`, the domain of `url`, signatures and expiry of file addresses, what is said of users,
    /// `request_id` and `developer_survey`.
    pub varies_forms: bool,
    /// The client id and secret that the token endpoint accepts.
    pub oauth_client: (String, String),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            capabilities: Capabilities::default(),
            integration_name: "Fake integration".to_owned(),
            strict_version: true,
            gzip: true,
            latency: Duration::ZERO,
            max_page_size: 100,
            times_out_above: None,
            search_lag: Duration::ZERO,
            search_result_cap: 10_000,
            search_position_limit: None,
            query_result_cap: 10_000,
            cursor_meaning: CursorMeaning::LastResult,
            cursor_lifetime: CursorLifetime::Unlimited,
            rate_limit: RateLimit::Unlimited,
            synced_copies: SyncedCopies::NotFound,
            search_lists_trashed_data_sources: true,
            search_lists_archived_rows: false,
            varies_forms: false,
            oauth_client: ("fake_client_id".to_owned(), "fake_client_secret".to_owned()),
        }
    }
}

/// What a connection may read; everything by default.
#[expect(clippy::struct_excessive_bools, reason = "the API's capabilities are independent switches")]
#[derive(Clone, Copy, Debug)]
pub struct Capabilities {
    /// Pages, blocks, databases and data sources.
    pub read_content: bool,
    /// Comments.
    pub comments: bool,
    /// Users.
    pub users: bool,
    /// The e-mail addresses of users.
    pub user_email: bool,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self { read_content: true, comments: true, users: true, user_email: true }
    }
}

/// What a `start_cursor` of a search or query stands for. Notion does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CursorMeaning {
    /// The last result that was given out: whatever comes or goes, the listing goes on right behind it.
    LastResult,
    /// How many results were given out: what comes before them shifts the rest back, what goes shifts it forward,
    /// so that results come twice or not at all.
    ResultCount,
}

/// How long a `start_cursor` stays valid after it was handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CursorLifetime {
    /// For ever.
    Unlimited,
    /// For this many further requests of any kind.
    Requests(u64),
    /// For this long.
    Time(Duration),
}

/// A request budget; requests beyond it are answered 429.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RateLimit {
    /// No budget.
    Unlimited,
    /// A token bucket: an average rate, and how many may come at once.
    Average {
        /// Requests a second.
        per_second: f64,
        /// The bucket's size.
        burst: f64,
    },
    /// A fixed window that opens with its first request.
    Window {
        /// Requests in one window.
        requests: u32,
        /// The window's length.
        window: Duration,
    },
}

/// What `GET /v1/blocks/{copy}/children` answers for a copy of a synced block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncedCopies {
    /// 404.
    NotFound,
    /// An empty list.
    Empty,
    /// The children of the original, and what stands in them, also where the original itself is not shared.
    Content,
}
