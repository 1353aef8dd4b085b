//! The folder of a report. That it can be written is found out before worlds run for minutes, and its two files are
//! there together or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::NamedTempFile;

use crate::cause::cause;
use crate::failed::Failed;
use crate::file;
use crate::folder;
use crate::options::Options;
use crate::print::say;
use crate::sim_page::Page;
use crate::worker;

const NAMES: [&str; 2] = ["report.html", "rows.json"];
/// What there has to be for each of them before worlds are run; a report has about as many.
const FREE_BYTES: usize = 256 * 1024;

/// Where a report goes, or nowhere.
pub struct Folder(Option<Place>);

struct Place {
    folder: PathBuf,
    made: Vec<PathBuf>,
    is_written: bool,
}

impl Folder {
    /// Makes the folder if it is not there.
    pub async fn prepare(options: &Options, folder: Option<PathBuf>) -> Result<Folder, Failed> {
        let Some(folder) = folder else { return Ok(Folder(None)) };
        // File systems may take their time.
        let preparing = worker::work(move || Place::prepare(folder));
        tokio::select! {
            place = preparing => Ok(Folder(Some(place??))),
            why = options.ending() => Err(why.into()),
        }
    }

    /// Writes a report, if one is wanted.
    pub async fn write(self, page: impl FnOnce() -> Result<Page, Failed>, rows: &Value) -> Result<(), Failed> {
        let Some(mut place) = self.0 else { return Ok(()) };
        let rows = serde_json::to_string_pretty(rows).unwrap_or_default() + "\n";
        let contents = [page()?.html(), rows];
        let page = place.folder.join(NAMES[0]);
        // It is waited for in any case, so that there are not half of them.
        worker::work(move || place.write(&contents)).await??;
        say(format_args!("the report is {}", page.display()));
        Ok(())
    }
}

impl Place {
    fn prepare(folder: PathBuf) -> Result<Place, Failed> {
        let mut place = Place { folder, made: Vec::new(), is_written: false };
        folder::make(&place.folder, &mut place.made)?;
        place.try_both().map(drop)?;
        Ok(place)
    }

    /// Files as large as those that will be written, at the same time as those: they have names of their own, and are
    /// gone when they are dropped.
    fn try_both(&self) -> Result<Vec<NamedTempFile>, Failed> {
        let tried = NAMES.iter().map(|name| {
            let path = self.folder.join(name);
            file::can_be_new(&path)?;
            file::beside(&path, &[0; FREE_BYTES]).map_err(|error| not_written(&path, &error))
        });
        tried.collect()
    }

    fn write(&mut self, contents: &[String; 2]) -> Result<(), Failed> {
        let paths = NAMES.map(|name| self.folder.join(name));
        let pairs = paths.iter().zip(contents);
        let mut ready = Vec::new();
        for (path, content) in pairs {
            let file = file::beside(path, content.as_bytes()).and_then(file::readable);
            ready.push((path, file.map_err(|error| not_written(path, &error))?));
        }
        let mut named: Vec<&Path> = Vec::new();
        for (path, file) in ready {
            let persisted = file.persist_noclobber(path).map_err(io::Error::from).map(|_| named.push(path));
            if let Err(error) = persisted.and_then(|()| file::sync_folder(path)) {
                named.iter().for_each(|path| drop(fs::remove_file(path)));
                return Err(not_written(path, &error));
            }
        }
        self.is_written = true;
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_written {
            folder::unmake(&self.made);
        }
    }
}

fn not_written(path: &Path, error: &io::Error) -> Failed {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::AlreadyExists => format!("{path} exists and was left as it is: name a new folder").into(),
        _ => format!("{path} cannot be written: {}", cause(error)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_there_as_a_whole_or_not_at_all() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("deep/report");
        let contents = ["page".to_string(), "rows".to_string()];
        let prepare = || Place::prepare(folder.clone());
        // Nothing came of it.
        drop(prepare().unwrap());
        assert!(!place.path().join("deep").exists());
        // Somebody else was there first.
        let mut taken = prepare().unwrap();
        fs::write(folder.join("rows.json"), "theirs").unwrap();
        assert!(taken.write(&contents).unwrap_err().sentence.contains("rows.json exists"));
        drop(taken);
        let names = || fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect::<Vec<_>>();
        assert_eq!((names().len(), fs::read(folder.join("rows.json")).unwrap()), (1, b"theirs".to_vec()));
        assert!(prepare().is_err_and(|failed| failed.sentence.contains("left as it is")));
        fs::remove_file(folder.join("rows.json")).unwrap();
        prepare().unwrap().write(&contents).unwrap();
        assert_eq!((names().len(), fs::read(folder.join("report.html")).unwrap()), (2, b"page".to_vec()));
    }

    /// Both are there at the end, so that room for one after the other is not enough.
    #[test]
    fn room_for_both_files_of_a_report_is_tried_at_the_same_time() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::prepare(folder.path().to_path_buf()).unwrap();
        let sizes = || -> Vec<_> {
            fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).collect()
        };
        assert!(sizes().is_empty());
        let tried = place.try_both().unwrap();
        assert_eq!(sizes(), [FREE_BYTES as u64; 2]);
        drop(tried);
        assert!(sizes().is_empty());
    }
}
