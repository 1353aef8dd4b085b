//! Both drivers on loopback sockets, through the one handle that they share.

use std::cell::Cell;
use std::future::Future;
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use driver::{Driver, addr, runtime, socket};
use eventually::{PATIENCE, eventually};
use honeyguide::Config;
use honeyguide::Endpoint;
use honeyguide::Id;
use honeyguide::adapters::testnet::Testnet;
use honeyguide::adapters::{Answer, Finished, FromEvent, Handle, Operation, OperationError};
use honeyguide::adapters::{std_thread, tokio as tokio_driver};
use honeyguide::dht::CallError;
use honeyguide::dht::SavedContact;
use honeyguide::dht::{Freshness, PeerKind};
use honeyguide::dht::{LinkId, Reason, TraceEvent, TraceSink};
use honeyguide::krpc::Item;
use honeyguide::krpc::SignedItem;

#[path = "shared/driver.rs"]
mod driver;
#[path = "shared/eventually.rs"]
mod eventually;

impl Driver {
    fn node(&self, seed: u8) -> Handle {
        self.spawn(Config::tiny().local(), seed, vec![socket()])
    }

    /// Nodes that have joined through the first of them and all know one another.
    fn network(&self, nodes: u8) -> Vec<Handle> {
        let nodes: Vec<_> = (1..=nodes).map(|seed| self.node(seed)).collect();
        let join_all = || {
            for node in &nodes[1..] {
                assert!(wait(node.bootstrap(&[addr(&nodes[0])])).outcome.answered > 0);
            }
        };
        join_all();
        // The first node asks everybody back in its own time. Once it knows them all, it can tell them of each other.
        eventually(|| contacts(&nodes[0]) == nodes.len() - 1);
        join_all();
        assert!(nodes.iter().all(|node| contacts(node) == nodes.len() - 1));
        nodes
    }
}

fn contacts(node: &Handle) -> usize {
    node.contacts().wait().unwrap().len()
}

fn wait<T: FromEvent>(operation: Operation<T>) -> Finished<T> {
    operation.wait_for(PATIENCE).unwrap()
}

#[test]
fn what_one_node_stores_another_finds() {
    for driver in Driver::both() {
        let nodes = driver.network(6);
        let (writer, reader) = (&nodes[1], &nodes[5]);
        let value = b"5:hello";
        assert!(wait(writer.put_immutable(value)).outcome.stored.all > 0);
        let found = wait(reader.get_immutable(Item::immutable_target(value), 1));
        assert_eq!(found.outcome.reason, Reason::Hit);
        assert_eq!(found.results[0].value, value[..]);
        assert!(nodes.iter().any(|node| node.addrs()[0] == found.results[0].from));

        let secret_key = [9; 32];
        let (key, salt) = (&SignedItem::public_key(&secret_key), b"salt");
        for (seq, value) in [(1, &b"3:one"[..]), (2, b"3:two")] {
            let item = Item::mutable(&secret_key, value).salt(salt).seq(seq).sign().unwrap();
            let put = writer.put_mutable(&item, (seq > 1).then_some(seq - 1));
            assert!(wait(put).outcome.stored.all > 0);
        }
        let found = wait(reader.get_mutable(key, salt, None, Freshness::Newest));
        let newest = found.results.last().unwrap();
        assert_eq!((&newest.value[..], newest.mutable.as_ref().unwrap().seq), (&b"3:two"[..], 2));
        assert!(found.outcome.copies > 1);
    }
}

#[test]
fn an_announced_peer_is_found_and_counted() {
    for driver in Driver::both() {
        let nodes = driver.network(6);
        let info_hash = Id([0x42; 20]);
        assert!(wait(nodes[1].announce(info_hash, Some(4242), PeerKind::Seed)).outcome.stored.all > 0);
        let found = wait(nodes[4].get_peers(info_hash));
        assert!(found.results.iter().all(|list| list.peers[..] == ["127.0.0.1:4242".parse::<SocketAddr>().unwrap()]));
        assert!(!found.results.is_empty() && found.lost == 0);
        assert_eq!(wait(nodes[4].scrape(info_hash)).results[0].seeds, 1);
        assert!(wait(nodes[4].sample(info_hash)).results.iter().any(|sample| sample.info_hashes == [info_hash]));
        let closest = wait(nodes[4].lookup(info_hash));
        assert_eq!(closest.results[0].nodes.len(), 5, "all others");
    }
}

