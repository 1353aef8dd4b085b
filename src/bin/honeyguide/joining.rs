//! Joining in rounds: all addresses of each link's family are asked, and all names are resolved meanwhile.
//!
//! A round never waits for the name service longer than a few seconds; a name that takes longer is heard in a later
//! round. How often there is one is for others to say: a command repeats them until its time is up, a daemon whenever
//! it has nobody or has been poor for long (B8, B9).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use honeyguide::adapters::resolve::{Resolution, Resolved, resolve};
use honeyguide::adapters::{Handle, OperationError};
use honeyguide::dht::LinkId;
use honeyguide::krpc::Family;
use honeyguide::{Config, Endpoint, Outcome};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::name_service::{PATIENCE, silent};
use crate::start::{Judgement, Start, family_of, way_to_use};
use crate::unsent::{self, Unsent};

/// Words that are remembered, so that they are said once. A name may have other addresses each day.
const MOST_SAID: usize = 256;

/// Something that came of a round.
pub enum Step {
    /// The addresses that a link was asked to join through did or did not answer.
    Asked { link: usize, outcome: Result<Outcome, OperationError> },
    /// What the user may want to know; each is said once.
    Word(String),
    /// A name that the user typed gave nobody to ask: what a failure of the whole repeats.
    Fault(String),
    /// The same of a name of the public list, of which others may do.
    FaultOfList(String),
}

/// Who is asked, and what is known of it.
pub struct Joining {
    node: Handle,
    start: Start,
    links: Vec<JoiningLink>,
    asking: JoinSet<(usize, Result<Outcome, OperationError>)>,
    names: Option<Resolution>,
    names_until: Instant,
    /// Names that have not been answered.
    unanswered: BTreeSet<String>,
    unsent: Unsent,
    /// Addresses that count only if nobody knows a public one, with their names.
    private: Vec<(String, SocketAddr)>,
    knows_public: bool,
    /// Why a name has no address, by name.
    faults: BTreeMap<String, String>,
    asked: BTreeSet<SocketAddr>,
    /// Errors or broken answers have come since somebody was heard otherwise.
    has_useless: bool,
    words: VecDeque<Step>,
    said: BTreeSet<String>,
}

/// What a link still has to ask in this round.
struct JoiningLink {
    family: Family,
    waiting: VecDeque<Endpoint>,
    /// Whom it asks now.
    asked: Vec<SocketAddr>,
    is_asking: bool,
}

impl Joining {
    pub fn new(node: &Handle, start: &Start) -> Joining {
        let link = |addr| JoiningLink {
            family: family_of(addr),
            waiting: VecDeque::new(),
            asked: Vec::new(),
            is_asking: false,
        };
        Joining {
            node: node.clone(),
            start: start.clone(),
            links: node.addrs().iter().map(link).collect(),
            asking: JoinSet::new(),
            names: None,
            names_until: Instant::now(),
            unanswered: BTreeSet::new(),
            unsent: Unsent::of(node),
            private: Vec::new(),
            knows_public: start.knows_public(),
            faults: BTreeMap::new(),
            asked: BTreeSet::new(),
            has_useless: false,
            words: VecDeque::new(),
            said: BTreeSet::new(),
        }
    }

    /// Begins a round, unless one is under way.
    pub fn begin(&mut self) {
        if !self.asking.is_empty() {
            return;
        }
        self.names_until = Instant::now() + PATIENCE;
        self.asked.clear();
        let typed = self.start.typed.clone();
        let skipped = self.sort(&typed);
        self.name_skipped(skipped);
        if self.names.is_none() && !self.start.names.is_empty() {
            self.unanswered = self.start.names.iter().cloned().collect();
            self.names = Some(resolve(self.start.names.iter().cloned()));
        }
    }

