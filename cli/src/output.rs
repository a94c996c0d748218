//! What is printed: results as text for people or as JSON for programs, and warnings and errors.

use crate::failure::Failure;
use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// Something to print. Its [`Serialize`] form is the JSON.
pub(crate) trait Report: Serialize {
    /// The text for people: one line or several, without the last line's end.
    fn text(&self, palette: &Palette) -> String;
}

/// Where a command prints.
#[derive(Debug)]
pub(crate) struct Output {
    command: &'static str,
    is_json: bool,
}

#[derive(Serialize)]
struct Success<'a, T> {
    ok: bool,
    command: &'a str,
    #[serde(flatten)]
    result: &'a T,
}

#[derive(Serialize)]
struct Failed<'a> {
    ok: bool,
    command: &'a str,
    error: String,
}

impl Output {
    /// The output of `command`, as JSON or as text.
    pub(crate) fn new(command: &'static str, is_json: bool) -> Self {
        Self { command, is_json }
    }

    /// Whether standard error may show more than lines: a person looks at a terminal.
    pub(crate) fn is_interactive(&self) -> bool {
        !self.is_json && io::stderr().is_terminal()
    }

    /// Prints what happened on the way.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn event(&self, report: &impl Report) -> io::Result<()> {
        self.print(report, report)
    }

    /// Prints the result of the command, its last word.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn success(&self, result: &impl Report) -> io::Result<()> {
        self.print(result, &Success { ok: true, command: self.command, result })
    }

    /// Prints something for people, and nothing for programs.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn note(&self, text: impl FnOnce(&Palette) -> String) -> io::Result<()> {
        if self.is_json {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        let palette = Palette::of(&stdout);
        writeln!(stdout, "{}", text(&palette))
    }

    fn print(&self, report: &impl Report, json: &impl Serialize) -> io::Result<()> {
        if self.is_json {
            return write_json(&mut io::stdout().lock(), json);
        }
        self.note(|palette| report.text(palette))
    }

    /// Prints why the command failed, its last word.
    pub(crate) fn failure(&self, failure: &Failure) {
        let printed = if self.is_json {
            let error = failure.to_string();
            write_json(&mut io::stdout().lock(), &Failed { ok: false, command: self.command, error })
        } else {
            let mut stderr = io::stderr().lock();
            let label = Palette::of(&stderr).error("error:");
            writeln!(stderr, "{label} {failure}")
        };
        // There is nowhere left to say that nothing can be printed; the exit status tells.
        drop(printed);
    }

    /// Warns on standard error.
    pub(crate) fn warn(&self, warning: &impl fmt::Display) {
        let mut stderr = io::stderr().lock();
        let label = Palette::of(&stderr).warning("warning:");
        // A warning that cannot be printed is no reason to stop.
        drop(writeln!(stderr, "{label} {warning}"));
    }
}

fn write_json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_string(value)?;
    line.push('\n');
    out.write_all(line.as_bytes())
}

/// Whether `stream` shows colours: it is a terminal, and the user has not forbidden it (<https://no-color.org>).
pub(crate) fn is_colourful(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The colours of text for people; none where they are not wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Palette {
    is_colourful: bool,
}

impl Palette {
    fn of(stream: &impl IsTerminal) -> Self {
        Self { is_colourful: is_colourful(stream) }
    }

    /// A heading.
    pub(crate) fn heading<T>(&self, text: T) -> Painted<T> {
        self.paint(Style::new().bold(), text)
    }

    /// A value that the reader may want to copy or remember.
    pub(crate) fn value<T>(&self, text: T) -> Painted<T> {
        self.paint(AnsiColor::Cyan.on_default(), text)
    }

    /// What went well.
    pub(crate) fn good<T>(&self, text: T) -> Painted<T> {
        self.paint(AnsiColor::Green.on_default(), text)
    }

    /// What matters less.
    pub(crate) fn faint<T>(&self, text: T) -> Painted<T> {
        self.paint(Style::new().dimmed(), text)
    }

    /// Labels and values below each other. A label of no characters continues the row above.
    pub(crate) fn rows(&self, rows: &[(&str, &str)]) -> String {
        let width = rows.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
        let row = |(label, value): &(&str, &str)| {
            format!("{}  {}", self.faint(format_args!("{label:<width$}")), self.value(value))
        };
        rows.iter().map(row).collect::<Vec<_>>().join("\n")
    }

    fn warning<T>(&self, text: T) -> Painted<T> {
        self.paint(AnsiColor::Yellow.on_default().bold(), text)
    }

    fn error<T>(&self, text: T) -> Painted<T> {
        self.paint(AnsiColor::Red.on_default().bold(), text)
    }

    fn paint<T>(&self, style: Style, text: T) -> Painted<T> {
        Painted { style: if self.is_colourful { style } else { Style::new() }, text }
    }
}

/// Text with a style.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Painted<T> {
    style: Style,
    text: T,
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let style = self.style;
        write!(f, "{style}")?;
        self.text.fmt(f)?;
        write!(f, "{style:#}")
    }
}

/// A duration in milliseconds, to the microsecond.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// A number with its thousands separated.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (number, text) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567"), (100_000, "100,000")]
        {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(milliseconds(Duration::from_nanos(1_234_567)), 1.235);
    }

    #[test]
    fn colours_only_where_wanted() {
        let paint = |is_colourful| Palette { is_colourful }.value("x").to_string();
        assert_eq!(paint(false), "x");
        assert_eq!(paint(true), "\u{1b}[36mx\u{1b}[0m");
    }
}
