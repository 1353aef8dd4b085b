//! Files that the program writes: new ones, which overwrite nothing, and replacements, which are never half-written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::cause::cause;
use crate::failed::Failed;

/// As many links in a row as systems follow.
const MOST_LINKS: usize = 40;
/// So often a file is looked for that is replaced again and again.
const MOST_ROUNDS: usize = 100;

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
    persist_new(path, beside(path, bytes))
}

/// The same for a file that everybody may read.
pub fn write_new_for_all(path: &Path, bytes: &[u8]) -> Result<(), Failed> {
    persist_new(path, beside(path, bytes).and_then(readable))
}

/// A file that everybody may read.
pub fn readable(file: NamedTempFile) -> io::Result<NamedTempFile> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    Ok(file)
}

fn persist_new(path: &Path, file: io::Result<NamedTempFile>) -> Result<(), Failed> {
    let written = file.and_then(|file| file.persist_noclobber(path).map_err(io::Error::from));
    written.map_err(|error| not_created(path, &error))?;
    sync_folder(path).map_err(|error| {
        // It is there, but may be gone after the next power cut.
        let _ = fs::remove_file(path);
        not_created(path, &error)
    })
}

/// A file that is replaced as a whole, again and again, and that is ours alone: no other process has it, and what
/// another one puts in its place is left alone. Where the path is a link, it is the file that it leads to.
///
/// The lock lies on the file itself, and each new one is locked before it takes the old one's name. So there is never a
/// moment without a lock, and nothing else lies beside the file.
pub struct Owned {
    /// Without links.
    path: PathBuf,
    file: File,
    /// The file that was found there, which may have other names: it stays locked under all of them.
    first: Option<File>,
    /// What is in it, as far as we know.
    content: Vec<u8>,
    /// There was none, and what is there now was put there to hold the place.
    is_new: bool,
}

/// Somebody else has the file.
pub const IN_USE: ErrorKind = ErrorKind::ResourceBusy;

impl Owned {
    /// Takes a file of at most so many bytes for ourselves, and one byte of what is longer; where there is none, one
    /// with these bytes.
    pub fn take(path: &Path, first: &[u8], most: u64) -> io::Result<Owned> {
        let path = target(path)?;
        // Whoever replaces the file in between makes another round necessary.
        for _ in 0..MOST_ROUNDS {
            let file = match open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::NotFound => match create_locked(&path, first) {
                    Ok(file) => {
                        let content = first.to_vec();
                        return Ok(Owned { path, file, first: None, content, is_new: true });
                    }
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                    Err(error) => return Err(error),
                },
                Err(error) => return Err(error),
            };
            lock(&file)?;
            if is_still(&path, &file)? {
                let mut content = Vec::new();
                (&file).take(most + 1).read_to_end(&mut content)?;
                return Ok(Owned { path, file, first: None, content, is_new: false });
            }
        }
        Err(IN_USE.into())
    }

    /// Whether there was none.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// Replaces the file, unless somebody has put something else in its place, or into it.
    pub fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.is_ours() {
            Ok(true) => {
                let next = beside(&self.path, bytes)?;
                lock(next.as_file())?;
                let before = std::mem::replace(&mut self.file, next.persist(&self.path)?);
                self.first.get_or_insert(before);
            }
            Ok(false) => return Err(io::Error::other("somebody else has changed it, and it is left as it is")),
            // Somebody has removed it.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let before = std::mem::replace(&mut self.file, create_locked(&self.path, bytes)?);
                self.first.get_or_insert(before);
            }
            Err(error) => return Err(error),
        }
        (self.is_new, self.content) = (false, bytes.to_vec());
        sync_folder(&self.path)
    }

    fn is_ours(&self) -> io::Result<bool> {
        let mut there = Vec::new();
        open(&self.path)?.take(self.content.len() as u64 + 1).read_to_end(&mut there)?;
        Ok(is_still(&self.path, &self.file)? && there == self.content)
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if self.is_new && self.is_ours().unwrap_or(false) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A new file, locked before it has its name.
fn create_locked(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let file = beside(path, bytes)?;
    lock(file.as_file())?;
    Ok(file.persist_noclobber(path)?)
}

/// Where files cannot be locked, nobody is kept out.
fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Err(fs::TryLockError::WouldBlock) => Err(IN_USE.into()),
        Ok(()) | Err(fs::TryLockError::Error(_)) => Ok(()),
    }
}

