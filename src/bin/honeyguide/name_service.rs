//! One name, asked of the name service. It can take long, and the user hears of that (B9).

use std::time::Duration;

use honeyguide::adapters::resolve::{Resolved, resolve};
use tokio::time::{Instant, timeout, timeout_at};

use crate::print::say;

/// How long it may say nothing.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What it answers, if it does before the time is up. The user hears of the name as it was typed.
pub async fn answer(name: String, typed: &str, deadline: Option<Instant>) -> Option<Resolved> {
    let mut answers = resolve([name]);
    if let Ok(answer) = timeout(PATIENCE, answers.next()).await {
        return answer;
    }
    say(silent(&[typed.into()]));
    match deadline {
        None => answers.next().await,
        Some(deadline) => timeout_at(deadline, answers.next()).await.unwrap_or(None),
    }
}

/// The word about names that it owes an answer.
pub fn silent(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let waited = PATIENCE.as_secs();
    format!("the name service has not answered in {waited} s, and is waited for: {}", names.join(", "))
}
