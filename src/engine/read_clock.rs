//! When readings of content begin, by Notion's clock: times that rise from reading to reading, and from run to run.
//!
//! Notion tells its time in whole seconds, so this machine's clock gives the parts of a second. Where the two differ by more
//! than half a minute, whole minutes make up for it: within a minute a second reading would otherwise seem older.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

/// Gives each reading a time of its own.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ReadClock {
    /// How far Notion's clock is ahead of this machine's, in whole minutes; none before it is known.
    lead: Option<TimeDelta>,
    last: Option<DateTime<Utc>>,
}

impl ReadClock {
    /// Readings come after this time.
    pub(super) fn starts_after(&mut self, time: Option<DateTime<Utc>>) {
        self.last = self.last.max(time);
    }

    /// The time of a reading that begins now. `here` is this machine's time, `notion` Notion's, if it is known.
    pub(super) fn next(&mut self, here: DateTime<Utc>, notion: Option<DateTime<Utc>>) -> DateTime<Utc> {
        let minutes = |notion: DateTime<Utc>| {
            let seconds = (notion - here).num_seconds();
            TimeDelta::minutes((seconds + 30 * seconds.signum()) / 60)
        };
        let lead = *self.lead.get_or_insert(notion.map_or(TimeDelta::zero(), minutes));
        let now = here + lead;
        let next = self.last.map_or(now, |last| now.max(last + TimeDelta::milliseconds(1)));
        self.last = Some(next);
        next
    }

    /// The latest time that was given.
    pub(super) fn last(&self) -> Option<DateTime<Utc>> {
        self.last
    }
}

/// A time as records show it.
pub(super) fn shown(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_rise_whatever_the_clocks_say() {
        let here: DateTime<Utc> = "2026-11-28T12:00:00.500Z".parse().unwrap();
        let mut clock = ReadClock::default();
        assert_eq!(clock.next(here, Some(here - TimeDelta::milliseconds(500))), here);
        assert_eq!(clock.next(here, None), here + TimeDelta::milliseconds(1));
        assert_eq!(clock.next(here - TimeDelta::hours(1), None), here + TimeDelta::milliseconds(2));
        // The next run has a clock that is behind, and knows when the last one ended.
        let mut clock = ReadClock::default();
        clock.starts_after(Some(here));
        assert_eq!(clock.next(here - TimeDelta::hours(1), None), here + TimeDelta::milliseconds(1));
    }

    #[test]
    fn a_machine_whose_clock_is_wrong_goes_by_notions_minutes() {
        let here: DateTime<Utc> = "2026-11-28T12:00:00.500Z".parse().unwrap();
        let mut clock = ReadClock::default();
        let notion = here - TimeDelta::minutes(61) - TimeDelta::milliseconds(1_500);
        assert_eq!(clock.next(here, Some(notion)), here - TimeDelta::minutes(61));
    }
}
