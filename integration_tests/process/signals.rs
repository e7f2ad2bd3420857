//! SIGINT and SIGTERM: a clean end at any moment of any verb; the second one ends at once.

use std::{
    fs,
    io::Write as _,
    process::{Child, Command, Stdio},
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
use tokio::time::Instant;

use crate::support::{
    Connector, Process, SyncOutput, Terminal, assert_reads_everything, incremental_streams, program,
    received, signal, stream_names,
};

/// The signals' names and what a process that they end is expected to end with.
const SIGNALS: [(&str, i32); 2] = [("INT", 130), ("TERM", 143)];

fn small() -> FakeNotion {
    FakeNotion::start_blocking(generated_workspace(GenerateOptions {
        pages: 20,
        blocks_per_page: 4,
        ..GenerateOptions::default()
    }))
}

fn wait_for(event: &mpsc::Receiver<()>) {
    event.recv_timeout(Duration::from_mins(1)).unwrap();
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
    for stream in incremental_streams() {
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
    assert_eq!(first.last_state("blocks")["ledger"]["complete"], false);
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
    assert_eq!(output.states().len(), stream_names().len());
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
    assert_eq!(output.states().len(), stream_names().len());
    Connector::new(&notion).config(config.clone()).read().assert_complete();
    assert_eq!(notion.request_count(Route::OAuthToken), 1);
}

#[test]
fn sigterm_ends_the_read_although_a_token_pair_never_comes() {
    let (_notion, output, waited) = terminate_in_renewal(Fault::Silence);
    assert_eq!((output.exit_code, output.stderr.as_str()), (Some(143), ""));
    assert!(waited < Duration::from_secs(9), "{waited:?}");
    assert_eq!(output.states().len(), stream_names().len());
}

#[test]
fn a_check_ends_without_an_answer() {
    for (name, code) in SIGNALS {
        let notion = small();
        notion.fail_always(Route::Any, Fault::Silence);
        let asked = received(&notion, Route::UsersMe);
        let connector = Connector::new(&notion);
        let child = connector.command(&program(), "check").spawn().unwrap();
        wait_for(&asked);
        signal(child.id(), name);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        assert_eq!((output.stdout, output.stderr), (Vec::new(), Vec::new()));
    }
}

#[test]
fn every_verb_ends_while_it_waits_for_its_input() {
    let notion = small();
    for verb in ["check", "discover", "read"] {
        for (name, code) in SIGNALS {
            // GIVEN a config that never comes
            let connector = Connector::new(&notion);
            let mut command = connector.command(&program(), verb);
            let pipe = format!("{}/pipe", connector.folder());
            assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
            let arguments: Vec<String> = connector
                .arguments(verb)
                .into_iter()
                .map(|argument| if argument.ends_with("config.json") { pipe.clone() } else { argument })
                .collect();
            command = Command::new(command.get_program());
            command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let child = command.spawn().unwrap();
            // Opening it for writing waits for its reader.
            let pipe = fs::File::options().write(true).open(&pipe).unwrap();

            // WHEN
            signal(child.id(), name);

            // THEN
            let output = child.wait_with_output().unwrap();
            drop(pipe);
            assert_eq!(output.status.code(), Some(code), "{verb}");
            assert_eq!((output.stdout, output.stderr), (Vec::new(), Vec::new()), "{verb}");
        }
    }
}

/// Pages of which each is more than a pipe holds.
fn heavy() -> FakeNotion {
    let mut workspace = Workspace::new();
    for _page in 0..20 {
        let page = workspace.add_top_page("Page");
        for _block in 0..8 {
            workspace.append_text(page, "paragraph", &"x".repeat(50_000));
        }
    }
    FakeNotion::start_blocking(workspace)
}

#[test]
fn one_signal_ends_a_read_whose_output_nobody_takes() {
    let notion = heavy();
    let asked = received(&notion, Route::BlockChildren(None));
    let connector = Connector::new(&notion).streams(&["blocks"]).with_config("num_workers", json!(1));
    let mut child = connector.command(&program(), "read").spawn().unwrap();
    for _page in 0..2 {
        wait_for(&asked);
    }
    let asked = Instant::now();
    signal(child.id(), "INT");
    // Its output is neither read nor closed.
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    // Seven on a machine that is not busy; Docker kills after ten.
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
}

/// Starts a read at a terminal, whose stdout is a pipe, and waits until it reads.
fn read_at_terminal(answer: Fault) -> (FakeNotion, Terminal, Child) {
    let notion = small();
    notion.fail_after(Route::BlockChildren(None), 4, answer);
    let count = AtomicUsize::new(0);
    let (sender, waiting) = mpsc::channel();
    notion.on_request(move |request, _workspace| {
        let is_children = Route::BlockChildren(None).covers(request.route);
        if is_children && count.fetch_add(1, Ordering::Relaxed) == 4 {
            sender.send(()).unwrap();
        }
    });
    let terminal = Terminal::new();
    let connector = Connector::new(&notion).with_config("num_workers", json!(1));
    // The terminal becomes the one that commands the process.
    let mut command = Command::new("setsid");
    command.arg("--ctty").arg(program()).args(connector.arguments("read"));
    command.stdin(terminal.side()).stderr(terminal.side()).stdout(Stdio::piped()).env("NO_COLOR", "1");
    let child = command.spawn().unwrap();
    drop(command);
    wait_for(&waiting);
    // The files of the config must live until they are read, which they are.
    drop(connector);
    (notion, terminal, child)
}

#[test]
fn ctrl_c_is_a_clean_stop() {
    let (_notion, mut terminal, mut child) = read_at_terminal(Fault::Silence);
    let mut stdout = child.stdout.take().unwrap();
    terminal.press(b"\x03");
    let mut printed = String::new();
    std::io::Read::read_to_string(&mut stdout, &mut printed).unwrap();
    let (code, shown) = terminal.watch(child);
    let output = SyncOutput::parse(printed, String::new(), code);
    assert_eq!(output.exit_code, Some(130));
    assert_eq!(output.statuses("blocks").last().unwrap(), "INCOMPLETE");
    output.last_state("blocks");
    assert!(!output.report().is_empty());
    assert!(shown.contains("Stopping. A second Ctrl-C ends at once.\n"), "{shown}");
    let said = "Error: The sync was stopped from outside. A later sync goes on from here.\n";
    assert_eq!(shown.matches(said).count(), 1, "{shown}");
}

#[test]
fn a_second_ctrl_c_ends_at_once() {
    // GIVEN a read whose first Ctrl-C waits for an output that is not taken
    let notion = heavy();
    let asked = received(&notion, Route::BlockChildren(None));
    let mut terminal = Terminal::new();
    let connector = Connector::new(&notion).streams(&["blocks"]).with_config("num_workers", json!(1));
    let mut command = Command::new("setsid");
    command.arg("--ctty").arg(program()).args(connector.arguments("read"));
    command.stdin(terminal.side()).stderr(terminal.side()).stdout(Stdio::piped()).env("NO_COLOR", "1");
    let child = command.spawn().unwrap();
    drop(command);
    for _page in 0..2 {
        wait_for(&asked);
    }
    terminal.press(b"\x03");
    terminal.wait_for("Stopping.");
    let begun = Instant::now();

    // WHEN
    terminal.press(b"\x03");

    // THEN
    let (code, _shown) = terminal.watch(child);
    assert_eq!(code, Some(130));
    assert!(begun.elapsed() < Duration::from_secs(5));
}

/// The command line that runs a program as process 1 of a namespace of its own, if this system lets us.
fn as_first_process() -> Option<Vec<&'static str>> {
    let ways = [&["--pid", "--fork"][..], &["--user", "--map-root-user", "--pid", "--fork"]];
    let is_possible = |way: &&&[&str]| {
        let tried = Command::new("unshare").args(**way).arg("true").stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    };
    ways.iter().find(is_possible).map(|way| way.to_vec())
}

#[test]
fn the_first_process_of_a_container_hears_signals() {
    let Some(way) = as_first_process() else {
        writeln!(std::io::stderr(), "skipped: namespaces are not allowed here").unwrap();
        return;
    };
    for verb in ["check", "read"] {
        for (name, code) in SIGNALS {
            let notion = small();
            notion.fail_always(Route::Any, Fault::Silence);
            let asked = received(&notion, Route::Any);
            let connector = Connector::new(&notion);
            let mut command = Command::new("unshare");
            command.args(&way).arg(program()).args(connector.arguments(verb));
            let process = Process::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
            wait_for(&asked);
            let unshare = process.id();
            let children = fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children")).unwrap();
            signal(children.trim().parse().unwrap(), name);
            assert_eq!(process.wait().exit_code, Some(code), "{verb}");
        }
    }
}
