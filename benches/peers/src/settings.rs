//! What was asked for on the command line.

use std::path::PathBuf;
use std::str::FromStr;

use crate::memory::Who;

const KNOWN: &str = "known: --json FILE, --rounds N, --only TEXT, --instructions, --profiles FOLDER";

#[derive(Default)]
pub struct Settings {
    pub rounds: usize,
    pub json: Option<String>,
    pub instructions: bool,
    pub profiles: Option<PathBuf>,
    /// Do the task of this contender and nothing else.
    pub alone: Option<usize>,
    /// Start this network, say what it takes and end.
    pub grow: Option<Who>,
    only: Option<String>,
}

impl Settings {
    pub fn from_args(mut args: impl Iterator<Item = String>) -> Result<Settings, String> {
        let mut settings = Settings { rounds: 801, ..Settings::default() };
        while let Some(option) = args.next() {
            let mut value = || args.next().ok_or(format!("{option} needs a value"));
            match option.as_str() {
                "--json" => settings.json = Some(value()?),
                "--only" => settings.only = Some(value()?),
                "--rounds" => settings.rounds = parsed(&option, &value()?)?,
                "--instructions" => settings.instructions = true,
                "--profiles" => settings.profiles = Some(value()?.into()),
                "--grow" => settings.grow = Some(parsed(&option, &value()?)?),
                "--alone" => settings.alone = Some(parsed(&option, &value()?)?),
                _ => return Err(format!("unknown option {option}; {KNOWN}")),
            }
        }
        if settings.rounds == 0 {
            return Err("--rounds: at least one".into());
        }
        Ok(settings)
    }

    pub fn wants(&self, group: &str) -> bool {
        self.only.as_ref().is_none_or(|only| group.contains(only))
    }
}

/// A value in its own type.
fn parsed<T: FromStr<Err: std::fmt::Display>>(option: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|error| format!("{option}: {error}"))
}
