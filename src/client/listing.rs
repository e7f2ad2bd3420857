//! Pagination: a listing ends at `has_more: false` and at nothing else.
//!
//! What goes wrong in between is got over: too much for one answer by smaller pages, a position that expires or is
//! refused by a restart, one block that cannot be read by reading up to it. All of that is bounded, but only where
//! nothing new comes of it.

use std::time::Duration;

use tracing::warn;
use uuid::Uuid;

use super::{
    ApiError, ListError, ListRequest, NotionClient, RequestError, ResultPage,
    pager::{Pager, is_too_much},
    seen_ids::SeenIds,
};

/// After so many result pages in a row without anything new a listing is taken to be endless.
const MAX_IDLE_PAGES: u32 = 200;

/// How often in a row a listing is started again without getting farther.
const MAX_IDLE_RESTARTS: u32 = 5;

/// A position that is refused sooner than this has not expired. Nobody says how long they live; reports tell of a
/// minute.
const FRESH: Duration = Duration::from_secs(3);

/// So many refusals in a row of a fresh position at one place show a limit of results.
const REFUSALS_AT_LIMIT: u32 = 4;

/// A listing being read, one result page after the other.
///
/// Unless it has a single page, it remembers every result and, since its last restart, every position: as much as the
/// listing has, for one that goes on without anything new ends.
#[derive(Debug)]
pub struct Listing {
    client: NotionClient,
    request: ListRequest,
    pager: Pager,
    seen: SeenIds,
    /// Everything on the page just returned is new, but what it shows twice, and nothing was remembered.
    is_single_page: bool,
    restarts: u32,
    /// Restarts since the last one that it got farther before.
    idle_restarts: u32,
    /// The largest number of results before a restart.
    farthest: usize,
    pages_since_restart: u32,
    /// Result pages since the last one that was of use.
    idle_pages: u32,
    /// Where a fresh position was refused last, and how often in a row.
    refused_fresh: (usize, u32),
    /// Whether it feels its way past something that Notion refuses.
    is_isolating: bool,
    next: Next,
}

/// How a listing goes on.
#[derive(Clone, Copy, Debug)]
enum Next {
    Page,
    /// From the beginning, for this reason.
    Restart(&'static str),
    End,
    /// Notion cut it where nobody expects that.
    Cut,
}

impl Listing {
    pub(super) fn new(client: NotionClient, request: ListRequest) -> Self {
        Self {
            client,
            request,
            pager: Pager::default(),
            seen: SeenIds::default(),
            is_single_page: false,
            restarts: 0,
            idle_restarts: 0,
            farthest: 0,
            pages_since_restart: 0,
            idle_pages: 0,
            refused_fresh: (0, 0),
            is_isolating: false,
            next: Next::Page,
        }
    }

    /// Returns the next result page, or none after the last.
    ///
    /// When a position expires, repeats or is refused, the listing starts again from its beginning; that ends it only
    /// where it gets no farther. [`Self::is_new`] tells what was seen before.
    pub async fn next(&mut self) -> Result<Option<ResultPage>, ListError> {
        loop {
            match self.next {
                Next::Page => {}
                Next::Restart(cause) => self.restart(cause)?,
                Next::End => return Ok(None),
                Next::Cut => return Err(ListError::Cut { path: self.request.path().to_owned() }),
            }
            match self.pager.read(&self.client, &self.request).await {
                Ok(page) => {
                    self.take_in(&page);
                    return Ok(Some(page));
                }
                Err(error) => self.recover(error)?,
            }
        }
    }

    /// How often it was started again so far.
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Whether the result page just returned is the first after a restart.
    pub fn has_restarted(&self) -> bool {
        self.restarts > 0 && self.pages_since_restart == 1
    }

    /// How many results come before those of the result page just returned. Parts of a listing are read again in smaller
    /// pages, so results that have no ids are told by their places.
    pub fn results_before_page(&self) -> usize {
        self.pager.page_start()
    }

    /// Whether the result page just returned is the first to have this id, and it was not asked for before.
    pub fn is_new(&mut self, id: Uuid) -> bool {
        if self.is_single_page { self.seen.insert(id) } else { self.seen.take_new(id) }
    }

