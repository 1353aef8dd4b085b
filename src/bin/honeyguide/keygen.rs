use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use honeyguide::krpc::public_key;
use serde_json::json;

use crate::options::{Failed, Options};

/// Make an ed25519 secret in a new file and print its public key
#[derive(clap::Args)]
pub struct Args {
    /// File to create; it is never overwritten
    file: PathBuf,
}

pub fn run(options: &Options, args: Args) -> Result<(), Failed> {
    let secret: [u8; 32] = options.rng()?.bytes();
    let path = args.file.display();
    let mut open = OpenOptions::new();
    open.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
    let mut file = open.open(&args.file).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => format!("{path} exists and was left as it is: name a new file"),
        _ => format!("{path} cannot be created: {error}"),
    })?;
    let written = writeln!(file, "{}", hex::encode(secret)).and_then(|()| file.sync_all());
    written.map_err(|error| format!("{path} cannot be written: {error}"))?;
    let key = hex::encode(public_key(&secret));
    options.out().line(&key, &[("public_key", json!(key))])
}
