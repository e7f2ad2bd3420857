//! A terminal, and a program in front of it.

use std::{
    ffi::OsStr,
    fs::File,
    io::{Read, Write as _},
    os::unix::ffi::OsStrExt as _,
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::{
    fs::{Mode, OFlags, open},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

/// A terminal of 80 columns that remembers everything that was ever shown.
#[derive(Debug)]
pub(crate) struct Terminal {
    master: File,
    shown: Arc<(Mutex<String>, Condvar)>,
    reader: JoinHandle<()>,
}

impl Terminal {
    pub(crate) fn new() -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        tcsetwinsize(&master, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let master = File::from(master);
        let shown = Arc::<(Mutex<String>, Condvar)>::default();
        let (mut from, copy) = (master.try_clone().unwrap(), Arc::clone(&shown));
        let reader = thread::spawn(move || {
            let mut buffer = [0; 4096];
            // It fails when nobody has the other side any more.
            while let Ok(count) = from.read(&mut buffer) {
                copy.0.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
                copy.1.notify_all();
            }
        });
        Self { master, shown, reader }
    }

    /// The side of a program.
    pub(crate) fn side(&self) -> Stdio {
        let name = ptsname(&self.master, Vec::new()).unwrap();
        let side = open(OsStr::from_bytes(name.as_bytes()), OFlags::RDWR | OFlags::NOCTTY, Mode::empty());
        Stdio::from(side.unwrap())
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &[u8]) {
        self.master.write_all(keys).unwrap();
    }

    /// Waits until a text is shown.
    pub(crate) fn wait_for(&self, text: &str) {
        let shown = self.shown.0.lock().unwrap();
        let (shown, waited) = self
            .shown
            .1
            .wait_timeout_while(shown, Duration::from_mins(1), |shown| !shown.contains(text))
            .unwrap();
        assert!(!waited.timed_out(), "{text:?} is not in {shown:?}");
    }

    /// Waits for the end of a program and returns its exit code and everything that was shown.
    pub(crate) fn watch(self, mut program: Child) -> (Option<i32>, String) {
        let code = program.wait().unwrap().code();
        drop(program);
        self.reader.join().unwrap();
        let shown = self.shown.0.lock().unwrap().replace("\r\n", "\n");
        (code, shown)
    }
}

/// Runs a command with a terminal as its stderr.
pub(crate) fn at_terminal(mut command: Command, stdout: Stdio) -> (Option<i32>, String) {
    let terminal = Terminal::new();
    command.stdout(stdout).stderr(terminal.side()).env("NO_COLOR", "1").env("TERM", "xterm");
    let program = command.spawn().unwrap();
    // It holds the program's side of the terminal.
    drop(command);
    terminal.watch(program)
}
