//! How a lookup treats contacts.

use super::*;

#[test]
fn a_bad_contact_is_left_out_until_it_may_be_tried_again() {
    let at = Instant::from_secs;
    let mut contact = Contact::new(Id([7; 20]), Endpoint::v4([8, 8, 8, 8], 1));
    assert_eq!(class_of(None, at(9)), Class::Unverified);
    assert_eq!(class_of(Some(&contact), at(9)), Class::Unverified, "it has never answered");
    contact.history_mut().on_answer(at(10), None);
    assert_eq!(class_of(Some(&contact), at(10)), Class::Good);
    contact.history_mut().on_failure(at(20), QueryKind::Data);
    assert_eq!(class_of(Some(&contact), at(20)), Class::Good, "one failure is none");
    contact.history_mut().on_failure(at(30), QueryKind::Data);
    let again = contact.history().retry_at();
    assert!(again > at(30));
    assert_eq!(class_of(Some(&contact), at(30)), Class::Bad);
    assert_eq!(class_of(Some(&contact), Instant::from_micros(again.as_micros() - 1)), Class::Bad);
    assert_eq!(class_of(Some(&contact), again), Class::Unverified);
}