#[test]
fn a_ping_is_answered_with_an_id() {
    for driver in Driver::both() {
        let nodes = driver.network(2);
        let answer: Answer = wait(nodes[0].ping(addr(&nodes[1]))).results[0].clone();
        assert_eq!(Some(answer.id), nodes[1].id(LinkId(0)).wait().flatten());
        assert_eq!(answer.from, nodes[1].addrs()[0]);
    }
}

#[test]
fn a_command_that_makes_no_sense_is_refused() {
    for driver in Driver::both() {
        let node = driver.node(1);
        let refused = |failure: OperationError| matches!(failure, OperationError::Refused(_));
        assert!(refused(node.put_immutable(b"no bencode").wait().unwrap_err()));
        assert_eq!(
            node.announce(Id([1; 20]), Some(0), PeerKind::Downloader).wait(),
            Err(OperationError::Refused(CallError::BadPort))
        );
        assert_eq!(
            node.on(LinkId(3)).lookup(Id([1; 20])).wait(),
            Err(OperationError::Refused(CallError::NoLink(LinkId(3))))
        );
        assert!(refused(node.ping(Endpoint::v6([0xfd; 16], 1)).wait().unwrap_err()));
    }
}

/// How many operations of a node run: told by its trace, from when it is asked for.
fn running(node: &Handle) -> impl Fn() -> usize {
    let (tell, told) = std::sync::mpsc::channel();
    node.set_sink(TraceSink::Boxed(Box::new(move |_, event| tell.send(event).unwrap_or_default())));
    let (node, running) = (node.clone(), Cell::new(0));
    move || {
        // What was done before has been done then.
        node.observe(|_| ()).wait().unwrap();
        for event in told.try_iter() {
            match event {
                TraceEvent::Started { .. } => running.set(running.get() + 1),
                TraceEvent::Ended { .. } => running.set(running.get() - 1),
                _ => {}
            }
        }
        running.get()
    }
}

#[test]
fn a_dropped_operation_is_cancelled() {
    let places = Config::tiny().capacity.operations;
    for driver in Driver::both() {
        let silent = socket();
        let node = driver.node(1);
        let running = running(&node);
        let pings = || node.ping(silent.local_addr().unwrap().into());
        // Those that run, and as many that wait.
        let pending: Vec<Operation<Answer>> = (0..2 * places).map(|_| pings()).collect();
        assert_eq!(running(), places);
        assert!(pending.iter().all(|operation| operation.outcome().is_none()), "none is refused for want of a place");
        drop(pending);
        assert_eq!(running(), 0);
    }
}

#[test]
fn a_cancelled_operation_says_so() {
    for driver in Driver::both() {
        let silent = socket();
        let operation = driver.node(1).ping(silent.local_addr().unwrap().into());
        operation.cancel();
        assert_eq!(wait(operation).outcome.reason, Reason::Cancelled);
    }
}

/// Nobody answers a ping for seconds: what went on behind an ended wait would be running still.
#[test]
fn an_own_deadline_ends_the_wait_and_the_operation() {
    for driver in Driver::both() {
        let silent = socket();
        let node = driver.node(1);
        let running = running(&node);
        for _ in 0..Config::tiny().capacity.operations {
            let late = node.ping(silent.local_addr().unwrap().into()).wait_for(Duration::from_millis(1));
            assert_eq!(late, Err(OperationError::Late));
        }
        assert_eq!(running(), 0);
        let waited = node.ping(silent.local_addr().unwrap().into());
        assert_eq!((running(), waited.outcome()), (1, None));
    }
}

#[test]
fn a_shut_down_node_ends_everything_and_frees_its_port() {
    for driver in Driver::both() {
        let silent = socket();
        let node = driver.node(1);
        let pending = node.ping(silent.local_addr().unwrap().into());
        let mut notices = node.notices();
        node.shutdown().wait();
        assert_eq!(pending.wait(), Err(OperationError::Stopped));
        assert_eq!(notices.wait_next(), None);
        assert_eq!(node.lookup(Id([1; 20])).wait(), Err(OperationError::Stopped));
        assert_eq!(node.observe(|_| ()).wait(), None);
        UdpSocket::bind(node.addrs()[0]).expect("the port is free");
    }
}

