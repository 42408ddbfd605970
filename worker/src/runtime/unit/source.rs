//! A unit's records as its owners get them: one by one, those of a group together.

use emend_proto::v1::{Block, Record};
use emend_proto::{BlockError, Decoded, decode};

use crate::runtime::group::together;

/// What is left of a unit's records; nothing by default.
#[derive(Default)]
pub(super) struct Source {
    rest: Rest,
    /// The first record of the rest: the end of a group shows only behind it.
    ahead: Option<Record>,
}

#[derive(Default)]
enum Rest {
    Block(Block),
    Records(Decoded<Record>),
    #[default]
    Spent,
}

impl Source {
    pub(super) fn of(block: Block) -> Self {
        Self { rest: Rest::Block(block), ahead: None }
    }

    /// The next slice; empty when `count` records have come and nothing follows them.
    pub(super) fn next(&mut self, count: u64) -> Result<Vec<Record>, BlockError> {
        if let Rest::Block(block) = &self.rest {
            if u64::from(block.count) != count {
                return Err(BlockError::Malformed("it does not hold the unit's records"));
            }
            self.rest = Rest::Records(decode(block)?);
        }
        let Some(first) = self.record()? else { return Ok(Vec::new()) };
        let is_alone = first.group == 0;
        let mut slice = vec![first];
        while !is_alone && let Some(record) = self.record()? {
            if !together(&slice[0], &record) {
                self.ahead = Some(record);
                break;
            }
            slice.push(record);
        }
        Ok(slice)
    }

    fn record(&mut self) -> Result<Option<Record>, BlockError> {
        match (&mut self.rest, self.ahead.take()) {
            (_, Some(record)) => Ok(Some(record)),
            (Rest::Records(records), None) => records.next().transpose(),
            (Rest::Block(_) | Rest::Spent, None) => Ok(None),
        }
    }
}
