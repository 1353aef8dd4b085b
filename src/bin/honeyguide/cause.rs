//! Why the system refused something, in words: what is wrong, and what would be right.

use std::io::{Error, ErrorKind};

/// `EBADF`, which has no name in the standard library.
const BAD_DESCRIPTOR: i32 = 9;
/// `ENFILE` and `EMFILE`, of which the same is true.
const TOO_MANY_FILES: [i32; 2] = [23, 24];

/// The rest of a sentence that names the thing. The system's own words come without their number.
pub fn cause(error: &Error) -> String {
    if error.raw_os_error().is_none() && error.get_ref().is_some() {
        // A sentence already.
        return error.to_string();
    }
    let words = match error.kind() {
        ErrorKind::NotFound => "there is no such file or folder: check the path",
        ErrorKind::PermissionDenied => "it is not permitted: check its owner and its mode",
        ErrorKind::StorageFull => "the disk is full: make room, or name a place on another",
        ErrorKind::FileTooLarge => "it would be larger than files may be: raise that limit (ulimit -f)",
        ErrorKind::QuotaExceeded => "the quota is used up: make room, or name another place",
        ErrorKind::ReadOnlyFilesystem => "its file system is read-only: name a place on another",
        ErrorKind::IsADirectory => "it is a folder: name a file",
        ErrorKind::NotADirectory => "a part of its path is a file and no folder: check the path",
        ErrorKind::AlreadyExists => "it exists, and is left as it is: name a new one",
        ErrorKind::BrokenPipe => "nobody reads it any more",
        _ if cfg!(unix) && error.raw_os_error() == Some(BAD_DESCRIPTOR) => {
            "it is not open for that: look at what it is redirected to"
        }
        _ if cfg!(unix) && error.raw_os_error().is_some_and(|number| TOO_MANY_FILES.contains(&number)) => {
            "too many files are open: raise that limit (ulimit -n)"
        }
        _ => {
            let text = error.to_string();
            return text.split(" (os error").next().unwrap_or_default().to_lowercase();
        }
    };
    words.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cause_has_a_number_in_the_place_of_words() {
        for number in 1..134 {
            let words = cause(&Error::from_raw_os_error(number));
            assert!(!words.is_empty() && !words.contains("os error"), "{number}: {words}");
        }
        assert_eq!(cause(&Error::other("it is not a regular file")), "it is not a regular file");
    }
}