/// However it ends: nobody shuts it down here. What is woken looks at once whether the port is free.
#[test]
fn a_task_that_is_lost_says_so_when_its_sockets_are_closed() {
    struct Bind(SocketAddr, Mutex<Option<bool>>);
    impl Wake for Bind {
        fn wake(self: Arc<Self>) {
            *self.1.lock().unwrap() = Some(UdpSocket::bind(self.0).is_ok());
        }
    }
    for (polled, panics) in [(false, false), (true, false), (true, true)] {
        let runtime = runtime();
        let node = runtime.block_on(async { tokio_driver::spawn(Config::tiny().local(), [1; 32], vec![socket()]) });
        let node = node.unwrap();
        let bind = Arc::new(Bind(node.addrs()[0], Mutex::new(None)));
        let mut ended = node.ended();
        let waker = Waker::from(bind.clone());
        assert!(Pin::new(&mut ended).poll(&mut Context::from_waker(&waker)).is_pending());
        if polled {
            runtime.block_on(node.stats());
        }
        if panics {
            let lost = node.observe(|_| panic!("this ends the task"));
            assert_eq!(runtime.block_on(lost), None::<()>);
        }
        drop(runtime);
        assert_eq!(*bind.1.lock().unwrap(), Some(true), "polled: {polled}, panics: {panics}");
    }
}

/// Rule L35. A thousand messages are there before the datagram is looked for.
#[test]
fn messages_in_any_number_do_not_hold_up_datagrams() {
    runtime().block_on(async {
        let node = tokio_driver::spawn(Config::tiny().local(), [1; 32], vec![socket()]).unwrap();
        socket().send_to(b"x", node.addrs()[0]).unwrap();
        let mut before = 0;
        for look in (0..1_000).map(|_| node.stats()).collect::<Vec<_>>() {
            before += usize::from(look.await.unwrap().rx == 0);
        }
        assert!(before <= 64, "{before} came before it");
    });
}

/// Rule L35. The reader of the socket has the datagram already.
#[cfg(target_os = "linux")]
#[test]
fn messages_in_any_number_do_not_hold_up_a_reader() {
    const LOOKS: usize = 20_000;
    let node = Driver::threads().node(1);
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (enter, entered) = std::sync::mpsc::channel();
    let _held = node.observe(move |_| (enter.send(()).unwrap(), released.recv().unwrap_or_default()));
    entered.recv().unwrap();
    socket().send_to(b"x", node.addrs()[0]).unwrap();
    eventually(|| queue_length(node.addrs()[0].port()) == 0);
    let looks: Vec<_> = (0..LOOKS).map(|_| node.stats()).collect();
    drop(release);
    let before = looks.into_iter().filter_map(|look| look.wait()).filter(|stats| stats.rx == 0).count();
    assert!(before <= LOOKS / 2, "{before} came before it");
}

/// Bytes that wait in an IPv4 socket.
#[cfg(target_os = "linux")]
fn queue_length(port: u16) -> u64 {
    let table = std::fs::read_to_string("/proc/net/udp").unwrap();
    let row = table.lines().find(|row| row.contains(&format!(":{port:04X} 00000000")));
    let queues = row.and_then(|row| row.split_whitespace().nth(4)?.split_once(':')).unwrap();
    u64::from_str_radix(queues.1, 16).unwrap()
}

#[test]
fn the_last_handle_takes_the_node_with_it() {
    for driver in Driver::both() {
        let silent = socket();
        let node = driver.node(1);
        let (bound, ended) = (node.addrs()[0], node.ended());
        let second = node.clone();
        drop(node);
        let operation = second.ping(silent.local_addr().unwrap().into());
        drop(second);
        // A running operation keeps its node.
        UdpSocket::bind(bound).expect_err("the node runs");
        drop(operation);
        ended.wait();
        UdpSocket::bind(bound).expect("the port is free");
    }
}

#[test]
fn a_slow_consumer_loses_results_and_the_node_does_not_wait() {
    for driver in Driver::both() {
        let nodes = driver.network(8);
        let info_hash = Id([0x42; 20]);
        assert!(wait(nodes[1].announce(info_hash, Some(4242), PeerKind::Downloader)).outcome.stored.all > 2);
        let slow = nodes[7].with_backlog(1).get_peers(info_hash);
        // Nobody takes a result until all is over.
        eventually(|| slow.outcome().is_some());
        let outcome = slow.outcome().unwrap().unwrap();
        let finished = wait(slow);
        assert_eq!(finished.results.len(), 1);
        assert!(finished.lost > 0);
        assert_eq!(finished.lost + 1, u64::from(outcome.results));
    }
}

