//! Lines of input that anybody may have made: each has a limit, so that none can take all memory.

use std::io::{self, BufRead, ErrorKind, Read};

use crate::cause::cause;

/// What was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line {
    /// A line as a whole.
    Whole,
    /// As much of it as is allowed; the rest is still there.
    Part,
    /// There is no further line.
    None,
}

/// The next line without its end, which counts towards the limit.
pub fn read(input: &mut impl BufRead, limit: usize, line: &mut Vec<u8>) -> io::Result<Line> {
    line.clear();
    let len = input.by_ref().take(limit as u64).read_until(b'\n', line)?;
    if len == 0 {
        return Ok(Line::None);
    }
    let is_cut = len == limit && !line.ends_with(b"\n");
    if line.ends_with(b"\n") {
        line.pop();
    }
    if line.ends_with(b"\r") {
        line.pop();
    }
    Ok(if is_cut { Line::Part } else { Line::Whole })
}

/// Forgets what is left of a line.
pub fn skip_rest(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let rest = match input.fill_buf() {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            rest => rest?,
        };
        let end = rest.iter().position(|&byte| byte == b'\n');
        let len = end.map_or(rest.len(), |at| at + 1);
        let is_over = end.is_some() || rest.is_empty();
        input.consume(len);
        if is_over {
            return Ok(());
        }
    }
}

/// Text by lines; a sentence tells what is wrong with one.
pub struct Lines<R> {
    input: R,
    line: Vec<u8>,
    /// Of the line that was read last, from 1.
    pub number: u64,
}

impl<R: BufRead> Lines<R> {
    pub fn new(input: R) -> Self {
        Lines { input, line: Vec::new(), number: 0 }
    }

    /// The next line without its end, or `None` after the last one.
    pub fn next(&mut self, limit: usize) -> Result<Option<&str>, String> {
        self.number += 1;
        let n = self.number;
        match read(&mut self.input, limit, &mut self.line) {
            Ok(Line::Whole) => {
                let text = std::str::from_utf8(&self.line);
                text.map(Some).map_err(|_| format!("line {n}: it is not text"))
            }
            Ok(Line::Part) => Err(format!("line {n}: it does not end within {limit} bytes, and none is longer")),
            Ok(Line::None) => Ok(None),
            Err(error) => Err(format!("line {n}: it cannot be read: {}", cause(&error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_counts_and_an_end_is_no_line() {
        let all = |input: &'static str| {
            let (mut lines, mut all) = (Lines::new(input.as_bytes()), Vec::new());
            while let Some(line) = lines.next(4).unwrap() {
                all.push(line.to_string());
            }
            all
        };
        assert_eq!(all(""), [""; 0]);
        assert_eq!(all("\n"), [""]);
        assert_eq!(all("aa\r\n\nbb"), ["aa", "", "bb"]);
    }

    #[test]
    fn a_line_past_its_limit_is_an_error_with_its_number_and_the_limit() {
        let mut lines = Lines::new(io::BufReader::new(b"ok\n".chain(io::repeat(0))));
        assert_eq!(lines.next(1000), Ok(Some("ok")));
        let error = lines.next(1000).unwrap_err();
        assert!(error.contains("line 2") && error.contains("1000"), "{error}");
        assert!(Lines::new(&b"\n\xff"[..]).next(9).is_ok_and(|line| line == Some("")));
        assert!(Lines::new(&b"\xff"[..]).next(9).unwrap_err().contains("line 1"));
    }

    #[test]
    fn the_rest_of_a_long_line_can_be_left_out() {
        let endless = [vec![b'a'; 300_000], b"\nbb\n".to_vec()].concat();
        let (mut input, mut line) = (io::BufReader::new(&endless[..]), Vec::new());
        assert_eq!((read(&mut input, 1000, &mut line).unwrap(), line.len()), (Line::Part, 1000));
        skip_rest(&mut input).unwrap();
        assert_eq!((read(&mut input, 1000, &mut line).unwrap(), &line[..]), (Line::Whole, &b"bb"[..]));
        assert_eq!(read(&mut input, 1000, &mut line).unwrap(), Line::None);
    }

    #[test]
    fn whether_a_line_was_cut_is_known_for_each_length_around_the_limit() {
        for (len, expected) in [(8, Line::Whole), (9, Line::Whole), (10, Line::Part), (11, Line::Part)] {
            let input = [vec![b'a'; len], b"\nbb\n".to_vec()].concat();
            let (mut input, mut line) = (&input[..], Vec::new());
            assert_eq!(read(&mut input, 10, &mut line).unwrap(), expected, "{len}");
            if expected == Line::Part {
                skip_rest(&mut input).unwrap();
            }
            assert_eq!((read(&mut input, 10, &mut line).unwrap(), &line[..]), (Line::Whole, &b"bb"[..]), "{len}");
        }
    }
}
