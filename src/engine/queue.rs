//! The jobs that wait to be started.
//!
//! Listings come before everything else, for their positions expire, and one that has begun comes before one that has not.
//! The other jobs are a stack, so that a tree is read deep before it is read wide.

use super::job::{Job, Subject};

/// The jobs that wait.
#[derive(Debug)]
pub(super) struct Queue {
    listings: Vec<Job>,
    /// How many listings are being read at this moment.
    running_listings: usize,
    /// How many may be read side by side.
    width: usize,
    jobs: Vec<Job>,
    /// Objects that no listing shows: asked for beside the content.
    lookups: Vec<Job>,
    was_lookup: bool,
}

impl Queue {
    pub(super) fn new(width: usize) -> Self {
        Self {
            listings: Vec::new(),
            running_listings: 0,
            width,
            jobs: Vec::new(),
            lookups: Vec::new(),
            was_lookup: false,
        }
    }

    /// Queues the next request of a listing of the workspace.
    pub(super) fn push_listing(&mut self, job: Job) {
        self.listings.push(job);
    }

    /// Queues any other job.
    pub(super) fn push(&mut self, job: Job) {
        self.jobs.push(job);
    }

    /// Queues the request for an object that no listing shows.
    pub(super) fn push_lookup(&mut self, job: Job) {
        self.lookups.push(job);
    }

    /// Takes the next job that has been begun with; `is_slow` is said where the output takes less than is read: then only
    /// listings go on.
    pub(super) fn take(&mut self, is_slow: bool) -> Option<Job> {
        if self.running_listings < self.width
            && let Some(job) = self.listings.pop()
        {
            self.running_listings += 1;
            return Some(job);
        }
        if is_slow { None } else { self.jobs.pop() }
    }

    /// Whether it is the turn of what no listing shows: by turns, so that neither this nor the content has to wait for all
    /// of the other.
    pub(super) fn is_lookups_turn(&mut self) -> bool {
        self.was_lookup = !self.was_lookup && !self.lookups.is_empty();
        self.was_lookup
    }

    /// Takes the next request for an object that no listing shows.
    pub(super) fn take_lookup(&mut self, is_slow: bool) -> Option<Job> {
        if is_slow { None } else { self.lookups.pop() }
    }

    /// Notes that a job came back.
    pub(super) fn came_back(&mut self, subject: &Subject) {
        match subject {
            Subject::Search { .. } | Subject::Rows { .. } | Subject::Trash => self.running_listings -= 1,
            _ => {}
        }
    }

    /// Reads listings one after the other from now on: side by side their positions expire before their turn comes.
    pub(super) fn narrow(&mut self) {
        self.width = 1;
    }

    /// Whether no job waits.
    pub(super) fn is_empty(&self) -> bool {
        self.listings.is_empty() && self.jobs.is_empty() && self.lookups.is_empty()
    }

    /// Drops every job.
    pub(super) fn clear(&mut self) {
        self.listings.clear();
        self.jobs.clear();
        self.lookups.clear();
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        client::{ClientSettings, NotionClient, RetryPolicy, Timeouts},
        engine::job::Step,
    };

    fn job(subject: Subject) -> Job {
        let settings = ClientSettings {
            base: "http://127.0.0.1:1".parse().unwrap(),
            access_token: "ntn_0123456789".into(),
            oauth: None,
            max_in_flight: 1,
            retry: RetryPolicy::default(),
            timeouts: Timeouts::default(),
        };
        let client = NotionClient::new(settings, |_tokens| ()).unwrap();
        Job { subject, step: Step::Get(client, String::new()) }
    }

    fn rows(number: u128) -> Subject {
        Subject::Rows { data_source: Uuid::from_u128(number), is_archived: false }
    }

    fn page(number: u128) -> Subject {
        Subject::Page { id: Uuid::from_u128(number) }
    }

    fn take(queue: &mut Queue, is_slow: bool) -> Option<Subject> {
        queue.take(is_slow).map(|job| job.subject)
    }

    #[test]
    fn listings_come_first_and_go_on_while_the_output_is_slow() {
        let mut queue = Queue::new(8);
        queue.push(job(page(1)));
        queue.push_listing(job(rows(2)));
        assert_eq!(take(&mut queue, true), Some(rows(2)));
        assert_eq!(take(&mut queue, true), None);
        assert_eq!(take(&mut queue, false), Some(page(1)));
        assert!(queue.is_empty());
    }

    #[test]
    fn a_narrow_queue_reads_one_listing_to_its_end_before_the_next() {
        let mut queue = Queue::new(8);
        queue.narrow();
        queue.push_listing(job(rows(1)));
        queue.push_listing(job(rows(2)));
        assert_eq!(take(&mut queue, false), Some(rows(2)));
        assert_eq!(take(&mut queue, false), None);
        // Its next request comes before another listing's first one.
        queue.came_back(&rows(2));
        queue.push_listing(job(rows(2)));
        assert_eq!(take(&mut queue, false), Some(rows(2)));
        queue.came_back(&rows(2));
        assert_eq!(take(&mut queue, false), Some(rows(1)));
    }

    #[test]
    fn what_no_listing_shows_and_the_content_take_turns() {
        let mut queue = Queue::new(8);
        assert!(!queue.is_lookups_turn());
        queue.push_lookup(job(page(1)));
        assert!(queue.is_lookups_turn());
        assert!(!queue.is_lookups_turn());
        assert_eq!(queue.take_lookup(false).map(|job| job.subject), Some(page(1)));
    }
}
