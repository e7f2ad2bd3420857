//! Where a listing stands: the next position, the page before it, and how much to ask for.

use std::{collections::HashSet, mem};

use tokio::time::Instant;

use super::{ApiError, ListRequest, NotionClient, RequestError, ResultPage, page_size::PageSize};

/// Below this a smaller page does not make a slow one faster. No divisor of the full size: the pages after a position
/// that is always slow then do not end at it again.
const SMALL_PAGE: u32 = 12;

/// Whether a smaller page may help, as Notion advises (<https://developers.notion.com/reference/query-a-data-source>).
pub(super) fn is_too_much(failure: &ApiError) -> bool {
    matches!(failure, ApiError::Unavailable { status: 500 | 502 | 503 | 504, .. } | ApiError::Timeout)
}

/// A place between two results.
#[derive(Debug)]
pub(super) struct Position {
    /// None at the beginning.
    pub(super) cursor: Option<String>,
    pub(super) results_before: usize,
    pub(super) given_at: Instant,
}

/// The page before the position, to be read again in smaller parts.
#[derive(Debug)]
struct PageBefore {
    position: Position,
    size: u32,
}

/// Reads page after page.
#[derive(Debug)]
pub(super) struct Pager {
    pub(super) position: Position,
    before: Option<PageBefore>,
    pub(super) size: PageSize,
    used_cursors: HashSet<String>,
}

impl Default for Pager {
    fn default() -> Self {
        let position = Position { cursor: None, results_before: 0, given_at: Instant::now() };
        Self { position, before: None, size: PageSize::default(), used_cursors: HashSet::new() }
    }
}

impl Pager {
    /// Reads the page at the position, or less of it where that is too much for Notion.
    pub(super) async fn read(
        &mut self,
        client: &NotionClient,
        request: &ListRequest,
    ) -> Result<ResultPage, RequestError> {
        let build = |failure: Option<&ApiError>| {
            if failure.is_some_and(is_too_much) {
                self.ease_off();
            }
            request.at(self.position.cursor.as_deref(), self.size.get())
        };
        let (mut page, asked_at) = client.send(build, ResultPage::parse).await?;
        page.asked_at = asked_at;
        Ok(page)
    }

    /// Asks for less, or from the position before if this one is always too much; returns whether either was possible.
    ///
    /// Some positions of search stay slow whatever the size, and those that smaller pages before them lead to do not
    /// (<https://github.com/dust-tt/dust/pull/5137>).
    fn ease_off(&mut self) -> bool {
        self.size.shrink(SMALL_PAGE) || self.go_back(self.size.get())
    }

    /// Goes back to the page before, to read on across the present position.
    pub(super) fn go_back_to_span(&mut self) -> bool {
        // No divisor of the page's size: pages of this size then do not end at the position.
        let size = self.before.as_ref().map_or(0, |before| before.size * 3 / 8);
        size > 0 && self.go_back(size)
    }

    /// Goes back to the page before, if it was read with a larger size than this one.
    pub(super) fn go_back(&mut self, size: u32) -> bool {
        let Some(PageBefore { position, .. }) = self.before.take_if(|before| before.size > size) else {
            return false;
        };
        if let Some(cursor) = &self.position.cursor {
            self.used_cursors.remove(cursor);
        }
        self.position = position;
        self.size.set(size);
        true
    }

    /// Moves behind a page; returns why that is not possible.
    pub(super) fn advance(&mut self, page: &ResultPage) -> Option<&'static str> {
        let size = self.size.get();
        self.size.note_good_page();
        let results_before = self.position.results_before + page.len();
        let next = page.next_cursor.clone().filter(|_next| page.has_more());
        let problem = match &next {
            None if page.has_more() => Some("has_more was true without a next position"),
            Some(next) if !self.used_cursors.insert(next.clone()) => Some("a position was given twice"),
            _good => None,
        };
        let cursor = if problem.is_some() { None } else { next };
        let position = Position { cursor, results_before, given_at: Instant::now() };
        self.before = Some(PageBefore { position: mem::replace(&mut self.position, position), size });
        problem
    }

    /// How many results come before the page that was read last.
    pub(super) fn page_start(&self) -> usize {
        self.before.as_ref().map_or(0, |before| before.position.results_before)
    }

    /// Goes back to the beginning.
    pub(super) fn rewind(&mut self) {
        let Self { size, .. } = mem::take(self);
        self.size = size;
    }
}
