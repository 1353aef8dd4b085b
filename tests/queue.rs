//! More operations at once than a node has places for: none is refused, and none is held up for ever.

use std::future::Future;
use std::net::UdpSocket;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use honeyguide::adapters::testnet::Testnet;
use honeyguide::adapters::{Answer, Closest, Handle, Operation, OperationError, std_thread, tokio as tokio_driver};
use honeyguide::dht::Reason;
use honeyguide::krpc::Item;
use honeyguide::{Config, Endpoint, Id};

#[cfg(target_os = "linux")]
#[path = "shared/lost.rs"]
mod lost;
#[cfg(target_os = "linux")]
#[path = "shared/namespace.rs"]
mod namespace;

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
        let threads = std_thread::spawn(config(), [2; 32], vec![socket()]).unwrap();
        let tasks = tokio_driver::spawn(config(), [3; 32], vec![socket()]).unwrap();
        for node in [threads, tasks] {
            node.bootstrap(&[testnet.bootstrap().into()]).await.unwrap();
            let value = b"5:hello";
            node.put_immutable(value).await.unwrap();
            let gets: Vec<_> = (0..GETS).map(|_| node.get_immutable(Item::immutable_target(value), 1)).collect();
            for get in gets {
                let found = get.await.unwrap();
                assert_eq!((found.outcome.reason, found.results.len()), (Reason::Hit, 1));
            }
            #[cfg(target_os = "linux")]
            assert_eq!(lost::datagrams_lost(node.addrs()[0].port()), 0, "the socket had no place for them");
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

/// Commands that wait in a driver without anybody awaiting them.
const MOST_WAITING: usize = 16_384;

/// A busy node with a full queue: what runs, what waits, and the silent one whom all of them ask.
fn full() -> (Handle, Operation<Answer>, Vec<Operation<Answer>>, UdpSocket) {
    let (node, silent) = busy();
    let asked = silent.local_addr().unwrap().into();
    let running = node.ping(asked);
    node.observe(|_| ()).wait().unwrap();
    let waiting = (0..MOST_WAITING).map(|_| node.ping(asked)).collect();
    (node, running, waiting, silent)
}

/// Nobody is there to be asked, so that it ends as soon as it has begun.
fn lookup(node: &Handle) -> Operation<Closest> {
    node.lookup(Id([1; 20]))
}

fn reason(operation: Operation<Closest>) -> Reason {
    operation.wait_for(PATIENCE).unwrap().outcome.reason
}

/// Rule L35.
#[test]
fn a_command_past_the_queue_waits_in_whoever_awaits_it_and_none_is_refused() {
    let (node, running, mut waiting, _silent) = full();
    waiting.pop();
    node.observe(|_| ()).wait().unwrap();
    let (last, past) = (lookup(&node), lookup(&node));
    drop((running, waiting));
    // The last one that has a place needs nobody.
    let deadline = Instant::now() + PATIENCE;
    while last.outcome().is_none() && Instant::now() < deadline {
        node.observe(|_| ()).wait().unwrap();
    }
    assert!(last.outcome().is_some());
    assert_eq!((past.outcome(), past.lost()), (None, 0));
    assert_eq!((reason(last), reason(past)), (Reason::Exhausted, Reason::Exhausted));
}

/// Rule L35.
#[test]
fn past_the_queue_they_may_be_awaited_from_the_last_to_the_first() {
    let (node, running, waiting, _silent) = full();
    let mut past: Vec<_> = (0..MOST_WAITING + 2).map(|_| lookup(&node)).collect();
    assert_eq!(past.pop().unwrap().wait_for(Duration::from_millis(20)), Err(OperationError::Late));
    drop((running, waiting));
    while let Some(operation) = past.pop() {
        assert_eq!(reason(operation), Reason::Exhausted);
    }
}

/// Rule L35. A branch of a `select!` that was not taken, and what a caller holds but awaits no longer.
#[test]
fn what_was_awaited_once_and_then_left_holds_nobody_up() {
    let (node, running, waiting, _silent) = full();
    let mut left: Vec<_> = (0..MOST_WAITING + 2).map(|_| lookup(&node)).collect();
    let awaited = left.pop().unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(left.iter_mut().all(|operation| Pin::new(operation).poll(&mut cx).is_pending()));
    drop((running, waiting));
    assert_eq!(reason(awaited), Reason::Exhausted);
}

/// Rule L35.
#[test]
fn past_the_queue_they_end_with_the_node() {
    let (node, _running, _waiting, _silent) = full();
    let mut past: Vec<_> = (0..MOST_WAITING + 2).map(|_| lookup(&node)).collect();
    assert_eq!(past[0].outcome(), None);
    node.shutdown().wait();
    assert_eq!(past.pop().unwrap().wait_for(PATIENCE), Err(OperationError::Stopped));
    assert_eq!(past[0].outcome(), Some(Err(OperationError::Stopped)), "nobody awaits it, and it is looked at");
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(Pin::new(&mut past[0]).poll(&mut cx), Poll::Ready(Err(OperationError::Stopped)));
}

#[test]
fn a_command_past_the_queue_can_be_cancelled() {
    let (node, running, waiting, _silent) = full();
    let mut past: Vec<_> = (0..3).map(|_| lookup(&node)).collect();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut past[1]).poll(&mut cx).is_pending());
    past.iter().for_each(Operation::cancel);
    drop((running, waiting));
    let Poll::Ready(Ok(polled)) = Pin::new(&mut past[2]).poll(&mut cx) else { panic!("it has ended") };
    assert_eq!(polled.outcome.reason, Reason::Cancelled);
    assert_eq!(past[0].outcome().unwrap().unwrap().reason, Reason::Cancelled);
    assert_eq!(past[0].wait_next(), None);
    past.drain(..2).for_each(|operation| assert_eq!(reason(operation), Reason::Cancelled));
}

