"""Serves a validator over gRPC."""

from __future__ import annotations

import itertools
import logging
import signal
import threading
from collections.abc import Iterable
from concurrent import futures

import grpc

from emend.v1 import record_pb2, validator_pb2, validator_pb2_grpc

from ._validator import Change, Finding, Job, Record, Validator

_log = logging.getLogger("emend_validator")


class _Service(validator_pb2_grpc.ValidatorServiceServicer):
    def __init__(self, validator: Validator) -> None:
        self._validator = validator

    def Describe(self, request, context):  # noqa: N802
        validator = self._validator
        return validator_pb2.DescribeResponse(
            name=validator.name,
            version=validator.version,
            reads=validator.reads,
            changes=validator.changes,
            findings=validator.findings,
            batch_size=validator.batch_size,
            deterministic=validator.deterministic,
            seconds_per_record=validator.seconds_per_record,
            groups=validator.groups,
        )

    def Validate(self, request, context):  # noqa: N802
        job = Job(as_of=request.as_of, group_by=tuple(request.group_by))
        answers = []
        # A record without a group is one by itself; those of a group stand one behind the other.
        for group, members in itertools.groupby(request.records, lambda record: record.group):
            members = list(members)
            slices = [members] if group and self._validator.groups else [[record] for record in members]
            answers += itertools.chain.from_iterable(self._check(asked, job) for asked in slices)
        return validator_pb2.ValidateResponse(records=answers)

    def _check(self, asked, job: Job):
        records = [_record(one) for one in asked]
        try:
            if len(records) == 1:
                said = [self._validator.check(records[0], job)]
            else:
                said = self._validator.check_group(records, job)
            return [_answer(one.id, all_said) for one, all_said in zip(asked, said, strict=True)]
        except Exception as error:
            # The message may hold a person's data.
            _log.error("%s on %d records; they go to a person", type(error).__name__, len(records))
            return [validator_pb2.ValidatedRecord(id=one.id, error="exception") for one in asked]


def _record(asked) -> Record:
    return Record(
        key=asked.key,
        fields=dict(asked.fields),
        changed=frozenset(change.field for change in asked.changed),
        routed=frozenset(asked.routed),
    )


def _answer(number: int, all_said: Iterable[Change | Finding]):
    answer = validator_pb2.ValidatedRecord(id=number)
    for said in all_said:
        if isinstance(said, Change):
            answer.changes.append(validator_pb2.ProposedChange(field=said.field, after=said.after, rule=said.rule))
        else:
            answer.findings.append(record_pb2.Finding(code=said.code, field=said.field, proposals=said.proposals))
    return answer


def start(validator: Validator, address: str, threads: int = 4) -> grpc.Server:
    """Starts to serve; the caller stops it."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=threads))
    validator_pb2_grpc.add_ValidatorServiceServicer_to_server(_Service(validator), server)
    if server.add_insecure_port(address) == 0:
        raise OSError(f"cannot listen on {address}")
    server.start()
    return server


def serve(validator: Validator, address: str = "127.0.0.1:9090", threads: int = 4) -> None:
    """Serves at HOST:PORT or unix:/PATH until it is interrupted or asked to end; calls under way are finished."""
    server = start(validator, address, threads)
    _log.info("%s %s listens on %s", validator.name, validator.version, address)
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())
    asked.wait()
    server.stop(grace=10).wait()
