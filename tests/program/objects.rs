//! `--json`: an object for each result, and on failure an object that says so, last.

use serde_json::Value;

use crate::commands::{ID, World};
use crate::fake::Fake;
use crate::process::{run, words};

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Rule U9.
#[test]
fn with_json_each_line_is_an_object_and_the_last_of_a_failure_says_why() {
    let world = World::new();
    for case in world.successes() {
        // The protocol of the harness is its own.
        if case.name() == "negentropy-harness" {
            continue;
        }
        let run = run(&[&["--json"], &words(&case.args())[..]].concat(), &case.input).done();
        let objects = run.objects();
        assert!(!objects.is_empty() && objects.iter().all(Value::is_object), "{run:?}");
        assert!(objects.iter().all(|object| object.get("error").is_none()), "{run:?}");
    }
    for case in world.failures() {
        let run = run(&[&["--json"], &words(&case.args())[..]].concat(), &case.input).failed(1, &[]);
        let last: Value = serde_json::from_str(run.out.lines().last().unwrap()).unwrap();
        assert_eq!(keys(&last), ["error", "code", "outcome"], "{run:?}");
        assert_eq!(last["code"], 1);
        assert!(run.err.trim_end().ends_with(last["error"].as_str().unwrap()), "{run:?}");
        if ["put", "get"].contains(&case.name()) {
            assert!(last["outcome"]["queried"].as_u64() > Some(0), "{last}");
        }
    }
}

/// Rules U10 and U18. The order is that in which they are read most.
#[test]
fn what_get_prints_has_exactly_these_fields_and_put_takes_them_back() {
    let world = World::new();
    let (secret, network) = (world.folder.file("secret"), world.network.as_str());
    let put = ["put", "hello", "--bootstrap", network, "--json", "--secret", &secret, "--salt", "s"];
    let put = run(&put, b"").done().objects().remove(0);
    let key = put["k"].as_str().unwrap();
    let get = ["get", "--key", key, "--salt", "s", "--bootstrap", network, "--json"];
    let got = run(&get, b"").done();
    let object = &got.objects()[0];
    assert_eq!(keys(object), ["target", "k", "seq", "salt", "sig", "v_hex", "text", "copies", "outcome"]);
    assert_eq!((&object["salt"], &object["text"], &object["seq"]), (&"73".into(), &"hello".into(), &1.into()));
    assert_eq!((&object["target"], &object["k"]), (&put["target"], &put["k"]));
    assert_eq!((object["sig"].as_str().unwrap().len(), object["v_hex"].as_str().unwrap()), (128, "353a68656c6c6f"));
    // Another network gets it without the secret, from a file and from standard input.
    let other = World::new();
    let file = other.folder.with("got", &got.out);
    let again = run(&["put", "--item", &file, "--bootstrap", &other.network, "--json"], b"").done().objects().remove(0);
    assert_eq!((&again["target"], &again["seq"], &again["salt"]), (&put["target"], &1.into(), &"73".into()));
    run(&["put", "--item", "-", "--bootstrap", &other.network], got.out.as_bytes()).done();
    let get = ["get", "--key", key, "--salt", "s", "--bootstrap", &other.network];
    assert_eq!(run(&get, b"").done().out, "hello\n");
    // What has no salt, no key and no signature says so.
    let target = honeyguide::krpc::Item::immutable_target(b"5:hello").to_string();
    let got = run(&["get", &target, "--bootstrap", network, "--json"], b"").done().objects().remove(0);
    assert!(["k", "seq", "salt", "sig"].iter().all(|field| got[field].is_null()), "{got}");
}

/// Rule U11.
#[test]
fn a_word_has_one_meaning_in_what_reconcile_prints() {
    let world = World::new();
    let (a, b) = (world.folder.file("a"), world.folder.file("b"));
    let objects = run(&["reconcile", &a, &b, "--list", "--json"], b"").done().objects();
    let (sum, listed) = objects.split_last().unwrap();
    assert_eq!((&sum["have"], &sum["need"]), (&1.into(), &1.into()));
    let expected =
        [("cd", "a"), ("ef", "b")].map(|(id, file)| serde_json::json!({ "id": id.repeat(32), "only_in": file }));
    assert_eq!(listed, expected);
}

