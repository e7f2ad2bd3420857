//! How many random cases a test runs: a few within a bounded time, or as many as somebody asks for.

use std::{cell::Cell, env, time::Duration};

use tokio::time::Instant;

/// After this no case begins, so that a test ends within a minute whatever the machine.
const LIMIT: Duration = Duration::from_secs(40);

/// Fewer cases than this in all that time say nothing.
const FEWEST: u32 = 3;

/// The cases of one test.
#[derive(Debug)]
pub(crate) struct Budget {
    most: u32,
    /// When the last case may begin, if nobody has asked for a number of them.
    until: Option<Instant>,
    begun: Cell<u32>,
}

impl Budget {
    /// As many cases as the environment variable says, however long they take; without it up to `most` in a bounded time.
    pub(crate) fn new(variable: &str, most: u32) -> Self {
        let asked = env::var(variable).ok().map(|text| text.parse().unwrap());
        let until = asked.is_none().then(|| Instant::now() + LIMIT);
        Self { most: asked.unwrap_or(most), until, begun: Cell::new(0) }
    }

    /// The number of cases that are wanted.
    pub(crate) fn most(&self) -> u32 {
        self.most
    }

    /// Whether there is time for one more case; counts it then.
    pub(crate) fn begin_case(&self) -> bool {
        let has_time = self.until.is_none_or(|until| Instant::now() < until);
        self.begun.set(self.begun.get() + u32::from(has_time));
        has_time
    }

    /// Tells how many cases were run, and fails when they are too few to say anything.
    #[expect(clippy::print_stderr, reason = "the test framework shows it to those who ask")]
    pub(crate) fn finish(&self) {
        let (begun, most) = (self.begun.get(), self.most);
        eprintln!("{begun} of {most} random cases were run");
        assert!(begun >= most.min(FEWEST), "only {begun} cases were run in {LIMIT:?}");
    }
}
