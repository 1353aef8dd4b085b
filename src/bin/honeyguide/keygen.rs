use std::path::PathBuf;

use honeyguide::krpc::SignedItem;
use serde_json::json;

use crate::failed::Failed;
use crate::file;
use crate::options::Options;

/// Make an ed25519 secret in a new file and print its public key
#[derive(clap::Args)]
pub struct Args {
    /// File to create; it is never overwritten
    file: PathBuf,
    /// With --seed, which makes a key that anybody can guess
    #[arg(long)]
    insecure: bool,
}

pub fn run(options: &Options, args: Args) -> Result<(), Failed> {
    match (options.seed, args.insecure) {
        (Some(_), false) => {
            return Err(Failed::usage(
                "--seed makes a key that anybody can guess: leave it out, or add --insecure for a test",
            ));
        }
        (None, true) => return Err(Failed::usage("--insecure means nothing without --seed: leave it out")),
        _ => {}
    }
    // From here on no signal and no `--timeout` ends the program at once, which could leave a secret whose public key
    // nobody was told.
    let _ending = options.ending();
    let secret: [u8; 32] = options.rng()?.bytes();
    file::write_new(&args.file, format!("{}\n", hex::encode(secret)).as_bytes())?;
    let key = hex::encode(SignedItem::public_key(&secret));
    let printed = options.out().line(&key, json!({ "public_key": key }));
    if printed.is_err() {
        // It was made just now, and nobody knows its key.
        let _ = std::fs::remove_file(&args.file);
    }
    printed
}
