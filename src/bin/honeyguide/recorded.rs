//! A run that is being recorded, and the end of its journal.

use std::path::{Path, PathBuf};

use honeyguide::adapters::Recording;

use crate::cause::cause;
use crate::failed::Failed;

/// A run that is being recorded.
pub struct Recorded {
    name: PathBuf,
    running: Recording,
}

impl Recorded {
    pub fn new(name: PathBuf, running: Recording) -> Recorded {
        Recorded { name, running }
    }

    /// Where the run goes.
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// The hash of all that the node put out, once it has ended or the journal cannot be written any more.
    pub async fn end(&mut self) -> Result<u128, Failed> {
        let ended = (&mut self.running).await;
        ended.map_err(|error| {
            format!("the journal {} was not written to its end: {}", self.name.display(), cause(&error)).into()
        })
    }

    /// Waits for a journal that cannot be written any more. The end of the node is no failure.
    pub async fn failure(&mut self) -> Failed {
        match self.end().await {
            Err(failed) => failed,
            Ok(_) => std::future::pending().await,
        }
    }
}
