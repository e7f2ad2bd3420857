//! The entry point: from arguments to messages on stdout and an exit code.

use std::{
    cell::Cell,
    env,
    ffi::OsString,
    fs,
    io::{self, Write},
    panic::{self, AssertUnwindSafe},
    sync::Once,
    thread,
    time::Duration,
};

use chrono::{DateTime, Utc};
use clap::Parser;
use futures_util::FutureExt;
use secrecy::ExposeSecret;
use tokio::runtime;
use tracing::error;
use tracing_subscriber::{filter::LevelFilter, layer::SubscriberExt};

use crate::{
    check::check,
    cli::{Cli, Command},
    client::{ClientSettings, NotionClient, RefreshedTokens, RetryPolicy, Timeouts},
    config::Config,
    engine::{CheckpointPolicy, ReadRequest, Stop, read},
    error::{Error, Failure, panic_text},
    protocol::{
        AirbyteMessage, ConfiguredCatalog, ConnectionStatus, Emitter, InputState, LogLayer, LogLevel,
        OutputClosed, Writer,
    },
    spec::specification,
    streams::catalog,
};

/// The exit code for a success, a FAILED check included.
const SUCCESS: u8 = 0;
/// The exit code for a failure that a TRACE message explains.
const FAILURE: u8 = 1;
/// The exit code for a command line that cannot be understood.
const USAGE: u8 = 2;
/// 128 + SIGTERM.
const TERMINATED: u8 = 143;

/// How long the end of a run waits for a new token pair that is under way.
const LAST_ANSWER: Duration = Duration::from_secs(5);

/// How patient and how talkative a run is; the defaults are what users get.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// How patiently failures are retried.
    pub retry: RetryPolicy,
    /// How long an attempt may take.
    pub timeouts: Timeouts,
    /// How often states and progress are sent.
    pub policy: CheckpointPolicy,
    /// How patient a check is.
    pub check: CheckPatience,
    /// When the run begins, by Notion's clock; none is now, by the system's.
    pub now: Option<DateTime<Utc>>,
}

/// How patient a check is: a person waits for it.
#[derive(Clone, Copy, Debug)]
pub struct CheckPatience {
    /// How many times a request is sent again, instead of [`RetryPolicy::max_retries`].
    pub max_retries: usize,
    /// How long the whole may take, waiting for the rate limit included.
    pub limit: Duration,
}

impl Default for CheckPatience {
    /// Three attempts within two minutes; a platform ends a check after about nine.
    fn default() -> Self {
        Self { max_retries: 2, limit: Duration::from_mins(2) }
    }
}

/// Runs one command and returns its exit code.
///
/// `args` are those of the process, its name first. Messages go to `stdout`, usage errors to stderr.
pub fn run<A, W>(args: impl IntoIterator<Item = A>, stdout: W, settings: &Settings) -> u8
where
    A: Into<OsString> + Clone,
    W: Write + Send + 'static,
{
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(usage) => {
            // Help and version go to stdout, which belongs to nobody else in that case.
            drop(usage.print());
            return if usage.use_stderr() { USAGE } else { SUCCESS };
        }
    };
    let is_check = matches!(cli.command, Command::Check { .. });
    conduct(stdout, cli.debug, async |emitter| {
        conclude(perform(cli.command, emitter, settings), is_check, emitter).await
    })
}

/// Runs a command with an output, logs and a runtime; returns the exit code.
fn conduct<W: Write + Send + 'static>(
    stdout: W,
    is_debug: bool,
    command: impl AsyncFnOnce(&Emitter) -> Result<u8, OutputClosed>,
) -> u8 {
    let _told = PanicsAreTold::new();
    let (emitter, writer) = Writer::new();
    let writing = thread::spawn(move || {
        let _told = PanicsAreTold::new();
        writer.run(io::BufWriter::with_capacity(64 * 1024, stdout))
    });
    let subscriber = tracing_subscriber::registry()
        .with(log_level(is_debug))
        .with(OwnEvents)
        .with(LogLayer::new(emitter.clone()));
    let code = tracing::subscriber::with_default(subscriber, || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => runtime.block_on(command(&emitter)),
            Err(error) => {
                emitter.log(LogLevel::Fatal, format!("The asynchronous runtime does not start: {error}."));
                Ok(FAILURE)
            }
        }
    });
    drop(emitter);
    match (writing.join(), code) {
        (Ok(Ok(())), Ok(code)) => code,
        // Nobody reads the output any more, or it cannot be written: nothing can be said about it.
        _ => FAILURE,
    }
}

