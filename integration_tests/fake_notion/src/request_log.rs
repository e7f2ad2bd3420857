//! The log of requests.

use std::time::Instant;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::{call::Call, route::Route};

/// One request that the fake has received.
#[derive(Clone, Debug)]
pub struct LoggedRequest {
    /// Its number since the start, from 1.
    pub number: u64,
    /// When it was received, on the monotonic clock.
    pub at: Instant,
    /// When it was received.
    pub time: DateTime<Utc>,
    /// The HTTP method.
    pub method: String,
    /// The path as it was sent, without the query.
    pub path: String,
    /// The query parameters, decoded.
    pub query: Vec<(String, String)>,
    /// The body, when it was JSON.
    pub body: Option<Value>,
    /// The endpoint, with the id of the object.
    pub route: Route,
    /// The status answered; 0 while there is no answer.
    pub status: u16,
    /// Whether it was answered 429.
    pub held: bool,
}

impl LoggedRequest {
    pub(crate) fn new(call: &Call) -> Self {
        Self {
            number: call.number,
            at: tokio::time::Instant::now().into_std(),
            time: Utc::now(),
            method: call.method.clone(),
            path: call.path.clone(),
            query: call.query.clone(),
            body: call.body.clone().ok().flatten(),
            route: call.route,
            status: 0,
            held: false,
        }
    }

    /// The id of the object that the request is about.
    pub fn object_id(&self) -> Option<Uuid> {
        self.route.id()
    }

    /// The `start_cursor` that was sent.
    pub fn start_cursor(&self) -> Option<&str> {
        match &self.body {
            Some(body) => body.get("start_cursor").and_then(Value::as_str),
            None => self.parameter("start_cursor"),
        }
    }

    /// The value of a query parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}