    /// What came next, or `None` when the round is over. Nothing is lost when it is dropped before that.
    pub async fn next(&mut self) -> Option<Step> {
        loop {
            if let Some(word) = self.words.pop_front() {
                return Some(word);
            }
            self.ask();
            let (is_asking, names) = (!self.asking.is_empty(), &mut self.names);
            let waits_for_names = names.is_some() && Instant::now() < self.names_until;
            if !is_asking && !waits_for_names {
                if names.is_some() && self.say_unanswered() {
                    continue;
                }
                return None;
            }
            let name = async { names.as_mut()?.next().await };
            tokio::select! {
                done = self.asking.join_next(), if is_asking => {
                    let Some(Ok((link, outcome))) = done else { continue };
                    self.on_asked(link, &outcome);
                    return Some(Step::Asked { link, outcome });
                }
                answer = name, if waits_for_names => match answer {
                    Some(answer) => self.take(answer),
                    None => self.end_of_names(),
                },
                () = sleep_until(self.names_until), if waits_for_names => {}
            }
        }
    }

    fn on_asked(&mut self, link: usize, outcome: &Result<Outcome, OperationError>) {
        let link = &mut self.links[link];
        link.is_asking = false;
        let Ok(outcome) = outcome else { return };
        let is_useless = outcome.errored > 0 || outcome.invalid > 0;
        self.has_useless = outcome.answered == 0 && (self.has_useless || is_useless);
        if outcome.answered > 0 {
            link.waiting.clear();
        }
        // What our own side could not send is no query, and nobody was silent.
        if outcome.queried == 0 {
            link.asked.iter().for_each(|addr| _ = self.asked.remove(addr));
        } else if outcome.answered == 0 && usize::from(outcome.queried) >= link.asked.len() {
            self.unsent.forget(&link.asked);
        }
    }

    /// Whether some link is still waiting for an answer.
    pub fn is_asking(&self) -> bool {
        !self.asking.is_empty()
    }

    /// Why nobody was found.
    pub fn why(&self) -> String {
        let (faults, unknown) = (self.unheard(), self.unknown());
        match (faults.is_empty(), unknown.is_empty()) {
            (true, true) if self.names.is_some() => "no address to talk to: the name service did not answer".into(),
            (true, true) => "no address to talk to".into(),
            (true, false) => format!("no address to talk to: {}", unknown.join("; ")),
            (false, _) => [faults, unknown].concat().join("; "),
        }
    }

    /// Why names have no address.
    fn unknown(&self) -> Vec<String> {
        let mut faults = self.faults.values().cloned();
        if !self.start.is_public_list() {
            return faults.collect();
        }
        let all = faults.next().map(|fault| {
            format!(
                "the names of the public routers give none ({fault}, and so on): check the network, or name a node by \
                 its address with --bootstrap"
            )
        });
        all.into_iter().collect()
    }

    /// Where this machine could not send, and why.
    pub fn unsent(&self) -> Vec<String> {
        self.unsent.causes().into_iter().map(|(addr, error)| unsent::words(addr, error)).collect()
    }

    /// Why none of those that were asked was heard, if any was.
    pub fn unheard(&self) -> Vec<String> {
        let unsent = self.unsent.causes();
        let silent = self.asked.iter().filter(|addr| !unsent.contains_key(*addr));
        let silent: Vec<_> = silent.map(SocketAddr::to_string).collect();
        let mut faults = self.unsent();
        if !silent.is_empty() {
            // From whom is not known.
            let mend = match self.has_useless {
                false => "check the address and whether UDP gets through",
                true => "errors or broken answers came, so check who is there, or join through others",
            };
            faults.insert(0, format!("no usable answer came from {}: {mend}", silent.join(", ")));
        }
        faults
    }

    /// Each link that is idle asks as many as a node remembers.
    fn ask(&mut self) {
        for (i, link) in self.links.iter_mut().enumerate() {
            if link.is_asking || link.waiting.is_empty() {
                continue;
            }
            let some = link.waiting.len().min(Config::MAX_BOOTSTRAP_NODES);
            let nodes: Vec<_> = link.waiting.drain(..some).collect();
            let node = self.node.on(LinkId(i as u8));
            let asked: Vec<_> = nodes.iter().copied().map(SocketAddr::from).collect();
            (link.is_asking, link.asked) = (true, asked);
            self.asking.spawn(async move {
                // That nobody answered is news, and no end.
                let asked = match node.bootstrap(&nodes).await {
                    Ok(finished) => Ok(finished.outcome),
                    Err(failure) => failure.outcome().copied().ok_or(failure),
                };
                (i, asked)
            });
        }
    }

