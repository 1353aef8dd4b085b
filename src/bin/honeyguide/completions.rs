use clap::Command;
use clap_complete::Shell;
use serde_json::json;

use crate::failed::Failed;
use crate::options::Options;

/// Print what a shell needs to complete this program's commands
#[derive(clap::Args)]
pub struct Args {
    /// Which shell
    shell: Shell,
}

pub fn run(options: &Options, args: Args, mut program: Command) -> Result<(), Failed> {
    let (mut script, name) = (Vec::new(), program.get_name().to_string());
    clap_complete::generate(args.shell, &mut program, name, &mut script);
    let script = String::from_utf8_lossy(&script);
    options.out().line(script.trim_end(), json!({ "shell": args.shell.to_string(), "script": script }))
}
