//! Why a command ends before it is over.

use std::time::Duration;

use crate::failed::Failed;

/// Why a command that runs until it is told to stop has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    Interrupted,
    TimeUp(Duration),
}

impl From<Ending> for Failed {
    fn from(ending: Ending) -> Failed {
        match ending {
            Ending::Interrupted => "interrupted".into(),
            Ending::TimeUp(limit) => {
                format!("gave up after {} s; --timeout gives it more time", limit.as_secs_f64()).into()
            }
        }
    }
}
