//! Lists: page sizes, cursors and the envelope.

use std::collections::HashMap;

use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use super::Context;
use crate::{
    answer::Refusal,
    ids::Sequence,
    settings::{CursorLifetime, CursorMeaning},
    workspace::RowEntry,
};

const LARGEST_PAGE_SIZE: usize = 100;

/// Where a listing goes on: after the last item that was given out, or at an index.
#[derive(Clone, Copy, Debug)]
pub(super) enum Position {
    Search((i64, Uuid)),
    Row(RowEntry),
    Index(usize),
}

#[derive(Debug)]
struct Issued {
    list: String,
    position: Position,
    served: usize,
    request: u64,
    at: Instant,
}

/// The cursors that were handed out.
#[derive(Debug)]
pub(crate) struct CursorBook {
    ids: Sequence,
    issued: HashMap<String, Issued>,
    /// Cursors that carry their own position, and when they were handed out.
    plain: HashMap<Uuid, (u64, Instant)>,
}

impl Default for CursorBook {
    fn default() -> Self {
        Self { ids: Sequence::new(0x63_75_72_73), issued: HashMap::new(), plain: HashMap::new() }
    }
}

impl CursorBook {
    pub(crate) fn new_id(&mut self) -> Uuid {
        self.ids.id()
    }
}

/// What a list call asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// At most this many results.
    pub(super) size: usize,
    /// Where to go on; `None` is the beginning.
    pub(super) position: Option<Position>,
    /// How many results this listing gave out before.
    pub(super) served: usize,
}

impl Wanted {
    /// How many results lie before the position, where it is a number of results.
    pub(super) fn passed(&self) -> usize {
        match self.position {
            Some(Position::Index(index)) => index,
            _ => 0,
        }
    }
}

impl Context<'_> {
    pub(super) fn wanted(&mut self) -> Result<Wanted, Refusal> {
        let size = self.page_size()?;
        let Some(cursor) = self.call.start_cursor() else {
            return Ok(Wanted { size, position: None, served: 0 });
        };
        let list = self.call.list_name();
        match self.cursors.issued.get(cursor) {
            Some(issued) if issued.list == list && self.is_alive(issued.request, issued.at) => {
                Ok(Wanted { size, position: Some(issued.position), served: issued.served })
            }
            _ => Err(Refusal::invalid_cursor(cursor)),
        }
    }

    /// The page size that the server grants.
    pub(super) fn page_size(&self) -> Result<usize, Refusal> {
        let (place, sent) = if self.call.method == "POST" {
            ("body", self.call.field("page_size").map(Value::to_string))
        } else {
            ("query", self.call.parameter("page_size").map(str::to_owned))
        };
        let wanted = match sent.as_deref().map(str::parse::<usize>) {
            None | Some(Ok(0)) => LARGEST_PAGE_SIZE,
            Some(Ok(size)) if size <= LARGEST_PAGE_SIZE => size,
            Some(Ok(size)) => {
                return Err(Refusal::invalid(format!(
                    "{place} failed validation: {place}.page_size should be ≤ `100` or `undefined`, instead was `{size}`."
                )));
            }
            Some(Err(_)) => {
                return Err(Refusal::invalid(format!(
                    "{place} failed validation: {place}.page_size should be a number or `undefined`, instead was `{}`.",
                    sent.as_deref().unwrap_or_default()
                )));
            }
        };
        if place == "body" && self.workspace.settings.times_out_above.is_some_and(|limit| wanted > limit) {
            return Err(Refusal::new(504, "gateway_timeout", "Gateway Timeout"));
        }
        Ok(wanted.min(self.workspace.settings.max_page_size).max(1))
    }

    /// Hands out a cursor for what follows the last result, or the results so far, as the settings want it.
    pub(super) fn issue_behind(&mut self, prefix: &str, last: Position, served: usize) -> String {
        let position = match self.workspace.settings.cursor_meaning {
            CursorMeaning::LastResult => last,
            CursorMeaning::ResultCount => Position::Index(served),
        };
        self.issue(prefix, position, served)
    }

    /// Hands out a cursor for the rest of the listing, in the form that the endpoint uses.
    pub(super) fn issue(&mut self, prefix: &str, position: Position, served: usize) -> String {
        let suffix = match position {
            Position::Row(row) => format!(":{}", row.id),
            _ => String::new(),
        };
        let cursor = format!("{prefix}{}{suffix}", self.cursors.ids.id());
        let issued = Issued {
            list: self.call.list_name(),
            position,
            served,
            request: self.call.number,
            at: Instant::now(),
        };
        self.cursors.issued.insert(cursor.clone(), issued);
        cursor
    }

    /// Notes when a cursor was handed out that carries its own position.
    pub(super) fn note_plain_cursor(&mut self, cursor: Uuid) {
        if self.workspace.settings.cursor_lifetime != CursorLifetime::Unlimited {
            self.cursors.plain.insert(cursor, (self.call.number, Instant::now()));
        }
    }

    pub(super) fn is_plain_cursor_alive(&self, cursor: Uuid) -> bool {
        self.cursors.plain.get(&cursor).is_none_or(|&(request, at)| self.is_alive(request, at))
    }

    fn is_alive(&self, request: u64, at: Instant) -> bool {
        match self.workspace.settings.cursor_lifetime {
            CursorLifetime::Unlimited => true,
            CursorLifetime::Requests(lifetime) => self.call.number.saturating_sub(request) <= lifetime,
            CursorLifetime::Time(lifetime) => at.elapsed() <= lifetime,
        }
    }

    /// One page, from the wanted index on, of a list that is at hand as a whole.
    pub(super) fn slice<T>(
        &mut self,
        items: &[T],
        kind: &str,
        mut write: impl FnMut(&Self, &T, &mut String),
    ) -> Result<String, Refusal> {
        let wanted = self.wanted()?;
        let start = wanted.passed().min(items.len());
        let end = (start + wanted.size).min(items.len());
        let mut page = ResultPage::default();
        for item in &items[start..end] {
            page.push(|out| write(self, item, out));
        }
        if end < items.len() {
            page.next_cursor = Some(self.issue("", Position::Index(end), end));
        }
        Ok(page.finish(kind, "{}"))
    }
}

/// One page of a list under construction.
#[derive(Debug, Default)]
pub(super) struct ResultPage {
    results: String,
    pub(super) next_cursor: Option<String>,
    incomplete: bool,
}

impl ResultPage {
    /// An empty page; `incomplete` says that the listing is cut at its cap.
    pub(super) fn new(incomplete: bool) -> Self {
        Self { incomplete, ..Self::default() }
    }

    /// Appends one result.
    pub(super) fn push(&mut self, write: impl FnOnce(&mut String)) {
        if !self.results.is_empty() {
            self.results.push(',');
        }
        write(&mut self.results);
    }

    /// The envelope; `detail` is the JSON below the key `kind`.
    pub(super) fn finish(self, kind: &str, detail: &str) -> String {
        let (results, has_more) = (self.results, self.next_cursor.is_some());
        let next_cursor = Value::from(self.next_cursor);
        let status = if self.incomplete {
            r#","request_status":{"type":"incomplete","incomplete_reason":"query_result_limit_reached"}"#
        } else {
            ""
        };
        format!(
            r#"{{"object":"list","results":[{results}],"next_cursor":{next_cursor},"has_more":{has_more},"type":"{kind}","{kind}":{detail}{status}}}"#
        )
    }
}
