//! A replay that outlives a panic of its node, and says at which call the node panicked.

use honeyguide::adapters::{Replay, ReplayError, Replayed};
use honeyguide::dht::Buffer;
use honeyguide::dht::journal::{Call, Record};
use honeyguide::{Config, Endpoint, Input, Instant, Node, Output};

use crate::caught::caught;
use crate::count::count;
use crate::explain::described;

pub struct Guarded<'r> {
    pub replay: Replay<'r>,
    records: &'r [u8],
    /// Where the newest call begins that was made.
    newest: usize,
}

/// Why a replay goes no further.
pub enum Stop {
    Untrue(ReplayError),
    Panic(NodePanic),
}

/// Where a node panicked.
pub struct NodePanic {
    /// Where the call begins in the records.
    pub at: usize,
    /// Where it ends.
    pub end: usize,
    /// How many calls there were, this one included.
    call: u64,
    /// From the first call on.
    seconds: f64,
    what: String,
    /// In the call itself, which nobody has seen then; else while what it led to was taken.
    pub is_in_call: bool,
    said: String,
}

impl<'r> Guarded<'r> {
    pub fn new(records: &'r [u8]) -> Guarded<'r> {
        Guarded { replay: Replay::new(records), records, newest: 0 }
    }

    /// Replays one record; false when the last one had been replayed before. Where a journal is cut, the node is asked
    /// for all that its last call leads to: should it have panicked then, it does so again.
    pub fn step(&mut self, node: &mut Node<'_>, see: &mut dyn FnMut(Replayed<'_>)) -> Result<bool, Stop> {
        self.drain(node, see)?;
        let at = self.replay.at();
        match caught(|| self.replay.step(node, see)) {
            Ok(Ok(is_one)) => {
                if is_one && is_call(self.records, at) {
                    self.newest = at;
                }
                Ok(is_one)
            }
            Ok(Err(error)) => Err(Stop::Untrue(error)),
            Err(said) => Err(self.panic(at, true, said)),
        }
    }

    /// What the newest call leads to.
    pub fn drain(&mut self, node: &mut Node<'_>, see: &mut dyn FnMut(Replayed<'_>)) -> Result<(), Stop> {
        let drained = caught(|| match self.replay.drain(node, see) {
            Err(error) if error.is_cut() => {
                let mut buffer: Buffer = [0; 1500];
                loop {
                    let output = node.poll_output(&mut buffer);
                    see(Replayed::Output(&output));
                    if let Output::Timeout(_) = output {
                        return Err(error);
                    }
                }
            }
            drained => drained,
        });
        match drained {
            Ok(drained) => drained.map_err(Stop::Untrue),
            Err(said) => Err(self.panic(self.newest, false, said)),
        }
    }

    fn panic(&self, at: usize, is_in_call: bool, said: String) -> Stop {
        let time = |at: usize| {
            let mut nodes = [Endpoint::UNSPECIFIED; Config::MAX_BOOTSTRAP_NODES];
            let record = Record::decode(self.records.get(at..).unwrap_or_default(), &mut nodes);
            let told =
                record.map(|(record, after)| (record.now, call_text(&record.call), self.records.len() - after.len()));
            told.unwrap_or((Instant::ZERO, String::new(), at))
        };
        let (((begin, ..), (now, what, end)), calls) = ((time(0), time(at)), self.replay.calls());
        let (seconds, call) = (now.since(begin).as_secs_f64(), calls + u64::from(is_in_call));
        Stop::Panic(NodePanic { at, end, call, seconds, what, is_in_call, said })
    }
}

impl NodePanic {
    /// What happened, at this byte of the file.
    pub fn text(&self, at: usize) -> String {
        let NodePanic { at: _, end: _, call, seconds, what, is_in_call, said } = self;
        let place = if *is_in_call { "at" } else { "after" };
        format!("the node panics {place} call {call} ({what}, at byte {at}, {seconds:.3} s after the start): {said}")
    }
}

fn is_call(records: &[u8], at: usize) -> bool {
    let mut nodes = [Endpoint::UNSPECIFIED; Config::MAX_BOOTSTRAP_NODES];
    let record = Record::decode(records.get(at..).unwrap_or_default(), &mut nodes);
    record.is_ok_and(|(record, _)| !matches!(record.call, Call::Mark { .. } | Call::End))
}

fn call_text(call: &Call<'_>) -> String {
    match call {
        Call::Input(Input::Datagram { from, payload, .. }) => {
            format!("a datagram of {} from {from}", count(payload.len(), "byte"))
        }
        Call::Input(Input::Refused { to, .. }) => format!("the word that {to} refused a datagram"),
        Call::Input(Input::SendFailed { to, .. }) => format!("the word that nothing could be sent to {to}"),
        Call::Input(Input::Suspend) => "the word that the machine will sleep".into(),
        Call::Input(Input::Resume) => "the word that the machine is awake".into(),
        Call::Input(_) => "the passing of time".into(),
        Call::Command { tag, command, .. } => {
            let (kind, target) = described(command);
            format!("the command {kind} {target} with tag {tag}")
        }
        Call::Cancel { tag } => format!("the cancellation of tag {tag}"),
        Call::Import { contact, .. } => format!("the contact {} from an earlier run", contact.endpoint),
        Call::Keep { tag, .. } => format!("the order to keep tag {tag}"),
        Call::Supply { item, .. } => format!("an item of {} to keep", count(item.value.len(), "byte")),
        Call::Later { .. } => "the word that an item comes later".into(),
        Call::Unkeep { .. } | Call::UnkeepKey { .. } => "the order to keep something no more".into(),
        Call::SetPassive { .. } => "the order to answer or not to".into(),
        Call::SetExternal { addr, .. } => format!("the word that others see us at {addr}"),
        Call::ImportId { id, .. } => format!("the id {id} that an earlier run had"),
        _ => "no call".into(),
    }
}

