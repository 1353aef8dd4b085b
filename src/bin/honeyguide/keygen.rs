use honeyguide::krpc::SignedItem;
use std::path::PathBuf;

use serde_json::json;

use crate::failed::Failed;
use crate::file;
use crate::options::Options;

/// Make an ed25519 secret in a new file and print its public key
#[derive(clap::Args)]
pub struct Args {
    /// File to create; it is never overwritten
    file: PathBuf,
}

pub fn run(options: &Options, args: Args) -> Result<(), Failed> {
    let secret: [u8; 32] = options.rng()?.bytes();
    file::write_new(&args.file, format!("{}\n", hex::encode(secret)).as_bytes())?;
    let key = hex::encode(SignedItem::public_key(&secret));
    options.out().line(&key, json!({ "public_key": key }))
}
