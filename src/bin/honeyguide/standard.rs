//! Standard input and output as they are.
//!
//! The standard library takes a stream that cannot be read or written for one that is empty, or that takes everything
//! (Rust's RFC 1014), so that a result would be lost without a word. Read and written by a handle of our own, such a
//! stream is an error like any other.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Whether a path means standard input, or output, and no file.
pub fn is_stream(path: &Path) -> bool {
    path == Path::new("-")
}

/// To read standard input from.
pub fn input() -> io::Result<File> {
    #[cfg(unix)]
    let input = std::os::fd::AsFd::as_fd(&io::stdin()).try_clone_to_owned()?;
    #[cfg(not(unix))]
    let input = std::os::windows::io::AsHandle::as_handle(&io::stdin()).try_clone_to_owned()?;
    Ok(input.into())
}

/// All of this on standard output, in one piece beside what other threads write.
pub fn write(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    #[cfg(unix)]
    let written = output().and_then(|mut file| file.write_all(bytes));
    #[cfg(not(unix))]
    let written = out.write_all(bytes);
    written.and_then(|()| out.flush())
}

#[cfg(unix)]
fn output() -> io::Result<&'static File> {
    use std::os::fd::AsFd;
    use std::sync::OnceLock;
    static OUTPUT: OnceLock<File> = OnceLock::new();
    match OUTPUT.get() {
        Some(file) => Ok(file),
        None => {
            let file = io::stdout().as_fd().try_clone_to_owned()?.into();
            Ok(OUTPUT.get_or_init(|| file))
        }
    }
}

/// Waits until whoever reads a pipe has gone, of which a program that has nothing more to say hears nothing else.
#[cfg(unix)]
pub async fn reader_gone() {
    use tokio::io::Interest;
    use tokio::net::unix::pipe::Sender;
    // It is watched and never written to, so that it may block. A file cannot be watched, and has no reader.
    let watched = output().and_then(File::try_clone).and_then(Sender::from_file_unchecked);
    if let Ok(watched) = watched
        && watched.ready(Interest::ERROR).await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

#[cfg(not(unix))]
pub async fn reader_gone() {
    std::future::pending().await
}
