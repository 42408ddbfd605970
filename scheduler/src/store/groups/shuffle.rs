//! Puts records together, in bounded memory: sorted by group, so that one stands behind the other, and then by the place of
//! each group's first record, so that the order of the import is kept as far as groups allow.

use std::io;
use std::path::{Path, PathBuf};

use emend_proto::BlockWriter;
use emend_proto::v1::{Apart, Record};
use prost::Message as _;

use super::sorter::{Sorted, Sorter};
use crate::domain::cut::GroupCutter;
use crate::domain::grouping::{GroupCounts, GroupKey, MAX_GROUP_BYTES, MAX_GROUP_RECORDS};
use crate::domain::job::JobPolicy;
use crate::domain::key::KeyCode;

/// Memory for one sort; two are at work at a time.
pub(super) const SORT_BYTES: usize = 64 * 1024 * 1024;

/// Places whose records one row of `places` tells.
pub(super) const PLACES_IN_ROW: usize = 1024;

/// A record's place now and its key's mark, as they rest.
pub(super) const PLACE_BYTES: usize = 12;

/// What is made of a job's records, in order.
#[derive(Debug)]
pub(super) enum Made {
    /// A unit.
    Unit { first_seq: i64, writer: BlockWriter },
    /// Where the records went that were imported in this place and those that follow.
    Places { first_place: i64, data: Vec<u8> },
}

/// Records on their way into their groups.
#[derive(Debug)]
pub(super) struct Shuffle {
    folder: PathBuf,
    sort_bytes: usize,
    by_group: Sorter,
    by_place: Sorter,
    counts: GroupCounts,
    group: Group,
}

/// Records of one group, each with its mark before it.
#[derive(Debug, Default)]
struct Group {
    key: u128,
    first: u64,
    records: Vec<(u64, usize)>,
    bytes: Vec<u8>,
    /// It is too large, and what came of it so far has gone on.
    overflown: bool,
}

impl Shuffle {
    pub(super) fn new(folder: &Path, sort_bytes: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            sort_bytes,
            by_group: Sorter::new(folder, sort_bytes),
            by_place: Sorter::new(folder, sort_bytes),
            counts: GroupCounts::default(),
            group: Group::default(),
        }
    }

    /// Takes a record that was imported in this place.
    pub(super) fn take(&mut self, place: u64, group: Option<GroupKey>, scanned: &[u8]) -> io::Result<()> {
        match group {
            Some(GroupKey(group)) => self.by_group.push((group, place), &[scanned]),
            None => self.by_place.push((u128::from(place), place), &[scanned]),
        }
    }

    /// No record comes any more: hands on what is made of them, and counts.
    pub(super) fn finish<E: From<io::Error>>(
        mut self,
        policy: JobPolicy,
        mut made: impl FnMut(Made) -> Result<(), E>,
    ) -> Result<GroupCounts, E> {
        let empty = Sorter::new(&self.folder, self.sort_bytes);
        let mut by_group = std::mem::replace(&mut self.by_group, empty).finish()?;
        while let Some(((key, place), scanned)) = by_group.next()? {
            self.gather(key, place, scanned)?;
        }
        drop(by_group);
        self.end_group()?;
        let places = Sorter::new(&self.folder, self.sort_bytes);
        let mut writing = Writing {
            cutter: GroupCutter::new(policy),
            writer: BlockWriter::default(),
            first_seq: 1,
            next_seq: 1,
            places,
        };
        writing.units(self.by_place.finish()?, &mut made)?;
        tell_places(writing.places.finish()?, &mut made)?;
        Ok(self.counts)
    }

    fn gather(&mut self, key: u128, place: u64, scanned: &[u8]) -> io::Result<()> {
        if key != self.group.key || self.group.records.is_empty() && !self.group.overflown {
            self.end_group()?;
            (self.group.key, self.group.first) = (key, place);
        }
        let group = &mut self.group;
        if !group.overflown {
            group.bytes.extend_from_slice(scanned);
            group.records.push((place, group.bytes.len()));
            group.overflown = group.records.len() > MAX_GROUP_RECORDS
                || group.bytes.len() > MAX_GROUP_BYTES && group.records.len() > 1;
            if group.overflown { self.pass_on_apart() } else { Ok(()) }
        } else {
            self.counts.apart += 1;
            self.by_place.push((u128::from(place), place), &[scanned, &apart()])
        }
    }

    /// The group is too large: each of its records stays where it was.
    fn pass_on_apart(&mut self) -> io::Result<()> {
        let (apart, mut start) = (apart(), 0);
        for (place, end) in std::mem::take(&mut self.group.records) {
            self.counts.apart += 1;
            self.by_place.push((u128::from(place), place), &[&self.group.bytes[start..end], &apart])?;
            start = end;
        }
        self.group.bytes.clear();
        Ok(())
    }

    fn end_group(&mut self) -> io::Result<()> {
        let records = std::mem::take(&mut self.group.records);
        let first = self.group.first;
        let together = records.len() > 1;
        if together {
            self.counts.groups += 1;
            self.counts.grouped += i64::try_from(records.len()).unwrap_or(i64::MAX);
        }
        let number =
            if together { Record { group: first, ..Record::default() }.encode_to_vec() } else { Vec::new() };
        let mut start = 0;
        for (place, end) in records {
            self.by_place.push((u128::from(first), place), &[&self.group.bytes[start..end], &number])?;
            start = end;
        }
        self.group.bytes.clear();
        self.group.overflown = false;
        Ok(())
    }
}

