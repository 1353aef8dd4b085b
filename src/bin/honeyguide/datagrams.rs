//! Each datagram of a node, told in a line (`-vv`).
//!
//! A driver does not show what it sends. Its journal has all that came in, and from that follows all that went out: a
//! second node, made of the same and called in the same way, puts out the same datagrams. It is some milliseconds late,
//! so that each line has the time at which it happened.

use std::fmt::Display;
use std::io::{self, Write};
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use honeyguide::adapters::tokio::{spawn, spawn_recorded};
use honeyguide::adapters::{Handle, Recording, links};
use honeyguide::dht::journal::{Call, OutputHash, Record};
use honeyguide::dht::{Buffer, DropReason, LinkId, TraceEvent, TraceSink};
use honeyguide::krpc::{Decoded, decode};
use honeyguide::{Config, Endpoint, Input, Instant, Node, Output, Storage};

use crate::caught::caught;
use crate::count::count;
use crate::print::{Volume, is_said, say, say_datagram, since_start};

/// Characters of a stranger's text that are repeated.
const MOST_TEXT: usize = 64;

/// Starts a node, with a journal or without, and tells its datagrams if that is asked for.
pub fn start<W: Write + Send + 'static>(
    config: Config,
    rng_seed: [u8; 32],
    sockets: Vec<UdpSocket>,
    journal: Option<W>,
) -> io::Result<(Handle, Option<Recording>)> {
    let (is_recorded, is_told) = (journal.is_some(), is_said(Volume::Trace));
    let (node, recording) = match journal {
        None if !is_told => return spawn(config, rng_seed, sockets).map(|node| (node, None)),
        Some(journal) if !is_told => spawn_recorded(config, rng_seed, sockets, journal)?,
        journal => {
            let told = Told::new(&config, rng_seed, &sockets, journal)?;
            spawn_recorded(config, rng_seed, sockets, told)?
        }
    };
    Ok((node, is_recorded.then_some(recording)))
}

/// What a journal is written to, on its way.
struct Told<W> {
    /// Where it goes.
    journal: Option<W>,
    /// Records that are not read yet.
    records: Vec<u8>,
    /// None when it has panicked, as the other one then does, or puts out something else.
    node: Option<Node<'static>>,
    outputs: OutputHash,
    /// Why the datagram was dropped that came in last.
    dropped: Arc<Mutex<Option<DropReason>>>,
    /// Of the last call.
    now: Instant,
    /// From the start of the program to that of the node, whose first call comes at once.
    begin: Duration,
    first: Option<Instant>,
    /// Our own, of each link: a command may have several nodes, and a node several links.
    addrs: Vec<SocketAddr>,
}

impl<W: Write> Told<W> {
    fn new(config: &Config, rng_seed: [u8; 32], sockets: &[UdpSocket], journal: Option<W>) -> io::Result<Told<W>> {
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
        let addrs: Vec<_> = sockets.iter().map(UdpSocket::local_addr).collect::<io::Result<_>>()?;
        let config = config.clone().with_links(&links(config, &addrs)).map_err(invalid)?;
        let storage = Storage::allocate(&config);
        let mut node = Node::new(config, rng_seed, storage).map_err(invalid)?;
        let dropped = Arc::<Mutex<Option<DropReason>>>::default();
        let told = dropped.clone();
        node.set_sink(TraceSink::Boxed(Box::new(move |_, event| {
            if let TraceEvent::Dropped(reason) = event {
                *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
            }
        })));
        Ok(Told {
            journal,
            records: vec![],
            node: Some(node),
            outputs: OutputHash::default(),
            dropped,
            now: Instant::ZERO,
            begin: since_start(),
            first: None,
            addrs,
        })
    }

    /// Tells what is in the records that are whole.
    fn tell(&mut self) {
        let (records, mut at) = (std::mem::take(&mut self.records), 0);
        let mut nodes = [Endpoint::UNSPECIFIED; Config::MAX_BOOTSTRAP_NODES];
        while let Ok((record, after)) = Record::decode(&records[at..], &mut nodes) {
            at = records.len() - after.len();
            if let Some(mut node) = self.node.take() {
                match caught(|| self.step(&mut node, &record)) {
                    Ok(true) => self.node = Some(node),
                    Ok(false) | Err(_) => say("a node does not do the same twice: its datagrams are not told any more"),
                }
            }
        }
        self.records = records[at..].to_vec();
    }

