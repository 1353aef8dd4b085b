//! What the drivers do with sockets that fail, and what they leave behind. Rules B4 to B7 of `spec/joining.md`.

use std::future::Future;
use std::io;
use std::net::{Shutdown, SocketAddr, UdpSocket};
#[cfg(target_os = "linux")]
use std::path::{Path, PathBuf};
use std::pin::pin;
#[cfg(target_os = "linux")]
use std::process::Command;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Instant;

use eventually::{PATIENCE, eventually};
use honeyguide::adapters::{BoundSocket, Handle, Notice, std_thread, tokio as tokio_driver};
use honeyguide::dht::LinkId;
#[cfg(target_os = "linux")]
use honeyguide::dht::{TraceEvent, TraceSink};
use honeyguide::{Config, Id};
use socket2::SockRef;

#[path = "shared/eventually.rs"]
mod eventually;
#[path = "shared/namespace.rs"]
mod namespace;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Driver {
    Threads,
    Tasks,
}

const BOTH: [Driver; 2] = [Driver::Threads, Driver::Tasks];

impl Driver {
    /// A node, and for tasks the thread that runs it until it ends.
    fn spawn(self, sockets: Vec<UdpSocket>) -> (Handle, Option<thread::JoinHandle<()>>) {
        let config = Config::tiny().local();
        if self == Driver::Threads {
            return (std_thread::spawn(config, [1; 32], sockets).unwrap(), None);
        }
        let (tell, told) = std::sync::mpsc::channel();
        let body = move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                let node = tokio_driver::spawn(config, [1; 32], sockets).unwrap();
                let ended = node.ended();
                tell.send(node).unwrap();
                ended.await;
            });
        };
        let thread = thread::spawn(body);
        (told.recv().unwrap(), Some(thread))
    }
}

fn socket() -> UdpSocket {
    BoundSocket::at("127.0.0.1:0".parse().unwrap()).unwrap().socket
}

/// A task that counts nothing: how many hold on to it is what matters.
struct Task;

impl Wake for Task {
    fn wake(self: Arc<Self>) {}
}

/// Rule B7: a waker that stays keeps its whole task.
#[test]
fn whoever_waited_for_a_node_leaves_nothing_with_it() {
    for driver in BOTH {
        let (node, _) = driver.spawn(vec![socket()]);
        let silent = socket();
        let task = Arc::new(Task);
        let waker = Waker::from(task.clone());
        let mut cx = Context::from_waker(&waker);
        let mut notices = node.notices();
        let mut operation = node.ping(silent.local_addr().unwrap().into());
        for _ in 0..100 {
            assert!(pin!(node.ended()).poll(&mut cx).is_pending());
            assert!(pin!(notices.next()).poll(&mut cx).is_pending());
            assert!(pin!(operation.next()).poll(&mut cx).is_pending());
            assert!(pin!(node.notices().next()).poll(&mut cx).is_pending());
        }
        drop(waker);
        // What the node has not heard of yet may still be on its way.
        eventually(|| Arc::strong_count(&task) == 1);
        node.shutdown().wait();
    }
}

/// The thread that hears what comes to a link, where the system lists it.
#[cfg(target_os = "linux")]
fn listener(node: &Handle, link: usize) -> PathBuf {
    let (tell, told) = std::sync::mpsc::channel();
    node.set_sink(TraceSink::Boxed(Box::new(move |_, event| {
        if let TraceEvent::Dropped(_) = event {
            drop(tell.send(std::fs::read_link("/proc/thread-self").unwrap()));
        }
    })));
    node.observe(|_| ()).wait().unwrap();
    socket().send_to(b"x", node.addrs()[link]).unwrap();
    let thread = told.recv().unwrap();
    node.set_sink(TraceSink::None);
    Path::new("/proc").join(thread)
}

