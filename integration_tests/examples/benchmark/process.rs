//! Processes of this program in other roles, and what they cost.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, BufRead, BufReader, Read},
    process::{Child, ChildStderr, Command, Stdio},
    thread,
};

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::{Outcome, notion::Notion};

/// What a process has cost from its start to its end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_mib: f64,
}

impl Usage {
    /// Prints this process's cost on stderr, for whoever started it.
    pub(crate) fn print_own() {
        // Of all threads, those that have ended included.
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let cpu_seconds = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next());
        let peak_kib = peak.and_then(|peak| peak.parse::<u32>().ok());
        eprintln!("{}", json!({"cpu_seconds": cpu_seconds, "peak_kib": peak_kib}));
    }

    /// Takes the last line of a stderr, and passes what else it holds on.
    fn from_stderr(stderr: ChildStderr) -> io::Result<Self> {
        let mut text = String::new();
        BufReader::new(stderr).read_to_string(&mut text)?;
        let mut lines: Vec<&str> = text.lines().collect();
        let last: Value = lines.pop().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
        for line in lines {
            eprintln!("{line}");
        }
        let number = |name: &str| last.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
        Ok(Self { cpu_seconds: number("cpu_seconds"), peak_mib: number("peak_kib") / 1024.0 })
    }
}

/// What came out of a process, and what it cost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    pub(crate) usage: Usage,
    pub(crate) wall_seconds: f64,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    /// Records of streams that have a cursor.
    pub(crate) records_with_cursor: u64,
    /// The bytes of states other than the last of each stream, by all bytes.
    pub(crate) state_share: f64,
    /// The last state of each stream, as a state file.
    pub(crate) state: Value,
}

/// Starts this program in a role.
pub(crate) fn command(role: &str) -> Outcome<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.arg(role).stdin(Stdio::null());
    Ok(command)
}

/// The connector, set up for a workspace.
pub(crate) struct Connector {
    folder: TempDir,
}

impl Connector {
    /// Reads these streams with the defaults that users get, but everything since 2000.
    pub(crate) fn new(notion: &Notion, streams: &[&str]) -> Outcome<Self> {
        let connector = Self { folder: TempDir::new()? };
        let config = json!({
            "credentials": {"auth_type": "token", "token": notion.token},
            "start_date": "2000-01-01T00:00:00Z",
            "api_url": notion.url,
        });
        let stream = |name: &&str| {
            let mode = if *name == "users" { "full_refresh" } else { "incremental" };
            json!({"stream": {"name": name, "json_schema": {}}, "sync_mode": mode, "destination_sync_mode": "append"})
        };
        connector.write("config", &config)?;
        connector.write("catalog", &json!({"streams": streams.iter().map(stream).collect::<Vec<_>>()}))?;
        Ok(connector)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, value: &Value) -> io::Result<()> {
        fs::write(self.path(name), value.to_string())
    }

    fn command(&self, state: Option<&Value>) -> Outcome<Command> {
        let mut command = command("as-connector")?;
        command
            .arg("read")
            .arg("--config")
            .arg(self.path("config"))
            .arg("--catalog")
            .arg(self.path("catalog"));
        if let Some(state) = state {
            self.write("state", state)?;
            command.arg("--state").arg(self.path("state"));
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    }

    /// Reads to the end; fails unless the connector succeeds.
    pub(crate) fn read(&self, state: Option<&Value>) -> Outcome<Run> {
        let started = Instant::now();
        let mut child = self.command(state)?.spawn()?;
        let stderr = child.stderr.take().ok_or("no stderr")?;
        let usage = thread::spawn(|| Usage::from_stderr(stderr));
        let mut run = consume(&mut child)?;
        let status = child.wait()?;
        run.wall_seconds = started.elapsed().as_secs_f64();
        run.usage = usage.join().map_err(|_panic| "stderr could not be read")??;
        if status.success() { Ok(run) } else { Err(format!("the connector ended with {status}").into()) }
    }

    /// Reads until `is_enough`, and kills the connector then.
    pub(crate) fn read_until(&self, mut is_enough: impl FnMut() -> Outcome<bool>) -> Outcome<Run> {
        let mut command = self.command(None)?;
        let mut child = command.stderr(Stdio::null()).spawn()?;
        let stdout = child.stdout.take().ok_or("no stdout")?;
        let reader = thread::spawn(move || count(stdout));
        while !is_enough()? {
            if child.try_wait()?.is_some() {
                return Err("the connector ended before it was killed".into());
            }
        }
        child.kill()?;
        child.wait()?;
        Ok(reader.join().map_err(|_panic| "stdout could not be read")??)
    }
}

/// Runs a process that prints nothing but its cost.
pub(crate) fn run_silent(mut command: Command) -> Outcome<Run> {
    let started = Instant::now();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let usage = Usage::from_stderr(child.stderr.take().ok_or("no stderr")?)?;
    let status = child.wait()?;
    let wall_seconds = started.elapsed().as_secs_f64();
    if !status.success() {
        return Err(format!("the process ended with {status}").into());
    }
    Ok(Run { usage, wall_seconds, ..Run::default() })
}

fn consume(child: &mut Child) -> Outcome<Run> {
    Ok(count(child.stdout.take().ok_or("no stdout")?)?)
}

/// Reads an output to its end: counts the records, keeps the states.
fn count(stdout: impl Read) -> io::Result<Run> {
    let mut output = BufReader::with_capacity(256 * 1024, stdout);
    let mut run = Run::default();
    let mut states: BTreeMap<String, Value> = BTreeMap::new();
    let (mut line, mut state_bytes, mut last) = (Vec::new(), 0, BTreeMap::new());
    loop {
        line.clear();
        let length = output.read_until(b'\n', &mut line)?;
        // The last line of a killed process may be cut.
        if length == 0 || line.last() != Some(&b'\n') {
            break;
        }
        run.bytes += length as u64;
        if line.starts_with(br#"{"type":"RECORD""#) {
            run.records += 1;
            run.records_with_cursor +=
                u64::from(!line.starts_with(br#"{"type":"RECORD","record":{"stream":"users""#));
        } else if line.starts_with(br#"{"type":"STATE""#) {
            let message: Value = serde_json::from_slice(&line)?;
            let name = message.pointer("/state/stream/stream_descriptor/name").and_then(Value::as_str);
            state_bytes += length;
            last.extend(name.map(|name| (name.to_owned(), length)));
            states.extend(name.map(|name| (name.to_owned(), message["state"].clone())));
        }
    }
    run.state_share = (state_bytes - last.values().sum::<usize>()) as f64 / run.bytes.max(1) as f64;
    run.state = Value::Array(states.into_values().collect());
    Ok(run)
}
