//! A node that says what a test wants it to say.

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};

pub const TOKEN: &str = "5:token1:t";

/// It ends with the test.
pub struct Fake {
    pub addr: SocketAddr,
    /// The methods that it was asked, each once it has been answered or left without an answer.
    pub asked: Receiver<&'static str>,
}

const METHODS: [&str; 7] = ["ping", "find_node", "get_peers", "get", "put", "announce_peer", "sample_infohashes"];

impl Fake {
    /// Answers each method with what stands in `r` behind the id, or not at all.
    pub fn new(id: u8, answer: impl Fn(&'static str) -> Option<Vec<u8>> + Send + 'static) -> Fake {
        Fake::saying(move |method, tid| {
            let head: &[u8] = b"d1:rd2:id20:";
            answer(method).map(|body| [head, &[id; 20], &body, b"e1:t4:", tid, b"1:y1:re"].concat())
        })
    }

    /// Says this to a query of this method with this transaction id, or nothing.
    pub fn saying(answer: impl Fn(&'static str, &[u8]) -> Option<Vec<u8>> + Send + 'static) -> Fake {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let addr = socket.local_addr().unwrap();
        let (tell, asked) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((len, from)) = socket.recv_from(&mut buffer) {
                let query = &buffer[..len];
                let at = |part: &[u8]| query.windows(part.len()).position(|these| these == part);
                let is_method = |method: &&str| at(format!("1:q{}:{method}", method.len()).as_bytes()).is_some();
                let Some(method) = METHODS.into_iter().find(is_method) else { continue };
                let Some(tid) = at(b"1:t4:").map(|at| &query[at + 5..at + 9]) else { continue };
                if let Some(answer) = answer(method, tid) {
                    socket.send_to(&answer, from).unwrap();
                }
                if tell.send(method).is_err() {
                    return;
                }
            }
        });
        Fake { addr, asked }
    }

    pub fn wait_for(&self, method: &str) {
        while self.asked.recv().expect("it is asked") != method {}
    }
}

/// These nodes as they stand in an answer: an id of one byte, twenty times, and the address.
pub fn nodes(nodes: &[(u8, SocketAddr)]) -> Vec<u8> {
    let one = |(id, addr): &(u8, SocketAddr)| {
        let SocketAddr::V4(addr) = addr else { panic!("{addr} is not of IPv4") };
        [&[*id; 20][..], &addr.ip().octets(), &addr.port().to_be_bytes()].concat()
    };
    let bytes: Vec<u8> = nodes.iter().flat_map(one).collect();
    [format!("5:nodes{}:", bytes.len()).as_bytes(), &bytes].concat()
}