#[test]
fn each_link_speaks_from_its_own_socket() {
    for driver in Driver::both() {
        let (peer, one, two) = (driver.node(1), socket(), socket());
        let node = driver.spawn(Config::tiny().local(), 2, vec![one, two]);
        let ids = [0, 1].map(|i| node.id(LinkId(i)).wait().flatten());
        assert!(ids[0].is_some() && ids[1].is_some() && ids[0] != ids[1], "an id for each socket");
        let witness = socket();
        witness.set_read_timeout(Some(PATIENCE)).unwrap();
        for i in 0..2 {
            assert_eq!(wait(node.on(LinkId(i)).ping(addr(&peer))).results.len(), 1);
            let _pending = node.on(LinkId(i)).ping(witness.local_addr().unwrap().into());
            let (_, from) = witness.recv_from(&mut [0; 1500]).unwrap();
            assert_eq!(from, node.addrs()[usize::from(i)]);
        }
    }
}

/// Rule L32.
#[test]
fn a_handle_at_one_node_and_on_one_link_is_both_in_either_order() {
    for driver in Driver::both() {
        let node = driver.spawn(Config::tiny().local(), 2, vec![socket(), socket()]);
        let (witness, other) = (socket(), driver.node(1));
        witness.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(wait(node.ping(addr(&other))).results.len(), 1, "somebody else is known");
        let (at, link) = (witness.local_addr().unwrap().into(), LinkId(1));
        for handle in [node.at(at).on(link), node.on(link).at(at), node.at(addr(&other)).on(link).at(at)] {
            let _pending = handle.get_peers(Id([0x42; 20]));
            let (_, from) = witness.recv_from(&mut [0; 1500]).expect("it is asked");
            assert_eq!(from, node.addrs()[1], "by the link that was named");
        }
    }
}

#[test]
fn links_of_both_families_work_side_by_side() {
    let six = || UdpSocket::bind("[::1]:0").expect("this machine has IPv6 on its loopback interface");
    for driver in Driver::both() {
        let four = driver.node(1);
        let node = driver.spawn(Config::tiny().local(), 2, vec![socket(), six()]);
        let other = driver.spawn(Config::tiny().local(), 3, vec![six()]);
        assert_eq!(wait(node.ping(addr(&four))).results.len(), 1);
        assert_eq!(wait(node.ping(addr(&other))).results.len(), 1);
        node.shutdown().wait();
    }
}

#[test]
fn sockets_that_do_not_fit_are_an_error() {
    let runtime = runtime();
    let _entered = runtime.enter();
    for (count, sentence) in [(5, "links is 5; at most 4"), (0, "links is 0; at least 1")] {
        let sockets = || (0..count).map(|_| socket()).collect();
        let threads = std_thread::spawn(Config::tiny(), [1; 32], sockets());
        let tasks = tokio_driver::spawn(Config::tiny(), [1; 32], sockets());
        assert_eq!([threads, tasks].map(|refused| refused.unwrap_err().to_string()), [sentence; 2]);
    }
}

/// A runtime takes no socket without its network driver, and has no clock without its time driver.
#[test]
fn a_runtime_that_lacks_what_a_node_needs_is_an_error_that_names_it() {
    let spawn = || tokio_driver::spawn(Config::tiny(), [1; 32], vec![socket()]).map(drop);
    let outside = spawn().unwrap_err().to_string();
    assert!(outside.contains("tokio runtime"), "{outside}");
    type Enable = fn(&mut tokio::runtime::Builder) -> &mut tokio::runtime::Builder;
    let cases: [(Enable, Option<&str>); 4] = [
        (|builder| builder, Some("enable_io")),
        (|builder| builder.enable_time(), Some("enable_io")),
        (|builder| builder.enable_io(), Some("enable_time")),
        (|builder| builder.enable_all(), None),
    ];
    for (enable, missing) in cases {
        let runtime = enable(&mut tokio::runtime::Builder::new_current_thread()).build().unwrap();
        let _entered = runtime.enter();
        match (spawn(), missing) {
            (Ok(()), None) => {}
            (Err(error), Some(missing)) => {
                assert!(error.to_string().contains(missing) && error.to_string().contains("enable_all"), "{error}");
                assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
            }
            (spawned, missing) => panic!("{spawned:?}, {missing:?}"),
        }
    }
    // A test network brings the threads of its nodes, and waits for them by the clock of its caller.
    let without_clock = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let refused = without_clock.block_on(Testnet::start(2, 0, [3; 32])).unwrap_err();
    assert!(refused.to_string().contains("enable_time"), "{refused}");
}

