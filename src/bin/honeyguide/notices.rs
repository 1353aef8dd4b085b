//! What a node has to say of itself and its links, in words and as objects.

use honeyguide::adapters::Notice;
use honeyguide::dht::{IdLoss, LinkId, Role};
use serde_json::json;

use crate::count::count;
use crate::failed::Failed;
use crate::told::Told;
use crate::unsent;

pub fn print(told: &Told, notice: Notice) -> Result<(), Failed> {
    let (text, object) = match notice {
        Notice::ExternalAddr { link: LinkId(link), addr } => {
            (format!("link {link} is seen at {addr}"), json!({ "link": link, "external": addr.to_string() }))
        }
        Notice::IdChanged { link: LinkId(link), id, why } => {
            let (why, word) = match why {
                IdLoss::Moved => ("moved", "its address changed"),
                IdLoss::Taken => (
                    "taken",
                    "another node has the old one; does it run on a copy of the state file, or by the same seed?",
                ),
                _ => ("other", "the old one went"),
            };
            let text = format!("link {link} has the new id {id}: {word}");
            (text, json!({ "link": link, "id": id.to_string(), "why": why }))
        }
        Notice::RoleChanged { link: LinkId(link), role } => {
            let (word, text) = match role {
                Role::Client => ("client", "asks, and does not answer"),
                Role::Server => ("server", "is reached by others, and answers"),
                _ => ("trying", "answers for a while, to find out whether others reach it"),
            };
            (format!("link {link} {text}"), json!({ "link": link, "role": word }))
        }
        Notice::LinkTrouble { link: LinkId(link), error } => (
            format!("link {link} cannot receive and is tried again: {error}"),
            json!({ "link": link, "trouble": error.to_string() }),
        ),
        Notice::LinkRecovered { link: LinkId(link) } => {
            (format!("link {link} receives again"), json!({ "link": link, "trouble": null }))
        }
        Notice::SendTrouble { link: LinkId(link), to, error, failures } => {
            let (why, times) = (unsent::why(to, error), count(failures, "datagram"));
            (
                format!("link {link} cannot send to {to}: {why} ({times} since the last word of it)"),
                json!({ "link": link, "unsent": error.to_string(), "to": to.to_string(), "failures": failures }),
            )
        }
        _ => return Ok(()),
    };
    told.line(text, object)
}