/// Fields that stand behind others of a message count like fields in it.
fn apart() -> Vec<u8> {
    Record { apart: Apart::TooLarge.into(), ..Record::default() }.encode_to_vec()
}

/// A record on its way: its key's mark, and the message.
pub(super) fn scan(record: &Record, into: &mut Vec<u8>) {
    into.extend_from_slice(&KeyCode::of(&record.key).mark().to_le_bytes());
    record.encode(into).expect("a Vec grows as needed");
}

/// Units and places, while they are written.
struct Writing {
    cutter: GroupCutter,
    writer: BlockWriter,
    /// Of the unit.
    first_seq: u64,
    next_seq: u64,
    places: Sorter,
}

impl Writing {
    fn units<E: From<io::Error>>(
        &mut self,
        mut sorted: Sorted,
        made: &mut impl FnMut(Made) -> Result<(), E>,
    ) -> Result<(), E> {
        // A group goes into a unit as a whole, so it is known before it is written.
        let (mut first, mut group): (u128, Vec<(u64, usize)>) = (0, Vec::new());
        let mut bytes: Vec<u8> = Vec::new();
        while let Some(((head, place), scanned)) = sorted.next()? {
            if head != first {
                self.write(&mut group, &mut bytes, made)?;
                first = head;
            }
            bytes.extend_from_slice(scanned);
            group.push((place, bytes.len()));
        }
        self.write(&mut group, &mut bytes, made)?;
        self.end_unit(made)
    }

    fn write<E: From<io::Error>>(
        &mut self,
        group: &mut Vec<(u64, usize)>,
        bytes: &mut Vec<u8>,
        made: &mut impl FnMut(Made) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.cutter.take(group.len(), bytes.len()) {
            self.end_unit(made)?;
        }
        let mut start = 0;
        for (place, end) in group.drain(..) {
            let (mark, record) = bytes[start..end].split_at(size_of::<u32>());
            self.writer.push_encoded(record);
            self.places.push((0, place), &[&self.next_seq.to_le_bytes(), mark])?;
            self.next_seq += 1;
            start = end;
        }
        bytes.clear();
        Ok(())
    }

    fn end_unit<E>(&mut self, made: &mut impl FnMut(Made) -> Result<(), E>) -> Result<(), E> {
        if self.writer.count() == 0 {
            return Ok(());
        }
        let writer = std::mem::take(&mut self.writer);
        let first_seq = std::mem::replace(&mut self.first_seq, self.next_seq);
        made(Made::Unit { first_seq: seq(first_seq), writer })
    }
}

fn tell_places<E: From<io::Error>>(
    mut sorted: Sorted,
    made: &mut impl FnMut(Made) -> Result<(), E>,
) -> Result<(), E> {
    let (mut first_place, mut data) = (1, Vec::new());
    // Places are without gaps from 1 on.
    while let Some(((_, place), told)) = sorted.next()? {
        data.extend_from_slice(told);
        if data.len() == PLACES_IN_ROW * PLACE_BYTES {
            made(Made::Places { first_place, data: std::mem::take(&mut data) })?;
            first_place = seq(place) + 1;
        }
    }
    if data.is_empty() { Ok(()) } else { made(Made::Places { first_place, data }) }
}

