//! Conformance data against the rateless mode: every message of `vectors/negentropy/rateless.json`, byte for byte (N40 to
//! N49).

use honeyguide::negentropy::{Entry, RatelessInitiator, RatelessResponder, Sealed};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

#[path = "shared/transcripts.rs"]
mod transcripts;

const MOST: u64 = 1 << 20;

fn file() -> Json {
    serde_json::from_str(include_str!("../vectors/negentropy/rateless.json")).unwrap()
}

fn bytes(text: &Json) -> Vec<u8> {
    hex::decode(text.as_str().unwrap()).unwrap()
}

fn key(text: &Json) -> [u8; 16] {
    bytes(text).try_into().unwrap()
}

fn set(items: &Json) -> Sealed {
    let id = |text: &str| hex::decode(text).unwrap().try_into().unwrap();
    let entries = transcripts::entries(items);
    Sealed::build(entries.iter().map(|(timestamp, text)| Entry { timestamp: *timestamp, id: id(text) }).collect())
        .unwrap()
}

#[track_caller]
fn is_message(expected: &Json, message: &[u8]) {
    if let Some(whole) = expected.get("hex") {
        return assert_eq!(hex::encode(message), whole.as_str().unwrap());
    }
    assert_eq!(message.len() as u64, expected["len"].as_u64().unwrap());
    assert_eq!(hex::encode(Sha256::digest(message)), expected["sha256"].as_str().unwrap());
}

#[test]
fn both_sides_say_what_the_page_says() {
    let mut out = vec![0; 1 << 20];
    for case in file()["cases"].as_array().unwrap() {
        let (client, server, key) = (set(&case["client"]), set(&case["server"]), key(&case["key"]));
        let len = RatelessInitiator::new(key, MOST).initiate(&client, &mut out).unwrap();
        let hello = out[..len].to_vec();
        is_message(&case["hello"], &hello);
        let responder = RatelessResponder::new(MOST);
        for (request, answer) in [(hello, &case["answer"]), (bytes(&case["more"]), &case["more_answer"])] {
            let len = responder.answer(&server, &request, &mut out).unwrap();
            is_message(answer, &out[..len]);
        }
    }
}

#[test]
fn symbols_that_are_kept_are_those_of_the_session_and_their_key_has_its_tag() {
    let file = file();
    let kept = key(&file["kept"]["key"]);
    let case = file["cases"].as_array().unwrap().iter().find(|case| key(&case["key"]) == kept).unwrap();
    let [mut client, mut server] = [set(&case["client"]), set(&case["server"])];
    client.keep_symbols(kept, 8);
    server.keep_symbols(kept, 200);
    let (mut hello, mut answer) = (vec![0; RatelessInitiator::MESSAGE_LEN], vec![0; 1 << 20]);
    let len = RatelessInitiator::kept(MOST).initiate(&client, &mut hello).unwrap();
    let tag = bytes(&file["kept"]["tag"]);
    assert_eq!(hello[..10], [&[0x6f, 2][..], &tag].concat());
    let responder = RatelessResponder::new(MOST);
    let len = responder.answer(&server, &hello[..len], &mut answer).unwrap();
    is_message(&case["answer"], &answer[..len]);
    let more = [&[0x6f, 3][..], &tag, &bytes(&case["more"])[18..]].concat();
    let len = responder.answer(&server, &more, &mut answer).unwrap();
    is_message(&case["more_answer"], &answer[..len]);
}

/// N45, far along the stream: all symbols below a million.
#[test]
fn an_id_is_part_of_the_symbols_that_the_page_says() {
    let file = file();
    let kept = key(&file["kept"]["key"]);
    for case in file["ids"].as_array().unwrap() {
        let id: [u8; 32] = bytes(&case["id"]).try_into().unwrap();
        let set = Sealed::build(vec![Entry { timestamp: 1, id }]).unwrap();
        // A million in one answer, one symbol of 37 bytes after the other.
        let mut answer = vec![0; 40 << 20];
        let request = [&[0x6f, 1][..], &kept, &[0], &[0xbd, 0x84, 0x40]].concat();
        let len = RatelessResponder::new(MOST).answer(&set, &request, &mut answer).unwrap();
        let symbols = answer[..len].rchunks_exact(37).collect::<Vec<_>>();
        let part = (0..1_000_000).filter(|i| symbols[999_999 - i].iter().any(|byte| *byte != 0));
        let expected = case["symbols"].as_array().unwrap().iter().map(|place| place.as_u64().unwrap() as usize);
        assert!(part.eq(expected), "{}", hex::encode(id));
        let mut hello = vec![0; RatelessInitiator::MESSAGE_LEN];
        let len = RatelessInitiator::new(kept, MOST).initiate(&set, &mut hello).unwrap();
        let cell = hello[len - 2048..len].iter().position(|count| *count == 1).unwrap();
        assert_eq!(cell as u64, case["cell"].as_u64().unwrap());
        let (hash, id) = (case["hash"].as_str().unwrap(), hex::encode(id));
        // The check of a symbol is the upper half of the hash.
        let check = u32::from_str_radix(&hash[..8], 16).unwrap().to_le_bytes();
        assert_eq!(symbols[999_999][..36], [&hex::decode(id).unwrap()[..], &check].concat());
    }
}
