//! What surrounds a verb: the writer's thread, the runtime, the log, and how a run ends whatever the output does.

use std::{
    cell::Cell,
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use tokio::runtime;
use tracing::warn;
use tracing_subscriber::layer::SubscriberExt;

use super::{
    FAILURE,
    logs::{self, OwnEvents},
    panics::PanicsAreTold,
    signals::Signals,
};
use crate::{
    error::sentence,
    protocol::{Emitter, LogLayer, LogLevel, OutputClosed, Person, WriteError, Writer},
};

/// How long the end of a run waits for a new token pair that is under way.
pub(super) const LAST_ANSWER: Duration = Duration::from_secs(5);

/// How long a run that was asked to end waits for an output that takes nothing. Docker kills after ten seconds.
const LAST_WORDS: Duration = Duration::from_secs(7);

/// How often it looks whether it was asked to end while only the output is left to be written.
const LOOK: Duration = Duration::from_millis(100);

/// Runs a command with an output, logs and a runtime; returns the exit code.
pub(super) fn conduct<W: Write + Send + 'static>(
    stdout: W,
    is_debug: bool,
    signals: &Signals,
    person: Person,
    command: impl AsyncFnOnce(&Emitter) -> Result<u8, OutputClosed>,
) -> u8 {
    let _told = PanicsAreTold::new();
    let (emitter, writer) = Writer::beside(person.clone());
    let taken = Taken::default();
    let (sender, written) = mpsc::channel();
    let output = Counted { output: stdout, taken: taken.clone() };
    thread::spawn(move || {
        let _told = PanicsAreTold::new();
        let result = writer.run(io::BufWriter::with_capacity(64 * 1024, output));
        // If nobody waits for it, the output was given up.
        sender.send(result).unwrap_or_default();
    });
    let (level, problem) = logs::level(is_debug);
    let subscriber =
        tracing_subscriber::registry().with(level).with(OwnEvents).with(LogLayer::new(emitter.clone()));
    let ending = Ending { signals, person, taken, is_answered: Cell::new(false) };
    let code = tracing::subscriber::with_default(subscriber, || {
        if let Some(problem) = problem {
            warn!("{problem}");
        }
        let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                emitter.log(LogLevel::Fatal, format!("The asynchronous runtime does not start: {error}."));
                return Some(Ok(FAILURE));
            }
        };
        let code = runtime.block_on(async {
            tokio::select! {
                // First, so that a person is answered before the command goes about it.
                biased;
                () = ending.output_stalls() => None,
                code = command(&emitter) => Some(code),
            }
        });
        // A host name that is being resolved is nothing to wait for.
        runtime.shutdown_background();
        code
    });
    drop(emitter);
    let written = if code.is_some() { ending.wait_for(&written) } else { Written::NotTaken };
    ending.exit_code(code, written)
}

/// What became of the output.
enum Written {
    Whole,
    Failed(WriteError),
    /// The panic was told.
    Panicked,
    /// Nobody took it, and nobody waits for that any longer.
    NotTaken,
}

/// How many bytes the output has taken.
#[derive(Clone, Default)]
struct Taken(Arc<AtomicU64>);

impl Taken {
    fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The end of a run: by itself, by a signal, or by its output.
struct Ending<'a> {
    signals: &'a Signals,
    person: Person,
    taken: Taken,
    is_answered: Cell<bool>,
}

impl Ending<'_> {
    fn answer(&self) {
        if !self.is_answered.replace(true) {
            self.person.say("Stopping. A second Ctrl-C ends at once.");
        }
    }

    /// Returns when the process was asked to end and the output takes nothing.
    async fn output_stalls(&self) {
        self.signals.requested().await;
        self.answer();
        loop {
            let before = self.taken.bytes();
            tokio::time::sleep(LAST_WORDS).await;
            if self.taken.bytes() == before {
                return;
            }
        }
    }

    /// Waits until everything is written, or for [`LAST_WORDS`] in vain once the process was asked to end.
    fn wait_for(&self, written: &mpsc::Receiver<Result<(), WriteError>>) -> Written {
        let (mut before, mut waited) = (self.taken.bytes(), Duration::ZERO);
        loop {
            match written.recv_timeout(LOOK) {
                Ok(Ok(())) => return Written::Whole,
                Ok(Err(error)) => return Written::Failed(error),
                Err(RecvTimeoutError::Disconnected) => return Written::Panicked,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.signals.asked().is_none() {
                continue;
            }
            self.answer();
            let now = self.taken.bytes();
            waited = if now == before { waited + LOOK } else { Duration::ZERO };
            if waited >= LAST_WORDS {
                return Written::NotTaken;
            }
            before = now;
        }
    }

    /// The exit code of the run, and a word about the output where that was the problem.
    fn exit_code(&self, code: Option<Result<u8, OutputClosed>>, written: Written) -> u8 {
        let asked = self.signals.asked();
        match written {
            Written::Whole => code.and_then(Result::ok).unwrap_or(FAILURE),
            Written::Panicked => FAILURE,
            // Ctrl-C ends the reader of a pipe, too.
            Written::Failed(WriteError::Output(_)) if asked.is_some() => asked.unwrap_or(FAILURE),
            Written::Failed(error) => {
                self.person.error(&format!("{}.", sentence(&error.to_string())));
                FAILURE
            }
            Written::NotTaken => {
                self.person.error("Nobody takes the output, so the last states are not in it.");
                asked.unwrap_or(FAILURE)
            }
        }
    }
}

/// An output that counts what it takes.
struct Counted<W> {
    output: W,
    taken: Taken,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.output.write(bytes)?;
        self.taken.0.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::{env, process, sync::Mutex};

    use super::{
        super::{SUCCESS, conclude, panics::ARE_PANICS_TOLD},
        *,
    };

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
        let code = conduct(output.clone(), false, &Signals::new(false), Person::default(), async |emitter| {
            emitter.hide(&SECRET.into());
            let command = async {
                assert_ne!(place, "command", "the command does not like {SECRET}");
                emitter.log(LogLevel::Info, "Nothing happened.".to_owned());
                Ok(SUCCESS)
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
            let test = "app::process::tests::a_panic_is_told_without_secrets_and_nothing_goes_to_stderr";
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
