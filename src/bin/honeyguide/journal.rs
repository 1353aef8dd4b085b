use crate::failed::Failed;
use crate::options::Options;
use crate::{scrub, shrink};

/// Make a journal fit to be handed on, or shorter
///
/// What a journal tells is shown by `honeyguide replay --explain`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Scrub(scrub::Args),
    Shrink(shrink::Args),
}

pub async fn run(options: &Options, args: Args) -> Result<(), Failed> {
    match args.command {
        Command::Scrub(args) => scrub::run(options, args).await,
        Command::Shrink(args) => shrink::run(options, args).await,
    }
}
