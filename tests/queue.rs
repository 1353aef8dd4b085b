//! More operations at once than a node has places for: none is refused, and none is held up for ever.

use std::net::UdpSocket;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use honeyguide::adapters::testnet::Testnet;
use honeyguide::adapters::{Handle, Operation, OperationError, std_thread, tokio as tokio_driver};
use honeyguide::dht::Reason;
use honeyguide::krpc::Item;
use honeyguide::{Config, Id};

#[path = "shared/lost.rs"]
mod lost;

/// Longer than anything here takes, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(120);
const GETS: usize = 10_000;

fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").unwrap()
}

#[test]
fn ten_thousand_gets_at_once_all_hit_and_no_answer_is_lost() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let testnet = Testnet::start(64, 0, [1; 32]).await.unwrap();
        // The buffers of these sockets are as the system makes them.
        let config = || Config::default().local();
        let sockets = [socket(), socket()];
        let ports = sockets.each_ref().map(|socket| socket.local_addr().unwrap().port());
        let [first, second] = sockets.map(|socket| vec![socket]);
        let threads = std_thread::spawn(config(), [2; 32], first).unwrap();
        let tasks = tokio_driver::spawn(config(), [3; 32], second).unwrap();
        for (node, port) in [threads, tasks].into_iter().zip(ports) {
            node.bootstrap(&[testnet.bootstrap().into()]).await.unwrap();
            let value = b"5:hello";
            node.put_immutable(value).await.unwrap();
            let gets: Vec<_> = (0..GETS).map(|_| node.get_immutable(Item::immutable_target(value), 1)).collect();
            for get in gets {
                let found = get.await.unwrap();
                assert_eq!((found.outcome.reason, found.results.len()), (Reason::Hit, 1));
            }
            assert_eq!(lost::datagrams_lost(port), 0, "the socket had no place for them");
            node.shutdown().await;
        }
        testnet.stop().await;
    });
}

/// A node with one place, which a ping to somebody silent has for a while.
fn busy() -> (Handle, UdpSocket) {
    let mut config = Config::small().local();
    config.capacity.operations = 1;
    (std_thread::spawn(config, [1; 32], vec![socket()]).unwrap(), socket())
}

/// Rule L35.
#[test]
fn one_who_asks_once_is_not_held_up_by_one_who_asks_much() {
    let (node, silent) = busy();
    let silent = silent.local_addr().unwrap().into();
    let (much, little) = (node.clone(), node.clone());
    let (order, ended) = channel();
    let wait = |name: &'static str, operation: Operation<_>| {
        let order = order.clone();
        thread::spawn(move || {
            let _: Result<_, OperationError> = operation.wait();
            order.send(name).unwrap();
        })
    };
    // The first is running; the others wait in two lines, which take turns.
    let flood: Vec<_> = (0..5).map(|_| wait("much", much.ping(silent))).collect();
    node.observe(|_| ()).wait().unwrap();
    let one = wait("little", little.ping(silent));
    flood.into_iter().chain([one]).for_each(|thread| thread.join().unwrap());
    let order: Vec<_> = ended.try_iter().collect();
    assert!(order.iter().position(|name| *name == "little").unwrap() <= 3, "{order:?}");
}

/// Rule L35.
#[test]
fn a_command_past_the_queue_waits_in_whoever_awaits_it_and_none_is_refused() {
    let (node, silent) = busy();
    let silent = silent.local_addr().unwrap().into();
    // One runs, 16,384 wait, and two more have no place.
    let mut waiting: Vec<_> = (0..16_385).map(|_| node.ping(silent)).collect();
    node.observe(|_| ()).wait().unwrap();
    let (first, second) = (node.lookup(Id([1; 20])), node.lookup(Id([2; 20])));
    assert_eq!(second.wait_for(Duration::from_millis(20)), Err(OperationError::Late));
    assert_eq!((first.outcome(), first.lost()), (None, 0));
    waiting.clear();
    assert_eq!(first.wait_for(PATIENCE).unwrap().outcome.reason, Reason::Exhausted);
}

#[test]
fn a_command_that_waits_can_be_cancelled_and_ends_with_the_node() {
    let (node, silent) = busy();
    let silent = silent.local_addr().unwrap().into();
    let _running = node.ping(silent);
    let (cancelled, left) = (node.ping(silent), node.ping(silent));
    node.observe(|_| ()).wait().unwrap();
    cancelled.cancel();
    assert_eq!(cancelled.wait().unwrap().outcome.reason, Reason::Cancelled);
    node.shutdown().wait();
    assert_eq!(left.wait(), Err(OperationError::Stopped));
}

#[test]
fn a_store_that_nobody_confirms_is_an_error_with_the_outcome_inside() {
    let node = std_thread::spawn(Config::small().local(), [1; 32], vec![socket()]).unwrap();
    let error = node.put_immutable(b"5:hello").wait().unwrap_err();
    assert!(matches!(error, OperationError::NotStored(_)), "{error}");
    assert_eq!(error.outcome().unwrap().reason, Reason::Exhausted);
    let silent = socket();
    let error = node.bootstrap(&[silent.local_addr().unwrap().into()]).wait().unwrap_err();
    assert!(matches!(error, OperationError::NobodyAnswered(_)), "{error}");
}
