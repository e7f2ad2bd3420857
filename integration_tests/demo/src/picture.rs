//! A picture of the demo in a terminal, made from what it really shows.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    process::{Command, Stdio},
};

const COMMAND: &str = "$ cargo run --release --package demo";
const MOST_LINES: usize = 59;
const COLUMNS: usize = 100;
const FONT: &str = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace";

/// Runs the demo in a terminal and draws what that shows in the end.
pub(crate) fn draw() -> Result<String, Box<dyn Error>> {
    let program = env::current_exe()?;
    let line = format!("stty cols {COLUMNS} rows 24 && '{}'", program.display());
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    script.env_remove("NO_COLOR").env("TERM", "xterm-256color").stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = script.output().map_err(|error| format!("util-linux's script does not start: {error}"))?;
    if !output.status.success() {
        return Err(format!("the demo ended with {}", output.status).into());
    }
    let mut screen = Screen::default();
    screen.show(&format!("\x1b[32m{COMMAND}\x1b[0m\n"));
    screen.show(&String::from_utf8(output.stdout)?);
    let lines = screen.lines();
    if lines.len() > MOST_LINES {
        return Err(format!("{} lines are more than {MOST_LINES}", lines.len()).into());
    }
    Ok(svg(lines)?)
}

fn svg(lines: &[Vec<Cell>]) -> Result<String, std::fmt::Error> {
    let (width, height) = (COLUMNS * 8 + 40, lines.len() * 17 + 58);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\" aria-label=\"The demo in a terminal\">\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#0d1117\"/>\n\
         <circle cx=\"20\" cy=\"18\" r=\"5\" fill=\"#ff5f57\"/><circle cx=\"38\" cy=\"18\" r=\"5\" fill=\"#febc2e\"/>\
         <circle cx=\"56\" cy=\"18\" r=\"5\" fill=\"#28c840\"/>\n\
         <g font-family=\"{FONT}\" font-size=\"13\" fill=\"#e6edf3\" xml:space=\"preserve\">\n"
    );
    for (number, line) in lines.iter().enumerate().filter(|(_number, line)| !line.is_empty()) {
        write!(text, "<text x=\"20\" y=\"{}\">", number * 17 + 52)?;
        for part in line.chunk_by(|one, next| one.colour == next.colour) {
            let colour = part.first().map_or("", |cell| cell.colour);
            let escaped: String = part.iter().map(|cell| escape(cell.character)).collect();
            if colour.is_empty() {
                text.push_str(&escaped);
            } else {
                write!(text, "<tspan fill=\"{colour}\">{escaped}</tspan>")?;
            }
        }
        text.push_str("</text>\n");
    }
    text.push_str("</g>\n</svg>\n");
    Ok(text)
}

fn escape(character: char) -> String {
    match character {
        '<' => "&lt;".to_owned(),
        '&' => "&amp;".to_owned(),
        _ => character.to_string(),
    }
}

#[derive(Clone, Copy)]
struct Cell {
    character: char,
    colour: &'static str,
}

/// What a terminal shows, as far as the demo and its bar make use of one.
#[derive(Default)]
struct Screen {
    lines: Vec<Vec<Cell>>,
    row: usize,
    column: usize,
    colour: &'static str,
}

impl Screen {
    fn show(&mut self, text: &str) {
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '\n' => (self.row, self.column) = (self.row + 1, 0),
                '\r' => self.column = 0,
                '\x1b' => {
                    let sequence = characters.by_ref().skip(1);
                    let mut parameters = String::new();
                    for part in sequence {
                        if part.is_ascii_alphabetic() {
                            self.obey(part, &parameters);
                            break;
                        }
                        parameters.push(part);
                    }
                }
                _ if character.is_control() => {}
                _ => self.put(character),
            }
        }
    }

    fn obey(&mut self, command: char, parameters: &str) {
        match command {
            'm' => self.colour = colour(parameters),
            'A' => self.row = self.row.saturating_sub(parameters.parse().unwrap_or(1)),
            'K' => {
                let kept = if parameters == "2" { 0 } else { self.column };
                if let Some(line) = self.lines.get_mut(self.row) {
                    line.truncate(kept);
                }
            }
            _ => {}
        }
    }

    fn put(&mut self, character: char) {
        if self.column == COLUMNS {
            (self.row, self.column) = (self.row + 1, 0);
        }
        if self.lines.len() <= self.row {
            self.lines.resize(self.row + 1, Vec::new());
        }
        let cell = Cell { character, colour: self.colour };
        if let Some(line) = self.lines.get_mut(self.row) {
            if line.len() <= self.column {
                line.resize(self.column + 1, Cell { character: ' ', colour: "" });
            }
            if let Some(place) = line.get_mut(self.column) {
                *place = cell;
            }
        }
        self.column += 1;
    }

    fn lines(&self) -> &[Vec<Cell>] {
        &self.lines
    }
}

fn colour(parameters: &str) -> &'static str {
    match parameters.rsplit(';').next() {
        Some("2") => "#8b949e",
        Some("31") => "#ff7b72",
        Some("32") => "#7ee787",
        Some("33") => "#e3b341",
        Some("34") => "#79c0ff",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_that_was_taken_away_is_not_seen() {
        let mut screen = Screen::default();
        screen.show("one\n\r\x1b[2K⠁ 7%\r\x1b[2K⠂ 12%\r\x1b[2K\x1b[1;34mtwo\x1b[0m <");
        let drawn = svg(screen.lines()).unwrap();
        let texts: Vec<&str> = drawn.lines().filter(|line| line.starts_with("<text")).collect();
        assert_eq!(
            texts,
            [
                r#"<text x="20" y="52">one</text>"#,
                r##"<text x="20" y="69"><tspan fill="#79c0ff">two</tspan> &lt;</text>"##
            ]
        );
    }
}
