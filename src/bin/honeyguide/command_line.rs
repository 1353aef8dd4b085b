//! What the user typed, read and checked: the commands, their options, and a sentence about what is wrong (rules U1 to
//! U3).

use std::time::Duration;

use clap::error::{ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::escape;
use crate::examples::EXAMPLES;
use crate::failed::Failed;
use crate::options::Options;
use crate::usage::USAGE;
use crate::{
    announce, completions, demo, find_node, get, inspect, journal, keygen, man, negentropy_harness, node, peers, ping,
    pubkey, put, reconcile, replay, sample, scrape, sim, testnet,
};

/// Bytes of an argument at most, up to `--`: a path's, and more than a value may have. Of a longer one it would take
/// seconds to find out which option it is like.
const LONGEST: usize = 4096;

#[derive(Parser)]
#[command(name = "honeyguide", version, about = "A Mainline DHT node and its tools")]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    Demo(demo::Args),
    Testnet(testnet::Args),
    Node(node::Args),
    Replay(replay::Args),
    Journal(journal::Args),
    Ping(ping::Args),
    FindNode(find_node::Args),
    Peers(peers::Args),
    Announce(announce::Args),
    Scrape(scrape::Args),
    Sample(sample::Args),
    Get(get::Args),
    Put(put::Args),
    Keygen(keygen::Args),
    Pubkey(pubkey::Args),
    Inspect(inspect::Args),
    NegentropyHarness(negentropy_harness::Args),
    Reconcile(reconcile::Args),
    Sim(sim::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Command {
    /// How long it may take unless `--timeout` says otherwise; as long as it takes for `None`.
    pub fn time(&self) -> Option<Duration> {
        let seconds = match self {
            Command::Demo(_) => 60,
            Command::Ping(_) => 10,
            Command::FindNode(_) | Command::Peers(_) | Command::Announce(_) | Command::Scrape(_) => 30,
            Command::Sample(_) | Command::Get(_) | Command::Put(_) => 30,
            Command::Testnet(_) | Command::Node(_) | Command::Replay(_) | Command::Journal(_) => return None,
            Command::Keygen(_) | Command::Pubkey(_) | Command::Inspect(_) | Command::Completions(_) => return None,
            Command::NegentropyHarness(_) | Command::Reconcile(_) | Command::Sim(_) | Command::Man(_) => return None,
        };
        Some(Duration::from_secs(seconds))
    }
}

/// Why no command is run.
pub enum Refused {
    /// The help or the version was asked for: its name, and what it says.
    Answered {
        what: &'static str,
        text: String,
        json: bool,
    },
    Wrong {
        failed: Failed,
        json: bool,
    },
}

pub fn read() -> Result<(Options, Command), Refused> {
    let all = || std::env::args_os().skip(1);
    let typed = || all().take_while(|argument| argument != "--");
    let is_json = typed().any(|one| one == "--json");
    if let Some(long) = typed().find(|argument| argument.len() > LONGEST) {
        let begin = long.to_string_lossy().chars().take(20).collect::<String>();
        let sentence = format!(
            "the argument \"{begin}..\" has {} bytes, and those that mean something have {LONGEST} at most",
            long.len()
        );
        return Err(Refused::Wrong { failed: Failed::usage(sentence), json: is_json });
    }
    let matches = program().try_get_matches();
    let read = matches.and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches));
    match read {
        Ok(Cli { options, command }) => Ok((options, command)),
        Err(error) => {
            let (text, json) = (error.render().to_string().trim_end().into(), is_json);
            Err(match error.kind() {
                ErrorKind::InvalidUtf8 => {
                    // It may be any of them, since names of files are not text.
                    let wrong = all().filter(|argument| argument.to_str().is_none());
                    let wrong = wrong.map(|argument| format!("{argument:?}")).collect::<Vec<_>>().join(", ");
                    let sentence = format!("{wrong} is not UTF-8, as all arguments are but names of files");
                    Refused::Wrong { failed: Failed::usage(sentence), json }
                }
                ErrorKind::DisplayHelp => Refused::Answered { what: "help", text, json },
                ErrorKind::DisplayVersion => Refused::Answered { what: "version", text, json },
                _ => Refused::Wrong { failed: Failed::usage(sentence(&error)), json },
            })
        }
    }
}

/// The program as a whole, with two examples at the end of each command's help.
pub fn program() -> clap::Command {
    with_texts(Cli::command(), "")
}

fn with_texts(mut command: clap::Command, path: &str) -> clap::Command {
    let names: Vec<_> = command.get_subcommands().map(|command| command.get_name().to_string()).collect();
    for name in names {
        let path = format!("{path} {name}");
        command = command.mut_subcommand(&name, |command| with_texts(command, path.trim_start()));
    }
    if let Some((_, examples)) = EXAMPLES.iter().find(|(of, _)| *of == path) {
        command = command.after_help(format!("Examples:\n  {}\n  {}", examples[0], examples[1]));
    }
    if let Some((_, lines)) = USAGE.iter().find(|(of, _)| *of == path) {
        let lines: Vec<_> = lines.iter().map(|line| format!("honeyguide {path} {line}")).collect();
        // Below the first one, which stands behind "Usage: ".
        command = command.override_usage(lines.join("\n       "));
    }
    // A negative number is a wrong value and no option, and is told so.
    command.mut_args(|argument| match argument.get_action().takes_values() {
        true => argument.allow_negative_numbers(true),
        false => argument,
    })
}

