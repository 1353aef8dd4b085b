use std::path::{Path, PathBuf};

use clap::Command;
use clap_mangen::Man;
use serde_json::json;

use crate::cause::cause;
use crate::escape;
use crate::failed::Failed;
use crate::file;
use crate::options::{self, Options};

/// Write the pages of the manual, one for each command, into a folder
#[derive(clap::Args)]
pub struct Args {
    /// Folder, made if it is not there; nothing in it is overwritten
    #[arg(value_parser = options::named_file())]
    folder: PathBuf,
}

pub fn run(options: &Options, args: Args, mut program: Command) -> Result<(), Failed> {
    let made = std::fs::create_dir_all(&args.folder);
    made.map_err(|error| format!("the folder {} cannot be made: {}", args.folder.display(), cause(&error)))?;
    program.build();
    let mut pages = Vec::new();
    write(&args.folder, &program, &mut pages)?;
    // Only now, since whoever reads them may stop after the first.
    pages.iter().map(|page| page.display().to_string()).try_for_each(|page| {
        let object = json!({ "page": &page });
        options.out().line(escape::line(&page), object)
    })
}

fn write(folder: &Path, command: &Command, pages: &mut Vec<PathBuf>) -> Result<(), Failed> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_string();
    let (path, mut page) = (folder.join(format!("{name}.1")), Vec::new());
    let rendered = Man::new(command.clone()).title(name.to_uppercase()).render(&mut page);
    rendered.map_err(|error| format!("the page of {name} cannot be made: {}", cause(&error)))?;
    file::write_new_for_all(&path, &page)?;
    pages.push(path);
    let mut commands = command.get_subcommands().filter(|command| command.get_name() != "help");
    commands.try_for_each(|command| write(folder, command, pages))
}