    /// Takes in what a page brings, and moves behind it.
    fn take_in(&mut self, page: &ResultPage) {
        self.pages_since_restart = self.pages_since_restart.saturating_add(1);
        let is_first = self.pager.position.cursor.is_none() && self.seen.len() == 0;
        self.is_single_page = is_first && !page.has_more();
        let brings_something = !self.is_single_page && self.seen.add(page);
        let problem = self.pager.advance(page);
        // After a restart everything seen comes again, and that is no standstill.
        let comes_again = !page.is_empty() && self.pager.position.results_before <= self.seen.len();
        self.idle_pages = if comes_again || brings_something { 0 } else { self.idle_pages + 1 };
        self.next = match problem {
            _any if page.is_incomplete && !self.request.is_query() => Next::Cut,
            Some(problem) => Next::Restart(problem),
            None if !page.has_more() => Next::End,
            None if self.idle_pages > MAX_IDLE_PAGES => Next::Restart("page after page brought nothing new"),
            None => Next::Page,
        };
        self.is_isolating &= !self.pager.size.is_full();
    }

    /// Finds a way around a failure, or none.
    fn recover(&mut self, error: RequestError) -> Result<(), ListError> {
        let is_later = self.pager.position.cursor.is_some();
        match &error.source {
            ApiError::InvalidCursor if is_later => self.recover_position(),
            ApiError::NotFound { .. } | ApiError::Forbidden { .. } | ApiError::Rejected { .. }
                if is_later =>
            {
                self.recover_refusal(error)
            }
            ApiError::TooLarge { .. } if self.pager.size.shrink(1) => Ok(()),
            failure if is_too_much(failure) && self.pager.go_back(self.pager.size.get()) => Ok(()),
            _final => Err(error.into()),
        }
    }

    /// A position is refused as invalid: most probably it has expired.
    fn recover_position(&mut self) -> Result<(), ListError> {
        let place = self.pager.position.results_before;
        if self.pager.position.given_at.elapsed() < FRESH {
            let before = if self.refused_fresh.0 == place { self.refused_fresh.1 } else { 0 };
            self.refused_fresh = (place, before + 1);
            if self.refused_fresh.1 == REFUSALS_AT_LIMIT {
                let path = self.request.path().to_owned();
                return Err(ListError::PositionLimit { path, results: self.seen.len() });
            }
        }
        self.restart("its position expired")
    }

    /// What follows a position is refused, in whatever words. The object was there when the listing began: something in
    /// it was removed meanwhile, or cannot be read. If all of it is gone, a restart is told so.
    fn recover_refusal(&mut self, error: RequestError) -> Result<(), ListError> {
        if !self.is_isolating && self.pager.position.results_before > self.farthest {
            return self.restart("Notion refused what follows its position");
        }
        self.is_isolating = true;
        if self.pager.size.shrink(1) || self.pager.go_back_to_span() {
            return Ok(());
        }
        Err(ListError::Refused {
            path: self.request.path().to_owned(),
            results_read: self.seen.len(),
            source: Box::new(error),
        })
    }

