//! A test that needs a network of its own runs itself again, in namespaces where it may do as it likes.

use std::process::Command;

const INSIDE: &str = "HONEYGUIDE_TEST_NAMESPACE";

/// Whether this is the run inside. The first call starts that run, which is the test's own verdict, and says no.
/// Where the system gives no namespaces, nothing is tried, and the test's output says so.
pub fn is_inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let unshare = |args: &[&str]| Command::new("unshare").args(["-r", "-m", "-n"]).args(args).env(INSIDE, "1").output();
    if !unshare(&["ip", "link"]).is_ok_and(|output| output.status.success()) {
        eprintln!("{test}: NOT TRIED, since this system gives no network namespaces");
        return false;
    }
    let own = std::env::current_exe().unwrap();
    let output = unshare(&[own.to_str().unwrap(), "--exact", test, "--nocapture"]).unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", said(&output.stdout), said(&output.stderr));
    assert!(said(&output.stdout).contains("1 passed"), "no test has the name {test}");
    false
}

/// A command that has to work.
pub fn run(command: &str) {
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
}
