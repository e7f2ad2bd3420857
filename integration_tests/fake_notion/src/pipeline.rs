//! What happens to a request: log, hooks, budget, faults, access, endpoint, delivery.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    extract::{ConnectInfo, Request, State},
    response::Response,
};
use serde_json::Value;
use tokio::{sync::watch, time::Instant};

use crate::{
    answer::{Answer, Refusal},
    call::Call,
    clock,
    connection::Breaker,
    control,
    delivery::{Delivery, respond},
    endpoints::{self, Context, CursorBook, Tokens},
    fault::{Fault, Faults},
    forms,
    rate_limit::Budget,
    request_log::LoggedRequest,
    route::Route,
    workspace::Workspace,
};

const LARGEST_BODY: usize = 1 << 20;

pub(crate) type Hook = Arc<dyn Fn(&LoggedRequest, &mut Workspace) + Send + Sync>;

/// Everything that requests share. Locks are taken in the order of the fields, and never across an await.
pub(crate) struct Shared {
    pub(crate) workspace: Mutex<Workspace>,
    pub(crate) session: Mutex<Session>,
    pub(crate) faults: Mutex<Faults>,
    pub(crate) hooks: Mutex<Vec<Hook>>,
    pub(crate) log: Mutex<Log>,
    pub(crate) control: AtomicBool,
    pub(crate) stopping: watch::Receiver<bool>,
}

/// What the server remembers between requests.
#[derive(Debug, Default)]
pub(crate) struct Session {
    cursors: CursorBook,
    pub(crate) tokens: Tokens,
    budget: Budget,
    /// Made-up cursors that stand for another position; `None` is the beginning.
    aliases: HashMap<String, Option<String>>,
    /// Made-up cursors that lead to themselves.
    circles: HashSet<String>,
    /// The last results by listing, kept only while a fault may repeat them.
    previous: HashMap<String, Vec<Value>>,
}

/// The requests so far.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) requests: Vec<LoggedRequest>,
    count: u64,
}

/// Locks, whether or not a test has panicked while it held the lock.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers one HTTP request.
pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(breaker): ConnectInfo<Breaker>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, LARGEST_BODY).await.unwrap_or_default();
    let mut call = Call::new(parts, &bytes);
    if call.path.starts_with("/__control/") && shared.control.load(Ordering::Relaxed) {
        return respond(control::answer(&shared, &call), false, Delivery::Whole);
    }
    let logged = shared.log_request(&mut call);
    let hooks = lock(&shared.hooks).clone();
    for hook in hooks {
        hook(&logged, &mut lock(&shared.workspace));
    }
    let (latency, gzip) = {
        let settings = &lock(&shared.workspace).settings;
        (settings.latency, settings.gzip)
    };
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let held = shared.spend(&call);
    let fault = if held.is_some() { None } else { lock(&shared.faults).take(&call) };
    match fault {
        Some(Fault::Silence) => {
            let mut stopping = shared.stopping.clone();
            while stopping.changed().await.is_ok() {}
        }
        Some(Fault::Disconnect) => breaker.break_connection(),
        Some(Fault::Slow(delay)) => tokio::time::sleep(delay).await,
        _ => {}
    }
    let mut answer = match held {
        Some(refusal) => Answer::refusal(refusal, lock(&shared.session).new_request_id()),
        None => shared.answer(&mut call, fault.as_ref()),
    };
    if !matches!(fault, Some(Fault::Disconnect)) {
        shared.log_status(call.number, answer.status);
    }
    let delivery = match fault {
        Some(Fault::ResetBeforeBody) => Delivery::Reset,
        Some(Fault::CutBody) => Delivery::Cut,
        Some(Fault::SlowBody { chunk_delay }) => Delivery::Slow(chunk_delay),
        _ => Delivery::Whole,
    };
    let has_date = answer.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("date"));
    if let Some(time) = lock(&shared.workspace).own_time().filter(|_| !has_date) {
        answer.headers.push(("date".to_owned(), clock::header_text(time)));
    }
    let raw = matches!(fault, Some(Fault::Raw { .. }));
    let accepts_gzip = call.header("accept-encoding").is_some_and(|value| value.contains("gzip"));
    respond(answer, gzip && accepts_gzip && !raw, delivery)
}

impl Session {
    fn new_request_id(&mut self) -> uuid::Uuid {
        self.cursors.new_id()
    }
}

impl Shared {
    fn log_request(&self, call: &mut Call) -> LoggedRequest {
        let mut log = lock(&self.log);
        log.count += 1;
        call.number = log.count;
        let logged = LoggedRequest::new(call);
        log.requests.push(logged.clone());
        logged
    }

    fn log_status(&self, number: u64, status: u16) {
        let mut log = lock(&self.log);
        if let Some(logged) = log.requests.iter_mut().rfind(|logged| logged.number == number) {
            logged.status = status;
            logged.held = status == 429;
        }
    }