    fn restart(&mut self, cause: &'static str) -> Result<(), ListError> {
        let path = self.request.path();
        if !self.request.restarts() {
            return Err(ListError::BrokenOff { path: path.to_owned(), cause });
        }
        let reached = self.pager.position.results_before;
        self.idle_restarts = if reached > self.farthest { 0 } else { self.idle_restarts + 1 };
        self.farthest = self.farthest.max(reached);
        if self.idle_restarts > MAX_IDLE_RESTARTS {
            return Err(ListError::Broken { path: path.to_owned(), restarts: self.restarts, cause });
        }
        self.restarts += 1;
        self.pages_since_restart = 0;
        self.idle_pages = 0;
        warn!(path, restart = self.restarts, "A listing starts again because {cause}.");
        self.pager.rewind();
        self.next = Next::Page;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use super::{
        super::test_server::{Asked, Reply, TestServer, id},
        *,
    };

    const PATH: &str = "/v1/blocks/x/children";

    fn refused() -> Reply {
        Reply::error(400, "validation_error", "Block type ai_block is not supported.")
    }

    fn invalid() -> Reply {
        Reply::error(400, "validation_error", "The start_cursor provided is invalid: x")
    }

    /// Reads a listing until it ends or fails; returns how many results were new, and the failure.
    async fn read(server: &TestServer) -> (usize, Option<ListError>) {
        let mut listing = server.client().list(ListRequest::get(PATH));
        let mut new = BTreeSet::new();
        loop {
            let page = match listing.next().await {
                Ok(Some(page)) => page,
                Ok(None) => return (new.len(), None),
                Err(error) => return (new.len(), Some(error)),
            };
            for result in page.results().flatten() {
                let id = result.id("id").unwrap();
                if listing.is_new(id) {
                    assert!(new.insert(id), "{id} was new twice");
                }
            }
        }
    }

    /// The sizes that were asked for, and where.
    fn ranges(server: &TestServer) -> Vec<(usize, usize)> {
        server.asked().iter().map(Asked::range).collect()
    }

    /// A server of so many results that fails where a page matches.
    async fn serve(
        total: usize,
        fails: impl Fn(usize, usize) -> Option<Reply> + Send + Sync + 'static,
    ) -> TestServer {
        TestServer::start(move |asked| {
            let (start, size) = asked.range();
            fails(start, size).unwrap_or_else(|| Reply::page(asked, total))
        })
        .await
    }

    /// A fault that comes a number of times.
    fn times(count: usize) -> impl Fn() -> bool + Send + Sync {
        let left = AtomicUsize::new(count);
        move || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    #[tokio::test]
    async fn every_listing_shrinks_its_pages_while_they_are_too_much_and_grows_back_later() {
        for status in [500, 502, 503, 504] {
            let slow = Reply::error(status, "some_code", "m");
            let server = serve(1_000, move |_start, size| (size > 30).then(|| slow.clone())).await;
            assert_eq!(read(&server).await.0, 1_000);
            let sizes: Vec<usize> = ranges(&server).iter().map(|(_start, size)| *size).collect();
            assert_eq!(sizes[..10], [100, 50, 25, 25, 25, 25, 25, 50, 25, 25]);
            let in_vain = sizes.iter().filter(|size| **size > 30).count();
            assert!(in_vain <= 5, "{sizes:?}");
        }
    }

    #[tokio::test]
    async fn a_position_that_is_always_slow_is_passed_from_the_one_before() {
        let slow = || Reply::error(504, "gateway_timeout", "m");
        let server = serve(450, move |start, _size| (start == 200).then(slow)).await;
        let (new, error) = read(&server).await;
        assert_eq!((new, error.is_none()), (450, true));
        let expected =
            [(0, 100), (100, 100), (200, 100), (200, 50), (200, 25), (200, 12), (100, 12), (112, 12)];
        assert_eq!(ranges(&server)[..8], expected);
        assert_eq!(ranges(&server).iter().filter(|(start, _size)| *start == 200).count(), 4);
    }

    #[tokio::test]
    async fn a_listing_that_is_slow_everywhere_fails_in_the_end() {
        let server =
            serve(450, |start, _size| (start >= 100).then(|| Reply::error(504, "gateway_timeout", "m")))
                .await;
        let (new, error) = read(&server).await;
        assert_eq!(new, 108);
        assert!(matches!(error.unwrap().api_error(), Some(ApiError::Unavailable { status: 504, .. })));
        assert!(ranges(&server).len() < 30, "{:?}", ranges(&server));
    }

    #[tokio::test]
    async fn a_refusal_in_the_middle_starts_the_listing_again() {
        let answers = [
            Reply::error(404, "object_not_found", "Could not find block with ID: x."),
            Reply::error(403, "restricted_resource", "m"),
            Reply::error(400, "validation_error", "start_cursor: block not found."),
            refused(),
            invalid(),
        ];
        for answer in answers {
            let once = times(1);
            let fault = answer.clone();
            let server =
                serve(250, move |start, _size| (start == 100 && once()).then(|| fault.clone())).await;
            let (new, error) = read(&server).await;
            assert_eq!((new, error.is_none()), (250, true), "{answer:?}");
            let expected = [(0, 100), (100, 100), (0, 100), (100, 100), (200, 100)];
            assert_eq!(ranges(&server), expected, "{answer:?}");
        }
    }

    #[tokio::test]
    async fn an_object_that_goes_away_in_the_middle_is_gone() {
        let gone = AtomicUsize::new(0);
        let server = serve(250, move |start, _size| {
            let is_gone = start > 0 || gone.load(Ordering::Relaxed) > 0;
            gone.fetch_max(usize::from(is_gone), Ordering::Relaxed);
            is_gone.then(|| Reply::error(404, "object_not_found", "m"))
        })
        .await;
        let (new, error) = read(&server).await;
        assert_eq!(new, 100);
        assert!(matches!(error.unwrap().api_error(), Some(ApiError::NotFound { .. })));
        assert_eq!(server.asked().len(), 3);
    }

    #[tokio::test]
    async fn one_block_that_cannot_be_read_leaves_all_before_it() {
        for (total, bad) in [(150, 121), (150, 100), (150, 149), (1_000, 555)] {
            let server =
                serve(total, move |start, size| (start..start + size).contains(&bad).then(refused)).await;
            let (new, error) = read(&server).await;
            if bad < 100 {
                assert_eq!(new, 0);
                continue;
            }
            let error = error.unwrap();
            assert!(
                matches!(&error, ListError::Refused { results_read, .. } if *results_read == bad),
                "{bad}: {error}"
            );
            assert!(error.api_error().is_none() && error.to_string().contains("ai_block"), "{error}");
            assert_eq!(new, bad);
            assert!(server.asked().len() <= 2 * total / 100 + 40, "{bad}: {:?}", ranges(&server));
        }
    }

    #[tokio::test]
    async fn a_single_position_that_is_always_refused_is_passed_from_the_one_before() {
        let server = serve(350, |start, _size| (start == 200).then(refused)).await;
        let (new, error) = read(&server).await;
        assert_eq!((new, error.is_none()), (350, true), "{:?}", ranges(&server));
    }

    #[tokio::test]
    async fn a_refused_first_page_is_the_failure_at_once() {
        let server = serve(250, |_start, _size| Some(refused())).await;
        let (new, error) = read(&server).await;
        assert_eq!(new, 0);
        assert!(matches!(error.unwrap().api_error(), Some(ApiError::Rejected { .. })));
        assert_eq!(server.asked().len(), 1);
    }

    #[tokio::test]
    async fn a_place_where_every_fresh_position_is_refused_is_a_limit() {
        let server = serve(500, |start, _size| (start >= 200).then(invalid)).await;
        let (new, error) = read(&server).await;
        assert_eq!(new, 200);
        assert!(matches!(error.unwrap(), ListError::PositionLimit { results: 200, .. }));
        assert_eq!(server.asked().len(), 12);
    }

    #[tokio::test]
    async fn restarts_that_get_farther_never_end_a_listing() {
        // Each time one page more is read before the position expires.
        let reached = AtomicUsize::new(100);
        let server = serve(3_000, move |start, _size| {
            let expired = start > reached.load(Ordering::Relaxed);
            reached.fetch_add(usize::from(expired) * 100, Ordering::Relaxed);
            expired.then(invalid)
        })
        .await;
        let mut listing = server.client().list(ListRequest::get(PATH));
        while listing.next().await.unwrap().is_some() {}
        assert_eq!(listing.restarts(), 28);
    }

    #[tokio::test]
    async fn restarts_without_anything_gained_end_a_listing() {
        // A position that leads to itself.
        let page = |_asked: &Asked| {
            let next = "again";
            Reply::json(
                &serde_json::json!({"results": [{"id": id(1)}], "has_more": true, "next_cursor": next}),
            )
        };
        let server = TestServer::start(page).await;
        let (new, error) = read(&server).await;
        assert_eq!(new, 1);
        assert!(matches!(error.unwrap(), ListError::Broken { restarts: 6, .. }));
    }

    #[tokio::test]
    async fn an_answer_of_another_shape_is_asked_for_again_a_few_times() {
        for strange in [
            serde_json::json!({"object": "error", "status": 503, "code": "service_unavailable", "message": "m"}),
            serde_json::json!({"object": "list", "results": null, "has_more": false}),
        ] {
            let once = times(1);
            let reply = strange.clone();
            let server = serve(5, move |_start, _size| once().then(|| Reply::json(&reply))).await;
            assert_eq!(read(&server).await.0, 5, "{strange}");
            let server = serve(5, move |_start, _size| Some(Reply::json(&strange))).await;
            assert!(read(&server).await.1.is_some());
            assert!(server.asked().len() <= 10);
        }
        let item = serde_json::json!({"object": "property_item", "type": "people"});
        let server = serve(5, move |_start, _size| Some(Reply::json(&item))).await;
        let error = read(&server).await.1.unwrap();
        assert!(matches!(error.api_error(), Some(ApiError::OtherObject { .. })), "{error}");
        assert_eq!(server.asked().len(), 1);
    }
}
