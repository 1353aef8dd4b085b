//! Files that the program writes: new ones, which overwrite nothing, and replacements, which are never half-written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::failed::Failed;

/// A new file that only its owner can read, to be written little by little.
pub fn create(path: &Path) -> Result<File, Failed> {
    let mut open = OpenOptions::new();
    open.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
    open.open(path).map_err(|error| not_created(path, &error))
}

/// A new file that only its owner can read, there as a whole or not at all.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failed> {
    let written = beside(path, bytes).and_then(|file| file.persist_noclobber(path).map_err(io::Error::from));
    written.and_then(|_| sync_folder(path)).map_err(|error| not_created(path, &error))
}

/// Replaces a file as a whole; where `path` is a link, the file that it leads to.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let target = fs::canonicalize(path);
    let path = target.as_deref().unwrap_or(path);
    beside(path, bytes)?.persist(path)?;
    sync_folder(path)
}

/// A file in the same folder, safely written; it vanishes unless it gets a name.
fn beside(path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new_in(folder(path))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// A name is safe when its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder(path))?.sync_all() } else { Ok(()) }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn not_created(path: &Path, error: &io::Error) -> Failed {
    let path = path.display();
    match error.kind() {
        ErrorKind::AlreadyExists => format!("{path} exists and was left as it is: name a new file").into(),
        _ => format!("{path} cannot be created: {error}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_overwrites_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_new(&path, b"one").unwrap();
        assert!(write_new(&path, b"two").unwrap_err().sentence.contains("exists"));
        assert!(create(&path).unwrap_err().sentence.contains("exists"));
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_file_is_replaced_where_its_link_leads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        #[cfg(unix)]
        {
            let link = folder.path().join("link");
            std::os::unix::fs::symlink(&path, &link).unwrap();
            replace(&link, b"three").unwrap();
            assert!(link.is_symlink());
        }
        #[cfg(unix)]
        assert_eq!(fs::read(&path).unwrap(), b"three");
        assert!(replace(Path::new("/nonexistent/file"), b"four").is_err());
    }
}
