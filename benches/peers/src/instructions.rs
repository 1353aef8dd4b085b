//! Instructions instead of time: the same tasks under callgrind, where nothing else on the machine matters. Each contender
//! runs in a process of its own, which counts only what the contender does.
//!
//! The counts are those of the machine that valgrind imitates: it has AVX2, but no instructions for SHA-1, so what hashes
//! (targets of items, not find_node) costs more there than on most real ones.

use std::fmt;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Serialize;

use crate::measure::{Contender, Group};

/// How often a task is done while it is counted.
const TIMES: u64 = 1000;
/// How often it is done before.
const WARM_UP: u64 = 16;

/// What one task costs everyone who does it.
#[derive(Serialize)]
pub struct Counted {
    pub name: String,
    pub rows: Vec<Row>,
}

#[derive(Serialize)]
pub struct Row {
    pub name: String,
    pub instructions: f64,
    pub ratio: f64,
}

/// Has every contender of a group counted. Profiles for `callgrind_annotate` stay in `profiles`, if given.
pub fn count(group: Group, profiles: Option<&Path>) -> Result<Counted, String> {
    let name = group.name.clone();
    let mut rows: Vec<Row> = Vec::new();
    for (i, contender) in group.contenders().iter().enumerate() {
        let file = match profiles {
            Some(folder) => folder.join(format!("{name}, {}", contender.name).replace([' ', ','], "-")),
            None => PathBuf::from("/dev/stdout"),
        };
        let profile = watch(&name, i, &file)?;
        let total = profile.lines().find_map(|line| line.strip_prefix("summary:")?.trim().parse::<f64>().ok());
        let instructions = total.ok_or("callgrind wrote no summary")? / TIMES as f64;
        let ratio = instructions / rows.first().map_or(instructions, |first| first.instructions);
        rows.push(Row { name: contender.name.into(), instructions, ratio });
    }
    Ok(Counted { name, rows })
}

/// Runs this program again, under callgrind, as the one who does a task.
fn watch(group: &str, contender: usize, file: &Path) -> Result<String, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*instructions::counted*"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(program)
        .args(["--alone", &contender.to_string(), "--only", group])
        .stderr(Stdio::null())
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    if !output.status.success() {
        return Err(format!("valgrind ended with {}", output.status));
    }
    if file == Path::new("/dev/stdout") {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// What the process under callgrind does.
pub fn alone(group: Group, contender: usize) {
    let mut contenders = group.contenders();
    if let Some(contender) = contenders.get_mut(contender) {
        contender.run(WARM_UP);
        counted(contender);
    }
}

#[inline(never)]
fn counted(contender: &mut Contender) {
    black_box(contender.run(black_box(TIMES)));
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<52} {:>12} {:>7}", self.name, "instructions", "ratio")?;
        self.rows
            .iter()
            .try_for_each(|row| writeln!(f, "  {:<50} {:>12.0} {:>7.2}", row.name, row.instructions, row.ratio))
    }
}