/// Rule B7.
#[test]
fn whoever_awaits_a_command_past_the_queue_no_longer_leaves_nothing_behind() {
    struct Task;
    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }
    let (node, _running, _waiting, _silent) = full();
    let mut past = lookup(&node);
    let task = Arc::new(Task);
    let waker = Waker::from(task.clone());
    let mut cx = Context::from_waker(&waker);
    (0..3).for_each(|_| assert!(pin!(past.next()).poll(&mut cx).is_pending()));
    drop(waker);
    assert_eq!(Arc::strong_count(&task), 1);
}

/// Rule L35. The one who asks much is past the queue already.
#[test]
fn past_the_queue_too_clones_take_turns() {
    let (node, running, mut waiting, _silent) = full();
    let mut cx = Context::from_waker(Waker::noop());
    let silent = socket();
    for _ in 0..100 {
        let mut past = node.ping(silent.local_addr().unwrap().into());
        assert!(Pin::new(&mut past).poll(&mut cx).is_pending());
        waiting.push(past);
    }
    let mut little = lookup(&node.clone());
    assert!(Pin::new(&mut little).poll(&mut cx).is_pending());
    // The first who waits takes the place of the one that ran, and makes room for the other line.
    drop((running, waiting.remove(0)));
    assert_eq!(little.wait_for(Duration::from_secs(20)).unwrap().outcome.reason, Reason::Exhausted);
}

/// Rule L35: what one drain leaves goes on by itself.
#[cfg(target_os = "linux")]
#[test]
fn when_no_send_succeeds_all_that_waits_ends_without_a_message_or_a_datagram() {
    if !namespace::is_inside("when_no_send_succeeds_all_that_waits_ends_without_a_message_or_a_datagram") {
        return;
    }
    namespace::run("ip link set lo up");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut config = Config::small().local();
        config.capacity.operations = 1;
        let here = || vec![UdpSocket::bind("0.0.0.0:0").unwrap()];
        let threads = std_thread::spawn(config.clone(), [1; 32], here()).unwrap();
        let tasks = tokio_driver::spawn(config, [1; 32], here()).unwrap();
        let silent = socket();
        for node in [threads, tasks] {
            let running = node.ping(silent.local_addr().unwrap().into());
            let no_route = |i: u16| Endpoint::v4([10, 0, i.to_be_bytes()[0], i.to_be_bytes()[1]], 7);
            let pings: Vec<_> = (0..5_000).map(|i| node.ping(no_route(i))).collect();
            node.stats().await.unwrap();
            drop(running);
            for ping in pings {
                assert_eq!(ping.await.unwrap().outcome.reason, Reason::Exhausted);
            }
        }
    });
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
