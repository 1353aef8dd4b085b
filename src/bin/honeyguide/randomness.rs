//! Where a command's random numbers come from.

use clap::Args;
use honeyguide::adapters::rng_seed;
use honeyguide::base::Rng;

use crate::cause::cause;
use crate::failed::Failed;
use crate::options;

#[derive(Args, Clone)]
pub struct Randomness {
    /// Makes a run repeatable where random numbers play a part
    #[arg(long, value_name = "N", value_parser = options::whole::<u64>(0..=u64::MAX))]
    pub seed: Option<u64>,
}

impl Randomness {
    /// Randomness of the system, or the repeatable kind.
    pub fn rng(&self) -> Result<Rng, Failed> {
        let Some(n) = self.seed else {
            let rng_seed =
                rng_seed().map_err(|error| format!("the system gives no random numbers: {}", cause(&error)))?;
            return Ok(Rng::from_seed(rng_seed));
        };
        let mut rng_seed = [0; 32];
        rng_seed[..8].copy_from_slice(&n.to_le_bytes());
        Ok(Rng::from_seed(rng_seed))
    }

    /// The same, but what is repeatable follows from a secret besides: nobody finds it by trying numbers.
    pub fn rng_beside(&self, secret: &[u8; 32]) -> Result<Rng, Failed> {
        let mut rng_seed = self.rng()?.bytes::<32>();
        rng_seed.iter_mut().zip(secret).for_each(|(byte, secret)| *byte ^= secret);
        Ok(Rng::from_seed(rng_seed))
    }
}
