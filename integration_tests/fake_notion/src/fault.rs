//! Faults: answers that go wrong on demand.

use std::{collections::VecDeque, time::Duration};

use serde_json::{Value, json};

use crate::{call::Call, ids::Sequence, route::Route};

/// One way in which an answer goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// An error in the API's shape.
    Status {
        /// The HTTP status.
        status: u16,
        /// The API's code, as `internal_server_error`.
        code: String,
        /// The message.
        message: String,
        /// Further headers.
        headers: Vec<(String, String)>,
        /// The value of `additional_data`.
        additional_data: Option<Value>,
    },
    /// 429 `rate_limited`.
    RateLimited {
        /// The header `Retry-After`, and the same in the body.
        retry_after: Option<String>,
        /// `additional_data.rate_limit_reason`.
        reason: Option<String>,
    },
    /// Any answer, byte for byte.
    Raw {
        /// The HTTP status.
        status: u16,
        /// The header `Content-Type`.
        content_type: String,
        /// The body, sent without any encoding.
        body: Vec<u8>,
        /// Further headers, `Content-Encoding` among them if wanted.
        headers: Vec<(String, String)>,
    },
    /// The connection is closed before any answer.
    Disconnect,
    /// The headers of the real answer; then the connection is closed.
    ResetBeforeBody,
    /// Half of the real answer under the length of the whole; then the connection is closed.
    CutBody,
    /// Half of the real JSON as a complete answer.
    TruncatedJson,
    /// The real answer in ten pieces, each after a delay.
    SlowBody {
        /// The delay before each piece.
        chunk_delay: Duration,
    },
    /// The real answer after a delay.
    Slow(Duration),
    /// No answer at all, on an open connection.
    Silence,
    /// 400, the cursor is invalid; waits for a request that sends one.
    InvalidCursor,
    /// The real results with a `next_cursor` that leads nowhere else: the one that was sent, or a new one that
    /// then repeats itself.
    RepeatedCursor,
    /// The real results with `has_more` but no `next_cursor`.
    HasMoreWithoutCursor,
    /// No results, and a `next_cursor` that continues at the same position.
    EmptyPage,
    /// The real results, and a new `next_cursor` that continues at the same position.
    Standstill,
    /// The real results, preceded by those of the page before, or by themselves on a first page; not for the
    /// entries of a property, which have no ids to tell them by.
    DuplicateResults,
}

impl Fault {
    /// An error status with the API's usual code and message for it.
    pub fn status(status: u16) -> Self {
        let (code, message) = match status {
            400 => ("validation_error", "body failed validation."),
            401 => ("unauthorized", "API token is invalid."),
            403 => ("restricted_resource", "Insufficient permissions for this endpoint."),
            404 => ("object_not_found", "Could not find the object."),
            408 => ("request_timeout", "Request Timeout"),
            409 => ("conflict_error", "Conflict occurred while saving. Please try again."),
            429 => ("rate_limited", "You have been rate limited. Please try again in a few minutes."),
            502 => ("bad_gateway", "Bad Gateway"),
            503 => ("service_unavailable", "Notion is unavailable, please try again later."),
            504 => ("gateway_timeout", "Gateway Timeout"),
            529 => ("service_overload", "Notion is overloaded, please try again later."),
            _ => ("internal_server_error", "Unexpected error occurred."),
        };
        Self::error(status, code, message)
    }

    /// An error in the API's shape without further headers.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::Status {
            status,
            code: code.to_owned(),
            message: message.to_owned(),
            headers: Vec::new(),
            additional_data: None,
        }
    }

    /// 429 because the connection's budget is spent, with the seconds to wait.
    pub fn rate_limited(retry_after_seconds: u64) -> Self {
        Self::RateLimited {
            retry_after: Some(retry_after_seconds.to_string()),
            reason: Some("public_api_request_rate_limit".to_owned()),
        }
    }

    /// An HTML page from the proxy before the API.
    pub fn html(status: u16) -> Self {
        Self::Raw {
            status,
            content_type: "text/html; charset=UTF-8".to_owned(),
            body: format!("<html><head><title>{status}</title></head><body>{status}</body></html>")
                .into_bytes(),
            headers: vec![("cf-ray".to_owned(), "8f0e1d2c3b4a5968-FRA".to_owned())],
        }
    }

    /// A JSON answer with status 200 and this body.
    pub fn json(body: impl Into<String>) -> Self {
        Self::Raw {
            status: 200,
            content_type: "application/json; charset=utf-8".to_owned(),
            body: body.into().into_bytes(),
            headers: Vec::new(),
        }
    }

    /// An error of the API in an answer with status 200.
    pub fn error_in_200(status: u16, code: &str, message: &str) -> Self {
        let error = json!({"object": "error", "status": status, "code": code, "message": message});
        Self::json(error.to_string())
    }

    /// A body that claims to be gzip and is not.
    pub fn corrupt_gzip() -> Self {
        Self::Raw {
            status: 200,
            content_type: "application/json; charset=utf-8".to_owned(),
            body: vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xff, 0xff, 0xff, 0xff],
            headers: vec![("content-encoding".to_owned(), "gzip".to_owned())],
        }
    }
}

