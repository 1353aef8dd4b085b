//! Journals of driven nodes: what they hold, how far they are true when they were cut or changed, and what a recording
//! does when it cannot be written.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use driver::{Driver, addr, socket};
use eventually::eventually;
use honeyguide::adapters::{Handle, Replay, ReplayError, replay, std_thread};
use honeyguide::dht::TraceSink;
use honeyguide::dht::journal::{Call, OutputHash, Record, RecordError};
use honeyguide::dht::{Buffer, CallError, DirectQuery, Freshness, KeepId, KeepSchedule, KeepState, Kept, LinkConfig};
use honeyguide::dht::{LinkId, NextAction, PeerKind, SavedContact, Scope};
use honeyguide::krpc::{Item, Want};
use honeyguide::{Command, Config, Endpoint, Id, Input, Instant, Node, Output, Storage};

#[path = "shared/driver.rs"]
mod driver;
#[path = "shared/eventually.rs"]
mod eventually;

const LINK: LinkId = LinkId(0);

fn config() -> Config {
    Config::tiny().local().with_links(&[LinkConfig::V4]).unwrap()
}

fn node() -> Node<'static> {
    Node::new(config(), [7; 32], Storage::allocate(&config())).unwrap()
}

fn replayed(records: &[u8]) -> Result<u128, ReplayError> {
    replay(&mut node(), records)
}

/// As far as they go: the hash, the calls, and what came then.
fn as_far_as_it_goes(records: &[u8]) -> (u128, u64, Option<ReplayError>) {
    let (mut node, mut replay) = (node(), Replay::new(records));
    loop {
        match replay.step(&mut node, &mut |_| {}) {
            Ok(true) => {}
            Ok(false) => return (replay.hash(), replay.calls(), None),
            Err(error) => return (replay.hash(), replay.calls(), Some(error)),
        }
    }
}

/// Memory that a recording is written to, with room for so many bytes.
#[derive(Clone)]
struct Disk {
    bytes: Arc<Mutex<Vec<u8>>>,
    space: usize,
}

impl Disk {
    fn new() -> Disk {
        Disk::with_space(usize::MAX)
    }

    fn with_space(space: usize) -> Disk {
        Disk { bytes: Arc::default(), space }
    }

    fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }
}

impl io::Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut held = self.bytes.lock().unwrap();
        let len = bytes.len().min(self.space - held.len());
        held.extend_from_slice(&bytes[..len]);
        if len == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(len) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A run that is recorded record by record, without a driver, with a mark after every third call.
struct Recorded {
    node: Node<'static>,
    outputs: OutputHash,
    polls: u32,
    now: Instant,
    bytes: Vec<u8>,
    /// Where each record begins, its kind, and the hash of what was put out when it had been replayed.
    records: Vec<(usize, &'static str, u128)>,
}

impl Recorded {
    fn begin() -> Recorded {
        let (outputs, records) = (OutputHash::default(), Vec::new());
        let mut run = Recorded { node: node(), outputs, polls: 0, now: Instant::from_secs(5), bytes: vec![], records };
        run.call("timeout", Call::Input(Input::Timeout));
        run
    }

    fn record(&mut self, kind: &'static str, call: Call<'_>) {
        let (mut bytes, from) = ([0; Record::MAX_LEN], self.bytes.len());
        let len = Record { polls: std::mem::take(&mut self.polls), now: self.now, call }.encode(&mut bytes).unwrap();
        self.bytes.extend_from_slice(&bytes[..len]);
        self.records.push((from, kind, self.outputs.finish()));
    }

    fn call(&mut self, kind: &'static str, call: Call<'_>) {
        self.record(kind, call);
        let _ = call.apply(&mut self.node, self.now);
        let mut buffer: Buffer = [0; 1500];
        loop {
            let output = self.node.poll_output(&mut buffer);
            (self.polls, _) = (self.polls + 1, self.outputs.add(&output));
            if let Output::Timeout(_) = output {
                break;
            }
        }
        self.now += Duration::from_millis(7);
        if self.records.len() % 4 == 3 {
            self.record("mark", Call::Mark { hash: self.outputs.finish() });
        }
    }

