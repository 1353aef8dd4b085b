//! Whom the commands of the network ask: the network that they join, or one node alone (`--at`), of which they also
//! tell what it said besides.

use std::net::SocketAddr;

use honeyguide::Outcome;
use honeyguide::adapters::{Answer, Finished, FromEvent, Handle, Operation, OperationError};
use honeyguide::krpc::Item;
use serde_json::{Value, json};

use crate::absence::{NOBODY_ASKED, NOBODY_KNOWN, are_many, reserve};
use crate::addressees;
use crate::client;
use crate::failed::Failed;
use crate::first_answer::Ping;
use crate::heard::{Heard, Said, Spoken};
use crate::joining_options::Asks;
use crate::options::Options;
use crate::print::{Out, outcome_text, say, say_step};
use crate::start::Start;
use crate::tries::Tries;
use crate::unsent::Unsent;

pub struct Asking {
    /// Its commands ask whom they should.
    pub node: Handle,
    at: Option<SocketAddr>,
    heard: Heard,
    unsent: Unsent,
}

impl Asking {
    /// A node that has joined the network, or that asks the one node.
    pub async fn begin(options: &Options, asks: &Asks) -> Result<Asking, Failed> {
        let (heard, joins) = (Heard::default(), &asks.joins);
        let Some(typed) = &asks.at else {
            let start = Start::of(joins)?;
            let node = client::listening(options, &start, joins.random.rng()?.bytes(), heard.clone())?;
            let unsent = Unsent::of(&node);
            client::join(options, &node, &start).await?;
            return Ok(Asking { node, at: None, heard, unsent });
        };
        let reached = addressees::reach(options, &joins.rules, &joins.random, typed, heard.clone());
        let (node, addrs) = reached.await?;
        let unsent = Unsent::of(&node);
        let at = match addrs[..] {
            [at] => at,
            _ => Ping { options, node: &node, heard: &heard, unsent: &unsent }.first(addrs).await?.0.from,
        };
        Ok(Asking { node: node.at(at.into()), at: Some(at), heard, unsent })
    }

    /// Asks, and waits for what comes of it. It is asked again where a datagram to the one node was lost, or where few
    /// answered, others are silent, and nothing came of it.
    pub async fn wait<T: FromEvent + Unpin>(
        &self,
        options: &Options,
        start: impl Fn(&Handle) -> Operation<T>,
    ) -> Result<Finished<T>, OperationError> {
        self.wait_for(options, start, |_| true).await
    }

    /// The same where a result comes in any case, which may be empty.
    pub async fn wait_for<T: FromEvent + Unpin>(
        &self,
        options: &Options,
        start: impl Fn(&Handle) -> Operation<T>,
        is_something: impl Fn(&T) -> bool,
    ) -> Result<Finished<T>, OperationError> {
        self.wait_trying(options, start, is_something, Tries::default()).await
    }

    /// The same for a store that a node would refuse the second time: it is sent once.
    pub async fn wait_sending_once<T: FromEvent + Unpin>(
        &self,
        options: &Options,
        start: impl Fn(&Handle) -> Operation<T>,
    ) -> Result<Finished<T>, OperationError> {
        self.wait_trying(options, start, |_| true, Tries::until_a_store()).await
    }

    async fn wait_trying<T: FromEvent + Unpin>(
        &self,
        options: &Options,
        start: impl Fn(&Handle) -> Operation<T>,
        is_something: impl Fn(&T) -> bool,
        mut tries: Tries,
    ) -> Result<Finished<T>, OperationError> {
        loop {
            let mut finished = options.under_way.wait(start(&self.node)).await;
            let is_found = finished.as_ref().is_ok_and(|finished| finished.results.iter().any(&is_something));
            if !self.is_again(&mut tries, &mut finished, is_found) {
                return finished;
            }
        }
    }

