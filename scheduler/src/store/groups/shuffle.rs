//! Puts records together, in bounded memory. What is sorted is where records belong, and not the records: they lie in a file
//! in the order of their import, and nearly all of them stay in that order. Those that move to the first of their group are
//! picked out and sorted, and come in on the way when the file is read for the last time.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use emend_proto::BlockWriter;
use emend_proto::v1::{Apart, Record};
use prost::Message as _;

use super::roles::{Plan, Role, Roles};
use super::sorter::{Sorted, Sorter};
use super::spool::{Finished, Spool, Spooled};
use crate::domain::cut::Cutter;
use crate::domain::grouping::{GroupCounts, GroupField, GroupKey};
use crate::domain::job::JobPolicy;
use crate::domain::key::KeyCode;

/// Memory for one sort; three are at work at a time.
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
    /// A row of the plan.
    Plan { number: i64, data: Vec<u8> },
}

/// Records on their way into their groups.
#[derive(Debug)]
pub(super) struct Shuffle {
    folder: PathBuf,
    sort_bytes: usize,
    records: Spool,
    keys: Sorter,
}

impl Shuffle {
    pub(super) fn new(folder: &Path, sort_bytes: usize) -> io::Result<Self> {
        let (records, keys) = (Spool::new(folder)?, Sorter::new(folder, sort_bytes));
        Ok(Self { folder: folder.to_owned(), sort_bytes, records, keys })
    }

    /// Takes the next record: that of place 1 first.
    pub(super) fn take(&mut self, record: &Scanned) -> io::Result<()> {
        let Scanned { place, group, mark, message } = record;
        self.records.push(&[&mark.to_le_bytes(), message])?;
        match group {
            Some(GroupKey(group)) => self.keys.push((*group, *place), &[&message.len().to_le_bytes()]),
            None => Ok(()),
        }
    }

    /// One that sorts where this one does.
    pub(super) fn sorter(&self) -> Sorter {
        Sorter::new(&self.folder, self.sort_bytes)
    }

    /// No record comes any more: says what becomes of each, and counts.
    pub(super) fn plan(self) -> io::Result<(Planned, GroupCounts)> {
        let Self { folder, sort_bytes, records, keys } = self;
        let (plan, counts) = Plan::tell(keys.finish()?, Sorter::new(&folder, sort_bytes))?;
        Ok((Planned { folder, sort_bytes, records: records.finish()?, plan }, counts))
    }

    /// As [`Shuffle::plan`], where that is known already.
    pub(super) fn go_by(self, plan: Plan) -> io::Result<Planned> {
        let Self { folder, sort_bytes, records, .. } = self;
        Ok(Planned { folder, sort_bytes, records: records.finish()?, plan })
    }
}

/// Records, and what becomes of them.
#[derive(Debug)]
pub(super) struct Planned {
    folder: PathBuf,
    sort_bytes: usize,
    records: Finished,
    pub(super) plan: Plan,
}

impl Planned {
    /// Hands on what is made of the records. What holds those up to the place `made_to` was made before, and is not made again.
    pub(super) fn make<E: From<io::Error>>(
        mut self,
        policy: JobPolicy,
        made_to: u64,
        mut made: impl FnMut(Made) -> Result<(), E>,
    ) -> Result<(), E> {
        let sorter = || Sorter::new(&self.folder, self.sort_bytes);
        let movers = pick_out(self.records.read()?, self.plan.roles()?, sorter())?;
        let mut writing = Writing {
            cutter: Cutter::new(policy),
            writer: BlockWriter::default(),
            made_to,
            first_seq: 1,
            next_seq: 1,
            places: sorter(),
        };
        writing.units(self.records.read()?, self.plan.roles()?, Movers::new(movers)?, &mut made)?;
        tell_places(writing.places.finish()?, &mut made)
    }
}

/// A record as it was imported, and what it takes to find its place.
#[derive(Debug)]
pub(super) struct Scanned {
    place: u64,
    group: Option<GroupKey>,
    /// Of its key.
    mark: u32,
    message: Bytes,
}