impl Fault {
    /// Whether the fault changes the results or the cursor of a list.
    pub(crate) fn is_about_lists(&self) -> bool {
        matches!(
            self,
            Self::RepeatedCursor
                | Self::HasMoreWithoutCursor
                | Self::EmptyPage
                | Self::Standstill
                | Self::DuplicateResults
        )
    }

    /// Whether the fault makes sense for the call.
    fn applies_to(&self, call: &Call) -> bool {
        match self {
            Self::InvalidCursor => call.start_cursor().is_some(),
            Self::DuplicateResults if matches!(call.route, Route::PageProperty(_)) => false,
            fault => !fault.is_about_lists() || call.route.is_list(),
        }
    }
}

/// Which requests of a route a fault is for: every one, unless more is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When {
    answered: usize,
    times: usize,
    in_mid_listing: bool,
}

impl When {
    /// Every request.
    pub fn always() -> Self {
        Self { answered: 0, times: usize::MAX, in_mid_listing: false }
    }

    /// The request with this number, from 1, and no other.
    pub fn nth(number: usize) -> Self {
        Self::always().after(number.saturating_sub(1)).times(1)
    }

    /// Only requests that send a `start_cursor`: those for a later result page. They alone are counted.
    pub fn in_mid_listing() -> Self {
        Self { in_mid_listing: true, ..Self::always() }
    }

    /// Only after so many others, which are answered.
    #[must_use]
    pub fn after(self, answered: usize) -> Self {
        Self { answered, ..self }
    }

    /// Only so many of them.
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }
}

/// The faults that are waiting.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    queued: VecDeque<(Route, Fault)>,
    kept: Vec<Kept>,
    random: Option<Random>,
}

/// A fault for some or all requests of a route.
#[derive(Debug)]
struct Kept {
    route: Route,
    fault: Fault,
    /// What is left of it.
    when: When,
}

impl Kept {
    /// Counts a request, and says whether it fails.
    fn takes(&mut self, call: &Call) -> bool {
        let is_meant = self.when.times > 0
            && self.route.covers(call.route)
            && (!self.when.in_mid_listing || call.start_cursor().is_some())
            && self.fault.applies_to(call);
        if is_meant && self.when.answered > 0 {
            self.when.answered -= 1;
            return false;
        }
        if is_meant && self.when.times < usize::MAX {
            self.when.times -= 1;
        }
        is_meant
    }
}

#[derive(Debug)]
struct Random {
    sequence: Sequence,
    chance: f64,
    faults: Vec<Fault>,
}

impl Faults {
    pub(crate) fn queue(&mut self, route: Route, fault: Fault) {
        self.queued.push_back((route, fault));
    }

    pub(crate) fn keep(&mut self, route: Route, when: When, fault: Fault) {
        self.kept.push(Kept { route, fault, when });
    }

    pub(crate) fn randomize(&mut self, seed: u64, chance: f64, faults: Vec<Fault>) {
        self.random = Some(Random { sequence: Sequence::new(seed), chance, faults });
    }

    /// The fault for a request: the oldest that waits for its route, else a kept one, else a random one.
    pub(crate) fn take(&mut self, call: &Call) -> Option<Fault> {
        let applies = |pattern: Route, fault: &Fault| pattern.covers(call.route) && fault.applies_to(call);
        if let Some(index) = self.queued.iter().position(|(pattern, fault)| applies(*pattern, fault)) {
            return self.queued.remove(index).map(|(_, fault)| fault);
        }
        if let Some(kept) = self.kept.iter_mut().find_map(|kept| kept.takes(call).then_some(kept)) {
            return Some(kept.fault.clone());
        }
        let random = self.random.as_mut().filter(|random| !random.faults.is_empty())?;
        if !random.sequence.happens(random.chance) {
            return None;
        }
        let index = random.sequence.below(random.faults.len());
        Some(random.faults[index].clone()).filter(|fault| fault.applies_to(call))
    }

    /// Whether any fault could need the results of the page before.
    pub(crate) fn may_duplicate(&self) -> bool {
        let random = self.random.iter().flat_map(|random| &random.faults);
        let waiting = self.queued.iter().map(|(_, fault)| fault);
        let kept = self.kept.iter().map(|kept| &kept.fault);
        waiting.chain(kept).chain(random).any(|fault| matches!(fault, Fault::DuplicateResults))
    }

    pub(crate) fn waiting(&self) -> usize {
        self.queued.len()
    }
}
