//! libtorrent's, in a process of its own, behind its Python binding (`libtorrent_network.py`), where that is installed.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::{Network, Task};

pub struct Child {
    process: std::process::Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    version: String,
    contacts: u64,
    /// What its resident memory grew by while the sessions joined.
    pub growth_kib: f64,
}

impl Child {
    /// Starts so many sessions. `PYTHON` names the interpreter, `python3` if it is not set.
    pub fn start(sessions: usize) -> Result<Child, String> {
        let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/libtorrent_network.py");
        let mut process = Command::new(&python)
            .args([script, &sessions.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{python}: {error}"))?;
        let requests = process.stdin.take().expect("a pipe");
        let answers = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut child = Child { process, requests, answers, version: String::new(), contacts: 0, growth_kib: 0.0 };
        let hello = child.answer().map_err(|_| format!("{python} has no module libtorrent"))?;
        child.version = hello["version"].as_str().unwrap_or_default().into();
        child.contacts = hello["contacts"].as_u64().unwrap_or(0);
        child.growth_kib = hello["growth_kb"].as_f64().unwrap_or(f64::NAN);
        Ok(child)
    }

    pub fn name(&self) -> String {
        format!("libtorrent {}", self.version)
    }

    fn answer(&mut self) -> Result<Value, String> {
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(|error| error.to_string())?;
        serde_json::from_str(&line).map_err(|error| error.to_string())
    }

    fn ask(&mut self, request: &Value) -> Result<f64, String> {
        writeln!(self.requests, "{request}").map_err(|error| error.to_string())?;
        let answer = self.answer()?;
        answer["ms"].as_f64().ok_or_else(|| answer["error"].to_string())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Network for Child {
    fn name(&self) -> String {
        Child::name(self)
    }

    fn put(&mut self, task: &Task) -> Result<f64, String> {
        let (seed, public) = (hex(&task.signer.to_bytes()), hex(&task.signer.verifying_key().to_bytes()));
        // The binding adds the length itself.
        let value = hex(&task.value[4..]);
        self.ask(&json!({ "op": "put", "node": task.writer(), "seed": seed, "public": public, "value": value }))
    }

    fn get(&mut self, task: &Task) -> Result<f64, String> {
        let public = hex(&task.signer.verifying_key().to_bytes());
        self.ask(&json!({ "op": "get", "node": task.reader(), "public": public }))
    }

    fn notes(&self) -> Vec<String> {
        vec![format!(
            "libtorrent: its limits on traffic lifted, at least {} contacts a session when the rounds began; timed in \
             Python",
            self.contacts
        )]
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