/// Rule U15.
#[test]
fn a_question_to_one_node_tells_what_it_said_besides() {
    let world = World::new();
    let at = world.network.as_str();
    let ask = |args: &[&str]| run(&[args, &["--at", at, "--json"]].concat(), b"");
    let target = honeyguide::krpc::Item::immutable_target(b"5:hello").to_string();
    for args in [
        &["find-node", ID][..],
        &["peers", ID],
        &["scrape", ID],
        &["sample", ID],
        &["get", &target],
        &["announce", ID, "--port", "7", "--seeding"],
        &["put", "hello"],
    ] {
        let objects = ask(args).done().objects();
        let last = objects.last().unwrap();
        assert_eq!(
            last["outcome"]["queried"].as_u64(),
            Some(if ["announce", "put"].contains(&args[0]) { 2 } else { 1 })
        );
        let [link] = &last["outcome"]["links"].as_array().unwrap()[..] else { panic!("{last}") };
        assert_eq!(keys(link), ["link", "queried", "answered", "stored"]);
        for count in ["queried", "answered"] {
            assert_eq!(link[count], last["outcome"][count], "by the link of its family: {last}");
        }
        assert_eq!(link["stored"], last["outcome"]["stored"]["all"], "{last}");
        assert!(last["nodes"].as_array().unwrap().len() > 3, "{last}");
        assert!(last["ip"].as_str().unwrap().starts_with("127.0.0.1:"), "{last}");
        let version = last.get("version").expect("it is there, and may be null");
        assert!(version.is_string() || version.is_null(), "{last}");
        let has_token = !["find-node", "sample"].contains(&args[0]);
        assert_eq!(last["token"].is_string(), has_token, "{last}");
        // A reader hears it as well: as a word, or in the lines that sum up.
        let told = run(&[args, &["--at", at]].concat(), b"").done();
        let (besides, lines) = (format!("{at} said besides: nodes "), told.err.clone() + &told.out);
        assert!(lines.contains(&besides) || told.out.contains("\nnodes "), "{told:?}");
        assert!(lines.contains("ip 127.0.0.1:"), "{told:?}");
    }
    let swarm = ask(&["scrape", ID]).done().objects().remove(0);
    assert_eq!((&swarm["seeds"], &swarm["peers"]), (&1.into(), &0.into()));
    // It answered and has nothing: that is told as well, before the failure.
    let nothing = ask(&["peers", &"00".repeat(20)]).failed(1, &["no peer", at]).objects();
    assert!(nothing[0]["token"].is_string() && nothing[1]["code"] == 1 && nothing.len() == 2, "{nothing:?}");
    run(&["peers", &"00".repeat(20), "--at", at], b"").failed(1, &["no peer", at]).said(&["said besides: nodes "]);
    run(&["get", &target, "--at", &world.nobody, "--timeout", "3"], b"").failed(1, &[&world.nobody, "did not answer"]);
}

/// A node that gives tokens and answers everything else with an error.
fn refusing(code: u16, text: &'static str) -> Fake {
    let nodes = "5:nodes26:ABCDEFGHIJ0123456789ABCDEF";
    Fake::saying(move |method, tid| {
        let (begin, kind) = match method {
            "get" | "get_peers" => {
                (format!("d2:ip6:abcdef1:rd2:id20:abcdefghij0123456789{nodes}5:token5:TOKENe"), b"r")
            }
            _ => (format!("d1:eli{code}e{}:{text}e", text.len()), b"e"),
        };
        Some([begin.as_bytes(), b"1:t4:", tid, b"1:v4:XX001:y1:", kind, b"e"].concat())
    })
}

/// Rules U2 and U15.
#[test]
fn a_node_that_refuses_is_told_with_its_code_and_its_words() {
    let world = World::new();
    let secret = world.folder.file("secret");
    let (put, announce) = (&["put", "hello"][..], &["announce", ID, "--port", "7"][..]);
    for (code, text, args, more) in [
        (203, "token is stale", put, "did not accept the write token"),
        (
            302,
            "an older one \u{202e}",
            &["put", "hello", "--secret", &secret, "--seq", "1"][..],
            "holds a newer version",
        ),
        (205, "too big", put, "takes no value that large (205); shorten the value to 1000 bytes"),
        (203, "no room", announce, "did not accept the write token"),
        (999, "of its own making", announce, "reasons of its own"),
    ] {
        let node = refusing(code, text);
        let at = node.addr.to_string();
        let asked = run(&[args, &["--at", &at, "--json"]].concat(), b"");
        let shown = text.replace('\u{202e}', "\\u{202e}");
        let objects = asked.failed(1, &[&at, &code.to_string(), &shown, more]).objects();
        let [told, failure] = &objects[..] else { panic!("what it said, and that it failed: {objects:?}") };
        assert_eq!(told["refusal"], serde_json::json!({ "code": code, "text": text }));
        assert_eq!((&told["stored"], &told["token"]), (&0.into(), &hex::encode("TOKEN").into()));
        assert_eq!((told["nodes"].as_array().unwrap().len(), &told["version"]), (1, &hex::encode("XX00").into()));
        assert_eq!(told["ip"], "97.98.99.100:25958");
        assert!(failure["code"] == 1 && failure["outcome"]["queried"].as_u64() == Some(2), "{failure}");
        let asked = run(&[args, &["--at", &at]].concat(), b"").failed(1, &[&at, &code.to_string(), &shown, more]);
        // Nothing was stored, so there is no result.
        assert!(
            asked.out.is_empty() && asked.err.contains("said besides: nodes 1, ip 97.98.99.100:25958"),
            "{asked:?}"
        );
    }
    // What is no store is refused in the same way.
    let node = refusing(204, "not known here");
    let at = node.addr.to_string();
    for args in [&["ping", &at][..], &["find-node", ID, "--at", &at], &["sample", ID, "--at", &at]] {
        run(args, b"").failed(1, &[&at, "refused", "204", "not known here"]);
    }
    for args in [put, announce] {
        let asked = run(&[args, &["--at", &world.nobody, "--timeout", "3", "--json"]].concat(), b"");
        let told = asked.failed(1, &[&world.nobody, "did not answer"]).objects();
        assert_eq!(told.len(), 1, "it has said nothing: {told:?}");
        let told = run(&[args, &["--at", &world.nobody, "--timeout", "3"]].concat(), b"");
        assert!(told.out.is_empty() && told.err.lines().count() == 1, "{told:?}");
    }
}
