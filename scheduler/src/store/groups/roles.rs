//! What becomes of each record, from the groups alone.

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
    /// It goes to the first of its group.
    Moves,
    /// Its group is too large: it is by itself, and says so.
    Apart,
}

impl Role {
    const fn code(self) -> [u8; 1] {
        match self {
            Self::Alone => [0],
            Self::First => [1],
            Self::Moves => [2],
            Self::Apart => [3],
        }
    }

    fn read(bytes: &[u8]) -> Self {
        match bytes {
            [1] => Self::First,
            [2] => Self::Moves,
            [3] => Self::Apart,
            _ => Self::Alone,
        }
    }
}

/// What was told, by place.
pub(super) struct Told {
    /// Roles of all that are not alone.
    pub(super) all: Sorted,
    /// Of those that move, the place of the first of their group.
    pub(super) movers: Sorted,
}

/// Says what becomes of each record. `keys` are sorted by group and then by place, each with its record's size.
pub(super) fn tell(mut keys: Sorted, roles: Sorter, movers: Sorter) -> io::Result<(Told, GroupCounts)> {
    let mut telling = Telling { roles, movers, counts: GroupCounts::default(), group: Group::default() };
    while let Some(((key, place), size)) = keys.next()? {
        let size = usize::try_from(number(size)).unwrap_or(usize::MAX);
        telling.take(key, place, size)?;
    }
    telling.end_group()?;
    let Telling { roles, movers, counts, .. } = telling;
    Ok((Told { all: roles.finish()?, movers: movers.finish()? }, counts))
}

struct Telling {
    roles: Sorter,
    movers: Sorter,
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
        for place in self.group.places.drain(..) {
            self.counts.apart += 1;
            self.roles.push((0, place), &[&Role::Apart.code()])?;
        }
        Ok(())
    }

    fn end_group(&mut self) -> io::Result<()> {
        let [first, others @ ..] = &self.group.places[..] else { return Ok(()) };
        if others.is_empty() {
            return Ok(());
        }
        self.counts.groups += 1;
        self.counts.grouped += i64::try_from(self.group.places.len()).unwrap_or(i64::MAX);
        self.roles.push((0, *first), &[&Role::First.code()])?;
        for place in others {
            self.roles.push((0, *place), &[&Role::Moves.code()])?;
            self.movers.push((0, *place), &[&first.to_le_bytes()])?;
        }
        Ok(())
    }
}

/// Roles in the order of places.
pub(super) struct Roles {
    sorted: Sorted,
    next: Option<(u64, Role)>,
}

impl Roles {
    pub(super) fn new(sorted: Sorted) -> io::Result<Self> {
        let mut roles = Self { sorted, next: None };
        roles.advance()?;
        Ok(roles)
    }

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

    fn advance(&mut self) -> io::Result<()> {
        self.next = self.sorted.next()?.map(|((_, place), role)| (place, Role::read(role)));
        Ok(())
    }
}
