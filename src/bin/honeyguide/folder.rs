//! Folders that the program makes, and takes away again where nothing came of it.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::cause::cause;
use crate::failed::Failed;

/// Makes a folder and those that it lies in, and tells which were made.
pub fn make(folder: &Path, made: &mut Vec<PathBuf>) -> Result<(), Failed> {
    try_to_make(folder, made)
        .map_err(|error| format!("the folder {} cannot be made: {}", folder.display(), cause(&error)).into())
}

/// Each is tried, since a name with `..` in it leads to another place before the folder in front of it is there.
fn try_to_make(folder: &Path, made: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut folders: Vec<_> = folder.ancestors().filter(|folder| !folder.as_os_str().is_empty()).collect();
    while let Some(folder) = folders.pop() {
        match fs::create_dir(folder) {
            Ok(()) => made.push(folder.to_owned()),
            Err(_) if folder.is_dir() => {}
            Err(_) if folder.exists() && !folders.is_empty() => {
                return Err(ErrorKind::NotADirectory.into());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Removes what was made. A folder in which somebody else has put something stays.
pub fn unmake(made: &[PathBuf]) {
    made.iter().rev().for_each(|folder| drop(fs::remove_dir(folder)));
}
