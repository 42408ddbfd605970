//! Rows in.

use emend_scheduler::domain::job::JobState;
use emend_scheduler::domain::unit::UnitState;
use emend_scheduler::store::Import;

use super::{Oracle, Unit};
use crate::call::Rows;

impl Oracle {
    pub(super) fn import(&mut self, rows: &Rows) -> Result<Import, String> {
        if self.deleted {
            return Err("JobNotFound".into());
        }
        let open = match self.state {
            JobState::Importing => Ok(()),
            JobState::Running | JobState::Reviewing => Err("JobState(Sealed)".to_owned()),
            JobState::Completed | JobState::Cancelled => Err("JobState(Ended)".to_owned()),
        };
        let there = self.imports.get(&rows.source).filter(|import| import.finished);
        if let Some(there) = there {
            return Ok(there.clone());
        }
        open?;
        let begun = || Import { import_id: rows.source.clone(), ..Import::default() };
        let mut import = self.imports.entry(rows.source.clone()).or_insert_with(begun).clone();
        let count = i64::try_from(rows.records.len()).expect("few rows") + rows.rejects;
        let ends = rows.offset + count;
        if ends < import.next_offset || (ends == import.next_offset && !rows.last) {
            return Ok(import);
        }
        if ends > import.next_offset {
            if rows.offset != import.next_offset {
                return Err("OffsetGap".into());
            }
            self.add(rows, &mut import);
            import.next_offset = ends;
        }
        import.finished = rows.last;
        self.imports.insert(rows.source.clone(), import.clone());
        Ok(import)
    }

    fn add(&mut self, rows: &Rows, import: &mut Import) {
        let before = self.records.len();
        import.rejected += rows.rejects;
        for record in &rows.records {
            match self.records.iter().find(|there| there.key == record.key) {
                None => {
                    self.records.push(record.clone());
                    import.accepted += 1;
                }
                Some(there) if there.payload == record.payload => import.already_there += 1,
                Some(_) => import.rejected += 1,
            }
        }
        let mut first = i64::try_from(before + 1).expect("few records");
        for run in self.records[before..].chunks(self.unit_records) {
            let last = first + i64::try_from(run.len()).expect("few records") - 1;
            self.units.push(Unit::ready(first, last, self.attempts));
            first = last + 1;
        }
    }
}

impl Unit {
    pub(super) fn ready(first: i64, last: i64, attempts: i64) -> Self {
        Self {
            id: None,
            first,
            last,
            state: UnitState::Ready,
            epoch: 0,
            attempts,
            secret: None,
            holder: None,
            request: None,
            expires: None,
            progress: None,
            idle: 0,
            done: None,
            damaged: false,
        }
    }
}