#[test]
fn what_an_unjoined_node_stores_is_an_error_that_says_that_it_knows_nobody() {
    for driver in Driver::both() {
        let node = driver.node(1);
        let put = node.put_immutable(b"5:hello").wait().unwrap_err();
        let announced = node.announce(Id([1; 20]), Some(1), PeerKind::Downloader).wait().unwrap_err();
        for error in [put, announced] {
            assert!(
                error.to_string().contains("nobody could be asked") && error.to_string().contains("bootstrap"),
                "{error}"
            );
            assert_eq!(error.outcome().unwrap().queried, 0);
        }
    }
}

#[test]
fn contacts_of_an_earlier_run_are_taken_up() {
    for driver in Driver::both() {
        let nodes = driver.network(4);
        let known = nodes[0].contacts().wait().unwrap().into_iter();
        let saved: Vec<_> = known.map(|(_, view)| SavedContact { id: view.id, endpoint: view.endpoint }).collect();
        assert!(!saved.is_empty());
        let node = driver.node(9);
        let refused = node.import(LinkId(1), &saved).wait().unwrap();
        assert_eq!(refused, Err(CallError::NoLink(LinkId(1))));
        assert_eq!(contacts(&node), 0);
        assert_eq!(node.import(LinkId(0), &saved).wait(), Some(Ok(())));
        eventually(|| contacts(&node) >= 3);
    }
}

/// Rules D2, D3 and D6.
#[test]
fn a_handle_says_what_a_node_is_where_it_is_and_when_it_sleeps() {
    for driver in Driver::both() {
        let nodes = driver.network(3);
        let (asks, asked) = (&nodes[0], &nodes[1]);
        let is_answered = || asks.ping(addr(asked)).wait_for(PATIENCE).unwrap().outcome.answered == 1;
        assert!(is_answered());
        asked.set_passive(true).wait().unwrap().unwrap();
        assert!(!is_answered());
        asked.set_passive(false).wait().unwrap().unwrap();
        assert!(is_answered());
        let away = Endpoint::v4([127, 0, 0, 9], 9);
        assert_eq!(asked.set_external(LinkId(1), away).wait(), Some(Err(CallError::NoLink(LinkId(1)))));
        assert_eq!(asked.set_external(LinkId(0), away).wait(), Some(Ok(())));
        assert_eq!(asked.external_addr(LinkId(0)).wait(), Some(Some(away)));
        asked.suspend().wait().unwrap().unwrap();
        assert!(!is_answered());
        asked.resume().wait().unwrap().unwrap();
        assert!(is_answered());
    }
}

/// Rule L5.
#[test]
fn the_first_operation_after_contacts_were_loaded_asks_them() {
    for driver in Driver::both() {
        let nodes = driver.network(4);
        let saved = nodes[0].save_contacts().wait().unwrap();
        let after_a_start = |seed| {
            let node = driver.node(seed);
            assert_eq!(node.load_contacts(&saved).unwrap(), 3);
            node
        };
        assert!(wait(after_a_start(9).get_peers(Id([1; 20]))).outcome.answered > 0);
        assert!(wait(after_a_start(10).put_immutable(b"5:hello")).outcome.stored.all > 0);
        assert!(wait(after_a_start(11).bootstrap(&[])).outcome.answered > 0);
    }
}

#[test]
fn a_sink_that_a_driver_was_given_is_told_of_every_operation() {
    for driver in Driver::both() {
        let nodes = driver.network(2);
        let (tell, told) = std::sync::mpsc::channel();
        let node = driver.node(9);
        node.set_sink(TraceSink::Boxed(Box::new(move |_, event| tell.send(event).unwrap())));
        wait(node.bootstrap(&[addr(&nodes[0])]));
        node.set_sink(TraceSink::None);
        // The sink is dropped with its end of the channel.
        let events: Vec<_> = told.iter().collect();
        let started = events.iter().position(|event| matches!(event, TraceEvent::Started { .. }));
        let ended = events.iter().position(|event| matches!(event, TraceEvent::Ended { .. }));
        assert!(started.is_some() && started < ended, "{events:?}");
    }
}

