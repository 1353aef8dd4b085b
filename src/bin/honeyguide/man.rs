use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Command;
use clap_mangen::Man;
use serde_json::json;
use tempfile::NamedTempFile;

use crate::cause::cause;
use crate::escape;
use crate::failed::Failed;
use crate::file;
use crate::folder;
use crate::options::{self, Options};
use crate::worker;

/// How each page begins: a comment, by which it is known as ours when a newer one takes its place.
const MARK: &str = ".\\\" Written by `honeyguide man`, which replaces it.\n";

/// Write the pages of the manual, one for each command, into a folder
#[derive(clap::Args)]
pub struct Args {
    /// Folder, made if it is not there; pages of this program in it are replaced, and nothing else
    #[arg(value_parser = options::named_file())]
    folder: PathBuf,
}

pub async fn run(options: &Options, args: Args, mut program: Command) -> Result<(), Failed> {
    // From here on no signal and no `--timeout` ends the program at once, which could leave half of the pages.
    let mut ending = pin!(options.ending());
    program.build();
    let mut pages = Vec::new();
    add(&args.folder, &program, &mut pages)?;
    let (names, is_over) = (pages.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>(), Arc::default());
    let stop = Arc::clone(&is_over);
    let mut writing = worker::work(move || write(&args.folder, &pages, &is_over));
    let written = tokio::select! {
        biased;
        written = &mut writing => written,
        why = &mut ending => {
            stop.store(true, Ordering::Relaxed);
            match writing.await {
                Ok(Ok(false)) => return Err(why.into()),
                written => written,
            }
        }
    };
    written??;
    // Only now, since whoever reads them may stop after the first.
    names.iter().map(|page| page.display().to_string()).try_for_each(|page| {
        let object = json!({ "page": &page });
        options.out().line(escape::line(&page), object)
    })
}

/// The pages of a command and of those below it.
fn add(folder: &Path, command: &Command, pages: &mut Vec<(PathBuf, Vec<u8>)>) -> Result<(), Failed> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_string();
    let mut page = MARK.as_bytes().to_vec();
    let rendered = Man::new(command.clone()).title(name.to_uppercase()).render(&mut page);
    rendered.map_err(|error| format!("the page of {name} cannot be made: {}", cause(&error)))?;
    pages.push((folder.join(format!("{name}.1")), page));
    let mut commands = command.get_subcommands().filter(|command| command.get_name() != "help");
    commands.try_for_each(|command| add(folder, command, pages))
}

/// Writes all pages or none of them, which is false; then no folder that was not there stays either.
fn write(folder: &Path, pages: &[(PathBuf, Vec<u8>)], is_over: &AtomicBool) -> Result<bool, Failed> {
    let mut made = Vec::new();
    let is_there = folder::make(folder, &mut made);
    let written = is_there.and_then(|()| write_within(pages, is_over));
    if !matches!(written, Ok(true)) {
        folder::unmake(&made);
    }
    written
}

/// The pages get their names when all of them are safe on the disk.
fn write_within(pages: &[(PathBuf, Vec<u8>)], is_over: &AtomicBool) -> Result<bool, Failed> {
    let mut ready = Vec::new();
    for (path, page) in pages {
        if is_over.load(Ordering::Relaxed) {
            return Ok(false);
        }
        ready.push((path, prepare(path, page).map_err(|error| not_written(path, &error))?));
    }
    for (path, (target, file)) in ready {
        persist(&target, file).map_err(|error| not_written(path, &error))?;
    }
    Ok(true)
}

/// A page that only lacks its name, and the place where that leads.
fn prepare(path: &Path, page: &[u8]) -> io::Result<(PathBuf, NamedTempFile)> {
    let target = file::target(path)?;
    if is_there(&target)? == Some(false) {
        return Err(ErrorKind::AlreadyExists.into());
    }
    Ok((target.clone(), file::readable(file::beside(&target, page)?)?))
}

fn persist(target: &Path, file: NamedTempFile) -> io::Result<()> {
    // Somebody else may have put something there meanwhile.
    match is_there(target)? {
        Some(true) => drop(file.persist(target)?),
        Some(false) => return Err(ErrorKind::AlreadyExists.into()),
        None => drop(file.persist_noclobber(target)?),
    }
    file::sync_folder(target)
}

/// Whether what is there is a page of ours; `None` for nothing.
fn is_there(target: &Path) -> io::Result<Option<bool>> {
    let there = match fs::symlink_metadata(target) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        there => there?,
    };
    if !there.is_file() {
        return Ok(Some(false));
    }
    let mut begin = Vec::new();
    File::open(target)?.take(MARK.len() as u64).read_to_end(&mut begin)?;
    Ok(Some(begin == MARK.as_bytes()))
}

fn not_written(path: &Path, error: &io::Error) -> Failed {
    let path = path.display();
    match error.kind() {
        ErrorKind::AlreadyExists => {
            format!("{path} exists, is no page of this program, and was left as it is: name another folder").into()
        }
        _ => format!("{path} cannot be written: {}", cause(error)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_were_not_written_take_the_folders_with_them_that_were_made_for_them() {
        let place = tempfile::tempdir().unwrap();
        let (new, there) = (place.path().join("new"), place.path().join("there"));
        fs::create_dir(&there).unwrap();
        let write = |folder: &Path| write(folder, &[(folder.join("a.1"), Vec::new())], &AtomicBool::new(true));
        assert!(!write(&new.join("deep")).unwrap() && !new.exists());
        // However a folder is named that was there.
        assert!(!write(&new.join("../there")).unwrap() && !new.exists());
        assert!(there.exists());
        // A file is told as what is in the way.
        fs::write(place.path().join("file"), "").unwrap();
        assert!(write(&place.path().join("file/x")).unwrap_err().sentence.contains("is a file and no folder"));
    }
}