fn seq(place: u64) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use emend_proto::decode;
    use proptest::prelude::*;

    use super::*;

    const NO_GROUP: u128 = 0;

    /// What comes of records with these groups; `NO_GROUP` is a record by itself.
    struct Shuffled {
        units: Vec<Vec<Record>>,
        places: Vec<(u64, u32)>,
        counts: GroupCounts,
    }

    fn shuffle(groups: &[u128], unit_records: u32, sort_bytes: usize, payload: usize) -> Shuffled {
        let mut shuffle = Shuffle::new(&std::env::temp_dir(), sort_bytes);
        for (place, group) in (1..).zip(groups) {
            let record =
                Record { key: format!("k{place}"), payload: vec![b' '; payload].into(), ..Record::default() };
            let mut scanned = Vec::new();
            scan(&record, &mut scanned);
            shuffle.take(place, (*group != NO_GROUP).then_some(GroupKey(*group)), &scanned).unwrap();
        }
        let (mut units, mut places) = (Vec::new(), Vec::new());
        let policy = JobPolicy { unit_records, ..JobPolicy::default() };
        let made = |made| {
            match made {
                Made::Unit { first_seq, mut writer } => {
                    let seen: usize = units.iter().map(Vec::len).sum();
                    assert_eq!(usize::try_from(first_seq).unwrap(), seen + 1);
                    units.push(decode(&writer.finish()).unwrap().map(Result::unwrap).collect());
                }
                Made::Places { first_place, data } => {
                    assert_eq!(usize::try_from(first_place).unwrap(), places.len() + 1);
                    places.extend(data.chunks_exact(PLACE_BYTES).map(|told| {
                        let (seq, mark) = told.split_at(8);
                        let seq = u64::from_le_bytes(seq.try_into().unwrap());
                        (seq, u32::from_le_bytes(mark.try_into().unwrap()))
                    }));
                }
            }
            Ok::<_, io::Error>(())
        };
        let counts = shuffle.finish(policy, made).unwrap();
        Shuffled { units, places, counts }
    }

    fn place(record: &Record) -> u64 {
        record.key[1..].parse().unwrap()
    }

    proptest! {
        #[test]
        fn every_group_is_in_one_unit_and_every_record_is_found(
            groups in prop::collection::vec(0..40_u128, 0..400),
            unit_records in 1..60_u32,
            sort_bytes in 1..20_000_usize,
        ) {
            let Shuffled { units, places, counts } = shuffle(&groups, unit_records, sort_bytes, 10);
            let records: Vec<&Record> = units.iter().flatten().collect();
            prop_assert_eq!(records.len(), groups.len());
            let mut members: BTreeMap<u128, Vec<u64>> = BTreeMap::new();
            for (place, group) in (1..).zip(&groups).filter(|(_, group)| **group != NO_GROUP) {
                members.entry(*group).or_default().push(place);
            }
            members.retain(|_, places| places.len() > 1);
            // Where it stood before, or behind the first of its group.
            let order = |place: u64| {
                let group = members.values().find(|places| places.contains(&place));
                (group.map_or(place, |places| places[0]), place)
            };
            prop_assert!(records.is_sorted_by_key(|record| order(place(record))));
            for record in &records {
                let group = members.values().find(|places| places.contains(&place(record)));
                prop_assert_eq!(record.group, group.map_or(0, |places| places[0]));
                prop_assert_eq!(record.apart(), Apart::Unspecified);
            }
            for places in members.values() {
                let holding = units.iter().filter(|unit| unit.iter().any(|record| places.contains(&place(record))));
                prop_assert_eq!(holding.count(), 1);
            }
            for (at, (seq, mark)) in places.iter().enumerate() {
                let key = format!("k{}", at + 1);
                prop_assert_eq!(*mark, KeyCode::of(&key).mark());
                prop_assert_eq!(&records[usize::try_from(*seq).unwrap() - 1].key, &key);
            }
            prop_assert_eq!(places.len(), groups.len());
            let grouped: usize = members.values().map(Vec::len).sum();
            let expected = GroupCounts { groups: members.len() as i64, grouped: grouped as i64, apart: 0 };
            prop_assert_eq!(counts, expected);
        }
    }

    #[test]
    fn a_group_that_is_too_large_stays_where_it_was_and_says_so() {
        let mut groups = vec![7; MAX_GROUP_RECORDS + 1];
        groups[3] = 9;
        groups.extend([9, 7, NO_GROUP]);
        let records = |most| shuffle(&groups, 500, most, 1).units.concat();
        let found = records(10_000);
        assert_eq!(found, records(usize::MAX));
        let places: Vec<u64> = found.iter().map(place).collect();
        assert_eq!(places[..6], [1, 2, 3, 4, 1_002, 5]);
        assert_eq!(
            found.iter().filter(|record| record.apart() == Apart::TooLarge).count(),
            MAX_GROUP_RECORDS + 1
        );
        assert!(found.iter().all(|record| (record.group == 4) == [4, 1_002].contains(&place(record))));
        let counts = shuffle(&groups, 500, 10_000, 1).counts;
        assert_eq!(counts, GroupCounts { groups: 1, grouped: 2, apart: 1_001 });
        // One record less, and it is a group.
        assert_eq!(shuffle(&groups[..MAX_GROUP_RECORDS], 1, 10_000, 1).counts.groups, 1);
    }

    #[test]
    fn a_group_of_too_many_bytes_is_too_large() {
        let half = MAX_GROUP_BYTES / 2;
        assert_eq!(shuffle(&[7, 7], 500, half, half).counts.apart, 2);
        let alone = shuffle(&[7], 500, half, MAX_GROUP_BYTES + 1);
        assert_eq!((alone.counts.apart, alone.units[0][0].apart()), (0, Apart::Unspecified));
    }

    #[test]
    fn a_job_without_records_has_no_units() {
        assert!(shuffle(&[], 500, 1, 1).units.is_empty());
    }
}
