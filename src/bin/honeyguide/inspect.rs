use std::io::BufReader;

use honeyguide::Id;
use honeyguide::dht::{Inspector, Judgement, Network, inspect};
use honeyguide::krpc::{Method, Query};
use serde_json::{Value, json};

use crate::cause::cause;
use crate::count::count;
use crate::failed::Failed;
use crate::lines::{self, Line};
use crate::options::{self, Options};
use crate::print;
use crate::standard;

/// Longest line that is looked at: the hex of any datagram that UDP can carry, and a bit.
const LONGEST: usize = 2 * 65_536;

/// `mnopqrstuvwxyz123456`, the id of BEP 5's examples.
const STOCK_ID: &str = "6d6e6f707172737475767778797a313233343536";

/// Tell what a node would make of datagrams: hex on standard input, one a line
#[derive(clap::Args)]
pub struct Args {
    /// Our own id
    #[arg(long, value_name = "HEX", value_parser = options::id, default_value = STOCK_ID)]
    id: Id,
    /// Loopback addresses are usable
    #[arg(long)]
    loopback: bool,
    /// Salt of the item that a response should carry: its signature is judged
    #[arg(long, value_name = "S", value_parser = options::salt)]
    salt: Option<String>,
    /// Target of the item that a response should carry: the item is judged
    #[arg(long, value_name = "HEX", value_parser = options::id)]
    target: Option<Id>,
}

pub fn run(_: &Options, args: Args) -> Result<(), Failed> {
    let judge = Inspector {
        own: args.id,
        network: if args.loopback { Network::Local } else { Network::Public },
        salt: args.salt.as_deref().map(str::as_bytes),
        target: args.target,
    };
    let (mut lines, mut bad) = (0u64, 0u64);
    let unreadable = |error| format!("standard input cannot be read: {}", cause(&error));
    let mut input = BufReader::new(standard::input().map_err(unreadable)?);
    let mut line = Vec::new();
    while next(&mut input, &mut line).map_err(unreadable)? {
        lines += 1;
        match hex::decode(line.trim_ascii()) {
            Ok(datagram) => print::object_line(&object(&inspect(&judge, &datagram)))?,
            Err(error) => {
                bad += 1;
                print::object_line(&json!({ "verdict": "bad_input", "reason": error.to_string() }))?;
            }
        }
    }
    if bad > 0 {
        Err(format!("not hex: {bad} of {}; each is a datagram, two digits for a byte", count(lines, "line")).into())
    } else {
        Ok(())
    }
}

/// The next line; false after the last one. What passes [`LONGEST`] is read and forgotten.
fn next(input: &mut impl std::io::BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    let read = lines::read(input, LONGEST, line)?;
    if read == Line::Part {
        lines::skip_rest(input)?;
    }
    Ok(read != Line::None)
}

fn object(judgement: &Judgement<'_>) -> Value {
    match *judgement {
        Judgement::Query(query) => query_object(&query),
        Judgement::Refuse { tid, error, text } => {
            json!({ "verdict": "refuse", "tid": hex::encode(tid), "code": error.code(), "message": text })
        }
        Judgement::Response { response, genuine: Some(false), .. } => {
            json!({ "verdict": "fail_query", "tid": hex::encode(response.tid), "reason": "bad_item" })
        }
        Judgement::Response { response, kept_nodes, kept_values, .. } => json!({
            "verdict": "response",
            "tid": hex::encode(response.tid),
            "id": response.id.to_string(),
            "kept_nodes": kept_nodes,
            "kept_values": kept_values,
        }),
        Judgement::Error(error) => json!({
            "verdict": "error",
            "tid": hex::encode(error.tid),
            "code": error.code,
            "message": String::from_utf8_lossy(error.text),
        }),
        Judgement::FailQuery { tid, reason } => {
            json!({ "verdict": "fail_query", "tid": hex::encode(tid), "reason": reason.name() })
        }
        Judgement::Drop(reason) => json!({ "verdict": "drop", "reason": reason.name() }),
    }
}

fn query_object(query: &Query<'_>) -> Value {
    let mut object = json!({ "verdict": "query", "method": String::from_utf8_lossy(query.method.name()) });
    let target = match query.method {
        Method::Ping => None,
        Method::Unknown { target, .. } => {
            object["served_as"] = json!("find_node");
            Some(target)
        }
        Method::FindNode { target, .. } | Method::Get { target, .. } | Method::SampleInfohashes { target, .. } => {
            Some(target)
        }
        Method::GetPeers { info_hash, .. } | Method::AnnouncePeer { info_hash, .. } => Some(info_hash),
        Method::Put { item, .. } => Some(item.target()),
        _ => None,
    };
    object["tid"] = json!(hex::encode(query.tid));
    object["id"] = json!(query.id.to_string());
    if let Some(target) = target {
        object["target"] = json!(target.to_string());
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_end_costs_no_memory_and_stays_one_line() {
        let endless = [vec![b'a'; 3 * LONGEST], b"\nbb\n".to_vec()].concat();
        let (mut input, mut line) = (&endless[..], Vec::new());
        assert!(next(&mut input, &mut line).unwrap() && line.len() == LONGEST);
        assert!(next(&mut input, &mut line).unwrap() && line == b"bb");
        assert!(!next(&mut input, &mut line).unwrap());
    }
}
