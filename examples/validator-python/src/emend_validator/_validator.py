"""What a validator is, sees and answers."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Job:
    """What a validator may know of the job."""

    as_of: str
    """The day of the data, YYYY-MM-DD; empty when the job has none."""
    group_by: Sequence[str] = ()
    """The fields by which the job's records were put together; empty when it is not grouped."""


@dataclass(frozen=True)
class Record:
    """One record, as the chain before has left it."""

    key: str
    fields: Mapping[str, str]
    changed: frozenset[str] = frozenset()
    """Fields that the chain has changed."""
    routed: frozenset[str] = frozenset()
    """Fields that wait for a person already: they are not to be changed."""

    def get(self, name: str) -> str:
        """The value of a field; empty when the record lacks it."""
        return self.fields.get(name, "")

    def may_change(self, name: str) -> bool:
        """Whether the field is still for rules to change."""
        return name not in self.routed


@dataclass(frozen=True)
class Change:
    """A field to be rewritten."""

    field: str
    after: str
    rule: str
    """What made it, of a-z 0-9 _ and dots: it stands in the provenance behind the validator's name."""


@dataclass(frozen=True)
class Finding:
    """Why the record needs a person."""

    code: str
    """`field.reason`, of a-z 0-9 _"""
    field: str
    proposals: Sequence[str] = field(default_factory=tuple)
    """Values that might be right, best first."""


class Validator(abc.ABC):
    """Checks records. Name everything that it reads and may say: what is not declared is refused."""

    name: str
    """1 to 64 of the characters a-z 0-9 _ -; jobs name it so."""
    version: str
    """Another behaviour is another version."""
    reads: Sequence[str] = ()
    """Fields that it wants to see; none: all."""
    changes: Sequence[str] = ()
    """Fields that it may change."""
    findings: Sequence[str] = ()
    """Codes of the findings that it may raise."""
    batch_size: int = 100
    """Records in one call, at most: 1 to 1,000."""
    deterministic: bool = True
    """The same record always gets the same answer."""
    seconds_per_record: float = 0.0
    """What one record costs: workers ask for no more at once than leases allow."""
    groups: bool = False
    """It compares the records of a group, in `check_group`."""

    @abc.abstractmethod
    def check(self, record: Record, job: Job) -> Iterable[Change | Finding]:
        """What is to be said of one record; nothing: it is right as it is.

        An exception costs this record alone, which goes to a person. Called from several threads at once.
        """

    def check_group(self, records: Sequence[Record], job: Job) -> Sequence[Iterable[Change | Finding]]:
        """What is to be said of the records of a group, two and more: for each of them, in their order.

        Called in place of `check` for the records of a grouped job, where `groups` is set. An exception costs all of the group.
        """
        raise NotImplementedError("a validator with `groups` says here what it compares")
