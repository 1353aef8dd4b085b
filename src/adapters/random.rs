//! The system's randomness, for the seed that a node takes.

use std::io;

/// 32 bytes from the system, for a node's `rng_seed`: all that a node draws follows from them, so they are a secret.
///
/// # Errors
/// When the system gives none.
pub fn rng_seed() -> io::Result<[u8; 32]> {
    let mut rng_seed = [0; 32];
    getrandom::fill(&mut rng_seed).map_err(io::Error::other)?;
    Ok(rng_seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_seeds_are_alike() {
        assert_ne!(rng_seed().unwrap(), rng_seed().unwrap());
    }
}