    /// Spends one request of the budget; `Some` is the refusal when nothing is left.
    fn spend(&self, call: &Call) -> Option<Refusal> {
        if call.route == Route::OAuthToken {
            return None;
        }
        let limit = lock(&self.workspace).settings.rate_limit;
        let seconds = lock(&self.session).budget.spend(limit, Instant::now()).err()?;
        Some(Refusal::rate_limited(Some(&seconds.to_string()), Some("public_api_request_rate_limit")))
    }

    fn answer(&self, call: &mut Call, fault: Option<&Fault>) -> Answer {
        let mut workspace = lock(&self.workspace);
        let session = &mut *lock(&self.session);
        let request_id = session.new_request_id();
        match fault {
            Some(Fault::Status { status, code, message, headers, additional_data }) => {
                let mut refusal = Refusal::new(*status, code, message.clone());
                refusal.headers.clone_from(headers);
                refusal.additional_data = additional_data.clone().map(Box::new);
                return Answer::refusal(refusal, request_id);
            }
            Some(Fault::RateLimited { retry_after, reason }) => {
                let refusal = Refusal::rate_limited(retry_after.as_deref(), reason.as_deref());
                return Answer::refusal(refusal, request_id);
            }
            Some(Fault::Raw { status, content_type, body, headers }) => {
                return Answer {
                    status: *status,
                    headers: headers.clone(),
                    content_type: content_type.clone(),
                    body: body.clone(),
                };
            }
            Some(Fault::InvalidCursor) => {
                let refusal = Refusal::invalid_cursor(call.start_cursor().unwrap_or_default());
                return Answer::refusal(refusal, request_id);
            }
            _ => {}
        }
        let keep_results = lock(&self.faults).may_duplicate();
        match session.real_answer(call, &mut workspace, fault, keep_results) {
            Ok(text) => {
                let mut answer = Answer::object(text, request_id);
                if matches!(fault, Some(Fault::TruncatedJson)) {
                    answer.body.truncate(answer.body.len() / 2);
                }
                answer
            }
            Err(refusal) => Answer::refusal(refusal, request_id),
        }
    }
}

impl Session {
    fn real_answer(
        &mut self,
        call: &mut Call,
        workspace: &mut Workspace,
        fault: Option<&Fault>,
        keep_results: bool,
    ) -> Result<String, Refusal> {
        endpoints::check_access(call, &workspace.settings, &self.tokens)?;
        let sent = call.start_cursor().map(str::to_owned);
        if let Some(real) = sent.as_ref().and_then(|sent| self.aliases.get(sent)) {
            call.set_start_cursor(real.clone());
        }
        let circle = sent.clone().filter(|sent| self.circles.contains(sent));
        if circle.is_some() {
            call.set_start_cursor(None);
        }
        let Self { cursors, tokens, .. } = self;
        let mut text = endpoints::answer(&mut Context { call, workspace, cursors, tokens })?;
        if workspace.settings.varies_forms {
            let answer = serde_json::from_str(&text).expect("endpoints answer with JSON");
            text = forms::varied(workspace, call.route, call.number, answer).to_string();
        }
        let distorts = circle.is_some() || keep_results || fault.is_some_and(Fault::is_about_lists);
        if !distorts || !call.route.is_list() {
            return Ok(text);
        }
        let mut list: Value = serde_json::from_str(&text).expect("endpoints answer with JSON");
        if let Some(circle) = circle {
            list["results"] = Value::Array(Vec::new());
            set_next(&mut list, Some(circle));
            return Ok(list.to_string());
        }
        self.distort(&mut list, call, sent, fault);
        Ok(list.to_string())
    }

    /// Applies a fault of lists, and remembers the results for those that repeat them.
    fn distort(&mut self, list: &mut Value, call: &Call, sent: Option<String>, fault: Option<&Fault>) {
        let results = list["results"].as_array().cloned().unwrap_or_default();
        let name = call.list_name();
        match fault {
            Some(Fault::RepeatedCursor) => {
                let next = sent.unwrap_or_else(|| {
                    let circle = self.cursors.new_id().to_string();
                    self.circles.insert(circle.clone());
                    circle
                });
                set_next(list, Some(next));
            }
            Some(Fault::HasMoreWithoutCursor) => set_next(list, None),
            Some(fault @ (Fault::EmptyPage | Fault::Standstill)) => {
                let alias = self.cursors.new_id().to_string();
                self.aliases.insert(alias.clone(), call.start_cursor().map(str::to_owned));
                if matches!(fault, Fault::EmptyPage) {
                    list["results"] = Value::Array(Vec::new());
                }
                set_next(list, Some(alias));
                return;
            }
            Some(Fault::DuplicateResults) => {
                let previous = self.previous.get(&name).filter(|_| sent.is_some()).unwrap_or(&results);
                list["results"] = previous.iter().chain(&results).cloned().collect();
            }
            _ => {}
        }
        self.previous.insert(name, results);
    }
}

/// Makes a list claim that there is more.
fn set_next(list: &mut Value, cursor: Option<String>) {
    list["has_more"] = true.into();
    list["next_cursor"] = cursor.into();
}
