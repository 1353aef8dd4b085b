use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use honeyguide::krpc::SignedItem;
use serde_json::json;
use tokio::time::timeout;

use crate::failed::Failed;
use crate::file;
use crate::options::{self, Options};
use crate::randomness::Randomness;

/// How long whoever ends the program waits for the public key to be told.
const LAST_WORD: Duration = Duration::from_millis(20);

/// Make an ed25519 secret in a new file and print its public key
#[derive(clap::Args)]
pub struct Args {
    /// File to create; it is never overwritten, and no secret is ever printed
    #[arg(value_parser = options::named_file())]
    file: PathBuf,
    /// With --seed, which makes a key that anybody can guess
    #[arg(long)]
    insecure: bool,
    #[command(flatten)]
    random: Randomness,
}

pub async fn run(options: &Options, args: Args) -> Result<(), Failed> {
    match (args.random.seed, args.insecure) {
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
    let ending = options.ending();
    let secret: [u8; 32] = args.random.rng()?.bytes();
    file::write_new(&args.file, format!("{}\n", hex::encode(secret)).as_bytes())?;
    let key = hex::encode(SignedItem::public_key(&secret));
    let mut printing = pin!(options.out().line_aside(&key, json!({ "public_key": key })));
    let printed = tokio::select! {
        biased;
        printed = &mut printing => printed,
        why = ending => timeout(LAST_WORD, printing).await.unwrap_or_else(|_| Err(why.into())),
    };
    printed.map_err(|failed| {
        // It was made just now, and nobody knows its key.
        let _ = std::fs::remove_file(&args.file);
        let why = if failed.code == 0 { "nobody reads standard output any more" } else { &failed.sentence };
        format!("{why}, so that the public key could not be told: {} was not kept", args.file.display()).into()
    })
}