#[test]
fn tasks_await_operations_and_drop_them() {
    runtime().block_on(async {
        let testnet = Testnet::start(8, 0, [3; 32]).await.unwrap();
        let node = tokio_driver::spawn(Config::tiny().local(), [4; 32], vec![socket()]).unwrap();
        assert!(node.bootstrap(&[testnet.bootstrap().into()]).await.unwrap().outcome.answered > 0);
        let info_hash = Id([0x33; 20]);
        assert!(node.announce(info_hash, Some(33), PeerKind::Downloader).await.unwrap().outcome.stored.all > 0);
        let mut lists = testnet.nodes()[0].get_peers(info_hash);
        let mut peers = Vec::new();
        while let Some(list) = lists.next().await {
            peers.extend(list.peers);
        }
        assert!(peers.contains(&"127.0.0.1:33".parse().unwrap()));
        assert!(lists.outcome().unwrap().is_ok());

        let silent = socket();
        let never = node.ping(silent.local_addr().unwrap().into());
        assert!(tokio::time::timeout(Duration::from_millis(1), never).await.is_err());
        testnet.stop().await;
        node.shutdown().await;
        assert_eq!(node.lookup(info_hash).await, Err(OperationError::Stopped));
    });
}

#[test]
fn a_node_of_a_test_network_has_room_for_its_items_however_long_they_are() {
    runtime().block_on(async {
        let testnet = Testnet::start(1, 0, [3; 32]).await.unwrap();
        let node = tokio_driver::spawn(Config::tiny().local(), [4; 32], vec![socket()]).unwrap();
        let node_of_network = node.at(testnet.bootstrap().into());
        for n in 0..Config::small().capacity.items {
            let value = [b"996:".to_vec(), vec![n as u8; 996]].concat();
            let put = node_of_network.put_immutable(&value).await;
            assert_eq!(put.map(|put| put.outcome.stored.all), Ok(1), "item {n}");
        }
        node.shutdown().await;
        testnet.stop().await;
    });
}

#[test]
fn a_test_network_starts_on_the_port_that_was_asked_for() {
    runtime().block_on(async {
        let port = socket().local_addr().unwrap().port();
        let testnet = Testnet::start(3, port, [3; 32]).await.unwrap();
        assert_eq!(testnet.bootstrap(), SocketAddr::from(([127, 0, 0, 1], port)));
        assert_eq!(testnet.nodes().len(), 3);
        assert!(Testnet::start(1, port, [3; 32]).await.is_err(), "the port is in use");
        testnet.stop().await;
    });
}

#[test]
fn a_test_network_whose_nodes_have_more_room_answers_a_burst() {
    runtime().block_on(async {
        let testnet = Testnet::start_with(Config::default().local(), 2, 0, [3; 32]).await.unwrap();
        let [asked, asker] = testnet.nodes() else { panic!("two nodes") };
        let pings: Vec<_> = (0..300).map(|_| asker.ping(asked.addrs()[0].into())).collect();
        let mut answered = 0;
        for ping in pings {
            answered += ping.await.unwrap().outcome.answered;
        }
        assert_eq!(answered, 300, "more than a node of the public network answers one asker");
        testnet.stop().await;
    });
}

#[cfg(feature = "stream")]
#[test]
fn operations_and_notices_are_streams() {
    use std::pin::pin;

    use futures_core::Stream;

    let node = Driver::threads().node(1);
    let silent = socket();
    let operation = node.ping(silent.local_addr().unwrap().into());
    let (mut cx, mut operation, mut notices) =
        (Context::from_waker(Waker::noop()), pin!(operation), pin!(node.notices()));
    assert!(operation.as_mut().poll_next(&mut cx).is_pending() && notices.as_mut().poll_next(&mut cx).is_pending());
    node.shutdown().wait();
    assert!(operation.poll_next(&mut cx).is_ready() && notices.poll_next(&mut cx).is_ready(), "both have ended");
}

#[test]
fn what_a_handle_gives_out_can_be_shown() {
    let node = Driver::threads().node(1);
    let silent = socket();
    let shown = [
        format!("{node:?}"),
        format!("{:?}", node.ping(silent.local_addr().unwrap().into())),
        format!("{:?}", node.notices()),
        format!("{:?}", node.stats()),
        format!("{:?}", node.ended()),
    ];
    for (shown, name) in shown.iter().zip(["Handle", "Operation", "Notices", "Observation", "Ended"]) {
        assert!(shown.starts_with(name), "{shown}");
    }
}