    /// The same, and each result is told when it comes, if it is something.
    pub async fn wait_telling<T: FromEvent + Unpin>(
        &self,
        options: &Options,
        start: impl Fn(&Handle) -> Operation<T>,
        mut tell: impl FnMut(T) -> Result<bool, Failed>,
    ) -> Result<Finished<T>, Failed> {
        let (mut tries, mut is_found) = (Tries::default(), false);
        loop {
            let mut operation = start(&self.node);
            while let Some(result) = options.under_way.next(&mut operation).await {
                is_found |= tell(result)?;
            }
            let mut finished = options.under_way.wait(operation).await;
            if !self.is_again(&mut tries, &mut finished, is_found) {
                return Ok(finished?);
            }
        }
    }

    fn is_again<T>(
        &self,
        tries: &mut Tries,
        finished: &mut Result<Finished<T>, OperationError>,
        is_found: bool,
    ) -> bool {
        let outcome = match finished {
            Ok(finished) => &mut finished.outcome,
            Err(OperationError::NotStored(outcome) | OperationError::Crowded(outcome)) => &mut **outcome,
            Err(_) => return false,
        };
        let is_again = match self.at {
            Some(_) => tries.again(outcome),
            None if is_found || outcome.stored.all > 0 => tries.end(outcome),
            None => tries.again_in_network(outcome, are_many(outcome)),
        };
        if is_again {
            say_step(format_args!("nothing came of it, and it is asked again ({})", outcome_text(outcome)));
        }
        is_again
    }

    pub fn is_at_one_node(&self) -> bool {
        self.at.is_some()
    }

    /// What sums up results that stand above it: an object, or, for a reader, what the only node said besides.
    pub fn sum_up(&self, out: Out, object: Value, answer: Option<&Answer>) -> Result<(), Failed> {
        let spoken = answer.map(Spoken::from);
        self.say_besides(out, spoken.as_ref());
        out.json_only(self.spoken(object, spoken.as_ref()))
    }

    /// The object, with what the only node said.
    pub fn told(&self, object: Value, answer: Option<&Answer>) -> Value {
        self.spoken(object, answer.map(Spoken::from).as_ref())
    }

    /// The same for a reader, a line for each.
    pub fn told_text(&self, answer: Option<&Answer>) -> String {
        self.spoken_text(answer.map(Spoken::from).as_ref())
    }

    fn spoken(&self, mut object: Value, spoken: Option<&Spoken>) -> Value {
        if self.at.is_some() {
            let nodes = spoken.into_iter().flat_map(|spoken| &spoken.nodes);
            let nodes = nodes.map(|(id, addr)| json!({ "id": id.to_string(), "addr": addr.to_string() }));
            object["nodes"] = nodes.collect();
            object["token"] = json!(spoken.and_then(|spoken| spoken.token.as_ref()).map(hex::encode));
            object["ip"] = json!(spoken.and_then(|spoken| spoken.ip).map(|ip| ip.to_string()));
            let version = spoken.map(|spoken| &spoken.version).filter(|version| !version.is_empty());
            object["version"] = json!(version.map(hex::encode));
        }
        object
    }

    fn spoken_text(&self, spoken: Option<&Spoken>) -> String {
        let Some(spoken) = spoken.filter(|_| self.at.is_some()) else { return String::new() };
        let mut text = format!("\nnodes {}", spoken.nodes.len());
        if let Some(ip) = spoken.ip {
            text += &format!("\nip {ip}");
        }
        if !spoken.version.is_empty() {
            text += &format!("\nversion {}", spoken.version.escape_ascii());
        }
        text
    }

    /// The same as a word, where results are all that is printed.
    fn say_besides(&self, out: Out, spoken: Option<&Spoken>) {
        let text = self.spoken_text(spoken).trim_start().replace('\n', ", ");
        if let Some(at) = self.at.filter(|_| !out.json && !text.is_empty()) {
            say(format_args!("{at} said besides: {text}"));
        }
    }

    /// Whether some node returned another value of the same version, if that is known. Nothing is asked after that.
    pub async fn has_other_value(&self, item: &Item<'_>) -> Option<bool> {
        self.node.shutdown().await;
        self.heard.has_other_value(item)
    }

