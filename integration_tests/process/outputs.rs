//! What the process does when its surroundings fail: closed, full and slow outputs, read-only folders.

use std::{
    fs::{self, File, Permissions},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use fake_notion::{
    FakeNotion, Fault, Route, Workspace,
    generate::{GenerateOptions, generated_workspace},
};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{Connector, Process, assert_reads_everything, impatient_program, program, received};

/// A workspace whose records do not fit into a pipe.
fn large() -> FakeNotion {
    FakeNotion::start_blocking(generated_workspace(GenerateOptions {
        pages: 200,
        blocks_per_page: 20,
        ..GenerateOptions::default()
    }))
}

fn small() -> FakeNotion {
    FakeNotion::start_blocking(generated_workspace(GenerateOptions {
        pages: 20,
        blocks_per_page: 4,
        ..GenerateOptions::default()
    }))
}

#[test]
fn a_closed_output_ends_the_read_quietly() {
    let notion = large();
    let connector = Connector::new(&notion);
    let mut child = connector.command(&program(), "read").spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 100]).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn an_output_that_was_never_open_ends_every_command_quietly() {
    let notion = small();
    let connector = Connector::new(&notion);
    for verb in ["spec", "check", "discover", "read"] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let output = connector.command(&program(), verb).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{verb}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{verb}");
    }
}

#[test]
fn a_full_disk_below_the_output_ends_every_command_quietly() {
    let notion = large();
    let connector = Connector::new(&notion);
    for verb in ["spec", "check", "discover", "read"] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = connector.command(&program(), verb).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{verb}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{verb}");
    }
}

#[test]
fn a_killed_read_goes_on_from_its_last_state() {
    let notion = small();
    let connector = Connector::new(&notion).with_config("num_workers", json!(1));
    let mut command = connector.command(&impatient_program(), "read");
    notion.fail_after(Route::BlockChildren(None), 12, Fault::Slow(Duration::from_mins(10)));
    let (sender, slow) = mpsc::channel();
    let count = AtomicUsize::new(0);
    notion.on_request(move |request, _workspace| {
        let is_children = Route::BlockChildren(None).covers(request.route);
        if is_children && count.fetch_add(1, Ordering::Relaxed) == 12 {
            sender.send(()).unwrap();
        }
    });
    let mut process = Process::start(&mut command);
    slow.recv_timeout(Duration::from_mins(1)).unwrap();
    process.kill();
    let first = process.wait();
    notion.clear_hooks();
    assert_eq!(first.exit_code, None);
    notion.clear_faults();
    let second = connector.state(first.state_file(&json!([]))).read();
    second.assert_complete();
    let mut union = first;
    union.messages.extend(second.messages);
    notion.edit(|workspace| assert_reads_everything(&union, workspace));
}

/// Kilobytes of memory that a process has now, and has had at most.
fn memory_kb(process: u32) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    (field("VmRSS:"), field("VmHWM:"))
}

#[test]
fn a_slow_output_stalls_the_reading_and_memory_stays_bounded() {
    // GIVEN 40 MB of records: eighty pages with four texts of 50 kB
    let mut workspace = Workspace::new();
    let text = "x".repeat(50_000);
    for _page in 0..80 {
        let page = workspace.add_top_page("Page");
        for _block in 0..4 {
            workspace.append_text(page, "paragraph", &text);
        }
    }
    let notion = FakeNotion::start_blocking(workspace);
    let asked = received(&notion, Route::Any);

    // WHEN nobody reads its output
    let connector = Connector::new(&notion);
    let mut child = connector.command(&program(), "read").spawn().unwrap();
    let mut requests = 0;
    // A read that is not stalled sends a request all the time.
    while asked.recv_timeout(Duration::from_secs(2)).is_ok() {
        requests += 1;
    }

    // THEN it waits, with little in memory
    assert!(child.try_wait().unwrap().is_none());
    assert!(requests < 110, "{requests} of more than 160 requests");
    let (now, most) = memory_kb(child.id());
    assert!(now < 48 * 1024 && most < 48 * 1024, "{now} kB, at most {most} kB");

    // WHEN somebody reads, it goes on to its end
    let mut process_output = String::new();
    child.stdout.take().unwrap().read_to_string(&mut process_output).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(process_output.len() > 40_000_000);
    notion.clear_hooks();
}

#[test]
fn nothing_needs_to_be_written_anywhere() {
    let notion = small();
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o555)).unwrap();
    let connector = Connector::new(&notion);
    let mut command = connector.command(&program(), "read");
    command.current_dir(folder.path()).env("TMPDIR", folder.path()).env("HOME", folder.path());
    let output = Process::start(&mut command).wait();
    output.assert_complete();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let notion = small();
    let connector = Connector::new(&notion);
    let mut arguments = connector.arguments("read");
    let config = arguments.iter().position(|argument| argument == "--config").unwrap() + 1;
    arguments[config] = "/proc/self/mem".to_owned();
    let output = Command::new(program()).args(&arguments).stdin(Stdio::null()).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(1), 0));
    assert!(
        printed.contains("the config file /proc/self/mem")
            || printed.contains("The config file /proc/self/mem")
    );
}