/// Ticks of processor time that a thread has used, a hundredth of a second each.
#[cfg(target_os = "linux")]
fn ticks(thread: &Path) -> u64 {
    let stat = std::fs::read_to_string(thread.join("stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    [11, 12].map(|i| fields[i].parse::<u64>().unwrap()).iter().sum()
}

/// Rule B5. On Linux a socket that is shut down is readable for ever, and fails at each receive; one that somebody made
/// non-blocking fails at each receive of a thread.
#[cfg(target_os = "linux")]
#[test]
fn a_socket_that_fails_at_each_receive_is_paused_and_its_owner_told() {
    for driver in BOTH {
        let (broken, sound) = (socket(), socket());
        let clone = broken.try_clone().unwrap();
        let (node, running) = driver.spawn(vec![broken, sound]);
        let mut notices = node.notices();
        let mut listeners = vec![listener(&node, 0), listener(&node, 1)];
        listeners.dedup();
        let used = || listeners.iter().map(|thread| ticks(thread)).sum::<u64>();
        match driver {
            Driver::Threads => {
                clone.set_nonblocking(true).unwrap();
                // The reader waits in a blocking receive until something comes.
                clone.send_to(b"", node.addrs()[0]).unwrap();
            }
            // It says that nobody is connected, and does it.
            Driver::Tasks => drop(SockRef::from(&clone).shutdown(Shutdown::Both)),
        }
        let Some(Notice::LinkTrouble { link: LinkId(0), error }) = notices.wait_next() else { panic!("{driver:?}") };
        let mut late = node.notices();
        assert_eq!(late.wait_next(), Some(Notice::LinkTrouble { link: LinkId(0), error }), "whoever comes later too");
        // The other link serves, and nobody's processor is burnt meanwhile.
        let (before, begun) = (used(), Instant::now());
        let silent = socket();
        let unanswered = node.on(LinkId(1)).ping(silent.local_addr().unwrap().into()).wait().unwrap();
        assert_eq!(unanswered.results.len(), 0);
        let wall = u64::try_from(begun.elapsed().as_millis()).unwrap() / 10;
        let used = used() - before;
        assert!(used <= wall / 10, "{driver:?}: {used} of {wall} ticks");
        let answered = UdpSocket::bind("127.0.0.1:0").unwrap();
        answered.set_read_timeout(Some(PATIENCE)).unwrap();
        answered.send_to(b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe", node.addrs()[1]).unwrap();
        assert_eq!(answered.recv_from(&mut [0; 1500]).unwrap().1, node.addrs()[1]);
        node.shutdown().wait();
        assert_eq!(notices.wait_next(), None, "{driver:?}: it was told once, and it has not ended");
        running.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

/// Rules B5 and B6. It still hears what comes, and fails at each receive as soon as nothing does.
#[cfg(target_os = "linux")]
#[test]
fn a_socket_that_was_shut_down_is_one_trouble_whatever_it_hears() {
    for driver in BOTH {
        for how in [Shutdown::Both, Shutdown::Read] {
            let broken = socket();
            let clone = broken.try_clone().unwrap();
            let (node, _) = driver.spawn(vec![broken]);
            let mut notices = node.notices();
            // It says that nobody is connected, and does it.
            let _ = SockRef::from(&clone).shutdown(how);
            let trouble = Notice::LinkTrouble { link: LinkId(0), error: io::ErrorKind::BrokenPipe };
            assert_eq!(notices.wait_next(), Some(trouble), "{driver:?}, {how:?}");
            let other = socket();
            let heard = || node.stats().wait().unwrap().rx;
            for datagram in 1..=3 {
                other.send_to(b"x", node.addrs()[0]).unwrap();
                eventually(|| heard() == datagram);
            }
            node.shutdown().wait();
            assert_eq!(notices.wait_next(), None, "{driver:?}, {how:?}");
        }
    }
}

/// Rule B5. Profilers send such signals.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn signals_to_a_reader_are_no_trouble_of_its_socket() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    // From now on the signal is heard, and ends nothing.
    let _heard = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::user_defined1()).unwrap();
    let (node, _) = Driver::Threads.spawn(vec![socket()]);
    let mut notices = node.notices();
    let reader = listener(&node, 0);
    let (pid, tid) = (std::process::id(), reader.file_name().unwrap().to_str().unwrap());
    // tgkill, SIGUSR1, a thousand times a second: one by one, for several that wait are one.
    let send = format!(
        "import ctypes, time; kill = ctypes.CDLL(None).syscall\nfor i in range(500): \
         assert kill(234, {pid}, {tid}, 10) == 0; time.sleep(0.001)"
    );
    let sent = Command::new("python3").args(["-c", &send]).status();
    assert!(sent.expect("python3, which sends the signals").success());
    let other = socket();
    other.send_to(b"x", node.addrs()[0]).unwrap();
    eventually(|| node.stats().wait().unwrap().rx == 2);
    node.shutdown().wait();
    assert_eq!(notices.wait_next(), None);
}

/// Rule B18.
#[test]
fn datagrams_that_cannot_be_sent_are_told_of_now_and_then_with_the_cause() {
    if !namespace::is_inside("datagrams_that_cannot_be_sent_are_told_of_now_and_then_with_the_cause") {
        return;
    }
    namespace::run("ip link set lo up");
    for driver in BOTH {
        let (node, _) = driver.spawn(vec![BoundSocket::at("0.0.0.0:0".parse().unwrap()).unwrap().socket]);
        let mut notices = node.notices();
        let to: SocketAddr = "203.0.113.9:7".parse().unwrap();
        for _ in 0..100 {
            assert_eq!(node.ping(to.into()).wait().unwrap().outcome.answered, 0);
        }
        node.shutdown().wait();
        let unsent: Vec<_> = std::iter::from_fn(|| notices.wait_next()).collect();
        let error = io::ErrorKind::NetworkUnreachable;
        assert_eq!(unsent, [Notice::SendTrouble { link: LinkId(0), to, error, failures: 1 }], "{driver:?}");
    }
}

/// Rule B20. Where nobody answers for an address, what is sent there stays in the socket's buffer for as long as the
/// system goes on asking; a link that is slow keeps it as well.
#[cfg(target_os = "linux")]
#[test]
fn a_link_that_has_no_room_to_send_holds_up_nothing_else() {
    if !namespace::is_inside("a_link_that_has_no_room_to_send_holds_up_nothing_else") {
        return;
    }
    namespace::run("ip link set lo up");
    for driver in BOTH {
        namespace::run("ip link add full type veth peer name other; ip link set other up; ip link set full up");
        namespace::run("ip addr add 10.9.9.9/24 dev full; ip ntable change name arp_cache dev full retrans 10000");
        let full = BoundSocket::at("10.9.9.9:0".parse().unwrap()).unwrap().socket;
        SockRef::from(&full).set_send_buffer_size(1).unwrap();
        full.set_nonblocking(true).unwrap();
        let unanswered: SocketAddr = "10.9.9.1:7".parse().unwrap();
        while full.send_to(b"x", unanswered).is_ok() {}
        let begun = Instant::now();
        let (node, running) = driver.spawn(vec![full, socket()]);
        let other = std_thread::spawn(Config::tiny().local(), [2; 32], vec![socket()]).unwrap();
        let mut notices = node.notices();
        let _lost = [(); 2].map(|()| node.on(LinkId(0)).ping(unanswered.into()));
        let asked = node.on(LinkId(1)).ping(other.addrs()[0].into()).wait().unwrap();
        assert_eq!(asked.outcome.answered, 1, "{driver:?}");
        node.shutdown().wait();
        running.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(begun.elapsed() < PATIENCE / 6, "{driver:?}: {:?}", begun.elapsed());
        assert_eq!(notices.wait_next(), None, "{driver:?}: it is ordinary loss");
        namespace::run("ip link del full");
    }
}

/// Rule B6. Whoever has a second handle of a socket can make it non-blocking, and blocking again.
#[test]
fn the_end_of_a_trouble_is_told_too() {
    let socket = socket();
    let clone = socket.try_clone().unwrap();
    let (node, _) = Driver::Threads.spawn(vec![socket]);
    let mut notices = node.notices();
    clone.set_nonblocking(true).unwrap();
    // The reader waits in a blocking receive until something comes.
    clone.send_to(b"", node.addrs()[0]).unwrap();
    assert!(matches!(notices.wait_next(), Some(Notice::LinkTrouble { error: io::ErrorKind::WouldBlock, .. })));
    clone.set_nonblocking(false).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let waiting = thread::spawn(move || tell.send(notices.wait_next()));
    // It takes datagrams until one is heard, and a second without a failure.
    eventually(|| {
        clone.send_to(b"", node.addrs()[0]).unwrap();
        told.try_recv().is_ok_and(|notice| notice == Some(Notice::LinkRecovered { link: LinkId(0) }))
    });
    waiting.join().unwrap().unwrap();
    node.shutdown().wait();
}

/// Rule B4.
#[test]
fn a_driver_refuses_a_socket_of_two_families() {
    let both = || {
        let socket = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::DGRAM, None).unwrap();
        socket.set_only_v6(false).unwrap();
        socket.bind(&"[::]:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        vec![socket.into()]
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    let threads = std_thread::spawn(Config::tiny(), [1; 32], both()).unwrap_err().to_string();
    let tasks = tokio_driver::spawn(Config::tiny(), [1; 32], both()).unwrap_err().to_string();
    assert!(threads.contains("IPV6_V6ONLY") && threads.contains("BoundSocket::at"), "{threads}");
    assert!(tasks.contains("IPV6_V6ONLY"), "{tasks}");
}

/// How many threads and open files this process has.
#[cfg(target_os = "linux")]
fn held() -> [usize; 2] {
    ["/proc/self/task", "/proc/self/fd"].map(|folder| std::fs::read_dir(folder).unwrap().count())
}

/// Rule B5, with what may become of an address, or of the whole interface, between start and shutdown.
#[cfg(target_os = "linux")]
#[test]
fn a_shutdown_leaves_nothing_behind_whatever_became_of_the_address() {
    if !namespace::is_inside("a_shutdown_leaves_nothing_behind_whatever_became_of_the_address") {
        return;
    }
    let ways = [
        ("ip addr del 10.9.9.9/32 dev away", "10.9.9.9:0"),
        ("ip -6 addr del fd09::9/128 dev away", "[fd09::9]:0"),
        ("ip link set lo down", "127.0.0.1:0"),
        ("ip link del away", "10.9.9.9:0"),
    ];
    // The first runtime of a process opens what the others share.
    drop(tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());
    for (removal, addr) in ways {
        for driver in BOTH {
            namespace::run("ip link set lo up; ip link add away type veth peer name other; ip link set away up; true");
            namespace::run("ip addr add 10.9.9.9/32 dev away; ip -6 addr add fd09::9/128 dev away nodad; true");
            let before = held();
            let (gone, kept) =
                (BoundSocket::at(addr.parse().unwrap()).unwrap(), BoundSocket::at("0.0.0.0:0".parse().unwrap()));
            let (node, running) = driver.spawn(vec![gone.socket, kept.unwrap().socket]);
            let pending = node.lookup(Id([7; 20]));
            namespace::run(removal);
            node.observe(|_| ()).wait().unwrap();
            node.shutdown().wait();
            drop((pending, node));
            running.into_iter().for_each(|thread| thread.join().unwrap());
            // A thread that has ended may be listed for a moment more.
            let deadline = Instant::now() + PATIENCE / 6;
            while held() != before {
                assert!(Instant::now() < deadline, "{driver:?}, {removal}: {:?}, and {before:?} before", held());
                thread::yield_now();
            }
        }
    }
}

/// Contacts of one run are whom the next one begins with.
#[test]
fn saved_contacts_are_loaded_in_one_call() {
    let (first, _) = Driver::Threads.spawn(vec![socket()]);
    let other = std_thread::spawn(Config::tiny().local(), [2; 32], vec![socket()]).unwrap();
    assert_eq!(first.bootstrap(&[other.addrs()[0].into()]).wait().unwrap().outcome.answered, 1);
    let saved = first.save_contacts().wait().unwrap();
    let next = std_thread::spawn(Config::tiny().local(), [3; 32], vec![socket()]).unwrap();
    assert_eq!(next.load_contacts(&saved).unwrap(), 1);
    // Whom it was told of, and perhaps whom that one names.
    eventually(|| !next.contacts().wait().unwrap().is_empty());
    let six = || BoundSocket::at("[::1]:0".parse().unwrap()).unwrap().socket;
    let (only_six, swapped) = (Driver::Threads.spawn(vec![six()]).0, Driver::Threads.spawn(vec![six(), socket()]).0);
    assert_eq!(only_six.load_contacts(&saved).unwrap(), 0, "no link can reach it");
    assert_eq!(swapped.load_contacts(&saved).unwrap(), 1);
    eventually(|| swapped.contacts().wait().unwrap().iter().any(|(link, _)| *link == LinkId(1)));
    assert_eq!(next.load_contacts(b"something else").unwrap_err().kind(), io::ErrorKind::InvalidData);
}
