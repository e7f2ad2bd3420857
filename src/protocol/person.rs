//! The person at the terminal, if there is one: the owner of stderr.
//!
//! Platforms run without a terminal; then nothing is ever written here. On a terminal every warning and error is told in
//! plain words, each once, above the bar if one is drawn.

use std::{
    collections::HashSet,
    env, fmt,
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use indicatif::{ProgressBar, ProgressDrawTarget};

use super::{AirbyteMessage, ConnectionStatus, LogLevel};

/// What was told is remembered up to here; a run that has more to tell may repeat itself.
const MAX_REMEMBERED: usize = 1_000;

/// Whoever sits at the terminal; the default is nobody, who is told nothing.
#[derive(Clone, Default)]
pub struct Person(Option<Arc<Mutex<Screen>>>);

struct Screen {
    output: Box<dyn Write + Send>,
    is_coloured: bool,
    /// Not where messages go to a terminal too: they would tear the bar, and the bar them.
    has_room_for_bar: bool,
    bar: Option<ProgressBar>,
    told: HashSet<String>,
}

#[derive(Clone, Copy)]
enum Tone {
    Plain,
    Warning,
    Error,
}

impl Person {
    /// Whoever sits at stderr: somebody if that is a terminal, else nobody.
    pub fn at_stderr() -> Self {
        if !io::stderr().is_terminal() {
            return Self::default();
        }
        let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_coloured = !is_set("NO_COLOR") && env::var_os("TERM").is_some_and(|term| term != "dumb");
        Self::new(io::stderr(), is_coloured, !io::stdout().is_terminal())
    }

    fn new(output: impl Write + Send + 'static, is_coloured: bool, has_room_for_bar: bool) -> Self {
        let (output, bar, told) = (Box::new(output), None, HashSet::new());
        Self(Some(Arc::new(Mutex::new(Screen { output, is_coloured, has_room_for_bar, bar, told }))))
    }

    /// Whether anybody is there.
    pub fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Tells something as it stands; it may have several lines, such as a table.
    pub fn say(&self, text: &str) {
        self.tell(Tone::Plain, text);
    }

    /// Tells what needs attention, once.
    pub fn warn(&self, text: &str) {
        self.tell(Tone::Warning, text);
    }

    /// Tells what failed, once.
    pub fn error(&self, text: &str) {
        self.tell(Tone::Error, text);
    }

    /// A bar at the bottom of the screen, if there is room for one; from now on lines are told above it.
    ///
    /// Whoever takes it clears it in the end.
    pub fn bar(&self) -> Option<ProgressBar> {
        let mut screen = self.screen()?;
        if !screen.has_room_for_bar {
            return None;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        screen.bar = Some(bar.clone());
        Some(bar)
    }

    /// Tells what of a message concerns a person; its secrets must be out of it.
    pub(super) fn hear(&self, message: &AirbyteMessage) {
        match message {
            AirbyteMessage::Log(LogLevel::Fatal | LogLevel::Error, text)
            | AirbyteMessage::ConnectionStatus(ConnectionStatus::Failed(text)) => self.error(text),
            AirbyteMessage::Log(LogLevel::Warn, text) => self.warn(text),
            AirbyteMessage::Error(error) => self.error(&error.message),
            AirbyteMessage::ConnectionStatus(ConnectionStatus::Succeeded(text)) => self.say(text),
            AirbyteMessage::Log(LogLevel::Info | LogLevel::Debug | LogLevel::Trace, _)
            | AirbyteMessage::Spec(_)
            | AirbyteMessage::Catalog(_)
            | AirbyteMessage::StreamStatus(..)
            | AirbyteMessage::Estimate(_)
            | AirbyteMessage::Control(_) => {}
        }
    }

    fn tell(&self, tone: Tone, text: &str) {
        let Some(mut screen) = self.screen() else { return };
        let text = harmless(text);
        if !matches!(tone, Tone::Plain) {
            if screen.told.contains(&text) {
                return;
            }
            if screen.told.len() < MAX_REMEMBERED {
                screen.told.insert(text.clone());
            }
        }
        screen.print(tone, &text);
    }

    fn screen(&self) -> Option<MutexGuard<'_, Screen>> {
        self.0.as_ref().map(|screen| screen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Screen {
    fn print(&mut self, tone: Tone, text: &str) {
        let (colour, word) = match tone {
            Tone::Plain => ("", ""),
            Tone::Warning => ("\x1b[1;33m", "Warning: "),
            Tone::Error => ("\x1b[1;31m", "Error: "),
        };
        let line = if self.is_coloured && !word.is_empty() {
            format!("{colour}{word}\x1b[0m{text}\n")
        } else {
            format!("{word}{text}\n")
        };
        let output = &mut self.output;
        // A terminal that is gone hears nothing, and that is no reason to end.
        let mut write = || drop(output.write_all(line.as_bytes()).and_then(|()| output.flush()));
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

/// The text without characters that could command the terminal: names of pages and people come from outside.
fn harmless(text: &str) -> String {
    let is_harmless = |character: char| character == '\n' || !character.is_control();
    text.trim_end().chars().map(|c| if is_harmless(c) { c } else { '\u{fffd}' }).collect()
}

impl fmt::Debug for Person {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Person").field("is_there", &self.is_there()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn heard(is_coloured: bool, tell: impl FnOnce(&Person)) -> String {
        let memory = Memory::default();
        tell(&Person::new(memory.clone(), is_coloured, true));
        let heard = memory.0.lock().unwrap().clone();
        String::from_utf8(heard).unwrap()
    }

    #[test]
    fn warnings_and_errors_are_told_once_each_and_the_rest_is_not() {
        let heard = heard(false, |person| {
            for _again in 0..2 {
                for (level, text) in [
                    (LogLevel::Info, "never"),
                    (LogLevel::Warn, "odd"),
                    (LogLevel::Error, "bad"),
                    (LogLevel::Fatal, "bad"),
                ] {
                    person.hear(&AirbyteMessage::Log(level, text.to_owned()));
                }
                person.say("done");
            }
        });
        assert_eq!(heard, "Warning: odd\nError: bad\ndone\ndone\n");
    }

    #[test]
    fn only_the_first_word_is_coloured() {
        let heard = heard(true, |person| {
            person.warn("odd");
            person.say("done");
        });
        assert_eq!(heard, "\x1b[1;33mWarning: \x1b[0modd\ndone\n");
    }

    #[test]
    fn nothing_that_comes_from_outside_commands_the_terminal() {
        assert_eq!(
            heard(false, |person| person.say("a\x1b[2Jb\rc\u{9b}d\ne\n")),
            "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d\ne\n"
        );
    }

    #[test]
    fn nobody_is_told_nothing() {
        let nobody = Person::default();
        nobody.error("bad");
        assert!(!nobody.is_there() && nobody.bar().is_none());
    }
}