/// Whether this is the file that lies at the path.
#[cfg(unix)]
pub fn is_still(path: &Path, file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (there, ours) = (fs::symlink_metadata(path)?, file.metadata()?);
    Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino()))
}

#[cfg(not(unix))]
pub fn is_still(path: &Path, _: &File) -> io::Result<bool> {
    fs::symlink_metadata(path).map(|_| true)
}

/// Opens a file to read it. A pipe or a device is refused: it can make its reader wait for ever.
pub fn open(path: &Path) -> io::Result<File> {
    // Asked before it is opened, since a pipe lets nobody in until somebody writes to it.
    if fs::metadata(path)?.is_file() { File::open(path) } else { Err(io::Error::other("it is not a regular file")) }
}

/// Whether both paths lead to one file, however they are spelled, and also where none is there yet.
pub fn are_one(a: &Path, b: &Path) -> bool {
    let by_name = matches!((target(a), target(b)), (Ok(a), Ok(b)) if a == b);
    by_name || are_one_by_number(a, b)
}

/// One file can have several names that are no links to each other.
#[cfg(unix)]
fn are_one_by_number(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let number = |path| fs::metadata(path).map(|file| (file.dev(), file.ino()));
    matches!((number(a), number(b)), (Ok(a), Ok(b)) if a == b)
}

#[cfg(not(unix))]
fn are_one_by_number(_: &Path, _: &Path) -> bool {
    false
}

/// The file that a path leads to through all links, there or not; its folder is there.
pub fn target(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::canonicalize(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            found => return found,
        }
        // The system follows no link into nothing, so each step is made here.
        match fs::read_link(&path) {
            Ok(next) => path = folder(&path).join(next),
            Err(_) => {
                let name = path.file_name().ok_or(ErrorKind::NotFound)?;
                return Ok(fs::canonicalize(folder(&path))?.join(name));
            }
        }
    }
    Err(io::Error::other("too many links lead on from it"))
}