    /// Gives addresses to the links of their family; returns those that no link can reach.
    fn sort(&mut self, addrs: &[SocketAddr]) -> Vec<SocketAddr> {
        let (mut skipped, mut refused) = (Vec::new(), Vec::new());
        for addr in addrs {
            let family = family_of(addr);
            let mut links = self.links.iter_mut().filter(|link| link.family == family).peekable();
            if links.peek().is_none() {
                skipped.push(*addr);
                continue;
            }
            if !Endpoint::from(*addr).is_usable(self.start.network) {
                refused.push(*addr);
                continue;
            }
            self.asked.insert(*addr);
            links.filter(|link| !link.waiting.contains(&(*addr).into())).for_each(|link| {
                link.waiting.push_back((*addr).into());
            });
        }
        refused.iter().for_each(|addr| self.say(format!("{addr} is not asked: the network's rules refuse it")));
        skipped
    }

    fn name_skipped(&mut self, skipped: Vec<SocketAddr>) {
        for family in [Family::V4, Family::V6] {
            let of_family = skipped.iter().filter(|addr| family_of(addr) == family);
            let of_family: Vec<_> = of_family.map(SocketAddr::to_string).collect();
            if !of_family.is_empty() {
                self.say(format!("skipped, since no link is an {family} socket: {}", of_family.join(", ")));
            }
        }
    }

    /// Takes what the name service knows of a name.
    fn take(&mut self, Resolved { name, addrs, .. }: Resolved) {
        self.unanswered.remove(&name);
        let addrs = match addrs {
            Ok(addrs) => addrs,
            Err(fault) => {
                return self.fault(name, fault.to_string());
            }
        };
        let (mut usable, mut private, mut left) = (Vec::new(), Vec::new(), Vec::new());
        for addr in addrs {
            match self.start.judge(addr) {
                Judgement::Ask => usable.push(addr),
                Judgement::AskIfNoneIsPublic => private.push((name.clone(), addr)),
                Judgement::LeaveOut(what) => left.push(left_out(&name, addr, what)),
            }
        }
        if usable.is_empty() && private.is_empty() {
            return self.fault(name, left.join("; "));
        }
        left.into_iter().for_each(|word| self.say(word));
        self.faults.remove(&name);
        self.knows_public |= !usable.is_empty();
        self.private.extend(private);
        if self.knows_public {
            self.leave_out_private();
        }
        let skipped = self.sort(&usable);
        self.name_skipped(skipped);
    }

    /// All names have been answered: private addresses count if they are all there is.
    fn end_of_names(&mut self) {
        self.names = None;
        if self.start.is_public_list()
            && self.faults.len() == self.start.names.len()
            && let Some(fault) = self.faults.values().next()
        {
            let word = format!("none of the public routers' names gave an address ({fault}, and so on)");
            self.say(format!("{word}; they are asked for again"));
        }
        for (_, addr) in std::mem::take(&mut self.private) {
            let skipped = self.sort(&[addr]);
            self.name_skipped(skipped);
        }
    }

    /// As soon as a public address is known: who answers there may do so before the last name is answered, and ends it.
    fn leave_out_private(&mut self) {
        for (name, addr) in std::mem::take(&mut self.private) {
            self.say(left_out(&name, addr, "a private address among public ones"));
        }
    }

    /// Says which names the name service owes an answer; whether that is news.
    fn say_unanswered(&mut self) -> bool {
        let (names, before) = (self.unanswered.iter().cloned().collect::<Vec<_>>(), self.words.len());
        if !names.is_empty() {
            self.say(silent(&names));
        }
        self.words.len() > before
    }

    fn say(&mut self, word: String) {
        if self.said.len() >= MOST_SAID {
            self.said.clear();
        }
        if self.said.insert(word.clone()) {
            self.words.push_back(Step::Word(word));
        }
    }

    /// It is told again only when it has changed.
    fn fault(&mut self, name: String, fault: String) {
        if self.faults.insert(name, fault.clone()).as_ref() != Some(&fault) {
            self.words.push_back(match self.start.is_public_list() {
                true => Step::FaultOfList(fault),
                false => Step::Fault(fault),
            });
        }
    }
}

fn left_out(name: &str, addr: SocketAddr, what: &str) -> String {
    let ip = addr.ip();
    format!("\"{name}\" resolves to {ip}, {what}, which is left out{}", way_to_use(addr))
}