/// What is wrong in one sentence, with what would be right.
pub fn sentence(error: &clap::Error) -> String {
    let missing = [ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand, ErrorKind::MissingSubcommand];
    if missing.contains(&error.kind()) {
        let begin = error.render().to_string();
        let usage = begin.lines().find_map(|line| line.strip_prefix("Usage: ")).unwrap_or("honeyguide <COMMAND>");
        return format!("a command is missing; usage: {usage}; --help lists the commands");
    }
    let mut text = error.render().to_string();
    for (_, value) in error.context() {
        // What was typed is told in one line, whatever is in it.
        if let ContextValue::String(value) = value
            && value.contains('\n')
        {
            text = text.replace(value, &escape::line(value));
        }
    }
    let mut sentence = String::new();
    for line in text.lines().map(str::trim) {
        let line = line.strip_prefix("error: ").unwrap_or(line);
        let line = line.replace("Usage: ", "usage: ");
        if line.is_empty() || line.starts_with("For more information") {
            continue;
        }
        if !sentence.is_empty() {
            sentence += if sentence.ends_with(':') { " " } else { "; " };
        }
        sentence += &line;
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(command: &clap::Command, path: &str, all: &mut Vec<String>) {
        all.push(path.to_string());
        for command in command.get_subcommands() {
            paths(command, format!("{path} {}", command.get_name()).trim_start(), all);
        }
    }

    /// Words as a shell makes them, up to a pipe or a redirection.
    fn words(example: &str) -> Vec<String> {
        let (mut words, mut quote, mut is_new) = (Vec::<String>::new(), None, true);
        for c in example.chars() {
            match (c, quote) {
                (c, Some(end)) if c == end => quote = None,
                ('"' | '\'', None) => quote = Some(c),
                (' ', None) => is_new = true,
                (c, _) => {
                    if std::mem::take(&mut is_new) {
                        words.push(String::new());
                    }
                    words.last_mut().unwrap().push(c);
                }
            }
        }
        let begin = words.iter().position(|word| word == "honeyguide").expect("an example of this program");
        words.drain(begin..).take_while(|word| !["|", "<", ">", "&"].contains(&word.as_str())).collect()
    }

    /// Rule U3.
    #[test]
    fn every_command_has_two_examples_and_each_is_of_that_command_and_understood() {
        let (mut all, program) = (Vec::new(), program());
        paths(&program, "", &mut all);
        for path in &all {
            let (_, examples) = EXAMPLES.iter().find(|(of, _)| of == path).expect(path);
            for example in examples {
                let words = words(example);
                assert!(words[1..].join(" ").starts_with(path.as_str()), "{example} is none of {path}");
                if let Err(error) = program.clone().try_get_matches_from(&words) {
                    panic!("{example}: {error}");
                }
            }
        }
        assert_eq!(all.len(), EXAMPLES.len(), "each example is of a command");
    }

    /// Rule U3. What a user copies from the help has to work.
    #[test]
    fn no_example_asks_a_router_that_is_not_known_to_live() {
        use honeyguide::adapters::Router;
        let words = EXAMPLES.iter().flat_map(|(_, examples)| examples).flat_map(|example| example.split(' '));
        let names = words.filter(|word| word.contains('.') && word.contains(':') && !word.contains('/'));
        let is_address = |name: &str| name.parse::<std::net::SocketAddr>().is_ok();
        for name in names.filter(|name| !is_address(name)) {
            assert!(Router::PUBLIC.iter().any(|router| router.name == name), "{name}");
        }
    }

    #[test]
    fn what_is_wrong_is_one_line_that_says_what_would_be_right() {
        for (typed, parts) in [
            ("honeyguide", &["a command is missing", "usage: honeyguide"][..]),
            ("honeyguide journal", &["a command is missing", "usage: honeyguide journal"]),
            ("honeyguide dance", &["'dance'", "usage:"]),
            ("honeyguide get abc", &["'abc'", "[TARGET]", "40 hex digits"]),
            ("honeyguide put x --secret f --seq -1", &["'-1'", "--seq <N>", "a whole number from 0"]),
            ("honeyguide announce", &["<INFO_HASH>", "--port <PORT>", "usage: honeyguide announce"]),
            ("honeyguide testnet --bootstrap 127.0.0.1:1", &["--bootstrap", "usage: honeyguide testnet"]),
            ("honeyguide testnet --nodes 0", &["'0'", "--nodes <NODES>", "from 1 to 10000"]),
        ] {
            let error = program().try_get_matches_from(typed.split(' ')).unwrap_err();
            let sentence = sentence(&error);
            assert!(!sentence.contains('\n') && !sentence.contains("For more"), "{sentence}");
            assert!(parts.iter().all(|part| sentence.contains(part)), "{sentence} lacks one of {parts:?}");
            assert_eq!(error.exit_code(), 2);
        }
    }
}
