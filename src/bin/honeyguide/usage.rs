//! Usage of the commands in which some options rule out others: clap would name them side by side, or leave them to
//! `[OPTIONS]`. Whatever a line names is no part of `[OPTIONS]`.

/// Usage by the path of the command; the name of the program stands in front.
pub const USAGE: &[(&str, &[&str])] = &[
    ("demo", &["[OPTIONS] [--nodes <NODES> | --bootstrap <ADDR>]"]),
    ("find-node", &["[OPTIONS] [--at <ADDR> | --bootstrap <ADDR>] <ID>"]),
    ("peers", &["[OPTIONS] [--at <ADDR> | --bootstrap <ADDR>] <INFO_HASH>"]),
    ("announce", &["[OPTIONS] --port <PORT> [--at <ADDR> | --bootstrap <ADDR>] <INFO_HASH>"]),
    ("scrape", &["[OPTIONS] [--at <ADDR> | --bootstrap <ADDR>] <INFO_HASH>"]),
    ("sample", &["[OPTIONS] [--at <ADDR> | --bootstrap <ADDR>] <ID>"]),
    (
        "get",
        &[
            "[OPTIONS] [--at <ADDR> | --bootstrap <ADDR>] [-n <N>] <TARGET>",
            "[OPTIONS] [--at <ADDR> | --bootstrap <ADDR>] [--first | [--newest | --newer-than <SEQ>] [-n <N>]] \
             (--key <PUBKEY> [--salt <S>] | --pkarr <KEY>)",
        ],
    ),
    (
        "put",
        &[
            "[OPTIONS] [--at <ADDR> | --bootstrap <ADDR>] [--secret <FILE> [--salt <S>] [--seq <N>] [--cas <N>]] \
             [--bencode] (<VALUE> | --file <F>)",
            "[OPTIONS] [--at <ADDR> | --bootstrap <ADDR>] [--cas <N>] (--item <FILE> | --pkarr <FILE>)",
        ],
    ),
    ("node", &["[OPTIONS] [--adaptive | [--read-only] [--frugal]]"]),
    (
        "sim",
        &[
            "[OPTIONS] [<SCENARIO> [--nodes <NODES>] [--seeds <A..B>] [--sweeps] [--resume <FILE>] [--report <DIR>]]",
            "[OPTIONS] swarm --seeds <A..B> --journal <FILE> [--host <NUMBER>]",
        ],
    ),
    ("keygen", &["[OPTIONS] [--seed <N> --insecure] <FILE>"]),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::command_line::{program, sentence};

    /// All that a line of usage allows, each word as it stands there.
    fn expand(words: &mut std::iter::Peekable<std::slice::Iter<'_, String>>) -> Vec<Vec<String>> {
        let (mut all, mut sequences) = (Vec::new(), vec![vec![]]);
        while let Some(word) = words.next_if(|word| !["]", ")"].contains(&word.as_str())) {
            let then = match word.as_str() {
                "|" => {
                    all.extend(std::mem::replace(&mut sequences, vec![vec![]]));
                    continue;
                }
                "[" | "(" => {
                    let mut inner = expand(words);
                    words.next();
                    inner.extend((word == "[").then_some(vec![]));
                    inner
                }
                word => vec![vec![word.to_string()]],
            };
            let both =
                sequences.iter().flat_map(|first: &Vec<String>| then.iter().map(|then| [&first[..], then].concat()));
            sequences = both.collect();
        }
        all.extend(sequences);
        all
    }

    fn allowed(usage: &str) -> Vec<Vec<String>> {
        let usage = usage.replace("[OPTIONS]", "").replace("...", "");
        let spaced = ["[", "]", "(", ")"].iter().fold(usage, |usage, c| usage.replace(c, &format!(" {c} ")));
        let words: Vec<_> = spaced.split_whitespace().map(String::from).collect();
        expand(&mut words.iter().peekable())
    }

    /// The same with a value for each name of one.
    fn typed(words: &[String]) -> Vec<String> {
        let value = |word: &String| match word.as_str() {
            "<ID>" | "<INFO_HASH>" | "<TARGET>" => "42".repeat(20),
            "<PUBKEY>" => "42".repeat(32),
            "<KEY>" => "y".repeat(52),
            "<ADDR>" => "127.0.0.1:1".into(),
            "<N>" | "<SEQ>" | "<S>" | "<PORT>" | "<NUMBER>" => "1".into(),
            "<NODES>" => "100".into(),
            "<A..B>" => "1..4".into(),
            "<SHELL>" => "bash".into(),
            "SCENARIO" | "<SCENARIO>" => "acceptance".into(),
            "<COMMAND>" => "demo".into(),
            word => word.trim_matches(['<', '>']).into(),
        };
        words.iter().map(value).collect()
    }

    /// Each command that runs, by its path, without those of the help.
    fn commands(command: &clap::Command, path: &str, all: &mut Vec<(String, clap::Command)>) {
        for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
            let path = format!("{path} {}", command.get_name()).trim_start().to_string();
            match command.has_subcommands() {
                true => commands(command, &path, all),
                false => all.push((path, command.clone())),
            }
        }
    }

    fn all_commands() -> Vec<(String, clap::Command)> {
        let (mut program, mut all) = (program(), Vec::new());
        program.build();
        commands(&program, "", &mut all);
        all
    }

    fn accept(usage: &str) {
        for words in allowed(usage) {
            if let Err(error) = program().try_get_matches_from(typed(&words)) {
                panic!("\"{usage}\" allows \"{}\", which is refused: {}", words.join(" "), sentence(&error));
            }
        }
    }

    /// Rule U3.
    #[test]
    fn what_a_usage_allows_is_accepted_and_what_is_refused_no_usage_allows() {
        for (path, mut command) in all_commands() {
            let usage = command.render_usage().to_string();
            let lines: Vec<_> = usage.trim_start_matches("Usage:").lines().map(str::trim).collect();
            lines.iter().for_each(|line| accept(line));
            let allowed: Vec<_> = lines.iter().flat_map(|line| allowed(line)).collect();
            for arg in command.get_arguments().filter(|arg| !arg.is_global_set()) {
                for other in command.get_arg_conflicts_with(arg) {
                    let [one, two] = [arg, other].map(name);
                    let is_named = |name: &String| allowed.iter().any(|words| words.contains(name));
                    assert!(is_named(&one) && is_named(&two), "{path}: {one} and {two} hide in [OPTIONS]");
                    let both = allowed.iter().find(|words| words.contains(&one) && words.contains(&two));
                    assert!(both.is_none(), "{path}: {both:?} is refused");
                }
            }
        }
        let paths: BTreeSet<_> = all_commands().into_iter().map(|(path, _)| path).collect();
        assert!(USAGE.iter().all(|(path, _)| paths.contains(*path)), "each usage is of a command");
    }

    /// As an argument stands in a usage.
    fn name(arg: &clap::Arg) -> String {
        match (arg.get_long(), arg.get_short()) {
            (Some(long), _) => format!("--{long}"),
            (None, Some(short)) => format!("-{short}"),
            (None, None) => format!("<{}>", arg.get_value_names().unwrap()[0]),
        }
    }

    /// Rule U3.
    #[test]
    fn a_usage_that_is_told_with_an_error_can_be_followed() {
        for (path, mut command) in all_commands() {
            let usage = command.render_usage().to_string();
            let least = allowed(usage.trim_start_matches("Usage:").lines().next().unwrap());
            let least = typed(least.iter().min_by_key(|words| words.len()).unwrap());
            let end = least.iter().position(|word| word == "--").unwrap_or(least.len());
            for wrong in [&["-q", "-v"][..], &["--dance"], &["--timeout", "soon"], &["one", "too", "many"]] {
                let wrong = wrong.iter().map(|word| word.to_string()).collect::<Vec<_>>();
                let words = [&least[..end], &wrong, &least[end..]].concat();
                let said = sentence(&program().try_get_matches_from(&words).expect_err(&path));
                let usages = said.split("usage: ").skip(1).flat_map(|usage| usage.split("; "));
                usages.for_each(accept);
            }
        }
    }
}
