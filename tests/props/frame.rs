//! The codec of negentropy messages: what is written is read again, what is read never panics.

use honeyguide::internals::negentropy::{Bound, FrameReader, FrameWriter, Mode, VERSION, version};
use honeyguide::negentropy::{Entry, Fingerprint, MalformedFrame, Strictness, Sum};
use quickcheck::quickcheck;

fn strict_refuses(body: &[u8]) -> bool {
    FrameReader::new(body, Strictness::Strict).any(|range| range.is_err())
}

quickcheck! {
    /// N1, N2, N9: every byte string is read to an end or an error, strictly read ones leniently too and alike.
    fn any_bytes_are_ranges_or_an_error(body: Vec<u8>) -> bool {
        let lenient: Vec<_> = FrameReader::new(&body, Strictness::Lenient).collect();
        let strict: Result<Vec<_>, _> = FrameReader::new(&body, Strictness::Strict).collect();
        let few = lenient.len() <= body.len() / 3 + 1;
        few && (strict_refuses(&body) || strict.is_ok_and(|strict| strict.into_iter().map(Ok).eq(lenient)))
    }

    /// N1 to N4: written ranges are read again, and re-written to the same bytes.
    fn what_is_written_is_read_again(steps: Vec<(u16, u8, u8)>) -> bool {
        let mut entries: Vec<Entry> =
            steps.iter().map(|(t, id, _)| Entry { timestamp: u64::from(*t), id: [*id; 32] }).collect();
        entries.sort_unstable();
        entries.dedup();
        let mut out = vec![0; 100 + 120 * entries.len()];
        let mut writer = FrameWriter::new(&mut out).unwrap();
        let mut written = Vec::new();
        for (pair, (_, _, kind)) in entries.windows(2).zip(&steps) {
            let bound = Bound::between(&pair[0], &pair[1]);
            if !(pair[0] < *bound.entry() && *bound.entry() <= pair[1]) {
                return false;
            }
            written.push((bound, kind % 3));
            match kind % 3 {
                0 => writer.skip(&bound).unwrap(),
                1 => writer.fingerprint(&bound, &Fingerprint([*kind; 16])).unwrap(),
                _ => {
                    writer.id_list(&bound, 1).unwrap();
                    writer.id(&pair[0].id).unwrap();
                }
            }
        }
        let len = writer.len();
        let Ok((VERSION, body)) = version(&out[..len]) else { return false };
        let read: Result<Vec<_>, _> = FrameReader::new(body, Strictness::Strict).collect();
        read.is_ok_and(|read| read.iter().map(|range| (range.bound, match range.mode {
            Mode::Skip => 0,
            Mode::Fingerprint(_) => 1,
            Mode::IdList(_) => 2,
        })).eq(written))
    }
}

/// N9: the rest that a full frame ends with may be empty, and then its fingerprint is that of nothing.
#[test]
fn strict_reading_takes_one_fingerprint_of_nothing_behind_infinity() {
    let nothing = Sum::ZERO.fingerprint(0).0;
    let body = [&b"\x00\x00\x00\x00\x00\x01"[..], &nothing].concat();
    let ranges: Result<Vec<_>, _> = FrameReader::new(&body, Strictness::Strict).collect();
    assert_eq!(ranges.unwrap().len(), 2);
    let cut = FrameReader::new(&body[..21], Strictness::Strict).last();
    assert_eq!(cut, Some(Err(MalformedFrame::Truncated)));
    let is_refused = |body: &[u8]| {
        assert!(FrameReader::new(body, Strictness::Lenient).all(|range| range.is_ok()), "{body:?}");
        let end = FrameReader::new(body, Strictness::Strict).last();
        assert_eq!(end, Some(Err(MalformedFrame::NotAscending)), "{body:?}");
    };
    for at in 6..22 {
        let mut other = body.clone();
        other[at] ^= 1;
        is_refused(&other);
    }
    // Not behind infinity, another bound, and not the end.
    is_refused(&[&b"\x05\x00\x00\x01\x00\x01"[..], &nothing].concat());
    is_refused(&[&b"\x00\x00\x00\x00\x01\x07\x01"[..], &nothing].concat());
    is_refused(&[&body[..], b"\x00\x00\x00"].concat());
    is_refused(&[&body[..], &body[3..]].concat());
}
