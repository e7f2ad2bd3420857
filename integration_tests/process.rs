//! What the process does when its surroundings fail: signals, closed, full and slow outputs, read-only folders.

use std::{
    fs::{self, File, Permissions},
    io::{self, Read},
    os::unix::{fs::PermissionsExt, process::ExitStatusExt},
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
use tokio::time::Instant;

use crate::{
    read::assert_reads_everything,
    support::{Connector, Process, SyncOutput, impatient_program, program, signal},
};

const STREAMS: [&str; 5] = ["users", "data_sources", "pages", "blocks", "comments"];

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

/// Tells when the fake has received a request that the route covers.
fn received(notion: &FakeNotion, route: Route) -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel();
    notion.on_request(move |request, _workspace| {
        if route.covers(request.route) {
            // Nobody waits for the second one.
            sender.send(()).unwrap_or_default();
        }
    });
    receiver
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
fn sigterm_leaves_truthful_states_and_says_that_the_streams_are_incomplete() {
    // GIVEN a read that waits for an answer in the middle of its walk
    let notion = small();
    notion.fail_after(Route::BlockChildren(None), 12, Fault::Silence);
    let (sender, silent) = mpsc::channel();
    let count = AtomicUsize::new(0);
    notion.on_request(move |request, _workspace| {
        let is_children = Route::BlockChildren(None).covers(request.route);
        if is_children && count.fetch_add(1, Ordering::Relaxed) == 12 {
            sender.send(()).unwrap();
        }
    });
    let connector = Connector::new(&notion).with_config("num_workers", json!(1));
    let process = Process::start(&mut connector.command(&program(), "read"));
    silent.recv_timeout(Duration::from_mins(1)).unwrap();

    // WHEN it is asked to end
    process.terminate();
    let first = process.wait();

    // THEN it says what is missing, and nothing is
    assert_eq!((first.exit_code, first.stderr.as_str()), (Some(143), ""));
    assert_eq!(first.statuses("users"), ["STARTED", "RUNNING", "COMPLETE"], "nothing can be added to them");
    for stream in STREAMS.into_iter().filter(|stream| *stream != "users") {
        let last = first.statuses(stream).pop().unwrap();
        let error = first.error_of(stream);
        assert_eq!(
            (last.as_str(), &error["failure_type"]),
            ("INCOMPLETE", &json!("transient_error")),
            "{stream}"
        );
        assert!(error["message"].as_str().unwrap().contains("stopped from outside"));
        first.last_state(stream);
    }
    assert!(first.last_state("blocks").get("resume").is_some());
    notion.clear_faults();
    notion.clear_hooks();
    let second = connector.state(first.state_file(&json!([]))).read();
    second.assert_complete();
    let read_again = second.ids("blocks").len();
    let mut union = first;
    union.messages.extend(second.messages);
    assert!(read_again < union.ids("blocks").len(), "finished pages are not read again");
    notion.edit(|workspace| assert_reads_everything(&union, workspace));
}

#[test]
fn sigterm_ends_the_read_while_the_rate_limit_holds_it() {
    let notion = small();
    notion.fail_always(Route::Any, Fault::rate_limited(3600));
    let asked = received(&notion, Route::Any);
    let connector = Connector::new(&notion);
    let process = Process::start(&mut connector.command(&program(), "read"));
    asked.recv_timeout(Duration::from_mins(1)).unwrap();
    process.terminate();
    let output = process.wait();
    assert_eq!((output.exit_code, output.stderr.as_str()), (Some(143), ""));
    assert_eq!(output.states().len(), STREAMS.len());
}

#[test]
fn a_second_sigterm_ends_a_read_whose_output_nobody_reads() {
    // GIVEN pages of which each is more than the pipe holds, and a read that has sent one
    let mut workspace = Workspace::new();
    for _page in 0..20 {
        let page = workspace.add_top_page("Page");
        for _block in 0..8 {
            workspace.append_text(page, "paragraph", &"x".repeat(50_000));
        }
    }
    let notion = FakeNotion::start_blocking(workspace);
    let asked = received(&notion, Route::BlockChildren(None));
    let connector = Connector::new(&notion).streams(&["blocks"]).with_config("num_workers", json!(1));
    let mut child = connector.command(&program(), "read").spawn().unwrap();
    for _page in 0..2 {
        asked.recv_timeout(Duration::from_mins(1)).unwrap();
    }

    // WHEN it is asked to end, and again
    let begun = Instant::now();
    let mut count = 0;
    while child.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_mins(1) {
        signal(child.id(), "TERM");
        count += 1;
    }

    // THEN it ends
    let status = child.try_wait().unwrap();
    child.kill().ok();
    child.wait().unwrap();
    assert!(status.is_some_and(|status| !status.success()), "{status:?} after {count} signals");
    assert!(count > 1);
}

/// Starts a read whose token has expired, and asks it to end while its renewal is under way.
fn terminate_in_renewal(answer: Fault) -> (FakeNotion, SyncOutput, Duration) {
    let notion = small();
    let credentials = json!({"auth_type": "OAuth2.0", "client_id": "fake_client_id",
        "client_secret": "fake_client_secret", "access_token": notion.current_token(),
        "refresh_token": notion.refresh_token()});
    notion.expire_token();
    notion.fail(Route::OAuthToken, answer);
    let asked = received(&notion, Route::OAuthToken);
    let connector = Connector::new(&notion).with_config("credentials", credentials);
    let process = Process::start(&mut connector.command(&program(), "read"));
    asked.recv_timeout(Duration::from_mins(1)).unwrap();
    process.terminate();
    let terminated = Instant::now();
    let output = process.wait();
    (notion, output, terminated.elapsed())
}

#[test]
fn sigterm_does_not_lose_a_token_pair_that_is_under_way() {
    let (notion, output, _waited) = terminate_in_renewal(Fault::Slow(Duration::from_secs(1)));
    assert_eq!((output.exit_code, output.stderr.as_str()), (Some(143), ""));
    let config = &output.only("CONTROL", "control")["connectorConfig"]["config"];
    assert_eq!(config["credentials"]["access_token"], notion.current_token());
    assert_eq!(config["credentials"]["refresh_token"], notion.refresh_token());
    assert_eq!(output.states().len(), STREAMS.len());
    Connector::new(&notion).config(config.clone()).read().assert_complete();
    assert_eq!(notion.request_count(Route::OAuthToken), 1);
}

#[test]
fn sigterm_ends_the_read_although_a_token_pair_never_comes() {
    let (_notion, output, waited) = terminate_in_renewal(Fault::Silence);
    assert_eq!((output.exit_code, output.stderr.as_str()), (Some(143), ""));
    assert!(waited < Duration::from_secs(9), "{waited:?}");
    assert_eq!(output.states().len(), STREAMS.len());
}

#[test]
fn sigterm_ends_other_commands_as_it_ends_any_program() {
    let notion = small();
    notion.fail_always(Route::Any, Fault::Silence);
    let asked = received(&notion, Route::UsersMe);
    let connector = Connector::new(&notion);
    let child = connector.command(&program(), "check").spawn().unwrap();
    asked.recv_timeout(Duration::from_mins(1)).unwrap();
    signal(child.id(), "TERM");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(15));
    assert_eq!((output.stdout, output.stderr), (Vec::new(), Vec::new()));
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