thread_local! {
    static ARE_PANICS_TOLD: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, a panic of this thread is logged and nothing of it goes to stderr: its text may hold a secret.
///
/// The log is where secrets are taken out ([`Emitter::hide`]). Other threads of the process panic as ever.
struct PanicsAreTold;

impl PanicsAreTold {
    fn new() -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let usual = panic::take_hook();
            panic::set_hook(Box::new(move |panic| {
                if !ARE_PANICS_TOLD.get() {
                    return usual(panic);
                }
                let place = panic.location().map(ToString::to_string).unwrap_or_default();
                error!("A panic at {place}: {}.", panic_text(panic.payload()));
            }));
        });
        ARE_PANICS_TOLD.set(true);
        Self
    }
}

impl Drop for PanicsAreTold {
    fn drop(&mut self) {
        ARE_PANICS_TOLD.set(false);
    }
}

/// Lets only this crate's events through: what libraries log may hold headers.
struct OwnEvents;

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for OwnEvents {
    fn enabled(
        &self,
        metadata: &tracing::Metadata<'_>,
        _context: tracing_subscriber::layer::Context<'_, S>,
    ) -> bool {
        metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
    }
}

fn log_level(debug: bool) -> LevelFilter {
    if debug {
        return LevelFilter::DEBUG;
    }
    let level = env::var("LOG_LEVEL").unwrap_or_default().to_ascii_lowercase();
    match level.as_str() {
        "" => LevelFilter::INFO,
        "fatal" | "critical" => LevelFilter::ERROR,
        "warning" => LevelFilter::WARN,
        level => level.parse().unwrap_or(LevelFilter::INFO),
    }
}

/// Waits for a command's end and tells a failure, a panic included.
async fn conclude(
    command: impl Future<Output = Result<Result<u8, Error>, OutputClosed>>,
    is_check: bool,
    emitter: &Emitter,
) -> Result<u8, OutputClosed> {
    let result = match AssertUnwindSafe(command).catch_unwind().await {
        Ok(result) => result?,
        Err(panic) => Err(Error::Panic(panic_text(&*panic))),
    };
    let error = match result {
        Ok(code) => return Ok(code),
        Err(error) => error,
    };
    let failure = error.to_failure();
    if is_check && !matches!(error, Error::Panic(_)) {
        let status = ConnectionStatus::Failed(failure.message);
        emitter.message(&AirbyteMessage::ConnectionStatus(status)).await?;
        return Ok(SUCCESS);
    }
    fail(emitter, &failure).await?;
    Ok(FAILURE)
}

async fn fail(emitter: &Emitter, failure: &Failure) -> Result<(), OutputClosed> {
    emitter.log(LogLevel::Fatal, failure.message.clone());
    emitter.message(&AirbyteMessage::Error(failure.to_trace(None))).await
}

/// Performs a command: the outer error is a closed output, the inner one anything to be told.
async fn perform(
    command: Command,
    emitter: &Emitter,
    settings: &Settings,
) -> Result<Result<u8, Error>, OutputClosed> {
    match command {
        Command::Spec => {
            emitter.message(&AirbyteMessage::Spec(specification())).await?;
            Ok(Ok(SUCCESS))
        }
        Command::Check { config } => {
            let patience = settings.check;
            let retry = RetryPolicy { max_retries: patience.max_retries, ..settings.retry };
            let settings = &Settings { retry, ..*settings };
            let client =
                match load_config(&config, emitter).and_then(|config| connect(&config, emitter, settings)) {
                    Ok(client) => client,
                    Err(error) => return Ok(Err(error)),
                };
            let Ok(status) = tokio::time::timeout(patience.limit, check(&client)).await else {
                client.finish_exchange(LAST_ANSWER).await;
                let is_held = client
                    .rate_limiter()
                    .subscribe()
                    .borrow()
                    .is_some_and(|hold| !hold.remaining().is_zero());
                return Ok(Err(Error::SlowCheck { seconds: patience.limit.as_secs(), is_held }));
            };
            emitter.message(&AirbyteMessage::ConnectionStatus(status)).await?;
            Ok(Ok(SUCCESS))
        }
        Command::Discover { config } => {
            if let Err(error) = load_config(&config, emitter) {
                return Ok(Err(error));
            }
            emitter.message(&AirbyteMessage::Catalog(catalog())).await?;
            Ok(Ok(SUCCESS))
        }
        Command::Read { config, catalog, state } => {
            let inputs = Inputs::load(&config, &catalog, state.as_deref(), emitter);
            match inputs {
                Ok(inputs) => read_streams(&inputs, emitter, settings).await,
                Err(error) => Ok(Err(error)),
            }
        }
    }
}