    /// Why nothing was found.
    pub async fn nothing(&self, options: &Options, what: String, outcome: &Outcome) -> Failed {
        if let Some(ended) = options.under_way.interrupted(outcome) {
            return Failed::from(format!("{what}: {}", ended.sentence)).with(outcome);
        }
        let sentence = match self.at {
            Some(at) if outcome.answered == 0 => self.said(at, outcome).await.why(at, outcome, &self.unsent),
            Some(at) => format!("{what} at {at} ({})", outcome_text(outcome)),
            None => {
                let unsent = self.unsent.behind();
                let reserve = match outcome.queried {
                    0 if !unsent.is_empty() => Some(NOBODY_ASKED.into()),
                    _ => reserve(outcome),
                };
                let reserve = reserve.map(|reserve| format!(": {reserve}")).unwrap_or_default();
                format!("{what}{reserve}{unsent} ({})", outcome_text(outcome))
            }
        };
        Failed::from(sentence).with(outcome)
    }

    /// Why nothing was stored that counts, with a tip. What there is stands before that, in these words: copies, which
    /// are a result, or what the only node said besides.
    pub async fn not_stored(
        &self,
        options: &Options,
        (text, object): (String, Value),
        (failure, tip): (OperationError, String),
    ) -> Failed {
        let Some(outcome) = failure.outcome().copied() else { return failure.into() };
        let out = options.out();
        if outcome.stored.all > 0
            && self.at.is_none()
            && let Err(failed) = out.line(text, object.clone())
        {
            return failed;
        }
        let under_way = &options.under_way;
        let ended =
            if self.at.is_some() { under_way.interrupted_store(&outcome) } else { under_way.ended_store(&outcome) };
        let seen = match outcome.held_seq {
            Some(seq) => format!("; the newest version that was seen has sequence number {seq}{tip}"),
            None => String::new(),
        };
        if let Some(mut ended) = ended {
            ended.sentence += &seen;
            return ended;
        }
        // That a value is too long says nothing about its version.
        let too_large = match outcome.refused.too_large {
            0 => String::new(),
            _ => format!("; shorten the value to {} bytes when bencoded", Item::MAX_VALUE),
        };
        let Some(at) = self.at else {
            let unsent = self.unsent.behind();
            if outcome.queried == 0 {
                let why = if unsent.is_empty() { NOBODY_KNOWN } else { NOBODY_ASKED };
                return Failed::from(format!("nobody stored it: {why}{unsent}")).with(&outcome);
            }
            return Failed::from(format!("{failure}{tip}{too_large}{unsent} ({})", outcome_text(&outcome)))
                .with(&outcome);
        };
        let said = self.said(at, &outcome).await;
        if said.is_something() {
            self.say_besides(out, said.answer.as_ref());
            let mut object = self.spoken(object, said.answer.as_ref());
            object["refusal"] = json!(said.refusal.as_ref().map(|(code, text)| json!({ "code": code, "text": text })));
            if let Err(failed) = out.json_only(object) {
                return failed;
            }
        }
        // The words that we have for a code say what to do about it.
        let ours = match &said.answer {
            _ if outcome.refused.total() > 0 => format!("; {failure}{tip}{too_large}"),
            _ if outcome.unconfirmed > 0 => {
                "; what was to be stored was sent, and its confirmation may be late or lost, so that it may be there \
                 all the same"
                    .into()
            }
            Some(answer) if answer.token.is_none() => {
                "; it gave no write token of at most 64 bytes, and a node whose store is full gives none: leave out \
                 --at, so that others are asked"
                    .into()
            }
            _ => String::new(),
        };
        let seen = if outcome.refused.total() == 0 { seen } else { String::new() };
        Failed::from(format!("{}{ours}{seen}", said.why(at, &outcome, &self.unsent))).with(&outcome)
    }

    /// What the only node said until now. Nothing is asked after that.
    async fn said(&self, at: SocketAddr, outcome: &Outcome) -> Said {
        self.node.shutdown().await;
        self.heard.of(at, outcome)
    }
}
