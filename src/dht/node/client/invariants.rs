//! What has to hold after a drain.

use crate::base::slab::SlabKey;
use crate::dht::node::client::Client;
use crate::dht::node::client::operation::OperationState;
use crate::dht::node::client::queues::Queue;
use crate::dht::node::context::Context;
use crate::dht::node::rpc::Rpc;
use crate::dht::transactions::{Open, Purpose, Stage};
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;

impl Client<'_> {
    /// After a drain every operation has an open query or a deadline, and nothing is left to do. While the node is
    /// suspended, or a frugal one has no flow left, they wait for the end of that.
    pub(in crate::dht::node) fn check_invariants(&self, cx: &Context<'_>, rpc: &Rpc<'_>) {
        self.wakes.check_invariants();
        assert!(self.results.is_empty(), "a drain takes every result");
        assert_eq!(self.operations.first(Queue::Ready), None, "a drain leaves nothing to do");
        let waits_for_answers =
            [Queue::Blocked, Queue::New, Queue::Narrow].iter().any(|&queue| self.operations.first(queue).is_some());
        let will_end = !rpc.is_idle() || cx.is_suspended() || self.flow_at(cx, rpc).is_some();
        assert!(!waits_for_answers || will_end, "an open query will end the wait of those that wait for one");
        assert_eq!(self.operations.first(Queue::Held).is_some(), self.budget.next().is_some());
        self.operations.check_invariants();
        self.check_keeper();
        for (key, operation) in self.operations.iter().filter(|(_, operation)| operation.ended().is_none()) {
            let wakes = self.wakes.at(key.index).is_some();
            assert!(wakes || operation.places().wait(), "every operation wakes up");
            self.check_lookup(rpc, key, operation);
        }
        for index in 0..self.operations.capacity() as u16 {
            let runs = self.operations.key_at(index).and_then(|key| self.operations.get(key));
            let runs = runs.is_some_and(|operation| operation.ended().is_none());
            assert!(runs || self.wakes.at(index).is_none(), "only what runs wakes up");
        }
    }

    fn check_lookup(&self, rpc: &Rpc<'_>, key: SlabKey, operation: &OperationState) {
        let open_for = |stage| rpc.open_for(Purpose::Operation { key, stage });
        let is_to = |open: &Open, id: &Id, to: &Endpoint| open.id == Some(*id) && open.to == *to;
        let asked = |id: &Id, to: &Endpoint| open_for(Stage::Converge).any(|open| is_to(open, id, to) && !open.late);
        let storing = |id: &Id, to: &Endpoint| open_for(Stage::Store).any(|open| is_to(open, id, to));
        let (candidates, tokens) = self.operations.window(key);
        let unidentified = open_for(Stage::Bootstrap);
        let unidentified = (unidentified.count(), open_for(Stage::Bootstrap).filter(|open| open.late).count());
        operation.check_invariants(candidates, tokens, asked, storing, unidentified);
    }
}
