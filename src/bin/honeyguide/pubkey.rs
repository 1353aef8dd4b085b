use std::path::PathBuf;

use honeyguide::krpc::SignedItem;
use serde_json::json;

use crate::failed::Failed;
use crate::options::Options;
use crate::secret;

/// Print the public key of a secret
#[derive(clap::Args)]
pub struct Args {
    /// File that `keygen` made; `-` is standard input
    file: PathBuf,
}

pub fn run(options: &Options, args: Args) -> Result<(), Failed> {
    let key = hex::encode(SignedItem::public_key(&secret::secret(&args.file)?));
    options.out().line(&key, json!({ "public_key": key }))
}
