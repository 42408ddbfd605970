from emend.v1 import record_pb2 as _record_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DescribeResponse(_message.Message):
    __slots__ = ("name", "version", "reads", "changes", "findings", "batch_size", "deterministic", "seconds_per_record", "groups")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    READS_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    DETERMINISTIC_FIELD_NUMBER: _ClassVar[int]
    SECONDS_PER_RECORD_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    reads: _containers.RepeatedScalarFieldContainer[str]
    changes: _containers.RepeatedScalarFieldContainer[str]
    findings: _containers.RepeatedScalarFieldContainer[str]
    batch_size: int
    deterministic: bool
    seconds_per_record: float
    groups: bool
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., reads: _Optional[_Iterable[str]] = ..., changes: _Optional[_Iterable[str]] = ..., findings: _Optional[_Iterable[str]] = ..., batch_size: _Optional[int] = ..., deterministic: bool = ..., seconds_per_record: _Optional[float] = ..., groups: bool = ...) -> None: ...

class ValidateRequest(_message.Message):
    __slots__ = ("as_of", "records", "group_by")
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_FIELD_NUMBER: _ClassVar[int]
    as_of: str
    records: _containers.RepeatedCompositeFieldContainer[RecordToValidate]
    group_by: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, as_of: _Optional[str] = ..., records: _Optional[_Iterable[_Union[RecordToValidate, _Mapping]]] = ..., group_by: _Optional[_Iterable[str]] = ...) -> None: ...

class RecordToValidate(_message.Message):
    __slots__ = ("id", "key", "fields", "changed", "routed", "group")
    class FieldsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    ROUTED_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    id: int
    key: str
    fields: _containers.ScalarMap[str, str]
    changed: _containers.RepeatedCompositeFieldContainer[_record_pb2.Change]
    routed: _containers.RepeatedScalarFieldContainer[str]
    group: int
    def __init__(self, id: _Optional[int] = ..., key: _Optional[str] = ..., fields: _Optional[_Mapping[str, str]] = ..., changed: _Optional[_Iterable[_Union[_record_pb2.Change, _Mapping]]] = ..., routed: _Optional[_Iterable[str]] = ..., group: _Optional[int] = ...) -> None: ...

class ValidateResponse(_message.Message):
    __slots__ = ("records",)
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[ValidatedRecord]
    def __init__(self, records: _Optional[_Iterable[_Union[ValidatedRecord, _Mapping]]] = ...) -> None: ...

class ValidatedRecord(_message.Message):
    __slots__ = ("id", "changes", "findings", "error")
    ID_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    id: int
    changes: _containers.RepeatedCompositeFieldContainer[ProposedChange]
    findings: _containers.RepeatedCompositeFieldContainer[_record_pb2.Finding]
    error: str
    def __init__(self, id: _Optional[int] = ..., changes: _Optional[_Iterable[_Union[ProposedChange, _Mapping]]] = ..., findings: _Optional[_Iterable[_Union[_record_pb2.Finding, _Mapping]]] = ..., error: _Optional[str] = ...) -> None: ...

class ProposedChange(_message.Message):
    __slots__ = ("field", "after", "rule")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    field: str
    after: str
    rule: str
    def __init__(self, field: _Optional[str] = ..., after: _Optional[str] = ..., rule: _Optional[str] = ...) -> None: ...
