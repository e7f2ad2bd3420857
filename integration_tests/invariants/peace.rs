//! What must be true once nothing disturbs any more.

use chrono::{DateTime, TimeDelta, Utc};
use fake_notion::{FakeNotion, Fault};
use serde_json::Value;

use super::{
    destination::Destination,
    edits::edit_pages_with_copied_content,
    truth::{Difference, Reach, Truth},
};
use crate::support::SyncOutput;

/// How many differences a failure shows.
const SHOWN: usize = 6;

/// The end of a case: a run in peace, one that settles the last minute, and one that has nothing to do.
#[derive(Debug)]
pub(crate) struct Peace<'a> {
    pub(crate) notion: &'a FakeNotion,
    pub(crate) start: DateTime<Utc>,
    pub(crate) streams: &'a [&'static str],
    /// Whether each stream gets a run of its own.
    pub(crate) is_one_by_one: bool,
    /// Whether a day passes before the first run in peace.
    pub(crate) waits_a_day: bool,
    /// The seed, chance and kinds of faults of one more run before, in which nothing is edited.
    pub(crate) faults: Option<(u64, f64, Vec<Fault>)>,
}

/// Runs the connector with a selection of streams and a state.
pub(crate) type ReadFn<'a> = dyn FnMut(&[&'static str], &Value) -> Result<SyncOutput, String> + 'a;

impl Peace<'_> {
    /// Reads in peace and compares; `read` runs the connector with a selection of streams and a state.
    pub(crate) fn check(&self, destination: &mut Destination, read: &mut ReadFn<'_>) -> Result<(), String> {
        self.notion.edit(|workspace| {
            edit_pages_with_copied_content(workspace, self.start);
            let lag = TimeDelta::from_std(workspace.settings.search_lag).unwrap();
            if self.waits_a_day {
                workspace.advance(TimeDelta::hours(25));
            } else if !lag.is_zero() {
                // Until then search shows what was there before.
                workspace.advance(lag + TimeDelta::minutes(1));
            }
        });
        if let Some((seed, chance, faults)) = &self.faults {
            // GIVEN a run that gets over its faults THEN it is as good as one in peace
            self.notion.fail_randomly(*seed, *chance, faults.clone());
            let output = read(self.streams, &destination.state)?;
            self.notion.clear_faults();
            let is_complete = output.exit_code == Some(0);
            destination.take(&output, None)?;
            if is_complete {
                self.compare(destination, self.waits_a_day)
                    .map_err(|wrong| format!("after a run with faults: {wrong}"))?;
            }
        }
        // GIVEN one run in peace THEN everything is there as it is
        self.runs(destination, read)?;
        self.compare(destination, self.waits_a_day)
            .map_err(|wrong| format!("after one run in peace: {wrong}"))?;

        // GIVEN one more when the last minute is over, and archived rows are asked for again
        self.pass(TimeDelta::hours(25));
        self.runs(destination, read)?;
        self.compare(destination, true).map_err(|wrong| format!("after the run that settles: {wrong}"))?;

        // THEN the next one sends nothing
        self.pass(TimeDelta::minutes(2));
        for output in self.runs(destination, read)? {
            let mut records = output.all_records().filter(|(_, stream, _)| *stream != "users");
            if let Some((_, stream, data)) = records.next() {
                return Err(format!(
                    "nothing has changed, and it sends {} records, {stream} {data}",
                    records.count() + 1
                ));
            }
        }
        self.compare(destination, true).map_err(|wrong| format!("after a run that sends nothing: {wrong}"))
    }

    fn pass(&self, time: TimeDelta) {
        self.notion.edit(|workspace| workspace.advance(time));
    }

    fn runs(&self, destination: &mut Destination, read: &mut ReadFn<'_>) -> Result<Vec<SyncOutput>, String> {
        if self.is_one_by_one {
            return self.streams.iter().map(|stream| self.run(&[stream], destination, read)).collect();
        }
        Ok(vec![self.run(self.streams, destination, read)?])
    }

    fn run(
        &self,
        streams: &[&'static str],
        destination: &mut Destination,
        read: &mut ReadFn<'_>,
    ) -> Result<SyncOutput, String> {
        let mut output = read(streams, &destination.state)?;
        if self.is_held_back(&output, destination)? {
            // Most of what was known is gone; the message says that clearing the data accepts it .
            for stream in streams {
                destination.clear(stream);
            }
            output = read(streams, &destination.state)?;
        }
        let is_told = output.errors();
        let incomplete =
            streams.iter().filter(|name| output.statuses(name).last().is_none_or(|last| last != "COMPLETE"));
        if output.exit_code != Some(0) || !is_told.is_empty() || incomplete.count() > 0 {
            return Err(format!("a run in peace is not complete: exit {:?}, {is_told:?}", output.exit_code));
        }
        destination.take(&output, None)?;
        Ok(output)
    }

    /// Whether the guard holds deletions back, which it may do only when very much is gone.
    fn is_held_back(&self, output: &SyncOutput, destination: &mut Destination) -> Result<bool, String> {
        let errors = output.errors();
        let says = |error: &&&Value| {
            error["message"]
                .as_str()
                .is_some_and(|text| text.contains("pages that were synced before are not found"))
        };
        if errors.iter().find(says).is_none() {
            return Ok(false);
        }
        if output.all_records().any(|(_, stream, _)| stream != "users") {
            return Err(format!("deletions are held back, and records come: {errors:?}"));
        }
        let gone = self
            .differences(destination, false)
            .into_iter()
            .filter(|difference| difference.is_left && difference.stream == "pages");
        // A state that is held stays so until half of these pages are there again.
        if self.streams.contains(&"pages") && gone.count() < 5 {
            return Err(format!("deletions are held back although little is gone: {errors:?}"));
        }
        Ok(true)
    }

    fn compare(&self, destination: &Destination, is_day_over: bool) -> Result<(), String> {
        let found = self.differences(destination, is_day_over);
        let shown = found.iter().take(SHOWN).map(|Difference { stream, id, what, subjects, .. }| {
            let last = destination.last_seen(stream, id);
            format!("{stream} {id} {what} (of {subjects:?}; the last record is of {last:?})")
        });
        let shown: Vec<String> = shown.collect();
        if shown.is_empty() {
            Ok(())
        } else {
            Err(format!("{} differences\n{}", found.len(), shown.join("\n")))
        }
    }

    fn differences(&self, destination: &Destination, is_day_over: bool) -> Vec<Difference> {
        let truth = self.notion.edit(|workspace| Truth::of(workspace, self.start));
        // Archived rows are asked for once a day.
        let was_archived = |id: &String| {
            destination.careful("pages").get(id).is_some_and(|page| page["is_archived"] == true)
        };
        let waits = |difference: &Difference| {
            !is_day_over && difference.subjects.iter().all(|id| truth.is_archived_row(id) || was_archived(id))
        };
        let of_stream = |stream: &&'static str| {
            let reach =
                Reach::of(if self.is_one_by_one { std::slice::from_ref(stream) } else { self.streams });
            truth.differences(destination, stream, reach)
        };
        self.streams.iter().flat_map(of_stream).filter(|difference| !waits(difference)).collect()
    }
}