struct Inputs {
    config: Config,
    catalog: ConfiguredCatalog,
    state: InputState,
}

impl Inputs {
    fn load(config: &str, catalog: &str, state: Option<&str>, emitter: &Emitter) -> Result<Self, Error> {
        let config = load_config(config, emitter)?;
        let parsed = ConfiguredCatalog::parse(&load("catalog", catalog)?);
        let catalog = parsed.map_err(|source| Error::Catalog { path: catalog.to_owned(), source })?;
        let state = match state {
            None => InputState::default(),
            Some(path) => InputState::parse(&load("state", path)?)
                .map_err(|source| Error::StateFile { path: path.to_owned(), source })?,
        };
        Ok(Self { config, catalog, state })
    }
}

fn load(kind: &'static str, path: &str) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::File { kind, path: path.to_owned(), source })
}

/// Loads the config; from then on nothing that is told shows its secrets.
fn load_config(path: &str, emitter: &Emitter) -> Result<Config, Error> {
    let is_cloud = env::var("DEPLOYMENT_MODE").is_ok_and(|mode| mode.eq_ignore_ascii_case("cloud"));
    let config = Config::parse(&load("config", path)?, Utc::now(), is_cloud)?;
    config.credentials.secrets().for_each(|secret| emitter.hide(secret));
    Ok(config)
}

/// Makes the client; a refreshed token pair is told at once, for the old one may be used up.
fn connect(config: &Config, emitter: &Emitter, settings: &Settings) -> Result<NotionClient, Error> {
    let client_settings = ClientSettings {
        base: config.api_url.clone(),
        access_token: config.credentials.access_token.clone(),
        oauth: config.credentials.oauth.clone(),
        max_in_flight: config.num_workers,
        retry: settings.retry,
        timeouts: settings.timeouts,
    };
    let emitter = emitter.clone();
    let replacement = config.token_replacement();
    let on_refresh = move |tokens: &RefreshedTokens| {
        [&tokens.access_token].into_iter().chain(&tokens.refresh_token).for_each(|token| emitter.hide(token));
        let refresh_token = tokens.refresh_token.as_ref().map(ExposeSecret::expose_secret);
        let config = replacement.with_tokens(tokens.access_token.expose_secret(), refresh_token);
        emitter.message_at_once(&AirbyteMessage::Control(config));
    };
    NotionClient::new(client_settings, on_refresh).map_err(Error::Client)
}

async fn read_streams(
    inputs: &Inputs,
    emitter: &Emitter,
    settings: &Settings,
) -> Result<Result<u8, Error>, OutputClosed> {
    let config = &inputs.config;
    let client = match connect(config, emitter, settings) {
        Ok(client) => client,
        Err(error) => return Ok(Err(error)),
    };
    let request = ReadRequest {
        client: client.clone(),
        emitter: emitter.clone(),
        catalog: &inputs.catalog,
        state: &inputs.state,
        start_date: config.start_date,
        lookback: config.lookback,
        complete_properties: config.complete_properties,
        worker_count: config.num_workers,
        policy: settings.policy,
        now: settings.now.unwrap_or_else(Utc::now),
    };
    let outcome = match read(request, terminated()).await {
        Ok(outcome) => outcome,
        Err(error) => return Ok(Err(error.into())),
    };
    match outcome.stop {
        Some(Stop::OutputClosed) => return Err(OutputClosed),
        Some(Stop::Interrupted) => {
            client.finish_exchange(LAST_ANSWER).await;
            return Ok(Ok(TERMINATED));
        }
        None => {}
    }
    let Some((_name, first)) = outcome.failed.first() else { return Ok(Ok(SUCCESS)) };
    let names: Vec<&str> = outcome.failed.iter().map(|(name, _failure)| name.as_str()).collect();
    // The platform goes by the first failure, which was told with its stream; this one sums up.
    let failure =
        Failure { failure_type: first.failure_type, ..Error::Streams(names.join(", ")).to_failure() };
    // No LOG beside it: the last one is the report.
    emitter.message(&AirbyteMessage::Error(failure.to_trace(None))).await?;
    Ok(Ok(FAILURE))
}