#[cfg(test)]
pub mod tests {
    use honeyguide::dht::{LinkId, TraceSink};

    use super::*;
    use crate::journal_file::{Head, HeadLink};

    pub fn head() -> Head {
        let links = vec![HeadLink { id: Some([5; 20]), v6: false, port: 6881 }];
        Head {
            links,
            local: true,
            read_only: false,
            adaptive: false,
            frugal: false,
            rng_seed: [7; 32],
            version: Some("1.2.3".into()),
            kept: 0,
            simulated: None,
        }
    }

    /// A node that panics, whether something is dropped, which is in a call, or a query is sent, which is in a drain.
    pub fn panicking(on: &'static str) -> Node<'static> {
        let mut node = head().node().unwrap();
        node.set_sink(TraceSink::Boxed(Box::new(move |_, event| {
            assert!(!format!("{event:?}").starts_with(on), "{on}, on purpose");
        })));
        node
    }

    /// Three calls: a ping to somebody, no message, the passing of time. Every other place is that of a mark.
    pub fn records() -> (Vec<u8>, Vec<usize>) {
        let (link, to) = (LinkId(0), Endpoint::v4([127, 0, 0, 1], 4321));
        let ping = honeyguide::Command::Query { to, query: honeyguide::dht::DirectQuery::Ping };
        let calls = [
            Call::Command { tag: 3, scope: honeyguide::dht::Scope::All, command: ping },
            Call::Input(Input::Datagram { link, from: to, payload: b"no message" }),
            Call::Input(Input::Timeout),
        ];
        let (mut node, mut hash) = (head().node().unwrap(), honeyguide::dht::journal::OutputHash::default());
        let (mut records, mut places) = (Vec::new(), Vec::new());
        let mut write = |polls, now, call| {
            let mut bytes = [0; Record::MAX_LEN];
            let len = Record { polls, now, call }.encode(&mut bytes).unwrap();
            places.push(records.len());
            records.extend_from_slice(&bytes[..len]);
        };
        for (i, call) in (1..).zip(calls) {
            let (now, mut polls) = (Instant::from_secs(i), 0);
            write(0, now, call);
            call.apply(&mut node, now).unwrap();
            let mut buffer: Buffer = [0; 1500];
            loop {
                let output = node.poll_output(&mut buffer);
                (polls, _) = (polls + 1, hash.add(&output));
                if let Output::Timeout(_) = output {
                    break;
                }
            }
            write(polls, now, Call::Mark { hash: hash.finish() });
        }
        write(0, Instant::from_secs(3), Call::End);
        (records, places)
    }

    fn run(node: &mut Node<'_>, records: &[u8]) -> Stop {
        let mut guarded = Guarded::new(records);
        loop {
            match guarded.step(node, &mut |_| {}) {
                Ok(is_one) => assert!(is_one, "it replays to its end"),
                Err(stop) => return stop,
            }
        }
    }

    /// Rule J19.
    #[test]
    fn a_node_that_panics_is_told_with_the_call() {
        let (records, places) = records();
        let Stop::Panic(panic) = run(&mut panicking("Dropped"), &records) else { panic!("it goes on") };
        assert_eq!((panic.at, panic.is_in_call), (places[2], true));
        let text = panic.text(100 + panic.at);
        let words = ["at call 2", "10 bytes from 127.0.0.1:4321", "1.000 s", "Dropped, on purpose", "guarded.rs:"];
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
        assert!(text.contains(&format!("at byte {}", 100 + places[2])), "{text}");

        let Stop::Panic(panic) = run(&mut panicking("QuerySent"), &records) else { panic!("it goes on") };
        assert_eq!((panic.at, panic.is_in_call), (0, false));
        let text = panic.text(100 + panic.at);
        assert!(["after call 1", "ping 127.0.0.1:4321", "tag 3"].iter().all(|word| text.contains(word)), "{text}");
    }

    /// Rules J18 and J19.
    #[test]
    fn a_node_that_panicked_at_the_last_call_of_a_cut_journal_does_so_again() {
        let (records, places) = records();
        for cut in [places[1], places[1] + 3] {
            let stop = run(&mut panicking("QuerySent"), &records[..cut]);
            assert!(matches!(stop, Stop::Panic(NodePanic { at: 0, is_in_call: false, .. })), "cut at {cut}");
        }
        let Stop::Untrue(error) = run(&mut head().node().unwrap(), &records[..places[1]]) else { panic!("no panic") };
        assert!(error.is_cut() && error.sound() == places[1]);
    }
}