    /// Whether the node has done what the other one did, as far as the record says.
    fn step(&mut self, node: &mut Node<'_>, record: &Record<'_>) -> bool {
        let mut buffer: Buffer = [0; 1500];
        for _ in 0..record.polls {
            let output = node.poll_output(&mut buffer);
            if let Output::Transmit { link, to, payload } = output {
                self.line("to", link, to, message(payload));
            }
            self.outputs.add(&output);
        }
        if let Call::Mark { hash } = record.call {
            return hash == self.outputs.finish();
        }
        self.now = record.now;
        self.first.get_or_insert(record.now);
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Refused calls are no news.
        let _ = record.call.apply(node, record.now);
        let dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner).take();
        match record.call {
            Call::Input(Input::Datagram { link, from, payload }) => {
                let dropped = dropped.map(|reason| format!(", dropped: {reason}")).unwrap_or_default();
                self.line("from", link, from, message(payload) + &dropped);
            }
            Call::Input(Input::Refused { link, to }) => self.line("to", link, to, "refused by the destination"),
            Call::Input(Input::SendFailed { link, to }) => self.line("to", link, to, "could not be sent"),
            _ => {}
        }
        true
    }

    fn line(&self, direction: &str, LinkId(link): LinkId, with: Endpoint, what: impl Display) {
        let at = self.begin + self.first.map_or(Duration::ZERO, |first| self.now.since(first));
        if let Some(own) = self.addrs.get(usize::from(link)) {
            say_datagram(at, format_args!("{own} {direction} {with}: {what}"));
        }
    }
}

impl<W: Write> Write for Told<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.records.extend_from_slice(bytes);
        self.tell();
        self.journal.iter_mut().try_for_each(|journal| journal.write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.journal.iter_mut().try_for_each(Write::flush)
    }
}

/// What a datagram is: kind, transaction id, length.
fn message(payload: &[u8]) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().take(MOST_TEXT).collect::<String>();
    let (what, tid) = match decode(payload) {
        Ok(Decoded::Query(query)) => (format!("query {}", text(query.method.name())), Some(query.tid)),
        Ok(Decoded::Refuse(refusal)) => {
            (format!("query that deserves error {}, {}", refusal.error.code(), refusal.text), Some(refusal.tid))
        }
        Ok(Decoded::Response(response)) => ("response".into(), Some(response.tid)),
        Ok(Decoded::Error(error)) => (format!("error {} \"{}\"", error.code, text(error.text)), Some(error.tid)),
        Ok(Decoded::Broken { tid, reason }) => (format!("no usable answer: {reason}"), Some(tid)),
        Err(malformed) => (format!("no message: {malformed}"), None),
    };
    let tid = match tid {
        None => String::new(),
        Some([]) => ", empty tid".into(),
        Some(tid) => format!(", tid {}", hex::encode(tid)),
    };
    format!("{what}{tid}, {}", count(payload.len(), "byte"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rules U8 and U12.
    #[test]
    fn each_kind_of_datagram_is_told_in_words() {
        let id = "2:id20:abcdefghij0123456789";
        for (datagram, words) in [
            (format!("d1:ad{id}e1:q4:ping1:t2:aa1:y1:qe"), "query ping, tid 6161, 56 bytes"),
            (format!("d1:rd{id}e1:t0:1:y1:re"), "response, empty tid, 45 bytes"),
            (format!("d1:ad{id}e1:q9:find_node1:t2:aa1:y1:qe"), "query that deserves error 203, "),
            (format!("d1:q{}:{}1:t1:a1:y1:qe", 300, "m".repeat(300)), "query that deserves error 203"),
            ("d1:eli202e4:boome1:t2:aa1:y1:ee".into(), "error 202 \"boom\", tid 6161, 31 bytes"),
            (
                "d1:rde1:t2:aa1:y1:re".into(),
                "no usable answer: the id in r is no string of 20 bytes, tid 6161, 20 bytes",
            ),
            ("x".into(), "no message: the outermost value is no dictionary, 1 byte"),
            (String::new(), "no message: the datagram has no bytes, 0 bytes"),
        ] {
            let said = message(datagram.as_bytes());
            assert!(said.starts_with(words) && said.len() < 200, "{datagram}: {said}");
        }
    }
}
