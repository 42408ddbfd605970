from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Apart(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    APART_UNSPECIFIED: _ClassVar[Apart]
    APART_TOO_LARGE: _ClassVar[Apart]
    APART_FAILED: _ClassVar[Apart]

class Verdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERDICT_UNSPECIFIED: _ClassVar[Verdict]
    VERDICT_VALID: _ClassVar[Verdict]
    VERDICT_CORRECTED: _ClassVar[Verdict]
    VERDICT_ROUTED: _ClassVar[Verdict]
    VERDICT_FAILED: _ClassVar[Verdict]

class Encoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENCODING_UNSPECIFIED: _ClassVar[Encoding]
    ENCODING_PLAIN: _ClassVar[Encoding]
    ENCODING_ZSTD: _ClassVar[Encoding]
APART_UNSPECIFIED: Apart
APART_TOO_LARGE: Apart
APART_FAILED: Apart
VERDICT_UNSPECIFIED: Verdict
VERDICT_VALID: Verdict
VERDICT_CORRECTED: Verdict
VERDICT_ROUTED: Verdict
VERDICT_FAILED: Verdict
ENCODING_UNSPECIFIED: Encoding
ENCODING_PLAIN: Encoding
ENCODING_ZSTD: Encoding

class Record(_message.Message):
    __slots__ = ("key", "payload", "row", "group", "apart")
    KEY_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    APART_FIELD_NUMBER: _ClassVar[int]
    key: str
    payload: bytes
    row: int
    group: int
    apart: Apart
    def __init__(self, key: _Optional[str] = ..., payload: _Optional[bytes] = ..., row: _Optional[int] = ..., group: _Optional[int] = ..., apart: _Optional[_Union[Apart, str]] = ...) -> None: ...

class Change(_message.Message):
    __slots__ = ("field", "before", "after", "rule")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    field: str
    before: str
    after: str
    rule: str
    def __init__(self, field: _Optional[str] = ..., before: _Optional[str] = ..., after: _Optional[str] = ..., rule: _Optional[str] = ...) -> None: ...

class Finding(_message.Message):
    __slots__ = ("code", "field", "proposals", "rule")
    CODE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    PROPOSALS_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    code: str
    field: str
    proposals: _containers.RepeatedScalarFieldContainer[str]
    rule: str
    def __init__(self, code: _Optional[str] = ..., field: _Optional[str] = ..., proposals: _Optional[_Iterable[str]] = ..., rule: _Optional[str] = ...) -> None: ...

class RecordResult(_message.Message):
    __slots__ = ("seq", "verdict", "changes", "findings", "failure", "alike")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    ALIKE_FIELD_NUMBER: _ClassVar[int]
    seq: int
    verdict: Verdict
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    findings: _containers.RepeatedCompositeFieldContainer[Finding]
    failure: str
    alike: int
    def __init__(self, seq: _Optional[int] = ..., verdict: _Optional[_Union[Verdict, str]] = ..., changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ..., findings: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ..., failure: _Optional[str] = ..., alike: _Optional[int] = ...) -> None: ...

class Block(_message.Message):
    __slots__ = ("encoding", "count", "plain_bytes", "checksum", "data")
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    PLAIN_BYTES_FIELD_NUMBER: _ClassVar[int]
    CHECKSUM_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    encoding: Encoding
    count: int
    plain_bytes: int
    checksum: int
    data: bytes
    def __init__(self, encoding: _Optional[_Union[Encoding, str]] = ..., count: _Optional[int] = ..., plain_bytes: _Optional[int] = ..., checksum: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class RecordView(_message.Message):
    __slots__ = ("key", "seq", "row", "fields", "verdict", "changes", "findings", "failure", "rejected", "decided")
    KEY_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    DECIDED_FIELD_NUMBER: _ClassVar[int]
    key: str
    seq: int
    row: int
    fields: bytes
    verdict: Verdict
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    findings: _containers.RepeatedCompositeFieldContainer[Finding]
    failure: str
    rejected: bool
    decided: bool
    def __init__(self, key: _Optional[str] = ..., seq: _Optional[int] = ..., row: _Optional[int] = ..., fields: _Optional[bytes] = ..., verdict: _Optional[_Union[Verdict, str]] = ..., changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ..., findings: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ..., failure: _Optional[str] = ..., rejected: bool = ..., decided: bool = ...) -> None: ...
