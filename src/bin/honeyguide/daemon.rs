//! A node that runs for as long as it may, and says what becomes of it.
//!
//! Model: three things go on beside one another, and none waits for another: what is told, what is kept of the state,
//! and the watch over the journal, which the node itself writes. Whoever reads what is told holds up nothing: neither
//! the search for others nor the saves wait for it. Whatever ends first of the node, the time and the reader ends them
//! all.

use std::collections::HashSet;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use honeyguide::Outcome;
use honeyguide::adapters::Handle;
use honeyguide::dht::LinkId;
use serde_json::json;
use tokio::time::{Instant, interval};

use crate::count::count;
use crate::ending::Ending;
use crate::failed::Failed;
use crate::joining::{Joining, Step};
use crate::kept_items::{CopiesSaid, KeptItems};
use crate::notices;
use crate::print::{Volume, is_said, outcome_json, outcome_text, say, say_step};
use crate::recorded::Recorded;
use crate::renewal::Renewal;
use crate::saving::Store;
use crate::standard;
use crate::start::{Start, family_of};
use crate::told::Told;

/// How often the links are looked at: whether they reach somebody, and whether that is worth a save.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A node, whom it joins through, and what was told of it.
pub struct Daemon<'a> {
    told: &'a Told,
    node: &'a Handle,
    start: &'a Start,
    /// The links of which its state file named somebody.
    known_links: HashSet<usize>,
    joining: Joining,
    renewal: Renewal,
    /// How each link was told of last.
    links: Vec<LinkNews>,
    kept: KeptItems,
    copies: CopiesSaid,
}

/// What was said of a link.
#[derive(Clone, Default)]
struct LinkNews {
    /// How its last bootstrap went.
    outcome: Option<Outcome>,
    /// How many contacts it had when that was said.
    contacts: Option<usize>,
}

impl<'a> Daemon<'a> {
    pub fn new(
        told: &'a Told,
        node: &'a Handle,
        start: &'a Start,
        known_links: HashSet<usize>,
        kept: KeptItems,
    ) -> Self {
        let (joining, renewal) = (Joining::new(node, start), Renewal::new(Instant::now()));
        let links = vec![LinkNews::default(); node.addrs().len()];
        Daemon { told, node, start, known_links, joining, renewal, links, kept, copies: CopiesSaid::default() }
    }

    /// Runs to the end. A journal that cannot be written any more is told, is none from then on, and is a failure then.
    pub async fn run(
        mut self,
        store: &mut Option<Store>,
        recorded: &mut Option<Recorded>,
        ending: Pin<&mut impl Future<Output = Ending>>,
    ) -> Result<(), Failed> {
        let (node, told) = (self.node, self.told);
        let journal = recorded.as_ref().map(|recorded| recorded.name().to_owned());
        let mut unrecorded = Ok(());
        let ended = tokio::select! {
            biased;
            why = ending => Ok(why),
            () = node.ended() => Err(panicked(journal)),
            () = standard::reader_gone() => Err(Failed::unread()),
            failed = told.failure() => Err(failed),
            failed = self.tell_all() => Err(failed),
            never = keep(node, store) => match never {},
            never = watch(recorded, &mut unrecorded) => match never {},
        };
        let ran = match ended {
            Ok(why) => self.end(why).await,
            Err(failed) => Err(failed),
        };
        // That nobody reads is no failure, and hides none.
        if ran.as_ref().is_err_and(|failed| failed.code > 0) { ran } else { unrecorded.and(ran) }
    }

    /// Tells what there is to tell, until it cannot be told any more.
    async fn tell_all(&mut self) -> Failed {
        let told: Result<Infallible, Failed> = async {
            let (mut notices, mut look_at) = (self.node.notices(), interval(LOOK_EVERY));
            let mut copies_at = interval(LOOK_EVERY);
            let says_copies = is_said(Volume::Verbose) && self.kept.len() > 0;
            self.say_alone();
            self.joining.begin();
            self.kept.begin(self.told, self.node).await?;
            let mut is_joining = true;
            loop {
                tokio::select! {
                    biased;
                    Some(notice) = notices.next() => {
                        if !self.kept.answer(self.told, self.node, notice).await? {
                            notices::print(self.told, notice)?;
                        }
                    }
                    step = self.joining.next(), if is_joining => {
                        is_joining = step.is_some();
                        self.take(step).await?;
                    }
                    _ = copies_at.tick(), if says_copies => self.copies.say(self.node, &self.kept).await,
                    _ = look_at.tick(), if !is_joining => is_joining = self.look().await?,
                }
            }
        }
        .await;
        match told {
            Err(failed) => failed,
        }
    }

