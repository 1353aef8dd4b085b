//! Worlds of the simulator: what it promises itself, and what must hold for nodes in all of them.

mod acceptance;
mod adversaries;
mod busy;
mod frugal;
mod intruders;
mod links;
mod malice;
mod outages;
mod own_loop;
#[cfg(planted)]
mod planted;
mod population;
mod remotes;
mod roles;
mod searches;
mod small;
mod together;
mod worlds;
