//! Whole nodes, in virtual time.

mod bootstrap;
mod clock;
mod ends;
mod flood;
mod guarded;
mod hostile;
mod imports;
mod keeper;
mod lab;
mod operations;
mod own_address;
mod own_id;
mod promises;
mod properties;
mod role;
mod scopes;
mod served;
mod unconfirmed;
mod vectors;
mod world;
