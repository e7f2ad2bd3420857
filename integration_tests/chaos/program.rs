//! The program and what is done to it and its output.

use std::{
    io::Read,
    process::{ChildStdout, Command},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc::{self, Receiver},
    },
    thread,
    time::Duration,
};

use super::plan::Fate;
use crate::support::{SyncOutput, signal};

/// A run that takes longer hangs; where most requests fail, and others use the machine, one takes minutes.
const LONGEST_RUN: Duration = Duration::from_mins(5);

/// Runs a command to its end, and does to it what its fate wants; `process` is told its id.
pub(super) fn run(command: &mut Command, fate: Fate, process: &AtomicU32) -> Result<SyncOutput, String> {
    let mut child = command.spawn().unwrap();
    process.store(child.id(), Ordering::Relaxed);
    let (stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let id = child.id();
    let printed = in_background(move || read_output(stdout, fate, id));
    let complaints = in_background(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        text
    });
    // The process holds its stderr until it ends.
    let Ok(stderr) = complaints.recv_timeout(LONGEST_RUN) else {
        child.kill().unwrap();
        child.wait().unwrap();
        return Err(format!("it hangs: {fate:?}"));
    };
    let stdout = printed.recv().unwrap();
    let status = child.wait().unwrap();
    Ok(SyncOutput::parse(String::from_utf8(stdout).unwrap(), stderr, status.code()))
}

/// Runs something on a thread of its own.
fn in_background<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(work()));
    receiver
}

/// The id of a process that is just being started.
pub(super) fn known(process: &AtomicU32) -> u32 {
    loop {
        match process.load(Ordering::Relaxed) {
            0 => thread::yield_now(),
            id => return id,
        }
    }
}

/// Reads what the process prints, as its fate wants it.
fn read_output(mut stdout: ChildStdout, fate: Fate, process: u32) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    let (_never_sends, never) = mpsc::channel::<()>();
    let size = if let Fate::Slow(size) = fate { size.min(buffer.len()) } else { buffer.len() };
    let mut signalled = false;
    loop {
        match stdout.read(&mut buffer[..size]) {
            Ok(0) | Err(_) => return all,
            Ok(count) => all.extend_from_slice(&buffer[..count]),
        }
        match fate {
            Fate::ClosedAtByte(at) if all.len() >= at => return all,
            Fate::SignalAtByte(name, at) if all.len() >= at && !signalled => {
                signalled = true;
                signal(process, name);
            }
            // A reader that is slow, and nothing that waits for anything.
            Fate::Slow(_) => drop(never.recv_timeout(Duration::from_millis(2))),
            _ => {}
        }
    }
}
