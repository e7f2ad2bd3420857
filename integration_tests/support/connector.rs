//! Runs the connector: in this process, with little patience, or as the program that users get.

use std::{
    env, fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use fake_notion::FakeNotion;
use serde_json::{Value, json};
use source_notion::Settings;
use tempfile::TempDir;

use super::{SyncOutput, impatient, incremental_streams, stream_names};

/// A configured connector; each call runs one command.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    folder: Arc<TempDir>,
    config: Value,
    catalog: Value,
    state: Option<Value>,
    settings: Settings,
}

impl Connector {
    /// Connects to a fake Notion: all streams, incremental where possible, everything since 2020.
    pub(crate) fn new(notion: &FakeNotion) -> Self {
        let config = json!({
            "credentials": {"auth_type": "token", "token": notion.token()},
            "start_date": "2020-01-01T00:00:00.000Z",
            "api_url": notion.url(),
        });
        let folder = Arc::new(TempDir::new().unwrap());
        // The signals and the terminal of this process belong to its tests' runner.
        let settings = Settings { hears_signals: false, tells_person: false, ..impatient() };
        let connector = Self { folder, config, catalog: Value::Null, state: None, settings };
        connector.streams(&stream_names())
    }

    /// Sets a field of the config; null removes it.
    pub(crate) fn with_config(mut self, field: &str, value: Value) -> Self {
        self.config[field] = value;
        self
    }

    /// Replaces the whole config.
    pub(crate) fn config(mut self, config: Value) -> Self {
        self.config = config;
        self
    }

    /// Selects streams.
    pub(crate) fn streams(mut self, names: &[&str]) -> Self {
        let stream = |name: &&str| {
            let is_incremental = incremental_streams().contains(name) || !stream_names().contains(name);
            let sync_mode = if is_incremental { "incremental" } else { "full_refresh" };
            json!({"stream": {"name": name, "json_schema": {}, "supported_sync_modes": [sync_mode]},
                "sync_mode": sync_mode, "destination_sync_mode": "append"})
        };
        self.catalog = json!({"streams": names.iter().map(stream).collect::<Vec<_>>()});
        self
    }

    /// Replaces the catalog.
    pub(crate) fn catalog(mut self, catalog: Value) -> Self {
        self.catalog = catalog;
        self
    }

    /// Hands over a state file.
    pub(crate) fn state(mut self, state: Value) -> Self {
        self.state = Some(state);
        self
    }

    /// The folder of its files.
    pub(crate) fn folder(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    /// Changes the settings.
    pub(crate) fn with_settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Runs a command in this process.
    pub(crate) fn run(&self, verb: &str) -> SyncOutput {
        self.run_args(&self.arguments(verb))
    }

    /// Reads in this process.
    pub(crate) fn read(&self) -> SyncOutput {
        self.run("read")
    }

    /// Runs a command line in this process; the verb comes first.
    pub(crate) fn run_args(&self, arguments: &[String]) -> SyncOutput {
        let output = Shared::default();
        let arguments = ["source-notion".to_owned()].into_iter().chain(arguments.iter().cloned());
        let code = source_notion::run(arguments, output.clone(), &self.settings);
        let stdout =
            String::from_utf8(output.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap();
        SyncOutput::parse(stdout, String::new(), Some(code.into()))
    }

    /// Runs a command as users do, with the program.
    pub(crate) fn run_program(&self, verb: &str) -> SyncOutput {
        self.spawn(verb).wait()
    }

    /// Starts the program.
    pub(crate) fn spawn(&self, verb: &str) -> Process {
        Process::spawn(&self.arguments(verb), &[])
    }

    /// The command line of a program that performs a verb; its output goes into pipes.
    pub(crate) fn command(&self, program: &Path, verb: &str) -> Command {
        let mut command = Command::new(program);
        command.args(self.arguments(verb)).env_remove("RUST_BACKTRACE");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The arguments of a verb; writes the files they name.
    pub(crate) fn arguments(&self, verb: &str) -> Vec<String> {
        let mut arguments = vec![verb.to_owned()];
        if verb != "spec" {
            arguments.extend(["--config".to_owned(), self.file("config.json", &self.config.to_string())]);
        }
        if verb == "read" {
            arguments.extend(["--catalog".to_owned(), self.file("catalog.txt", &self.catalog.to_string())]);
            if let Some(state) = &self.state {
                arguments.extend(["--state".to_owned(), self.file("state.txt", &state.to_string())]);
            }
        }
        arguments
    }

    /// Writes a file and returns its path.
    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path: PathBuf = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// The program that users get.
pub(crate) fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_source-notion"))
}

/// The same with little patience. `cargo test` builds it, but not where it names single tests' targets.
pub(crate) fn impatient_program() -> PathBuf {
    let test = env::current_exe().unwrap();
    let target = test.parent().and_then(Path::parent).unwrap();
    let program = target.join("examples").join("impatient");
    assert!(program.exists(), "cargo build --example impatient was not run");
    program
}

/// Sends a signal to a process; one that has ended meanwhile takes none.
pub(crate) fn signal(process: u32, name: &str) {
    let process = process.to_string();
    Command::new("kill").args(["-s", name, &process]).stderr(Stdio::null()).status().unwrap();
}

/// A started program.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    stdout: Arc<Mutex<Vec<u8>>>,
    readers: Vec<thread::JoinHandle<Vec<u8>>>,
}

impl Process {
    /// Starts the program with these arguments and environment; nothing comes on stdin.
    pub(crate) fn spawn(arguments: &[String], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program());
        command.args(arguments).envs(environment.iter().copied()).env_remove("RUST_BACKTRACE");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::start(&mut command)
    }

    /// Starts a command whose output goes into pipes, and reads it.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stdout = Arc::new(Mutex::new(Vec::new()));
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let copy = Arc::clone(&stdout);
        let readers = vec![
            thread::spawn(move || drain(out, &copy)),
            thread::spawn(move || drain(err, &Mutex::default())),
        ];
        Self { child, stdout, readers }
    }

    /// What it has printed so far.
    pub(crate) fn printed(&self) -> String {
        String::from_utf8_lossy(&self.stdout.lock().unwrap()).into_owned()
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        signal(self.id(), "TERM");
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> SyncOutput {
        let status = self.child.wait().unwrap();
        let mut texts =
            self.readers.drain(..).map(|reader| String::from_utf8(reader.join().unwrap()).unwrap());
        let (stdout, stderr) = (texts.next().unwrap(), texts.next().unwrap());
        SyncOutput::parse(stdout, stderr, status.code())
    }
}

fn drain(mut from: impl Read, copy: &Mutex<Vec<u8>>) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) | Err(_) => return all,
            Ok(count) => {
                all.extend_from_slice(&buffer[..count]);
                copy.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        }
    }
}

/// A stdout that is kept in memory.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