    /// Who has nobody to ask waits for others, and the user has to know that and where they come.
    fn say_alone(&self) {
        if !self.start.is_alone() || !self.known_links.is_empty() {
            return;
        }
        let place = |addr: &SocketAddr| match addr.ip().is_unspecified() {
            true => format!("at port {} of any {} address of this machine", addr.port(), family_of(addr)),
            false => format!("with --bootstrap {addr}"),
        };
        let places: Vec<_> = self.node.addrs().iter().map(place).collect();
        say(format_args!(
            "this node knows no node and waits for others, who join it {}; to join a network, name one of its nodes \
             with --bootstrap ADDR",
            places.join(" or ")
        ));
    }

    /// A bootstrap that was answered is told at once, and at the end of the first round every link was told of.
    async fn take(&mut self, step: Option<Step>) -> Result<(), Failed> {
        match step {
            Some(Step::Word(word)) => say(word),
            Some(Step::Fault(fault)) => say(format_args!("{fault}; it is asked for again")),
            Some(Step::FaultOfList(fault)) => say_step(fault),
            Some(Step::Asked { link, outcome }) => {
                let outcome = outcome?;
                self.links[link].outcome = Some(outcome);
                if outcome.answered > 0 {
                    self.tell(link).await?;
                }
            }
            None => {
                for link in 0..self.links.len() {
                    if self.links[link].contacts.is_none() {
                        self.tell(link).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// What is known of a link that has joined, or that has not.
    async fn tell(&mut self, link: usize) -> Result<(), Failed> {
        let (contacts, knows_somebody) = (contacts(self.node, link).await, self.known_links.contains(&link));
        let news = &mut self.links[link];
        if news.contacts.is_some_and(|before| before > 0) {
            return Ok(());
        }
        news.contacts = Some(contacts);
        let how = match &news.outcome {
            Some(outcome) => outcome_text(outcome),
            None if knows_somebody => "those that it knew in the run before are asked".into(),
            None if self.start.is_alone() => "nobody to join through was named".into(),
            None => "nobody of its family was asked".into(),
        };
        let text = match contacts {
            0 if self.start.is_alone() && !knows_somebody => {
                format!("link {link} has no contacts yet and waits ({how})")
            }
            0 => format!("link {link} has no contacts yet and goes on trying ({how})"),
            n if news.outcome.as_ref().is_some_and(|outcome| outcome.answered == 0) => {
                format!(
                    "link {link} has {}, and whom it was to join through gave no usable answer ({how})",
                    count(n, "contact")
                )
            }
            n => format!("link {link} joined with {} ({how})", count(n, "contact")),
        };
        let outcome = news.outcome.as_ref().map(outcome_json);
        self.told.line(text, json!({ "link": link, "contacts": contacts, "outcome": outcome }))
    }

    /// Looks at the links now and then; whether another round has begun.
    async fn look(&mut self) -> Result<bool, Failed> {
        let mut all = 0;
        for link in 0..self.links.len() {
            let contacts = contacts(self.node, link).await;
            all += contacts;
            let news = turn(self.links[link].contacts, contacts);
            if let Some(news) = news {
                self.links[link].contacts = Some(contacts);
                let text = format!("link {link} {news}");
                let object = json!({ "link": link, "contacts": contacts, "outcome": null });
                self.told.line(text, object)?;
            }
        }
        let is_due = self.renewal.is_due(Instant::now(), all) && !self.start.is_alone();
        if is_due {
            self.joining.begin();
        }
        Ok(is_due)
    }

    /// Time that passes without a contact is no success, when somebody was to be joined.
    async fn end(&self, why: Ending) -> Result<(), Failed> {
        let mut all = 0;
        for link in 0..self.links.len() {
            all += contacts(self.node, link).await;
        }
        match why {
            Ending::TimeUp(limit) if all == 0 && self.start.is_alone() && !self.known_links.is_empty() => {
                let limit = limit.as_secs_f64();
                Err(format!(
                    "no contact after {limit} s: nobody of the state file answered; name others by --bootstrap"
                )
                .into())
            }
            Ending::TimeUp(limit) if all == 0 && !self.start.is_alone() => {
                let refused = self.start.refused().map(|refused| refused.sentence);
                let refused = refused.unwrap_or_else(|| self.joining.why());
                Err(format!("no contact after {} s: {refused}", limit.as_secs_f64()).into())
            }
            _ => Ok(()),
        }
    }
}

async fn contacts(node: &Handle, link: usize) -> usize {
    let is_of_link = move |at: LinkId| usize::from(at.0) == link;
    node.observe(move |node| node.contacts().filter(|(at, _)| is_of_link(*at)).count()).await.unwrap_or(0)
}

/// What is said of a link that had so many contacts when it was told of last, and has so many now.
fn turn(before: Option<usize>, now: usize) -> Option<String> {
    match (before, now) {
        (Some(0), 1..) => Some(format!("is no longer alone: {}", count(now, "contact"))),
        (Some(1..), 0) => Some("has lost its last contact and goes on trying".into()),
        _ => None,
    }
}

/// Nobody has shut the node down: it is gone because it panicked.
fn panicked(journal: Option<PathBuf>) -> Failed {
    let journal = match journal {
        Some(name) => format!("the journal {} holds the run up to there", name.display()),
        None => "--journal FILE records a run, so that it can be found".into(),
    };
    format!("the node has ended by a panic, which is a fault of honeyguide: {journal}").into()
}

/// Keeps the state. A full disk can have room again at the next time; only at the end it is a failure.
async fn keep(node: &Handle, store: &mut Option<Store>) -> Infallible {
    let Some(store) = store else { return std::future::pending().await };
    let mut keep_at = interval(LOOK_EVERY);
    loop {
        keep_at.tick().await;
        let contacts = node.observe(|node| node.contacts().count()).await.unwrap_or(0);
        if let Err(failed) = store.keep(node, contacts).await {
            say(failed.sentence);
        }
    }
}

/// Watches over the journal.
async fn watch(recorded: &mut Option<Recorded>, unrecorded: &mut Result<(), Failed>) -> Infallible {
    if let Some(running) = recorded {
        let failed = running.failure().await;
        say(format_args!("{}; the node goes on without it", failed.sentence));
        (*recorded, *unrecorded) = (None, Err(failed));
    }
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    use honeyguide::Config;
    use honeyguide::adapters::tokio::spawn_recorded;
    use honeyguide::dht::{Network, TraceSink};

    use crate::print::Out;

    /// Rule B8. A link of which nothing was told is told of when its first round is over.
    #[test]
    fn a_link_that_finds_its_first_contact_or_loses_its_last_one_is_news() {
        let is_news = |before, now| turn(before, now).is_some();
        for (before, now, expected) in
            [(None, 0, false), (None, 5, false), (Some(0), 0, false), (Some(0), 1, true), (Some(5), 1, false)]
        {
            assert_eq!(is_news(before, now), expected, "{before:?} {now}");
        }
        assert!(turn(Some(5), 0).unwrap().contains("lost its last contact"));
    }

    /// Rule J18.
    #[tokio::test]
    async fn a_node_that_panics_is_no_daemon_that_goes_on() {
        for is_recorded in [false, true] {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let addr = socket.local_addr().unwrap();
            let (node, recording) =
                spawn_recorded(Config::tiny().local(), [1; 32], vec![socket], std::io::sink()).unwrap();
            node.set_sink(TraceSink::Boxed(Box::new(|_, event| panic!("{event:?}, on purpose"))));
            let recorded = Recorded::new("run.journal".into(), recording);
            let (mut recorded, mut store) = (is_recorded.then_some(recorded), None);
            let start = Start::alone(Network::Local);
            let told = Told::new(Out { json: true });
            let daemon = Daemon::new(&told, &node, &start, HashSet::new(), KeptItems::default());
            node.stats().await.unwrap();
            UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", addr).unwrap();
            let mut never = std::pin::pin!(std::future::pending());
            let failed = daemon.run(&mut store, &mut recorded, never.as_mut()).await.unwrap_err();
            assert!(failed.sentence.contains("ended by a panic"), "{failed:?}");
            assert_eq!(failed.sentence.contains("run.journal"), is_recorded, "{failed:?}");
        }
    }
}
