use std::io::{BufRead, Write};

use honeyguide::negentropy::{
    Difference, Entry, Limits, Reconciler, ReconcilerConfig, Sealed, SortedSet, Splitting, Step,
};

use crate::options::{self, Failed, Options};

/// Longest message: a list of all ids of 32 million entries. Memory is only touched as far as it is needed.
pub const LONGEST: usize = 1 << 30;

/// Be one side of a reconciliation: the line protocol of the conformance suite on standard input and output
#[derive(clap::Args)]
pub struct Args {
    /// Split ranges by what is known of the differences; without it, the messages of the reference
    #[arg(long)]
    adaptive: bool,
}

pub fn run(_options: &Options, args: Args) -> Result<(), Failed> {
    let frame = match std::env::var("FRAMESIZELIMIT") {
        Ok(text) if !text.is_empty() => {
            text.parse().map_err(|_| Failed::usage("FRAMESIZELIMIT is not a number of bytes"))?
        }
        _ => 0,
    };
    let mut side = Side::Collecting(Vec::new(), config(args.adaptive, frame));
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| format!("standard input cannot be read: {error}"))?;
        side = side.line(line.trim_end())?;
    }
    Ok(())
}

/// For a partner who is trusted, since both files or processes are the user's.
pub fn config(adaptive: bool, frame: usize) -> ReconcilerConfig {
    let mut config = ReconcilerConfig::new(Limits::trusting(LONGEST)).conformance().frames(frame);
    if adaptive {
        config.splitting = Splitting::Adaptive;
    }
    config
}

pub fn initiator(config: ReconcilerConfig) -> Result<Reconciler<'static>, Failed> {
    Reconciler::initiator(config).map_err(|error| Failed::usage(error.to_string()))
}

pub fn responder(config: ReconcilerConfig) -> Result<Reconciler<'static>, Failed> {
    Reconciler::responder(config).map_err(|error| Failed::usage(error.to_string()))
}

/// Makes the buffer long enough that without a frame limit no message is cut.
pub fn make_room(out: &mut Vec<u8>, entries: usize, message: usize) {
    let room = Reconciler::answer_len(entries, message);
    if out.len() < room {
        *out = vec![0; room];
    }
}

/// `timestamp,id` with the id in hex.
pub fn entry(text: &str) -> Result<Entry, Failed> {
    let (timestamp, id) = text.split_once(',').ok_or("an entry is not of the form timestamp,id")?;
    let timestamp = timestamp.trim().parse().map_err(|_| format!("{timestamp:?} is not a timestamp"))?;
    let id = options::hex_array(id.trim()).map_err(|error| format!("the id of an entry: {error}"))?;
    Ok(Entry { timestamp, id })
}

enum Side {
    Collecting(Vec<Entry>, ReconcilerConfig),
    Sealed { set: Sealed, config: ReconcilerConfig, party: Option<Box<Reconciler<'static>>>, out: Vec<u8> },
}

impl Side {
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
                responder(config.clone())?; // a frame limit that is too small is reported now
                Ok(Side::Sealed { set, config, party: None, out: Vec::new() })
            }
            ("initiate", Side::Sealed { set, config, party: None, mut out }) => {
                let mut party = initiator(config.clone())?;
                make_room(&mut out, set.len(), 0);
                let len = party.initiate(&set, &mut out).map_err(|error| error.to_string())?;
                print(&format!("msg,{}", hex::encode(&out[..len])))?;
                Ok(Side::Sealed { set, config, party: Some(Box::new(party)), out })
            }
            ("msg", Side::Sealed { set, config, party, mut out }) => {
                let mut party = match party {
                    Some(party) => party,
                    None => Box::new(responder(config.clone())?),
                };
                let message = hex::decode(rest).map_err(|error| format!("the message is not hex: {error}"))?;
                make_room(&mut out, set.len(), message.len());
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
                print(&(found + &answer))?;
                Ok(Side::Sealed { set, config, party: Some(party), out })
            }
            _ => Err(format!("{word:?} is no command, or not one for now").into()),
        }
    }
}

fn print(lines: &str) -> Result<(), Failed> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{lines}")
        .and_then(|()| out.flush())
        .map_err(|error| format!("standard output cannot be written: {error}").into())
}
