//! What has to hold within a table.

use super::Table;
use crate::base::recount::Imprint;
use crate::base::time::Instant;

impl Table<'_> {
    /// Recounts everything: who is in it where any of them is another than at the last time, and when what is due.
    pub fn check_invariants(&self) {
        self.recounted.recount(self.imprint(), || self.check_names());
        self.members.check_times();
        for contact in self.members.all() {
            assert!(self.schedule.covers(self.members.due(contact)), "no check is missed");
        }
        let remembered_at = self.remembered.due_at(self.schedule.poor());
        assert!(remembered_at.is_none_or(|at| self.schedule.covers(at)), "nobody who is remembered is forgotten");
        for newcomer in self.newcomers.all() {
            let is_covered = self.schedule.covers(Instant::from_secs(newcomer.due.into()));
            assert!(is_covered || !self.members.has_space(newcomer.bucket.into()), "no newcomer is forgotten");
        }
    }

    /// Who is in it, as a number.
    fn imprint(&self) -> Imprint {
        let mut names = self.members.imprint();
        for node in self.remembered.all() {
            names.add_name(&node.id().0, &node.endpoint().to_bytes(), [0; 2]);
        }
        for newcomer in self.newcomers.all() {
            names.add_name(&newcomer.id.0, &newcomer.endpoint.to_bytes(), [newcomer.bucket.into(), 0]);
        }
        names.add([(self.remembered.all().len() as u64, self.newcomers.all().len() as u64)]);
        names
    }

    /// Recounts what depends on who is in it.
    fn check_names(&self) {
        self.members.check_names();
        for (id, endpoint) in self.remembered() {
            assert!(self.find(&id).is_none_or(|c| c.endpoint() != endpoint), "nobody is remembered that is a contact");
        }
        let newcomers = self.newcomers.all();
        assert!(newcomers.is_sorted_by_key(|n| n.bucket));
        for newcomer in newcomers {
            let bucket = usize::from(newcomer.bucket);
            assert_eq!(bucket, self.members.bucket_of(&newcomer.id));
            assert!(self.newcomers.run(bucket).len() <= self.members.config().newcomers_in_bucket.into());
            let contact = self.find(&newcomer.id);
            assert!(contact.is_none_or(|c| c.endpoint() != newcomer.endpoint), "no node waits that is a contact");
        }
    }
}
