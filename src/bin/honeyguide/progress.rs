//! What is being done, on a terminal, for what may take long. A terminal can be stopped (Ctrl-S), so that what is drawn
//! there counts as a write under way (rule U5).

use std::io;
use std::time::Duration;

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use crate::print::tracked;

/// Draws at most so often in a second.
const HERTZ: u8 = 10;

pub fn spinner(what: &'static str) -> ProgressBar {
    let terminal = Terminal(Term::buffered_stderr());
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal), HERTZ);
    // One line on the narrowest terminal, too.
    let style =
        ProgressStyle::with_template("{spinner} {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    let bar = ProgressBar::with_draw_target(None, target).with_style(style).with_message(what);
    bar.enable_steady_tick(Duration::from_millis(1000 / u64::from(HERTZ)));
    bar
}

/// Has it tell for how long it has been, how many of so many things are done, and behind that its message.
pub fn counted(bar: &ProgressBar, what: &'static str, many: usize) {
    let template = "{spinner} {elapsed_precise} {bar:10} {pos} of {len} {prefix} {wide_msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_prefix(what);
    bar.set_message("");
    bar.set_length(many as u64);
}

#[derive(Debug)]
struct Terminal(Term);

/// All but the last is kept in memory.
impl TermLike for Terminal {
    fn width(&self) -> u16 {
        self.0.size().1
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_left(n)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        tracked(|| self.0.flush())
    }
}
