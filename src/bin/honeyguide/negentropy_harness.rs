use std::io::BufReader;

use honeyguide::negentropy::{Difference, Entry, Reconciler, ReconcilerConfig, Sealed, SortedSet, Step};

use crate::cause::cause;
use crate::failed::Failed;
use crate::lines::Lines;
use crate::options::{self, Options};
use crate::print;
use crate::reconcilers::{ENTRY_LINE, MESSAGE_LINE, config, entry, grow, initiator, responder};
use crate::standard;

/// Be one side of a reconciliation: the line protocol of the conformance suite on standard input and output
///
/// Ids have to be uniform hashes: sums of numbers or counters collide, and differences would be missed in silence.
#[derive(clap::Args)]
pub struct Args {
    /// Split ranges by what is known of the differences; without it, the messages of the reference
    #[arg(long)]
    adaptive: bool,
}

pub fn run(_options: &Options, args: Args) -> Result<(), Failed> {
    let frame = match std::env::var_os("FRAMESIZELIMIT") {
        Some(text) if !text.is_empty() => {
            let text = text.to_string_lossy();
            options::frame(&text).map_err(|fault| Failed::usage(format!("FRAMESIZELIMIT is {text:?}, {fault}")))?
        }
        _ => 0,
    };
    let mut side = Side::Collecting(Vec::new(), config(args.adaptive, frame));
    let mut lines = Lines::new(BufReader::new(
        standard::input().map_err(|error| format!("standard input cannot be read: {}", cause(&error)))?,
    ));
    while let Some(line) = lines.next(side.longest_line()).map_err(|fault| format!("standard input, {fault}"))? {
        let next = side.line(line.trim_end());
        let number = lines.number;
        side = next.map_err(|failed| match failed.code {
            0 => failed,
            _ => Failed { sentence: format!("standard input, line {number}: {}", failed.sentence), ..failed },
        })?;
    }
    Ok(())
}

enum Side {
    Collecting(Vec<Entry>, ReconcilerConfig),
    Sealed { set: Sealed, config: ReconcilerConfig, party: Option<Box<Reconciler<'static>>>, out: Vec<u8> },
}

impl Side {
    /// Messages come when there is a set.
    fn longest_line(&self) -> usize {
        match self {
            Side::Collecting(..) => ENTRY_LINE,
            Side::Sealed { .. } => MESSAGE_LINE,
        }
    }

    fn line(self, line: &str) -> Result<Side, Failed> {
        let (word, rest) = line.split_once(',').unwrap_or((line, ""));
        match (word, self) {
            ("", side) => Ok(side),
            ("item", Side::Collecting(mut entries, config)) => {
                entries.push(entry(rest)?);
                Ok(Side::Collecting(entries, config))
            }
            ("seal", Side::Collecting(entries, config)) => {
                let set = Sealed::build(entries).map_err(|error| error.to_string())?;
                Ok(Side::Sealed { set, config, party: None, out: Vec::new() })
            }
            ("initiate", Side::Sealed { set, config, party: None, mut out }) => {
                let mut party = initiator(config.clone())?;
                grow(&mut out, set.len(), 0);
                let len = party.initiate(&set, &mut out).map_err(|error| error.to_string())?;
                print::line(format_args!("msg,{}", hex::encode(&out[..len])))?;
                Ok(Side::Sealed { set, config, party: Some(Box::new(party)), out })
            }
            ("msg", Side::Sealed { set, config, party, mut out }) => {
                let mut party = match party {
                    Some(party) => party,
                    None => Box::new(responder(config.clone())?),
                };
                let message = hex::decode(rest).map_err(|error| format!("the message is not hex: {error}"))?;
                grow(&mut out, set.len(), message.len());
                let mut found = String::new();
                let step = party.reconcile(&set, &message, &mut out, &mut |difference| {
                    let (side, id) = match difference {
                        Difference::Have(id) => ("have", id),
                        Difference::Need(id) => ("need", id),
                    };
                    found.push_str(&format!("{side},{}\n", hex::encode(id)));
                });
                let answer = match step.map_err(|error| error.to_string())? {
                    Step::Reply(len) => format!("msg,{}", hex::encode(&out[..len])),
                    Step::Done => "done".to_string(),
                };
                print::line(found + &answer)?;
                Ok(Side::Sealed { set, config, party: Some(party), out })
            }
            _ => Err(format!(
                "{word:?} is no command, or not one for now: first come item and seal, then initiate and msg"
            )
            .into()),
        }
    }
}
