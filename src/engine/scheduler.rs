//! Runs jobs, a bounded number at a time.

use std::panic::AssertUnwindSafe;

use futures_util::{FutureExt, StreamExt, future::LocalBoxFuture, stream::FuturesUnordered};

use super::job::{Job, Reply, Step, Subject};
use crate::error::{ReadError, panic_text};

/// A job that came back.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) subject: Subject,
    /// What goes on; none after a panic.
    pub(super) step: Option<Step>,
    pub(super) reply: Result<Reply, ReadError>,
}

/// The jobs that are running.
#[derive(Debug)]
pub(super) struct Scheduler {
    running: FuturesUnordered<LocalBoxFuture<'static, Done>>,
    most: usize,
}

impl Scheduler {
    /// Lets this many jobs run at a time.
    pub(super) fn new(most: usize) -> Self {
        Self { running: FuturesUnordered::new(), most }
    }

    /// Whether another job may start.
    pub(super) fn has_room(&self) -> bool {
        self.running.len() < self.most
    }

    /// Whether no job is running.
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// Starts a job. Its subject stays outside of what may panic, so that a panic comes back as its answer.
    pub(super) fn start(&mut self, job: Job) {
        let Job { subject, step } = job;
        self.run(subject, step.run());
    }

    fn run(
        &mut self,
        subject: Subject,
        request: impl Future<Output = (Step, Result<Reply, ReadError>)> + 'static,
    ) {
        self.running.push(Box::pin(async move {
            match AssertUnwindSafe(request).catch_unwind().await {
                Ok((step, reply)) => Done { subject, step: Some(step), reply },
                Err(panic) => Done { subject, step: None, reply: Err(ReadError::Panic(panic_text(&*panic))) },
            }
        }));
    }

    /// Returns the next job that comes back. Without one running it waits for ever.
    pub(super) async fn next(&mut self) -> Done {
        match self.running.next().await {
            Some(done) => done,
            None => std::future::pending().await,
        }
    }

    /// Drops every job.
    pub(super) fn clear(&mut self) {
        self.running.clear();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future;

    use super::*;

    #[tokio::test]
    async fn a_panic_comes_back_as_the_answer_for_its_subject() {
        let mut scheduler = Scheduler::new(2);
        let subject = Subject::Page { id: uuid::Uuid::nil() };
        scheduler.run(subject.clone(), future::lazy(|_context| panic!("a job panicked")));
        let Done { subject: of, step, reply } = scheduler.next().await;
        assert_eq!(of, subject);
        assert!(step.is_none() && matches!(reply, Err(ReadError::Panic(text)) if text == "a job panicked"));
        assert!(scheduler.is_idle() && scheduler.has_room());
    }
}
