//! What happened in a replayed run: its operations, and what became of each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use honeyguide::adapters::Replayed;
use honeyguide::dht::journal::Call;
use honeyguide::dht::{DirectQuery, LinkId, OpId, Scope, TraceEvent, TraceSink};
use honeyguide::krpc::{Decoded, Item, decode};
use honeyguide::{Command, Endpoint, Event, Input, Instant, Node, Outcome, Output};
use serde_json::{Value, json};

use crate::count::count;
use crate::failed::Failed;
use crate::print::{Out, millis, outcome_json, outcome_text};

/// Listens to a replay.
pub struct Explainer {
    begin: Instant,
    now: Instant,
    operations: Vec<Told>,
    /// The latest operation with each handle.
    latest: HashMap<OpId, usize>,
    /// For which operation whom was asked, with which transaction id.
    asked: HashMap<(LinkId, Endpoint, Vec<u8>), OpId>,
    /// What the node said of itself since the last step.
    said: Arc<Mutex<Vec<TraceEvent>>>,
}

/// An operation, and what became of it.
struct Told {
    tag: u64,
    kind: &'static str,
    target: String,
    scope: Scope,
    start: Instant,
    /// Why it was refused.
    refused: Option<String>,
    end: Option<(Instant, Outcome)>,
    moments: Vec<(Instant, Moment)>,
    /// Queries without an answer: where they went.
    open: Vec<Endpoint>,
}

/// Something that happened to an operation.
enum Moment {
    Query { to: Endpoint, method: String },
    Answer { from: Endpoint, rtt_micros: u32 },
    Failed { to: Option<Endpoint>, why: String },
    Result { from: Option<Endpoint>, what: String },
}

impl Explainer {
    pub fn new(begin: Instant) -> Explainer {
        let (operations, latest, asked) = (Vec::new(), HashMap::new(), HashMap::new());
        Explainer { begin, now: begin, operations, latest, asked, said: Arc::default() }
    }

    /// From now on the node says what it does.
    pub fn attach(&self, node: &mut Node<'_>) {
        let said = self.said.clone();
        node.set_sink(TraceSink::Boxed(Box::new(move |_, event| {
            said.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        })));
    }

    pub fn see(&mut self, step: Replayed<'_>) {
        let said = std::mem::take(&mut *self.said.lock().unwrap_or_else(PoisonError::into_inner));
        match step {
            Replayed::Call(now, call, result) => {
                self.now = now;
                if let Call::Command { tag, scope, command } = *call {
                    let refused = result.err().map(|error| error.to_string());
                    self.on_command(tag, scope, &command, refused, &said);
                }
                let other = match *call {
                    Call::Input(Input::Datagram { link, from, payload }) => {
                        self.on_datagram(link, from, payload, &said);
                        Some((from, "an unusable answer"))
                    }
                    Call::Input(Input::Refused { to, .. }) => Some((to, "refused by the destination")),
                    Call::Input(Input::SendFailed { to, .. }) => Some((to, "not sent")),
                    _ => None,
                };
                said.iter().for_each(|event| self.hear(*event, other));
            }
            Replayed::Output(output) => {
                for event in said {
                    match (event, output) {
                        (TraceEvent::QuerySent { op: Some(op) }, Output::Transmit { link, to, payload }) => {
                            self.on_query(op, *link, *to, payload);
                        }
                        _ => self.hear(event, None),
                    }
                }
                if let Output::Event(event) = output {
                    self.on_event(event);
                }
            }
        }
    }

    fn on_command(
        &mut self,
        tag: u64,
        scope: Scope,
        command: &Command<'_>,
        refused: Option<String>,
        said: &[TraceEvent],
    ) {
        let (kind, target) = described(command);
        // Upkeep starts lookups of its own, in other calls.
        if let Some(op) = said.iter().find_map(started).filter(|_| refused.is_none()) {
            self.latest.insert(op, self.operations.len());
        }
        let (moments, open) = (Vec::new(), Vec::new());
        self.operations.push(Told { tag, kind, target, scope, start: self.now, refused, end: None, moments, open });
    }

    /// The latest operation with this handle.
    fn told(&mut self, op: OpId) -> Option<&mut Told> {
        self.operations.get_mut(*self.latest.get(&op)?)
    }

