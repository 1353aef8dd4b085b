//! A run that is being recorded, and the end of its journal.

use std::fs::File;
use std::path::{Path, PathBuf};

use honeyguide::adapters::Recording;

use crate::cause::cause;
use crate::failed::Failed;
use crate::journal_file;

/// A run that is being recorded.
pub struct Recorded {
    name: PathBuf,
    /// The same file, which somebody may remove, replace or empty meanwhile.
    file: Option<File>,
    running: Recording,
}

impl Recorded {
    pub fn new(name: PathBuf, running: Recording) -> Recorded {
        let file = File::open(&name).ok();
        Recorded { name, file, running }
    }

    /// Where the run goes.
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// The hash of all that the node put out, once it has ended or the journal cannot be written any more.
    pub async fn end(&mut self) -> Result<u128, Failed> {
        let (ended, name) = ((&mut self.running).await, self.name.display());
        let hash =
            ended.map_err(|error| format!("the journal {name} was not written to its end: {}", cause(&error)))?;
        if self.file.as_ref().is_some_and(|file| !journal_file::is_there(&self.name, file)) {
            return Err(format!("the journal {name} was removed, replaced or emptied while it was written").into());
        }
        Ok(hash)
    }

    /// Waits for a journal that cannot be written any more. The end of the node is no failure.
    pub async fn failure(&mut self) -> Failed {
        match self.end().await {
            Err(failed) => failed,
            Ok(_) => std::future::pending().await,
        }
    }
}
