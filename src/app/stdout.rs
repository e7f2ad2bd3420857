//! The process's output, one that is closed included.

use std::io::{self, Write};

/// The output of the process.
#[derive(Debug)]
pub struct Stdout {
    output: io::Stdout,
    is_closed: bool,
}

/// Returns the process's output; if it was closed when the process began, whatever is written to it fails.
pub fn stdout() -> Stdout {
    Stdout { output: io::stdout(), is_closed: is_closed() }
}

/// The standard library opens `/dev/null` for reading and writing where it finds the output closed; a shell that sends
/// the output there opens it for writing only.
fn is_closed() -> bool {
    const ACCESS: u32 = 0o3;
    const READ_AND_WRITE: u32 = 0o2;
    let flags = || {
        let info = std::fs::read_to_string("/proc/self/fdinfo/1").ok()?;
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
        u32::from_str_radix(flags.trim(), 8).ok()
    };
    let is_null = std::fs::read_link("/proc/self/fd/1").is_ok_and(|path| path.as_os_str() == "/dev/null");
    is_null && flags().is_some_and(|flags| flags & ACCESS == READ_AND_WRITE)
}

impl Stdout {
    fn check(&self) -> io::Result<()> {
        if self.is_closed { Err(io::Error::new(io::ErrorKind::BrokenPipe, "it is closed")) } else { Ok(()) }
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check()?;
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.check()?;
        self.output.flush()
    }
}
