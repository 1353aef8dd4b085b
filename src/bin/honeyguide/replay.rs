use std::path::PathBuf;

use honeyguide::adapters::replay;
use honeyguide::{Node, Storage};

use crate::failed::Failed;
use crate::journal;
use crate::node::report_hash;
use crate::options::Options;

/// Run a journal again and print the hash of the output stream
#[derive(clap::Args)]
pub struct Args {
    /// What `node --journal` recorded
    file: PathBuf,
}

pub fn run(options: &Options, args: Args) -> Result<(), Failed> {
    let (head, records) = journal::open(&args.file)?;
    let made = head.config().and_then(|config| {
        let storage = Storage::allocate(&config);
        Node::new(config, head.rng_seed, storage)
    });
    let mut node = made.map_err(|error| format!("{}: the node cannot be made: {error}", args.file.display()))?;
    let hash = replay(&mut node, &records).map_err(|error| format!("{}: {error}", args.file.display()))?;
    report_hash(options.out(), hash)
}
