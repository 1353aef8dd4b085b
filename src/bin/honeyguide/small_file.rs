//! Small files that the user names: `-` is standard input.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use crate::cause::cause;
use crate::failed::Failed;
use crate::standard;
pub use crate::standard::is_stream as is_standard_input;

/// Bytes that are read of any of them.
pub const MOST: u64 = 1 << 16;

/// What a file is for.
pub struct Purpose {
    pub what: &'static str,
    /// Bytes that are the most of which there is any use: the sentence about a file of more than [`MOST`] names them.
    /// What lies between is read, as whoever takes it says better what is wrong with it.
    pub most: u64,
}

/// What a path means, in a sentence.
pub fn shown(path: &Path) -> String {
    if standard::is_stream(path) { "standard input".into() } else { path.display().to_string() }
}

/// What a path leads to. It may block.
pub fn open(path: &Path) -> io::Result<File> {
    if standard::is_stream(path) { standard::input() } else { File::open(path) }
}

/// The whole file. It may block.
///
/// # Errors
/// Also when it is longer than any such file, with its true length where the system tells that.
pub fn read(path: &Path, Purpose { what, most }: Purpose) -> Result<Vec<u8>, Failed> {
    let read = open(path).and_then(|mut file| Ok((length(&mut file), whole(file)?)));
    let (len, bytes) =
        read.map_err(|error| format!("{what} cannot be read from {}: {}", shown(path), cause(&error)))?;
    bytes.ok_or_else(|| {
        let len = len.map_or(format!("more than {MOST} bytes"), |len| format!("{len} bytes"));
        Failed::usage(format!("{what} in {} has {len}, and {most} are the most that it may have", shown(path)))
    })
}

/// What is left of a regular file. Others do not tell, and some that seem to be regular say 0.
fn length(file: &mut File) -> Option<u64> {
    let whole = file.metadata().ok().filter(|file| file.is_file())?.len();
    let left = whole.saturating_sub(file.stream_position().ok()?);
    (left > MOST).then_some(left)
}

/// All bytes, or `None` if they are more than are read.
fn whole(file: impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    file.take(MOST + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= MOST).then_some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_whole_up_to_the_limit_and_beyond_it_its_true_length_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let read = |len: u64| {
            File::create(&path).unwrap().set_len(len).unwrap();
            read(&path, Purpose { what: "the value", most: 1000 })
        };
        assert_eq!(read(MOST).unwrap().len() as u64, MOST);
        for len in [MOST + 1, 20_000_000, 1 << 40] {
            let failed = read(len).unwrap_err();
            assert_eq!(failed.code, 2);
            let words = ["the value", path.to_str().unwrap(), &format!("has {len} bytes"), "1000"];
            assert!(words.iter().all(|word| failed.sentence.contains(word)), "{failed:?}");
        }
    }

    #[test]
    fn what_has_no_length_is_told_to_have_more_than_was_read() {
        assert_eq!(whole(io::repeat(1).take(MOST)).unwrap().map(|bytes| bytes.len() as u64), Some(MOST));
        assert_eq!(whole(io::repeat(1)).unwrap(), None);
        #[cfg(unix)]
        {
            let endless = read(Path::new("/dev/zero"), Purpose { what: "the item", most: 7 }).unwrap_err();
            let words = format!("more than {MOST} bytes");
            assert!(endless.sentence.contains(&words), "{endless:?}");
        }
    }
}
