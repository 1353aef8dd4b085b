//! Secrets that the user has in files: the 64 hex digits of an ed25519 seed.

use std::path::Path;

use crate::failed::Failed;
use crate::options;
use crate::small_file::{Purpose, read, shown};

/// How texts begin that hold a public key, whose owner meant another file.
const PUBLIC: [&str; 5] = ["npub1", "ssh-", "-----BEGIN PUBLIC KEY", "-----BEGIN CERTIFICATE", "{\"public_key\""];

/// 64 hex digits and the end of a line.
const LEN: u64 = 65;

/// The seed in a file, or on standard input for `-`.
pub fn secret(path: &Path) -> Result<[u8; 32], Failed> {
    // What is in it is no usage of the program, right or wrong.
    let bytes = read(path, Purpose { what: "the secret", most: LEN }).map_err(|failed| Failed { code: 1, ..failed })?;
    // The content is a secret: the sentence must not repeat it.
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    let shown = shown(path);
    if PUBLIC.iter().any(|begin| text.starts_with(begin)) {
        return Err(format!("{shown} holds a public key: name the file with its secret, as `keygen` wrote it").into());
    }
    options::hex_array(text)
        .map_err(|fault| format!("{shown} holds no secret: it is {fault}, as `keygen` writes them").into())
}