impl Scanned {
    /// Reads a record's message; the error says what is wrong with it.
    pub(super) fn of(place: u64, message: Bytes, by: &[GroupField]) -> Result<Self, String> {
        let record = Record::decode(message.clone()).map_err(|_| "a record cannot be read")?;
        let group = match by {
            // The groups are known.
            [] => None,
            by => GroupKey::of(by, &record.payload).map_err(|error| error.to_string())?,
        };
        Ok(Self { place, group, mark: KeyCode::of(&record.key).mark(), message })
    }
}

/// The records that move, by the place of the first of their group, and then by their own.
fn pick_out(mut records: Spooled<'_>, mut roles: Roles<'_>, mut by_first: Sorter) -> io::Result<Sorted> {
    let mut place = 0;
    while let Some((mover, first)) = roles.next_mover()? {
        while place + 1 < mover {
            records.skip()?;
            place += 1;
        }
        if let Some(record) = records.next()? {
            by_first.push((u128::from(first), mover), &[record])?;
        }
        place = mover;
    }
    by_first.finish()
}

/// Records that move, one looked at ahead.
struct Movers {
    sorted: Sorted,
    next: Option<(u64, u64)>,
    record: Vec<u8>,
}

impl Movers {
    fn new(sorted: Sorted) -> io::Result<Self> {
        let mut movers = Self { sorted, next: None, record: Vec::new() };
        movers.advance()?;
        Ok(movers)
    }

    fn advance(&mut self) -> io::Result<()> {
        self.next = match self.sorted.next()? {
            Some(((first, place), record)) => {
                self.record.clear();
                self.record.extend_from_slice(record);
                Some((u64::try_from(first).unwrap_or(u64::MAX), place))
            }
            None => None,
        };
        Ok(())
    }
}

/// Units and places, while they are written.
struct Writing {
    cutter: Cutter,
    writer: BlockWriter,
    /// Places up to this one are in units that were made before.
    made_to: u64,
    /// Of the unit.
    first_seq: u64,
    next_seq: u64,
    places: Sorter,
}

impl Writing {
    fn units<E: From<io::Error>>(
        &mut self,
        mut records: Spooled<'_>,
        mut roles: Roles<'_>,
        mut movers: Movers,
        made: &mut impl FnMut(Made) -> Result<(), E>,
    ) -> Result<(), E> {
        // A group goes into a unit as a whole, so it is known before it is written.
        let (mut group, mut bytes): (Vec<(u64, usize)>, Vec<u8>) = (Vec::new(), Vec::new());
        let mut place = 0;
        loop {
            place += 1;
            let role = roles.of(place)?;
            if matches!(role, Role::Moves(_)) {
                records.skip()?;
                continue;
            }
            let Some(record) = records.next()? else { break };
            let mut take = |place, record: &[u8], more: &[u8]| {
                bytes.extend_from_slice(record);
                bytes.extend_from_slice(more);
                group.push((place, bytes.len()));
            };
            match role {
                Role::First => {
                    // Fields that stand behind others of a message count like fields in it.
                    let number = Record { group: place, ..Record::default() }.encode_to_vec();
                    take(place, record, &number);
                    while let Some((_, mover)) = movers.next.filter(|(first, _)| *first == place) {
                        take(mover, &movers.record, &number);
                        movers.advance()?;
                    }
                }
                Role::Apart => {
                    let apart = Record { apart: Apart::TooLarge.into(), ..Record::default() };
                    take(place, record, &apart.encode_to_vec());
                }
                Role::Alone | Role::Moves(_) => take(place, record, &[]),
            }
            self.write(&mut group, &mut bytes, made)?;
        }
        self.end_unit(made)
    }

