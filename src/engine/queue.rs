//! The tasks of a run: last in, first out, so that a walk goes deep before it goes wide.

use std::cell::{Cell, RefCell};

use tokio::sync::Notify;

/// A stack of tasks that is empty only when nothing is under way any more.
#[derive(Debug)]
pub(super) struct TaskQueue<T> {
    ready: RefCell<Vec<T>>,
    under_way: Cell<usize>,
    is_closed: Cell<bool>,
    changed: Notify,
}

impl<T> TaskQueue<T> {
    pub(super) fn new() -> Self {
        Self {
            ready: RefCell::new(Vec::new()),
            under_way: Cell::new(0),
            is_closed: Cell::new(false),
            changed: Notify::new(),
        }
    }

    /// Adds a task, unless it was ended.
    pub(super) fn push(&self, task: T) {
        if self.is_closed.get() {
            return;
        }
        self.ready.borrow_mut().push(task);
        self.changed.notify_one();
    }

    /// Takes a task, or asks `refill` for some when none is ready.
    ///
    /// None when nothing is ready, nothing is under way and `refill` gives nothing; or after [`Self::close`].
    /// Each task taken must be given back with [`Self::finish`].
    pub(super) async fn next(&self, refill: impl Fn() -> Vec<T>) -> Option<T> {
        loop {
            if self.is_closed.get() {
                return None;
            }
            let ready = self.ready.borrow_mut().pop();
            if let Some(task) = ready.or_else(|| self.refilled(&refill)) {
                self.under_way.set(self.under_way.get() + 1);
                return Some(task);
            }
            if self.under_way.get() == 0 {
                self.changed.notify_waiters();
                return None;
            }
            self.changed.notified().await;
        }
    }

    fn refilled(&self, refill: impl Fn() -> Vec<T>) -> Option<T> {
        let tasks = refill();
        // One is taken at once; the others wake others.
        (1..tasks.len()).for_each(|_other| self.changed.notify_one());
        let mut ready = self.ready.borrow_mut();
        ready.extend(tasks);
        ready.pop()
    }

    /// Says that a task taken is done; whatever it led to was pushed before.
    pub(super) fn finish(&self) {
        self.under_way.set(self.under_way.get() - 1);
        if self.under_way.get() == 0 {
            self.changed.notify_waiters();
        }
    }

    /// Whether it was ended.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.get()
    }

    /// Ends it: nobody gets another task.
    pub(super) fn close(&self) {
        self.is_closed.set(true);
        self.ready.borrow_mut().clear();
        self.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn it_ends_when_nothing_is_ready_or_under_way() {
        let queue = TaskQueue::new();
        let (started, refills) = (RefCell::new(Vec::new()), Cell::new(2_u32));
        queue.push(3_u32);
        let worker = async || {
            let refill = || {
                let left = refills.get();
                refills.set(left.saturating_sub(1));
                if left > 0 { vec![2, 1] } else { Vec::new() }
            };
            while let Some(task) = queue.next(refill).await {
                started.borrow_mut().push(task);
                tokio::task::yield_now().await;
                if task > 0 {
                    queue.push(task - 1);
                }
                queue.finish();
            }
        };
        join_all([worker(), worker(), worker()]).await;
        // 3 leads to 3+1 tasks, each refill to 3 + 2.
        assert_eq!(started.borrow().len(), 4 + 2 * 5);
    }

    #[tokio::test]
    async fn a_closed_queue_gives_nothing() {
        let queue = TaskQueue::new();
        queue.push(1);
        queue.close();
        assert_eq!(queue.next(|| vec![2]).await, None);
    }
}
