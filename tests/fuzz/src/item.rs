//! Stored items: targets, signatures, pointers.

use arbitrary::Unstructured;
use honeyguide::Id;
use honeyguide::internals::krpc::item::{MAX_SIGNABLE, sign, signable, verify};
use honeyguide::krpc::SignedItem;
use honeyguide::krpc::{Item, Mutable};

/// Signs what the bytes say and verifies it; after any change it does not verify. Any key and any signature are survived.
pub fn item(data: &[u8]) {
    let _ = check(Unstructured::new(data));
}

fn check(mut u: Unstructured<'_>) -> arbitrary::Result<()> {
    if u.arbitrary()? {
        return check_foreign(u);
    }
    let secret_key: [u8; 32] = [u.arbitrary()?; 32];
    let seq: i64 = u.arbitrary()?;
    let (place, change): (u16, u8) = u.arbitrary()?;
    let salt = u.arbitrary::<&[u8]>()?;
    let value = u.take_rest();

    let Ok(signature) = sign(&secret_key, salt, seq, value) else {
        assert!(salt.len() > Item::MAX_SALT || value.len() > Item::MAX_VALUE);
        assert!(salt.len() > Item::MAX_SALT || !Item::is_bare_length(value));
        return Ok(());
    };
    assert!(salt.len() <= Item::MAX_SALT && (value.len() <= Item::MAX_VALUE || Item::is_bare_length(value)));
    let key = SignedItem::public_key(&secret_key);
    let mutable = Mutable { key: &key, salt, seq, signature: &signature };
    assert!(verify(&mutable, value));
    assert_eq!(Item { value, mutable: Some(mutable) }.target(), Item::mutable_target(&key, salt));
    assert_eq!(Item { value, mutable: None }.target(), Item::immutable_target(value));

    let place = usize::from(place);
    let changed = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        let len = bytes.len();
        if let Some(byte) = bytes.get_mut(place % len.max(1)) {
            *byte ^= change.max(1);
        }
        bytes
    };
    let other: [u8; 64] = changed(&signature).try_into().expect("as long as before");
    assert!(!verify(&Mutable { signature: &other, ..mutable }, value));
    assert!(!verify(&Mutable { seq: seq ^ i64::from(change.max(1)), ..mutable }, value));
    if !value.is_empty() {
        assert!(!verify(&mutable, &changed(value)));
    }
    if !salt.is_empty() {
        assert!(!verify(&Mutable { salt: &changed(salt), ..mutable }, value));
    }
    Ok(())
}

fn check_foreign(mut u: Unstructured<'_>) -> arbitrary::Result<()> {
    let key: [u8; 32] = u.arbitrary()?;
    let signature: [u8; 64] = u.arbitrary()?;
    let seq = u.arbitrary()?;
    let salt = u.arbitrary::<&[u8]>()?;
    let value = u.take_rest();
    let mut text = [0; MAX_SIGNABLE];
    let fits = signable(salt, seq, value, &mut text);
    assert!(fits.is_ok() || salt.len() > Item::MAX_SALT || value.len() > Item::MAX_VALUE);
    verify(&Mutable { key: &key, salt, seq, signature: &signature }, value);

    if let Some(info_hash) = (Item { value, mutable: None }).pointer() {
        assert!(value.windows(Id::LEN).any(|window| window == info_hash.as_bytes()), "it stands there");
    }
    let info_hash = Id(*key.first_chunk().expect("32 bytes have 20"));
    assert_eq!(Item { value: &Item::pointer_value(&info_hash), mutable: None }.pointer(), Some(info_hash));
    Ok(())
}