    fn write<E: From<io::Error>>(
        &mut self,
        group: &mut Vec<(u64, usize)>,
        bytes: &mut Vec<u8>,
        made: &mut impl FnMut(Made) -> Result<(), E>,
    ) -> Result<(), E> {
        // A unit ends where a group does, so a group was made as a whole or not at all.
        let is_made = self.next_seq <= self.made_to;
        if !is_made && self.cutter.take(group.len(), bytes.len()) {
            self.end_unit(made)?;
        }
        let mut start = 0;
        for (place, end) in group.drain(..) {
            let (mark, record) = bytes[start..end].split_at(size_of::<u32>());
            if !is_made {
                self.writer.push_encoded(record);
            }
            self.places.push((0, place), &[&self.next_seq.to_le_bytes(), mark])?;
            self.next_seq += 1;
            start = end;
        }
        bytes.clear();
        if is_made {
            self.first_seq = self.next_seq;
        }
        Ok(())
    }

    fn end_unit<E>(&mut self, made: &mut impl FnMut(Made) -> Result<(), E>) -> Result<(), E> {
        if self.writer.count() == 0 {
            return Ok(());
        }
        let room = self.writer.plain_bytes() + self.writer.plain_bytes() / 4;
        let writer = std::mem::replace(&mut self.writer, BlockWriter::with_room(room));
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

/// A number as it was pushed.
pub(super) fn number(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use emend_proto::decode;
    use proptest::prelude::*;

    use super::super::roles::Written;
    use super::*;
    use crate::domain::grouping::{MAX_GROUP_BYTES, MAX_GROUP_RECORDS};

    const NO_GROUP: u128 = 0;

    /// What comes of records with these groups; `NO_GROUP` is a record by itself.
    struct Shuffled {
        units: Vec<Vec<Record>>,
        places: Vec<(u64, u32)>,
        counts: GroupCounts,
    }

    fn shuffle(groups: &[u128], unit_records: u32, sort_bytes: usize, payload: usize) -> Shuffled {
        shuffle_from(groups, unit_records, sort_bytes, payload, 0)
    }

    fn shuffle_from(
        groups: &[u128],
        unit_records: u32,
        sort_bytes: usize,
        payload: usize,
        made_to: u64,
    ) -> Shuffled {
        let mut shuffle = Shuffle::new(&std::env::temp_dir(), sort_bytes).unwrap();
        for (place, group) in (1..).zip(groups) {
            let key = format!("k{place}");
            let mark = KeyCode::of(&key).mark();
            let record = Record { key, payload: vec![b' '; payload].into(), ..Record::default() };
            let group = (*group != NO_GROUP).then_some(GroupKey(*group));
            shuffle.take(&Scanned { place, group, mark, message: record.encode_to_vec().into() }).unwrap();
        }
        let (mut units, mut places) = (Vec::new(), Vec::new());
        let policy = JobPolicy { unit_records, ..JobPolicy::default() };
        let made = |made| {
            match made {
                Made::Unit { first_seq, mut writer } => {
                    let seen: usize = units.iter().map(Vec::len).sum();
                    assert_eq!(
                        usize::try_from(first_seq).unwrap(),
                        usize::try_from(made_to).unwrap() + seen + 1
                    );
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
                Made::Plan { .. } => unreachable!("the plan is written before"),
            }
            Ok::<_, io::Error>(())
        };
        let (mut planned, counts) = shuffle.plan().unwrap();
        let mut written = Written::new(Sorter::new(&std::env::temp_dir(), sort_bytes));
        planned.plan.rows(|_, row| written.read(&row)).unwrap();
        planned.plan = written.finish().unwrap();
        planned.make(policy, made_to, made).unwrap();
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
            last_made in 0..40_usize,
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
            // Who begins again behind any of the units makes the rest, whatever a unit is to hold now.
            let made_to = units.iter().take(last_made).map(Vec::len).sum();
            let rest = shuffle_from(&groups, unit_records + 3, sort_bytes, 10, made_to as u64);
            prop_assert_eq!(rest.units.concat(), units.concat().split_off(made_to));
            prop_assert_eq!(rest.places, places);
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
