//! Whom the commands of the network ask: the network that they join, or one node alone (`--at`), of which they also
//! tell what it said besides.

use std::net::SocketAddr;

use honeyguide::Outcome;
use honeyguide::adapters::{Answer, Handle};
use serde_json::{Value, json};

use crate::addressees;
use crate::client;
use crate::failed::Failed;
use crate::joining_options::Asks;
use crate::options::Options;
use crate::print::outcome_text;

pub struct Asking {
    /// Its commands ask whom they should.
    pub node: Handle,
    at: Option<SocketAddr>,
}

impl Asking {
    /// A node that has joined the network, or that asks the one node.
    pub async fn begin(options: &Options, asks: &Asks) -> Result<Asking, Failed> {
        let Some(typed) = &asks.at else {
            return Ok(Asking { node: client::joined(options, &asks.joins).await?, at: None });
        };
        let (node, addrs) = addressees::reach(options, &asks.joins.rules, &asks.joins.random, typed).await?;
        let mut at = addrs[0];
        // Of several addresses of a name, that of the node that is there.
        if addrs.len() > 1 {
            for addr in addrs {
                if node.ping(addr.into()).await?.outcome.answered > 0 {
                    at = addr;
                    break;
                }
            }
        }
        Ok(Asking { node: node.at(at.into()), at: Some(at) })
    }

    pub fn is_at_one_node(&self) -> bool {
        self.at.is_some()
    }

    /// The object, with what the only node said.
    pub fn told(&self, mut object: Value, answer: Option<&Answer>) -> Value {
        if self.at.is_some() {
            object["nodes"] = answer.map_or(json!([]), |answer| {
                answer
                    .nodes
                    .iter()
                    .map(|(id, addr)| json!({ "id": id.to_string(), "addr": addr.to_string() }))
                    .collect()
            });
            object["token"] = json!(answer.and_then(|answer| answer.token.as_ref()).map(hex::encode));
            object["ip"] = json!(answer.and_then(|answer| answer.ip).map(|ip| ip.to_string()));
            let version = answer.map(|answer| &answer.version).filter(|version| !version.is_empty());
            object["version"] = json!(version.map(hex::encode));
        }
        object
    }

    /// The same for a reader, a line for each.
    pub fn told_text(&self, answer: Option<&Answer>) -> String {
        let Some(answer) = answer.filter(|_| self.at.is_some()) else { return String::new() };
        let mut text = format!("\nnodes {}", answer.nodes.len());
        if let Some(ip) = answer.ip {
            text += &format!("\nip {ip}");
        }
        if !answer.version.is_empty() {
            text += &format!("\nversion {}", answer.version.escape_ascii());
        }
        text
    }

    /// Why nothing was found.
    pub fn nothing(&self, what: String, outcome: &Outcome) -> Failed {
        let sentence = match self.at {
            Some(at) if outcome.answered == 0 => format!("{at} did not answer ({})", outcome_text(outcome)),
            Some(at) => format!("{what} at {at} ({})", outcome_text(outcome)),
            None => format!("{what} ({})", outcome_text(outcome)),
        };
        Failed::from(sentence).with(outcome)
    }
}