    /// Of an error the node says nothing, unless it answers nothing that is open.
    fn on_datagram(&mut self, link: LinkId, from: Endpoint, payload: &[u8], said: &[TraceEvent]) {
        let Ok(Decoded::Error(error)) = decode(payload) else { return };
        if said.iter().any(|event| matches!(event, TraceEvent::Dropped(_))) {
            return;
        }
        let now = self.now;
        let op = self.asked.remove(&(link, from, error.tid.to_vec()));
        // What the node asks for itself may have the transaction id of an operation that is over.
        if let Some(told) = op.and_then(|op| self.told(op)).filter(|told| told.end.is_none()) {
            told.close(from);
            told.moments.push((now, Moment::Failed { to: Some(from), why: format!("error {}", error.code) }));
        }
    }

    fn hear(&mut self, event: TraceEvent, other: Option<(Endpoint, &'static str)>) {
        let now = self.now;
        match event {
            TraceEvent::Answered { op: Some(op), rtt_micros } => {
                if let (Some(told), Some((from, _))) = (self.told(op), other) {
                    told.close(from);
                    told.moments.push((now, Moment::Answer { from, rtt_micros }));
                }
            }
            TraceEvent::Failed { op: Some(op) } => {
                if let Some(told) = self.told(op) {
                    // Queries have one time limit, so that the one that ran out is the oldest.
                    let (to, why) = match other {
                        Some((to, why)) => (Some(to), why),
                        None => (told.open.first().copied(), "no answer in time"),
                    };
                    to.into_iter().for_each(|to| told.close(to));
                    told.moments.push((now, Moment::Failed { to, why: why.into() }));
                }
            }
            _ => {}
        }
    }

    fn on_query(&mut self, op: OpId, link: LinkId, to: Endpoint, payload: &[u8]) {
        let Ok(Decoded::Query(query)) = decode(payload) else { return };
        self.asked.insert((link, to, query.tid.to_vec()), op);
        let now = self.now;
        if let Some(told) = self.told(op) {
            told.open.push(to);
            let method = String::from_utf8_lossy(query.method.name()).into_owned();
            told.moments.push((now, Moment::Query { to, method }));
        }
    }

    fn on_event(&mut self, event: &Event<'_>) {
        let Some((op, _)) = event.operation() else { return };
        let now = self.now;
        let Some(told) = self.told(op) else { return };
        let (from, what) = match *event {
            Event::Finished { outcome, .. } => {
                told.end = Some((now, outcome));
                return;
            }
            Event::Value { from, item, .. } => {
                let seq = item.mutable.map_or(String::new(), |mutable| format!(", seq {}", mutable.seq));
                (Some(from), format!("a value of {}{seq}", count(item.value.len(), "byte")))
            }
            Event::Peers { from, peers, .. } => (Some(from), count(peers.len(), "peer")),
            Event::Nodes { nodes, .. } => (None, closest(nodes.len())),
            Event::Samples { from, samples, num, .. } => {
                (Some(from), format!("{} of {}", samples.len(), count(num, "sample")))
            }
            Event::Scrape { seeds, peers, .. } => {
                (None, format!("{} and {}", count(seeds, "seed"), count(peers, "other peer")))
            }
            Event::Response { from, nodes, .. } => {
                (Some(from), format!("the response, with {}", count(nodes.len(), "node")))
            }
            _ => (None, "a result".into()),
        };
        told.moments.push((now, Moment::Result { from, what }));
    }

    pub fn print_operations(&self, out: Out) -> Result<(), Failed> {
        self.operations.iter().try_for_each(|told| told.print(out, self.begin))
    }

    /// Whether there is one with this tag.
    pub fn print_timeline(&self, out: Out, tag: u64) -> Result<bool, Failed> {
        let mut told = self.operations.iter().filter(|told| told.tag == tag).peekable();
        let is_there = told.peek().is_some();
        for told in told {
            told.print(out, self.begin)?;
            for (at, moment) in &told.moments {
                let at = at.since(self.begin).as_secs_f64();
                let (text, object) = moment.described(tag, at);
                out.line(format_args!("  {at:.3} s {text}"), object)?;
            }
        }
        Ok(is_there)
    }
}

impl Told {
    fn close(&mut self, with: Endpoint) {
        if let Some(i) = self.open.iter().position(|open| *open == with) {
            self.open.remove(i);
        }
    }

