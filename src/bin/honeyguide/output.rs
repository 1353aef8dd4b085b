//! A value as bytes: in a new file, or on standard output for `-`.

use std::path::Path;

use crate::count::count;
use crate::escape;
use crate::failed::Failed;
use crate::file;
use crate::print::{self, Out};
use crate::standard;

/// What can be known before anybody is asked.
pub fn check(path: &Path, is_json: bool) -> Result<(), Failed> {
    match standard::is_stream(path) {
        true if is_json => Err(Failed::usage(
            "--json and --output - both want standard output: name a file, or take v_hex, which has the bytes",
        )),
        true => Ok(()),
        false => file::can_be_new(path),
    }
}

/// The bytes that a byte string is of, or the value as it is.
pub fn write(out: Out, path: &Path, value: &[u8], is_bencode: bool) -> Result<(), Failed> {
    let bytes = match (is_bencode, byte_string(value)) {
        (true, _) => value,
        (false, Some(bytes)) => bytes,
        (false, None) => {
            let sentence =
                "the value is a number, a list or a dictionary and no byte string: --bencode writes it as it is";
            return Err(sentence.into());
        }
    };
    if standard::is_stream(path) {
        return print::bytes(bytes);
    }
    file::write_new_for_all(path, bytes)?;
    let file = escape::line(&path.display().to_string());
    let are = if bytes.len() == 1 { "is" } else { "are" };
    out.text_only(format_args!("{} {are} in {file}", count(bytes.len(), "byte")))
}

/// The content of a value that is one byte string.
fn byte_string(value: &[u8]) -> Option<&[u8]> {
    let digits = value.iter().position(|&byte| byte == b':').filter(|_| value[0].is_ascii_digit())?;
    value.get(digits + 1..)
}