/// A file in the same folder, safely written; it vanishes unless it gets a name.
pub fn beside(path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut name = tempfile::Builder::new();
    let mut file = name.prefix(".honeyguide-").tempfile_in(folder(path)).map_err(|error| without_name(&error))?;
    file.as_file_mut().write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// The system's own error, since the one that is given tells a name that the user never gave. It keeps the number to
/// itself, but in its text.
fn without_name(error: &io::Error) -> io::Error {
    let text = error.to_string();
    let number = text.rsplit_once("(os error ").and_then(|(_, number)| number.split(')').next()?.parse().ok());
    number.map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

/// A name is safe when its folder is. One that may be written and not read cannot be asked for that.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    match File::open(folder(path)) {
        _ if cfg!(not(unix)) => Ok(()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        opened => opened?.sync_all(),
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether a new file can have this name, as far as that can be known before it is made.
pub fn can_be_new(path: &Path) -> Result<(), Failed> {
    let folder = fs::metadata(folder(path)).map_err(|error| not_created(path, &error))?;
    if !folder.is_dir() {
        return Err(not_created(path, &ErrorKind::NotADirectory.into()));
    }
    match path.symlink_metadata() {
        Ok(_) => Err(not_created(path, &ErrorKind::AlreadyExists.into())),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(not_created(path, &error)),
        Err(_) => Ok(()),
    }
}

fn not_created(path: &Path, error: &io::Error) -> Failed {
    let path = path.display();
    match error.kind() {
        ErrorKind::AlreadyExists => format!("{path} exists and was left as it is: name a new file").into(),
        _ => format!("{path} cannot be created: {}", cause(error)).into(),
    }
}

#[cfg(test)]
pub mod tests {
    use std::sync::RwLock;

    use super::*;

    /// Written by tests that start a child, read by those that take a file again: until a child runs its program it has
    /// all files of this process, and so holds what was given back a moment ago.
    pub static CHILDREN: RwLock<()> = RwLock::new(());

    #[test]
    fn a_new_file_overwrites_nothing() {
        let _quiet = CHILDREN.read();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_new(&path, b"one").unwrap();
        assert!(write_new(&path, b"two").unwrap_err().sentence.contains("exists"));
        assert!(create(&path).unwrap_err().sentence.contains("exists"));
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    /// Takes the file for as long as it takes to replace it.
    fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
        Owned::take(path, b"", 100)?.replace(bytes)
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
            assert_eq!(fs::read(&path).unwrap(), b"three");
        }
        assert!(replace(Path::new("/nonexistent/file"), b"four").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_into_nothing_stays_a_link_and_its_file_is_made() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("below")).unwrap();
        symlink("below/second", at("first")).unwrap();
        symlink("../file", at("below/second")).unwrap();
        replace(&at("first"), b"one").unwrap();
        assert!(at("first").is_symlink() && at("below/second").is_symlink());
        assert_eq!(fs::read(at("file")).unwrap(), b"one");

        symlink("nowhere/file", at("lost")).unwrap();
        assert_eq!(replace(&at("lost"), b"two").unwrap_err().kind(), ErrorKind::NotFound);
        symlink("circle", at("circle")).unwrap();
        replace(&at("circle"), b"three").unwrap_err();
        assert!(at("lost").is_symlink() && at("circle").is_symlink());
    }

    #[test]
    fn an_owned_file_is_nobody_elses_however_often_it_is_replaced() {
        let _quiet = CHILDREN.read();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut owned = Owned::take(&path, b"first", 100).unwrap();
        let is_in_use = || Owned::take(&path, b"other", 100).is_err_and(|error| error.kind() == IN_USE);
        assert!(owned.is_new() && is_in_use());
        for content in [b"one", b"two"] {
            owned.replace(content).unwrap();
            assert_eq!((fs::read(&path).unwrap(), is_in_use()), (content.to_vec(), true));
        }
        drop(owned);
        let owned = Owned::take(&path, b"first", 100).unwrap();
        assert!(!owned.is_new() && owned.content() == b"two" && fs::read(&path).unwrap() == b"two");
        drop(owned);
        assert!(path.exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    /// Rule J13. A replacement parts the names of one file; what lies behind the other one is still what we began with.
    #[cfg(unix)]
    #[test]
    fn an_owned_file_is_nobody_elses_under_its_other_names() {
        let _quiet = CHILDREN.read();
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("file"), folder.path().join("other"));
        fs::write(&path, b"zero").unwrap();
        fs::hard_link(&path, &other).unwrap();
        let mut owned = Owned::take(&path, b"first", 100).unwrap();
        for content in [b"one", b"two"] {
            owned.replace(content).unwrap();
            assert!(Owned::take(&other, b"first", 100).is_err_and(|error| error.kind() == IN_USE));
        }
        drop(owned);
        assert_eq!(Owned::take(&other, b"first", 100).unwrap().content(), b"zero");
    }

    #[test]
    fn a_place_that_was_held_and_never_used_is_free_again() {
        let _quiet = CHILDREN.read();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        drop(Owned::take(&path, b"first", 100).unwrap());
        assert!(!path.exists());
    }

    #[cfg(unix)]
    #[test]
    fn what_another_put_in_the_place_of_an_owned_file_is_left_alone() {
        let _quiet = CHILDREN.read();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut owned = Owned::take(&path, b"first", 100).unwrap();
        owned.replace(b"ours").unwrap();
        let mut is_left_alone = |theirs: &[u8]| {
            assert!(owned.replace(b"again").unwrap_err().to_string().contains("left as it is"));
            assert_eq!(fs::read(&path).unwrap(), theirs);
        };
        // Another content in our file, then another file with our content.
        fs::write(&path, b"theirs").unwrap();
        is_left_alone(b"theirs");
        fs::rename(&path, folder.path().join("away")).unwrap();
        fs::write(&path, b"ours").unwrap();
        is_left_alone(b"ours");
        fs::remove_file(&path).unwrap();
        owned.replace(b"again").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"again");
    }

    #[test]
    fn one_file_is_known_by_all_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("below")).unwrap();
        let same = |a: &str, b: &str| are_one(&at(a), &at(b)) && are_one(&at(b), &at(a));
        assert!(same("new", "new") && same("new", "./new") && same("new", "below/../new"));
        assert!(!same("new", "other") && !same("new", "below/new") && !same("nowhere/new", "new"));
        fs::write(at("file"), "").unwrap();
        fs::write(at("other"), "").unwrap();
        assert!(same("file", "below/../file") && !same("file", "other"));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("new", at("link")).unwrap();
            std::os::unix::fs::symlink("below", at("also_below")).unwrap();
            fs::hard_link(at("file"), at("twin")).unwrap();
            assert!(same("link", "new") && same("file", "twin") && same("below/new", "also_below/new"));
        }
    }

    #[test]
    fn a_temporary_name_is_kept_out_of_errors() {
        let error = write_new(Path::new("/nonexistent/folder/file"), b"one").unwrap_err().sentence;
        assert!(error.contains("/nonexistent/folder/file") && !error.contains(".tmp"), "{error}");
    }
}
