//! The handle: a server on a socket, with its workspace, faults and log.

use std::{
    fmt,
    future::IntoFuture,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use axum::Router;
use tokio::sync::{oneshot, watch};

use crate::{
    connection::{BreakableListener, Breaker},
    fault::{Fault, Faults, When},
    pipeline::{self, Shared, lock},
    request_log::LoggedRequest,
    route::Route,
    workspace::Workspace,
};

/// A running fake of the API; clones are handles of the same server, which stops with the last of them.
///
/// It runs on threads of its own, so it answers whatever the test's runtime does. A hook must not hold a
/// handle: the server would then keep itself alive.
#[derive(Clone)]
pub struct FakeNotion {
    running: Arc<Running>,
}

struct Running {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl FakeNotion {
    /// Serves the workspace on a free port of 127.0.0.1.
    pub async fn start(workspace: Workspace) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::start_on(address, workspace).await.expect("a free local port can be bound")
    }

    /// Serves the workspace on an address.
    pub async fn start_on(address: SocketAddr, workspace: Workspace) -> io::Result<Self> {
        let (fake, ready) = Self::spawn(address, workspace)?;
        ready.await.map_err(io::Error::other)?;
        Ok(fake)
    }

    /// Serves the workspace on a free port of 127.0.0.1, without a runtime.
    pub fn start_blocking(workspace: Workspace) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::start_blocking_on(address, workspace).expect("a free local port can be bound")
    }

    /// Serves the workspace on an address, without a runtime.
    pub fn start_blocking_on(address: SocketAddr, workspace: Workspace) -> io::Result<Self> {
        // The socket listens already: early connections wait in its backlog.
        Self::spawn(address, workspace).map(|(fake, _ready)| fake)
    }

    fn spawn(address: SocketAddr, workspace: Workspace) -> io::Result<(Self, oneshot::Receiver<()>)> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopping) = watch::channel(false);
        let shared = Arc::new(Shared {
            workspace: Mutex::new(workspace),
            session: Mutex::default(),
            faults: Mutex::default(),
            hooks: Mutex::default(),
            log: Mutex::default(),
            control: AtomicBool::new(false),
            stopping,
        });
        let (ready_sender, ready) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let served = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("fake-notion".to_owned()).spawn(move || {
            runtime.block_on(serve(listener, served, ready_sender));
            runtime.shutdown_background();
        })?;
        Ok((Self { running: Arc::new(Running { shared, address, stop, thread: Some(thread) }) }, ready))
    }

    /// The base URL, as `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.running.address)
    }

    /// The bearer token that is accepted from the start.
    pub fn token(&self) -> &'static str {
        crate::endpoints::FIRST_TOKEN
    }

    /// The bearer token that is accepted now.
    pub fn current_token(&self) -> String {
        lock(&self.shared().session).tokens.access().to_owned()
    }

    /// The refresh token that is accepted now.
    pub fn refresh_token(&self) -> String {
        lock(&self.shared().session).tokens.refresh().to_owned()
    }

    /// Makes the present access token invalid; the refresh token stays valid.
    pub fn expire_token(&self) {
        lock(&self.shared().session).tokens.expire();
    }

    /// Edits or reads the workspace; requests wait meanwhile.
    pub fn edit<R>(&self, edit: impl FnOnce(&mut Workspace) -> R) -> R {
        edit(&mut lock(&self.shared().workspace))
    }

    /// Every request since the start or the last [`Self::clear_requests`].
    pub fn requests(&self) -> Vec<LoggedRequest> {
        lock(&self.shared().log).requests.clone()
    }

    /// How many requests of a route were received and not answered 429.
    pub fn request_count(&self, route: Route) -> usize {
        let log = lock(&self.shared().log);
        log.requests.iter().filter(|logged| route.covers(logged.route) && !logged.held).count()
    }

    /// Empties the log; numbers go on.
    pub fn clear_requests(&self) {
        lock(&self.shared().log).requests.clear();
    }

    /// Queues a fault for the next request of a route; faults of lists wait for a list that they apply to.
    pub fn fail(&self, route: Route, fault: Fault) {
        lock(&self.shared().faults).queue(route, fault);
    }

    /// Queues a fault for the next `times` requests of a route.
    #[expect(clippy::needless_pass_by_value, reason = "the same signature as its siblings")]
    pub fn fail_times(&self, route: Route, fault: Fault, times: usize) {
        let mut faults = lock(&self.shared().faults);
        (0..times).for_each(|_| faults.queue(route, fault.clone()));
    }

    /// Lets every request of a route fail until [`Self::clear_faults`].
    pub fn fail_always(&self, route: Route, fault: Fault) {
        self.fail_after(route, 0, fault);
    }

    /// The same after so many requests of the route were answered.
    pub fn fail_after(&self, route: Route, answered: usize, fault: Fault) {
        self.fail_when(route, When::always().after(answered), fault);
    }

    /// Lets those requests of a route fail, as a refusal in the middle of one object's listing.
    pub fn fail_when(&self, route: Route, when: When, fault: Fault) {
        lock(&self.shared().faults).keep(route, when, fault);
    }

    /// Lets any request fail with this chance, with one of the faults, the same for the same seed and order.
    pub fn fail_randomly(&self, seed: u64, chance: f64, faults: Vec<Fault>) {
        lock(&self.shared().faults).randomize(seed, chance, faults);
    }

    /// Forgets all faults.
    pub fn clear_faults(&self) {
        *lock(&self.shared().faults) = Faults::default();
    }

    /// How many queued faults wait for their request.
    pub fn waiting_faults(&self) -> usize {
        lock(&self.shared().faults).waiting()
    }

    /// Calls `hook` before each answer, when the request is logged but not yet looked at.
    ///
    /// The workspace is locked meanwhile: a hook edits the one that it is given, and not the handle's.
    pub fn on_request(&self, hook: impl Fn(&LoggedRequest, &mut Workspace) + Send + Sync + 'static) {
        lock(&self.shared().hooks).push(Arc::new(hook));
    }

    /// Forgets all hooks.
    pub fn clear_hooks(&self) {
        lock(&self.shared().hooks).clear();
    }

    /// Offers `/__control/` endpoints for scripts: `POST edit`, `POST trash`, `POST fail`, `GET requests`, `GET counts`.
    ///
    /// They need no token, are not logged, and neither fail nor wait. `edit` edits one block's text and adds
    /// one row, one page and one comment; `fail` takes `{"route": "search", "status": 500, "times": 1}`.
    pub fn offer_control(&self) {
        self.shared().control.store(true, Ordering::Relaxed);
    }

    fn shared(&self) -> &Shared {
        &self.running.shared
    }
}

impl fmt::Debug for FakeNotion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FakeNotion").field("url", &self.url()).finish_non_exhaustive()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) =
            self.thread.take().filter(|thread| thread.thread().id() != std::thread::current().id())
        {
            // A panic of the server thread has been printed by then; there is nothing left to do about it.
            drop(thread.join());
        }
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>, ready: oneshot::Sender<()>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("the listener does not block");
    let mut stopping = shared.stopping.clone();
    let router = Router::new().fallback(pipeline::handle).with_state(shared);
    // Nobody waits for it after `start_blocking`.
    ready.send(()).unwrap_or_default();
    let service = router.into_make_service_with_connect_info::<Breaker>();
    let server = axum::serve(BreakableListener(listener), service).into_future();
    tokio::select! {
        _ = server => {}
        _ = stopping.wait_for(|stop| *stop) => {}
    }
}
