//! What a newcomer runs first: a sample workspace behind a fake Notion on this machine, read twice through the
//! connector's real code path. Protocol lines go to stdout, the story to stderr.

#![expect(clippy::print_stderr, reason = "it tells a person what is happening")]

use std::{
    error::Error,
    fs,
    io::{self, Write},
    path::Path,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use fake_notion::{FakeNotion, Workspace, sample::sample_workspace};
use serde_json::{Value, json};
use source_notion::{Settings, run};

/// Passes everything on to stdout and keeps a copy.
#[derive(Clone, Default)]
struct Tee(Arc<Mutex<Vec<u8>>>);

impl Write for Tee {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stdout().write_all(bytes)?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let notion = FakeNotion::start_blocking(sample_workspace());
    eprintln!("A fake Notion with a sample workspace listens on {}.", notion.url());

    let folder = std::env::temp_dir().join(format!("source-notion-demo-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let (config, catalog, state) = (path("config.json"), path("catalog.json"), path("state.json"));
    let credentials = json!({"auth_type": "token", "token": notion.token()});
    write(&config, &json!({"credentials": credentials, "api_url": notion.url()}))?;

    command("What does it need to know?", &["spec"])?;
    command("Does the token work, and what can it see?", &["check", "--config", &config])?;
    let lines = command("Which streams are there?", &["discover", "--config", &config])?;
    let streams =
        lines.iter().find_map(|line| line.pointer("/catalog/streams")?.as_array()).ok_or("no catalog")?;
    let configured: Vec<Value> = streams.iter().map(configured_stream).collect();
    write(&catalog, &json!({ "streams": configured }))?;

    let lines =
        command("Everything, for the first time.", &["read", "--config", &config, "--catalog", &catalog])?;
    summarise(&lines);
    write(&state, &Value::Array(lines.iter().filter_map(|line| line.get("state").cloned()).collect()))?;

    notion.edit(edit_something);
    let lines = command(
        "Meanwhile somebody adds a page with a paragraph and a comment. Now only what is new.",
        &["read", "--config", &config, "--catalog", &catalog, "--state", &state],
    )?;
    summarise(&lines);
    eprintln!("\n{} requests were sent in all.", notion.requests().len());
    fs::remove_dir_all(&folder)?;
    Ok(ExitCode::SUCCESS)
}

fn edit_something(workspace: &mut Workspace) {
    workspace.set_default_time(None);
    let page = workspace.add_top_page("Written while you were watching");
    workspace.append_text(page, "paragraph", "Hello from the demo.");
    workspace.add_comment(page, "And a comment.");
}

/// Runs a command of the connector and returns its messages.
fn command(story: &str, arguments: &[&str]) -> Result<Vec<Value>, Box<dyn Error>> {
    let shown: Vec<&str> = arguments
        .iter()
        .map(|argument| Path::new(argument).file_name().and_then(|name| name.to_str()).unwrap_or(argument))
        .collect();
    eprintln!("\n── {story}\n   source-notion {}", shown.join(" "));
    let output = Tee::default();
    let code = run(["source-notion"].iter().chain(arguments), output.clone(), &Settings::default());
    if code != 0 {
        return Err(format!("the command ended with {code}").into());
    }
    let output = output.0.lock().unwrap_or_else(PoisonError::into_inner);
    output
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| Ok(serde_json::from_slice(line)?))
        .collect()
}

fn configured_stream(stream: &Value) -> Value {
    let modes = stream.get("supported_sync_modes").and_then(Value::as_array);
    let is_incremental = modes.is_some_and(|modes| modes.contains(&json!("incremental")));
    let sync_mode = if is_incremental { "incremental" } else { "full_refresh" };
    json!({"stream": stream, "sync_mode": sync_mode, "destination_sync_mode": "append"})
}

/// Tells how many records of each stream came.
fn summarise(lines: &[Value]) {
    for name in ["users", "data_sources", "pages", "blocks", "comments"] {
        let is_record = |line: &&Value| line.pointer("/record/stream").and_then(Value::as_str) == Some(name);
        eprintln!("   {name}: {} records", lines.iter().filter(is_record).count());
    }
}

fn write(path: &str, value: &Value) -> io::Result<()> {
    fs::write(path, value.to_string())
}