/// Returns when the process is asked to end. Asked again, it ends at once: nobody may be reading its last words.
async fn terminated() {
    #[cfg(unix)]
    {
        use std::sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        };

        use signal_hook::{consts::SIGTERM, flag::register_conditional_default};
        use tokio::signal::unix::{SignalKind, signal};
        let was_asked = Arc::new(AtomicBool::new(false));
        let is_armed = register_conditional_default(SIGTERM, Arc::clone(&was_asked));
        if let (Ok(mut signal), Ok(_action)) = (signal(SignalKind::terminate()), is_armed) {
            signal.recv().await;
            was_asked.store(true, Ordering::Relaxed);
            return;
        }
    }
    std::future::pending::<()>().await;
}

#[cfg(test)]
mod tests {
    use std::{
        process,
        sync::{Arc, Mutex},
    };

    use super::*;

    const SECRET: &str = "ntn_secret_token";

    /// Names the place of the panic in a process of its own, whose stderr can be looked at.
    const PANIC_IN: &str = "SOURCE_NOTION_PANIC_IN";

    /// An output in memory that may panic.
    #[derive(Clone)]
    struct Output {
        written: Arc<Mutex<Vec<u8>>>,
        panics: bool,
    }

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            assert!(!self.panics, "the output does not like {SECRET}");
            self.written.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Runs a command that panics itself or whose output does; returns its exit code and what it printed.
    fn panic_in(place: &str) -> (u8, String) {
        let output = Output { written: Arc::default(), panics: place == "output" };
        let code = conduct(output.clone(), false, async |emitter| {
            emitter.hide(&SECRET.into());
            let command = async {
                assert_ne!(place, "command", "the command does not like {SECRET}");
                emitter.log(LogLevel::Info, "Nothing happened.".to_owned());
                Ok(Ok(SUCCESS))
            };
            conclude(command, false, emitter).await
        });
        let printed = output.written.lock().unwrap().clone();
        (code, String::from_utf8(printed).unwrap())
    }

    #[test]
    fn a_panic_is_told_without_secrets_and_nothing_goes_to_stderr() {
        if let Ok(place) = env::var(PANIC_IN) {
            let (code, printed) = panic_in(&place);
            assert!(code == FAILURE && !printed.contains(SECRET), "{code}: {printed}");
            return;
        }
        for place in ["command", "output"] {
            let test = "app::tests::a_panic_is_told_without_secrets_and_nothing_goes_to_stderr";
            let mut child = process::Command::new(env::current_exe().unwrap());
            child.args(["--exact", test, "--nocapture"]).env(PANIC_IN, place);
            let child = child.output().unwrap();
            assert_eq!(String::from_utf8(child.stderr).unwrap(), "", "{place}");
            assert!(String::from_utf8(child.stdout).unwrap().contains("1 passed"), "{place}");
        }
        let (code, printed) = panic_in("command");
        assert_eq!(code, FAILURE);
        let told = "the command does not like […]";
        let logged = format!(r#""level":"ERROR","message":"A panic at {}:"#, file!());
        assert!(printed.contains(&logged) && printed.matches(told).count() == 3, "{printed}");
        assert!(printed.contains(r#""failure_type":"system_error""#), "{printed}");
    }

    #[test]
    fn other_panics_of_the_process_are_not_kept_back() {
        assert_eq!(panic_in("nowhere").0, SUCCESS);
        assert!(!ARE_PANICS_TOLD.get());
    }
}
