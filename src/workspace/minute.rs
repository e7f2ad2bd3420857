//! Notion's times: minutes.

use std::num::NonZeroU32;

use chrono::{DateTime, Utc};

/// A minute after 1970 (Notion cuts edit times to the minute:
/// <https://developers.notion.com/changelog>, "Last edited and created time properties are now rounded").
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Minute(NonZeroU32);

impl Minute {
    /// The minute of a time; none for times of 1970 and before, which Notion never means.
    pub fn of(time: DateTime<Utc>) -> Option<Self> {
        const YEAR_1971: i64 = 365 * 24 * 60;
        let minutes = time.timestamp().div_euclid(60);
        let minutes = u32::try_from(minutes).ok().filter(|_| minutes >= YEAR_1971)?;
        NonZeroU32::new(minutes).map(Self)
    }

    /// When it begins.
    pub fn start(self) -> DateTime<Utc> {
        DateTime::from_timestamp(i64::from(self.0.get()) * 60, 0).expect("every minute of 32 bits is a time")
    }

    /// Whether it is over at a time.
    pub fn is_over(self, at: DateTime<Utc>) -> bool {
        at.timestamp() >= (i64::from(self.0.get()) + 1) * 60
    }

    /// Its number, for storing; zero is none.
    pub(crate) fn number(minute: Option<Self>) -> u32 {
        minute.map_or(0, |minute| minute.0.get())
    }

    /// The minute of a stored number.
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }
}
