//! The program as a user meets it: every command through everything that its streams, its files, its terminal, the
//! system and the user may do. Rules U1 to U32 of `spec/program.md`.

#![cfg(target_os = "linux")]

mod absence;
mod commands;
#[path = "../shared/eventually.rs"]
mod eventually;
mod fake;
mod files;
#[path = "../shared/folder.rs"]
mod folder;
mod hostile;
mod interrupted;
mod keeping;
mod lost;
#[path = "../shared/namespace.rs"]
mod namespace;
mod objects;
mod options;
mod process;
#[path = "../shared/program.rs"]
mod program;
mod saving;
mod signals;
mod sim;
mod streams;
mod unread;
mod unsent;
mod usage;
mod versions;
mod walk;
