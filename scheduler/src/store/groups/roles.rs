//! What becomes of each record, from the groups alone: the plan. It is written down before anything is made by it, so that
//! whoever begins again goes by the same one.

use std::io;

use super::shuffle::number;
use super::sorter::{Sorted, Sorter};
use crate::domain::grouping::{GroupCounts, MAX_GROUP_BYTES, MAX_GROUP_RECORDS};

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It is by itself.
    Alone,
    /// Others of its group come to it.
    First,
    /// It goes to the first of its group, which was imported in this place.
    Moves(u64),
    /// Its group is too large: it is by itself, and says so.
    Apart,
}

/// A role, as it rests: a place, if it has one, behind two numbers that are none.
const CODE_BYTES: usize = size_of::<u64>();
const FIRST: u64 = 0;
const APART: u64 = u64::MAX;

/// A record's place and role, as they rest, and how many of them in a row.
const STEP_BYTES: usize = 2 * CODE_BYTES;
const STEPS_IN_ROW: usize = 1024;

impl Role {
    /// Nothing is written of those that are alone.
    fn code(self) -> Option<[u8; CODE_BYTES]> {
        let code = match self {
            Self::Alone => return None,
            Self::First => FIRST,
            Self::Moves(first) => first,
            Self::Apart => APART,
        };
        Some(code.to_le_bytes())
    }

    fn read(code: &[u8]) -> Self {
        match number(code) {
            FIRST => Self::First,
            APART => Self::Apart,
            first => Self::Moves(first),
        }
    }
}

/// The roles of all records that are not alone, by place.
#[derive(Debug)]
pub(super) struct Plan(Sorted);

impl Plan {
    /// Says what becomes of each record. `keys` are sorted by group and then by place, each with its record's size.
    pub(super) fn tell(mut keys: Sorted, roles: Sorter) -> io::Result<(Self, GroupCounts)> {
        let mut telling = Telling { roles, counts: GroupCounts::default(), group: Group::default() };
        while let Some(((key, place), size)) = keys.next()? {
            let size = usize::try_from(number(size)).unwrap_or(usize::MAX);
            telling.take(key, place, size)?;
        }
        telling.end_group()?;
        Ok((Self(telling.roles.finish()?), telling.counts))
    }

    /// It as it is written down, in rows that are numbered from 1.
    pub(super) fn rows<E: From<io::Error>>(
        &mut self,
        mut row: impl FnMut(i64, Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.0.rewind()?;
        let (mut count, mut data) = (0, Vec::new());
        while let Some(((_, place), code)) = self.0.next()? {
            data.extend_from_slice(&place.to_le_bytes());
            data.extend_from_slice(code);
            if data.len() >= STEPS_IN_ROW * STEP_BYTES {
                count += 1;
                row(count, std::mem::take(&mut data))?;
            }
        }
        if data.is_empty() { Ok(()) } else { row(count + 1, data) }
    }

    /// From the first place on.
    pub(super) fn roles(&mut self) -> io::Result<Roles<'_>> {
        self.0.rewind()?;
        let mut roles = Roles { sorted: &mut self.0, next: None };
        roles.advance()?;
        Ok(roles)
    }
}

/// A plan that was written down.
#[derive(Debug)]
pub(super) struct Written(Sorter);

impl Written {
    pub(super) fn new(roles: Sorter) -> Self {
        Self(roles)
    }

    /// Takes the next row.
    pub(super) fn read(&mut self, row: &[u8]) -> io::Result<()> {
        row.chunks_exact(STEP_BYTES).try_for_each(|step| {
            let (place, code) = step.split_at(CODE_BYTES);
            self.0.push((0, number(place)), &[code])
        })
    }

    /// All rows are read.
    pub(super) fn finish(self) -> io::Result<Plan> {
        self.0.finish().map(Plan)
    }
}

struct Telling {
    roles: Sorter,
    counts: GroupCounts,
    group: Group,
}

/// The records of one group so far, of which there are never more than a group may have.
#[derive(Default)]
struct Group {
    key: Option<u128>,
    places: Vec<u64>,
    bytes: usize,
    too_large: bool,
}

impl Telling {
    fn take(&mut self, key: u128, place: u64, size: usize) -> io::Result<()> {
        if self.group.key != Some(key) {
            self.end_group()?;
            self.group = Group { key: Some(key), ..Group::default() };
        }
        let group = &mut self.group;
        group.places.push(place);
        group.bytes += size;
        group.too_large |=
            group.places.len() > MAX_GROUP_RECORDS || group.bytes > MAX_GROUP_BYTES && group.places.len() > 1;
        if group.too_large { self.set_apart() } else { Ok(()) }
    }

    /// Each stays where it was.
    fn set_apart(&mut self) -> io::Result<()> {
        for place in std::mem::take(&mut self.group.places) {
            self.counts.apart += 1;
            self.push(place, Role::Apart)?;
        }
        Ok(())
    }

    fn end_group(&mut self) -> io::Result<()> {
        let places = std::mem::take(&mut self.group.places);
        let [first, others @ ..] = &places[..] else { return Ok(()) };
        if others.is_empty() {
            return Ok(());
        }
        self.counts.groups += 1;
        self.counts.grouped += i64::try_from(places.len()).unwrap_or(i64::MAX);
        self.push(*first, Role::First)?;
        others.iter().try_for_each(|place| self.push(*place, Role::Moves(*first)))
    }

    fn push(&mut self, place: u64, role: Role) -> io::Result<()> {
        role.code().map_or(Ok(()), |code| self.roles.push((0, place), &[&code]))
    }
}

/// Roles in the order of places.
pub(super) struct Roles<'p> {
    sorted: &'p mut Sorted,
    next: Option<(u64, Role)>,
}

impl Roles<'_> {
    /// The role of the record of this place; places are asked for in order.
    pub(super) fn of(&mut self, place: u64) -> io::Result<Role> {
        match self.next {
            Some((next, role)) if next == place => {
                self.advance()?;
                Ok(role)
            }
            _ => Ok(Role::Alone),
        }
    }

    /// The next record that moves: its place, and that of the first of its group.
    pub(super) fn next_mover(&mut self) -> io::Result<Option<(u64, u64)>> {
        while let Some((place, role)) = self.next {
            self.advance()?;
            if let Role::Moves(first) = role {
                return Ok(Some((place, first)));
            }
        }
        Ok(None)
    }

    fn advance(&mut self) -> io::Result<()> {
        self.next = self.sorted.next()?.map(|((_, place), code)| (place, Role::read(code)));
        Ok(())
    }
}
