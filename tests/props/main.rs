//! Properties: what holds for every input, tried on random ones and against models that are too simple to be wrong.

mod ahead;
mod burdens;
mod codec;
mod frame;
mod holes;
mod keeper;
mod kept;
mod limiter;
mod listing;
mod lookup;
mod memory;
mod reconcile;
mod secrets;
#[path = "../shared/sessions.rs"]
mod sessions;
mod size;
mod stores;
mod surroundings;
mod table;
mod tokens;
mod tree;
mod votes;