    fn end(mut self) -> Recorded {
        self.record("mark", Call::Mark { hash: self.outputs.finish() });
        self.record("end", Call::End);
        self
    }
}

/// A run with every kind of record, each at least three times but the end.
fn every_kind() -> Recorded {
    let mut run = Recorded::begin();
    let item = Item::mutable(&[3; 32], b"3:new").salt(b"salt").seq(1).sign().unwrap();
    let (value, mutable) = (item.as_item().value, item.as_item().mutable.unwrap());
    for round in 0..3u8 {
        let (to, target) = (Endpoint::v4([127, 0, 0, 1], 6881 + u16::from(round)), Id([round + 1; 20]));
        let ping = [&b"d1:ad2:id20:"[..], target.as_bytes(), b"e1:q4:ping1:t2:aa1:y1:qe"].concat();
        let input = |input| Call::Input(input);
        run.call("import", Call::Import { link: LINK, contact: SavedContact { id: target, endpoint: to } });
        run.call("datagram", input(Input::Datagram { link: LINK, from: to, payload: &ping }));
        run.call("refused", input(Input::Refused { link: LINK, to }));
        run.call("send failed", input(Input::SendFailed { link: LINK, to }));
        run.call("timeout", input(Input::Timeout));
        let query = |query| Command::Query { to, query };
        let (key, salt) = (mutable.key, mutable.salt);
        let commands = [
            ("bootstrap", Command::Bootstrap { nodes: &[to, to.with_port(99)] }),
            ("ping", query(DirectQuery::Ping)),
            ("find_node", query(DirectQuery::FindNode { target, want: Want { v4: true, v6: false } })),
            ("sample one", query(DirectQuery::Sample { target })),
            ("lookup", Command::Lookup { target }),
            ("get immutable", Command::GetImmutable { target, copies: 1 }),
            ("get", Command::GetMutable { key, salt, newer_than: Some(1), freshness: Freshness::Newest }),
            ("get peers", Command::GetPeers { info_hash: target }),
            ("put immutable", Command::PutImmutable { value }),
            ("put", Command::PutMutable { value, key, salt, seq: 1, signature: mutable.signature, cas: None }),
            ("announce", Command::Announce { info_hash: target, port: Some(1), kind: PeerKind::Seed }),
            ("scrape", Command::Scrape { info_hash: target }),
            ("sample", Command::Sample { target }),
        ];
        for (tag, (kind, command)) in (0..).zip(commands) {
            run.call(
                kind,
                Call::Command { tag, scope: if round > 0 { Scope::Link(LINK) } else { Scope::All }, command },
            );
            run.call("cancel", Call::Cancel { tag });
        }
        let schedule = KeepSchedule::default();
        let before = KeepState { seq: Some(1), next: NextAction::Want, ..KeepState::default() };
        let keep = KeepId { index: 0, generation: round.into() };
        let kinds = [
            Kept::Mutable { key, salt },
            Kept::Immutable { target },
            Kept::Announced { info_hash: target, port: Some(1), kind: PeerKind::Seed },
        ];
        for kept in kinds {
            run.call("keep", Call::Keep { tag: 5, kept, schedule, before });
        }
        run.call("supply", Call::Supply { keep, item: item.as_item() });
        run.call("later", Call::Later { keep, by: Duration::from_secs(9) });
        run.call("unkeep", Call::Unkeep { keep });
        run.call("unkeep key", Call::UnkeepKey { key });
        run.call("passive", Call::SetPassive { is_passive: true });
        run.call("not passive", Call::SetPassive { is_passive: false });
        run.call("external", Call::SetExternal { link: LINK, addr: to.with_port(9) });
        run.call("former id", Call::ImportId { link: LINK, id: target });
        run.call("suspend", input(Input::Suspend));
        run.call("resume", input(Input::Resume));
    }
    run.end()
}

#[test]
fn a_recorded_run_replays_to_the_same_hash() {
    let other = std_thread::spawn(config(), [8; 32], vec![socket()]).unwrap();
    let disk = Disk::new();
    let (node, recording) = std_thread::spawn_recorded(config(), [7; 32], vec![socket()], disk.clone()).unwrap();
    node.bootstrap(&[addr(&other)]).wait().unwrap();
    node.put_immutable(b"4:life").wait().unwrap();
    assert!(
        node.announce(Id([1; 20]), Some(0), PeerKind::Downloader).wait().is_err(),
        "a refused command is part of a run too"
    );
    let saved = [SavedContact { id: Id([1; 20]), endpoint: addr(&other) }];
    assert_eq!(node.import(LinkId(1), &saved).wait(), Some(Err(CallError::NoLink(LinkId(1)))));
    assert_eq!(node.import(LINK, &saved).wait(), Some(Ok(())));
    node.shutdown();
    let hash = recording.wait().unwrap();
    let records = disk.bytes();
    assert_eq!(replayed(&records), Ok(hash));
    let longer = [&records[..], b"more"].concat();
    assert_eq!(replayed(&longer).map_err(|error| error.sound()), Err(records.len()), "nothing follows an end");
}

/// Rule J1: whoever is killed leaves a file that ends anywhere.
#[test]
fn a_journal_that_was_cut_is_true_up_to_its_last_whole_record() {
    let run = every_kind();
    let mut kinds: Vec<_> = run.records.iter().map(|(_, kind, _)| *kind).collect();
    kinds.sort_unstable();
    let rare: Vec<_> = kinds.chunk_by(|a, b| a == b).filter(|kind| kind.len() < 3).map(|kind| kind[0]).collect();
    assert_eq!((rare, kinds.chunk_by(|a, b| a == b).count()), (vec!["end"], 32));
    assert_eq!(as_far_as_it_goes(&run.bytes), (run.outputs.finish(), run.node_calls(), None));
    // Each record at its beginning, in its frame, in its middle and before its last byte.
    for (i, (from, kind, _)) in run.records.iter().enumerate() {
        let to = run.records.get(i + 1).map_or(run.bytes.len(), |next| next.0);
        let before = run.records[..i].last().map_or(OutputHash::default().finish(), |last| last.2);
        for cut in [*from, from + 1, from + 5, (from + to) / 2, to - 1] {
            let (hash, _, error) = as_far_as_it_goes(&run.bytes[..cut]);
            let error = error.expect("the end is missing");
            assert!(error.is_cut() && error.sound() == *from && hash == before, "{kind} cut at {cut}: {error}");
        }
    }
}

impl Recorded {
    fn node_calls(&self) -> u64 {
        self.records.iter().filter(|(_, kind, _)| !["mark", "end"].contains(kind)).count() as u64
    }
}

/// Rules J2 and J3.
#[test]
fn a_changed_bit_is_found_wherever_it_is() {
    let run = every_kind();
    let mut bytes = run.bytes.clone();
    for bit in 0..run.bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        let from = run.records.iter().rfind(|(from, ..)| *from <= bit / 8).unwrap().0;
        let mut nodes = [Endpoint::UNSPECIFIED; Config::MAX_BOOTSTRAP_NODES];
        assert_eq!(Record::decode(&bytes[from..], &mut nodes).map(drop), Err(RecordError::Changed), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    for bit in (0..run.bytes.len() * 8).step_by(997) {
        let mut bytes = run.bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let (_, _, error) = as_far_as_it_goes(&bytes);
        let error = error.expect("it is not what was written");
        let from = run.records.iter().rfind(|(from, ..)| *from <= bit / 8).unwrap().0;
        assert!(!error.is_cut() && error.sound() == from, "bit {bit}: {error}");
    }
    // Nor are records that are whole but not in their place: one is lost, two are exchanged.
    let starts: Vec<_> = run.records.iter().map(|record| record.0).collect();
    let lost = [&run.bytes[..starts[2]], &run.bytes[starts[3]..]].concat();
    let exchanged =
        [&run.bytes[..starts[1]], &run.bytes[starts[2]..starts[3]], &run.bytes[starts[1]..starts[2]]].concat();
    let exchanged = [&exchanged[..], &run.bytes[starts[3]..]].concat();
    for bytes in [lost, exchanged] {
        let (_, _, error) = as_far_as_it_goes(&bytes);
        let error = error.expect("another run");
        assert!(error.differs() && !error.is_cut());
    }
}

/// Rule J7: what a journal claims costs no more than what it has.
#[test]
fn the_work_of_a_replay_is_bounded_by_its_length() {
    let claims = |polls| {
        let (mut bytes, mut one) = (Vec::new(), [0; Record::MAX_LEN]);
        let mut add = |polls, call| {
            let len = Record { polls, now: Instant::from_secs(1), call }.encode(&mut one).unwrap();
            bytes.extend_from_slice(&one[..len]);
        };
        add(0, Call::Cancel { tag: 0 });
        add(polls, Call::End);
        bytes
    };
    let len = claims(1).len() as u32;
    assert!(replayed(&claims(len)).is_ok());
    let error = replayed(&claims(u32::MAX)).unwrap_err();
    assert!(!error.is_cut() && error.to_string().contains("polls"), "{error}");
}

#[test]
fn looking_at_a_node_leaves_nothing_in_its_recording() {
    let disk = Disk::new();
    let (node, recording) = std_thread::spawn_recorded(config(), [7; 32], vec![socket()], disk.clone()).unwrap();
    for _ in 0..1000 {
        node.stats().wait().unwrap();
        node.import(LINK, &[]).wait().unwrap().unwrap();
    }
    node.shutdown();
    recording.wait().unwrap();
    let (_, calls, error) = as_far_as_it_goes(&disk.bytes());
    assert_eq!((calls, error), (1, None), "the first timeout");
}

/// Rule J4.
#[test]
fn what_an_idle_node_did_is_written_within_a_moment() {
    for driver in Driver::both() {
        let disk = Disk::new();
        let (node, recording) = driver.record(config(), 7, vec![socket()], disk.clone());
        socket().send_to(RARE, node.addrs()[0]).unwrap();
        eventually(|| has_written_the_rare(&disk));
        node.shutdown().wait();
        recording.wait().unwrap();
    }
}

/// Rule J18. Whoever looks at the node, or at what it does, panics in its stead.
#[test]
fn the_journal_of_a_node_that_panicked_has_no_end_and_all_that_came_before() {
    let panics_in_a_call = |node: &Handle| {
        let panic = TraceSink::Boxed(Box::new(|_, event| panic!("{event:?}, on purpose")));
        node.set_sink(panic);
        // It is there when what was sent behind it is answered.
        node.stats().wait().unwrap();
        socket().send_to(RARE, node.addrs()[0]).unwrap();
    };
    let panics_between_calls = |node: &Handle| {
        socket().send_to(RARE, node.addrs()[0]).unwrap();
        eventually(|| node.stats().wait().unwrap().dropped.iter().map(|(_, n)| n).sum::<u64>() > 0);
        assert_eq!(node.observe(|_| panic!("on purpose")).wait(), None::<()>);
    };
    for panics in [&panics_in_a_call as &dyn Fn(&Handle), &panics_between_calls] {
        for driver in Driver::both() {
            let disk = Disk::new();
            let (node, recording) = driver.record(config(), 7, vec![socket()], disk.clone());
            panics(&node);
            let error = recording.wait().unwrap_err();
            assert!(error.to_string().contains("panicked"), "{error}");
            node.ended().wait();
            assert!(has_written_the_rare(&disk), "with what it panicked at");
        }
    }
}

const RARE: &[u8] = b"an unusual datagram";

/// Nobody calls the node again, and it has nothing to do; what is written replays as far as it goes.
fn has_written_the_rare(disk: &Disk) -> bool {
    let bytes = disk.bytes();
    let is_written = bytes.windows(RARE.len()).any(|part| part == RARE);
    let (_, _, error) = as_far_as_it_goes(&bytes);
    assert!(error.is_some_and(|error| error.is_cut()));
    is_written
}

/// Rule J17: of two seeds that differ in their second half, the nodes do the same.
#[test]
fn a_node_does_what_the_first_half_of_its_seed_says() {
    let run = every_kind();
    let with = |at: usize| {
        let mut seed = [7; 32];
        seed[at] = 8;
        let mut node = Node::new(config(), seed, Storage::allocate(&config())).unwrap();
        replay(&mut node, &run.bytes)
    };
    assert_eq!(with(31), Ok(run.outputs.finish()));
    assert!(with(15).is_err_and(|error| !error.is_cut()));
}

/// Rule J5.
#[test]
fn a_full_disk_is_told_at_once_and_the_node_goes_on() {
    let disk = Disk::with_space(100);
    let other = std_thread::spawn(config(), [8; 32], vec![socket()]).unwrap();
    let (node, recording) = std_thread::spawn_recorded(config(), [7; 32], vec![socket()], disk.clone()).unwrap();
    node.bootstrap(&[addr(&other)]).wait().unwrap();
    assert_eq!(recording.wait().unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(node.put_immutable(b"4:life").wait().unwrap().outcome.stored.all, 1);
    node.shutdown().wait();
    let (_, _, error) = as_far_as_it_goes(&disk.bytes());
    assert!(error.is_some_and(|error| error.is_cut()), "what was written is whole as far as it goes");
}
