//! Contacts in the order of their ids, with a parallel array of prefixes to search in.

use core::ops::Range;

use super::buckets::BUCKETS;
use crate::base::list::List;
use crate::dht::contact::Contact;
use crate::krpc::id::Id;

/// A sorted array of contacts with distinct ids.
#[derive(Debug)]
pub(super) struct Contacts<'s> {
    contacts: List<'s, Contact>,
    prefixes: List<'s, u64>,
}

impl<'s> Contacts<'s> {
    pub(super) fn new(mut contacts: List<'s, Contact>, mut prefixes: List<'s, u64>) -> Self {
        contacts.clear();
        prefixes.clear();
        Contacts { contacts, prefixes }
    }

    pub(super) fn capacity(&self) -> usize {
        self.contacts.capacity().min(self.prefixes.capacity())
    }

    pub(super) fn len(&self) -> usize {
        self.contacts.len()
    }

    /// All contacts, in id order.
    pub(super) fn all(&self) -> &[Contact] {
        &self.contacts
    }

    /// The first 64 bits of their ids, in the same order.
    pub(super) fn prefixes(&self) -> &[u64] {
        &self.prefixes
    }

    /// The contact at `index`. A change leaves its id alone.
    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut Contact> {
        self.contacts.get_mut(index)
    }

    /// Where `id` is, or where it would be.
    pub(super) fn search(&self, id: &Id) -> Result<usize, usize> {
        let (contacts, prefix) = (self.all(), id.prefix());
        let mut index = self.prefixes().partition_point(|&p| p < prefix);
        while let Some(contact) = contacts.get(index) {
            // Mostly it is there; whether two are the same takes less than which of them comes first.
            if contact.id() == id {
                return Ok(index);
            }
            if contact.id() > id {
                break;
            }
            index += 1;
        }
        Err(index)
    }

    /// Puts a contact into its place. False when there is no room or the id is there already.
    pub(super) fn insert(&mut self, contact: Contact) -> bool {
        let Err(index) = self.search(contact.id()) else { return false };
        self.len() < self.capacity()
            && self.contacts.insert(index, contact)
            && self.prefixes.insert(index, contact.id().prefix())
    }

    pub(super) fn remove(&mut self, index: usize) -> Option<Contact> {
        self.prefixes.remove(index)?;
        self.contacts.remove(index)
    }

    /// Where the contacts of a bucket lie: those that share exactly `bucket` leading bits with `own`, or, for the last
    /// bucket, at least so many.
    pub(super) fn bucket(&self, own: &Id, bucket: usize) -> Range<usize> {
        let own = own.prefix();
        let last = BUCKETS - 1;
        let low = if bucket < last { (1 << (63 - bucket)) - 1 } else { u64::MAX >> last };
        let first = if bucket < last { (own ^ (low + 1)) & !low } else { own & !low };
        let start = self.prefixes().partition_point(|&p| p < first);
        let end = self.prefixes().partition_point(|&p| p <= first | low);
        start..end
    }
}
