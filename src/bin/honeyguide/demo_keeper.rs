//! A step of the demo: who found a signed item keeps it on the network, without the secret (`spec/keeper.md`).

use std::time::Duration;

use honeyguide::adapters::Handle;
use honeyguide::dht::{KeepSchedule, Kept, NextAction};
use honeyguide::krpc::{Item, Mutable};
use tokio::time::{Instant, sleep};

use crate::count::count;
use crate::failed::Failed;

/// How often it is looked whether copies are confirmed.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What came of it.
pub struct Confirmed {
    pub copies: u8,
    pub queries: u64,
    pub elapsed: Duration,
}

/// Keeps a signed item, until it is known how many copies there are.
pub async fn keep(node: &Handle, item: Item<'_>) -> Result<Confirmed, Failed> {
    let Mutable { key, salt, .. } = item.mutable.ok_or("the item is not signed")?;
    let begun = Instant::now();
    let gone = || Failed::from("the node has ended");
    let sent = async || node.observe(|node| node.stats().rpc_sent).await.ok_or_else(gone);
    let before = sent().await?;
    let keep = node.keep(0, Kept::Mutable { key, salt }, KeepSchedule::default()).await.ok_or_else(gone)?;
    let keep = keep.map_err(|error| error.to_string())?;
    // It was just found, so that nobody has to look for it first, nor to want it.
    node.supply(keep, item).await.ok_or_else(gone)?.map_err(|error| error.to_string())?;
    let state = loop {
        let state = node.observe(move |node| node.kept(keep).map(|view| view.state)).await;
        let state = state.flatten().ok_or_else(gone)?;
        if state.next != NextAction::Busy {
            break state;
        }
        sleep(LOOK_EVERY).await;
    };
    let copies = state.copies.unwrap_or(0);
    if copies == 0 {
        let refused = state.refused.map(|code| format!(": most refused with {code}")).unwrap_or_default();
        return Err(format!("the keeper was confirmed {}{refused}", count(copies, "copy")).into());
    }
    Ok(Confirmed { copies, queries: sent().await? - before, elapsed: begun.elapsed() })
}

#[cfg(test)]
mod tests {
    use honeyguide::Config;
    use honeyguide::adapters::testnet::Testnet;

    use super::*;

    #[tokio::test]
    async fn who_keeps_an_item_where_nobody_takes_it_is_told_that_there_is_no_copy() {
        let testnet = Testnet::start_with(Config::default().local(), 1, 0, [7; 32]).await.unwrap();
        let [alone] = testnet.nodes() else { panic!("one node") };
        let item = Item::mutable(&[7; 32], b"i1e").sign().unwrap();
        let failed = keep(alone, item.as_item()).await.err().unwrap();
        assert!(failed.code == 1 && failed.sentence.contains("0 copies"), "{failed:?}");
        testnet.stop().await;
    }
}
