use honeyguide::dht::PeerKind;
use honeyguide::{Id, Outcome};
use serde_json::json;

use crate::absence::holders;
use crate::asking::Asking;
use crate::failed::Failed;
use crate::joining_options::Asks;
use crate::options::{self, Options};
use crate::print::{outcome_json, refused_json, refused_text, say, stored_text};

/// Announce a peer of an info-hash
#[derive(clap::Args)]
pub struct Args {
    /// 40 hex digits
    #[arg(value_parser = options::id)]
    info_hash: Id,
    /// Port of the peer
    #[arg(long, value_parser = options::whole::<u16>(1..=u16::MAX.into()))]
    port: u16,
    /// The peer is a seed
    #[arg(long)]
    seeding: bool,
    #[command(flatten)]
    asks: Asks,
}

pub async fn run(options: &Options, args: Args) -> Result<(), Failed> {
    let asking = Asking::begin(options, &args.asks).await?;
    let kind = if args.seeding { PeerKind::Seed } else { PeerKind::Downloader };
    let progress = options.progress("announcing");
    let announced = asking.wait(options, |node| node.announce(args.info_hash, Some(args.port), kind)).await;
    progress.finish_and_clear();
    let report = |outcome: &Outcome| {
        let object = json!({
            "info_hash": args.info_hash.to_string(),
            "port": args.port,
            "stored": outcome.stored.all,
            "refused": refused_json(outcome),
            "outcome": outcome_json(outcome),
        });
        (format!("stored {}\nrefused {}", stored_text(outcome), refused_text(outcome)), object)
    };
    let announced = match announced {
        Ok(announced) => announced,
        Err(failure) => {
            let report = report(&failure.outcome().copied().unwrap_or_default());
            return Err(asking.not_stored(options, report, (failure, String::new())).await);
        }
    };
    let (answer, (text, object)) = (announced.response.as_ref(), report(&announced.outcome));
    options.out().line(text + &asking.told_text(answer), asking.told(object, answer))?;
    if let Some(ended) = options.under_way.interrupted_store(&announced.outcome) {
        return Err(ended);
    }
    if let Some(warning) = warning(&announced.outcome).filter(|_| !asking.is_at_one_node()) {
        say(format_args!("warning: {warning}"));
    }
    Ok(())
}

/// What is doubtful about a peer that some nodes tell of.
fn warning(outcome: &Outcome) -> Option<String> {
    let (stored, wanted) = (outcome.stored.all, holders());
    let sentence =
        || format!("the peer was stored by {stored}, and {wanted} should tell of it: announce it again, later");
    (stored < wanted).then(sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_few_nodes_tell_of_gets_a_warning() {
        let warning = |stored| {
            let mut outcome = Outcome::default();
            outcome.stored.all = stored;
            super::warning(&outcome)
        };
        assert_eq!(warning(8), None);
        assert!(warning(7).unwrap().contains("stored by 7, and 8 should"));
    }
}
