//! Secrets that the user has in files: the 64 hex digits of an ed25519 seed.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::cause::cause;
use crate::failed::Failed;
use crate::options;

/// How texts begin that hold a public key, whose owner meant another file.
const PUBLIC: [&str; 5] = ["npub1", "ssh-", "-----BEGIN PUBLIC KEY", "-----BEGIN CERTIFICATE", "{\"public_key\""];

/// The seed in a file, or on standard input for `-`.
pub fn secret(path: &Path) -> Result<[u8; 32], Failed> {
    let bytes = read(path, "the secret")?;
    // The content is a secret: the sentence must not repeat it.
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    let shown = shown(path);
    if PUBLIC.iter().any(|begin| text.starts_with(begin)) {
        return Err(format!("{shown} holds a public key: name the file with its secret, as `keygen` wrote it").into());
    }
    options::hex_array(text)
        .map_err(|fault| format!("{shown} holds no secret: it is {fault}, as `keygen` writes them").into())
}

/// What a path means, in a sentence.
pub fn shown(path: &Path) -> String {
    if path == Path::new("-") { "standard input".into() } else { path.display().to_string() }
}

/// A small file, or standard input for `-`. Either may block.
pub fn read(path: &Path, what: &str) -> Result<Vec<u8>, Failed> {
    const MOST: u64 = 1 << 16;
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(MOST).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(MOST).read_to_end(&mut bytes))
    };
    read.map_err(|error| format!("{what} cannot be read from {}: {}", shown(path), cause(&error)))?;
    Ok(bytes)
}