    fn print(&self, out: Out, begin: Instant) -> Result<(), Failed> {
        let Told { tag, kind, target, scope, start, refused, end, .. } = self;
        let (link, at) = match scope {
            Scope::Link(link) => (Some(link.0), None),
            Scope::Node(node) => (None, Some(node.to_string())),
            Scope::NodeOn { link, node } => (Some(link.0), Some(node.to_string())),
            _ => (None, None),
        };
        let seconds = |at: &Instant| at.since(begin).as_secs_f64();
        let ending = match (refused, end) {
            (Some(refused), _) => format!("refused: {refused}"),
            (None, Some((at, outcome))) => format!("{:.3} s {}", seconds(at), outcome_text(outcome)),
            (None, None) => "not ended".into(),
        };
        out.line(
            format_args!("tag {tag} {kind} {target} {:.3} s to {ending}", seconds(start)),
            json!({
                "tag": tag,
                "kind": kind,
                "target": target,
                "link": link,
                "at": at,
                "start": seconds(start),
                "end": end.as_ref().map(|(at, _)| seconds(at)),
                "outcome": end.as_ref().map(|(_, outcome)| outcome_json(outcome)),
                "refused": refused,
            }),
        )
    }
}

impl Moment {
    fn described(&self, tag: u64, at: f64) -> (String, Value) {
        let addr = |addr: &Option<Endpoint>| addr.map(|addr| addr.to_string());
        let (text, event, addr, detail) = match self {
            Moment::Query { to, method } => (format!("{method} to {to}"), "query", Some(to.to_string()), json!(method)),
            Moment::Answer { from, rtt_micros } => {
                let rtt = millis(std::time::Duration::from_micros((*rtt_micros).into()));
                (format!("answer of {from} after {rtt} ms"), "answer", Some(from.to_string()), json!(rtt))
            }
            Moment::Failed { to, why } => {
                let to = addr(to);
                (format!("{why}: {}", to.as_deref().unwrap_or("an earlier query")), "failed", to, json!(why))
            }
            Moment::Result { from: None, what } => (what.clone(), "result", None, json!(what)),
            Moment::Result { from, what } => {
                let from = addr(from);
                (format!("{what} from {}", from.as_deref().unwrap_or_default()), "result", from, json!(what))
            }
        };
        let key = match self {
            Moment::Query { .. } => "method",
            Moment::Answer { .. } => "rtt_ms",
            Moment::Failed { .. } => "why",
            Moment::Result { .. } => "what",
        };
        (text, json!({ "tag": tag, "at": at, "event": event, "addr": addr, key: detail }))
    }
}

fn started(event: &TraceEvent) -> Option<OpId> {
    if let TraceEvent::Started { op } = *event { Some(op) } else { None }
}

fn closest(n: usize) -> String {
    if n == 1 { "the closest node".into() } else { format!("the {n} closest nodes") }
}

/// What a command is for, and for what.
pub fn described(command: &Command<'_>) -> (&'static str, String) {
    match *command {
        Command::Bootstrap { nodes } => {
            ("bootstrap", nodes.iter().map(Endpoint::to_string).collect::<Vec<_>>().join(","))
        }
        Command::Query { to, query: DirectQuery::Ping } => ("ping", to.to_string()),
        Command::Query { query: DirectQuery::FindNode { target, .. }, .. } => {
            ("find_node at one node", target.to_string())
        }
        Command::Query { query: DirectQuery::Sample { target }, .. } => ("sample at one node", target.to_string()),
        Command::Lookup { target } => ("find_node", target.to_string()),
        Command::GetImmutable { target, .. } => ("get", target.to_string()),
        Command::GetMutable { key, salt, .. } => ("get", Item::mutable_target(key, salt).to_string()),
        Command::GetPeers { info_hash } => ("get_peers", info_hash.to_string()),
        Command::PutImmutable { value } => ("put", Item::immutable_target(value).to_string()),
        Command::PutMutable { key, salt, .. } => ("put", Item::mutable_target(key, salt).to_string()),
        Command::Announce { info_hash, .. } => ("announce", info_hash.to_string()),
        Command::Scrape { info_hash } => ("scrape", info_hash.to_string()),
        Command::Sample { target } => ("sample", target.to_string()),
        _ => ("unknown", String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guarded::tests::head;
    use honeyguide::dht::{Buffer, PeerKind};
    use std::time::Duration;

    /// A node whose calls are explained.
    struct Explained {
        node: Node<'static>,
        explainer: Explainer,
    }

    impl Explained {
        fn new() -> Explained {
            let (mut node, explainer) = (head().node().unwrap(), Explainer::new(Instant::ZERO));
            explainer.attach(&mut node);
            Explained { node, explainer }
        }

        /// Makes a call; where it sends queries, and their transaction ids.
        fn call(&mut self, seconds: u64, call: Call<'_>) -> Vec<(Endpoint, Vec<u8>)> {
            let now = Instant::ZERO + Duration::from_secs(seconds);
            let result = call.apply(&mut self.node, now);
            self.explainer.see(Replayed::Call(now, &call, result));
            let mut buffer: Buffer = [0; 1500];
            let mut sent = Vec::new();
            loop {
                let output = self.node.poll_output(&mut buffer);
                if let Output::Transmit { to, payload, .. } = output
                    && let Ok(Decoded::Query(query)) = decode(payload)
                {
                    sent.push((to, query.tid.to_vec()));
                }
                self.explainer.see(Replayed::Output(&output));
                if let Output::Timeout(_) = output {
                    return sent;
                }
            }
        }

        fn command(&mut self, seconds: u64, tag: u64, command: Command<'_>) -> Vec<(Endpoint, Vec<u8>)> {
            self.call(seconds, Call::Command { tag, scope: Scope::All, command })
        }

        /// What failed, and why.
        fn failures(&self, tag: usize) -> Vec<(Option<Endpoint>, String)> {
            let moments = self.explainer.operations[tag].moments.iter();
            let failed = moments.filter_map(|(_, moment)| match moment {
                Moment::Failed { to, why } => Some((*to, why.to_string())),
                _ => None,
            });
            failed.collect()
        }
    }

    /// Rule J10. What upkeep looks for is no part of what a user wanted.
    #[test]
    fn a_refused_command_has_no_history() {
        let mut explained = Explained::new();
        // Nobody answers, so that the node goes on asking by itself.
        let nodes = &[Endpoint::v4([127, 0, 0, 1], 4321)];
        explained.command(0, 6, Command::Bootstrap { nodes });
        let refused = Command::Announce { info_hash: honeyguide::Id([1; 20]), port: Some(0), kind: PeerKind::Seed };
        explained.command(0, 7, refused);
        let sent: usize = (1..1000).map(|i| explained.call(i, Call::Input(Input::Timeout)).len()).sum();
        assert!(sent > 1, "it asks, over and over");
        explained.command(1000, 8, Command::Lookup { target: honeyguide::Id([2; 20]) });
        let [_, refused, accepted] = &explained.explainer.operations[..] else { panic!("three commands") };
        assert!(refused.refused.is_some() && refused.moments.is_empty() && refused.end.is_none());
        assert!(
            accepted.refused.is_none() && explained.explainer.latest.len() == 2,
            "each accepted one has its handle"
        );
    }

    /// Rule U26.
    #[test]
    fn one_closest_node_is_told_in_the_singular() {
        assert_eq!([0, 1, 2].map(closest), ["the 0 closest nodes", "the closest node", "the 2 closest nodes"]);
    }

    /// Rule J10.
    #[test]
    fn an_error_is_told_of_the_node_that_sent_it_and_silence_of_the_one_that_was_silent() {
        let mut explained = Explained::new();
        let nodes = [4321, 4322].map(|port| Endpoint::v4([127, 0, 0, 1], port));
        let asked = explained.command(0, 6, Command::Bootstrap { nodes: &nodes });
        let [(first, tid), (second, other)] = &asked[..] else { panic!("both are asked: {asked:?}") };
        let error = |tid: &[u8]| {
            let begin = format!("d1:eli302e4:busye1:t{}:", tid.len());
            [begin.as_bytes(), tid, b"1:y1:ee"].concat()
        };
        let mut from = |seconds, from, payload: &[u8]| {
            explained.call(seconds, Call::Input(Input::Datagram { link: LinkId(0), from, payload }));
        };
        // Nobody asked it for that.
        from(1, *first, &error(other));
        from(1, *first, &error(tid));
        // It has been told already.
        from(1, *first, &error(tid));
        (2..30).for_each(|i| drop(explained.call(i, Call::Input(Input::Timeout))));
        let failed = [(Some(*first), "error 302".to_string()), (Some(*second), "no answer in time".to_string())];
        assert_eq!(explained.failures(0), failed);
    }
}
