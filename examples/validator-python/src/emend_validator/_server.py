"""Serves a validator over gRPC."""

from __future__ import annotations

import logging
import signal
import threading
from concurrent import futures

import grpc

from emend.v1 import record_pb2, validator_pb2, validator_pb2_grpc

from ._validator import Change, Job, Record, Validator

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
        )

    def Validate(self, request, context):  # noqa: N802
        job = Job(as_of=request.as_of)
        return validator_pb2.ValidateResponse(records=[self._check(record, job) for record in request.records])

    def _check(self, asked, job: Job):
        answer = validator_pb2.ValidatedRecord(id=asked.id)
        record = Record(
            key=asked.key,
            fields=dict(asked.fields),
            changed=frozenset(change.field for change in asked.changed),
            routed=frozenset(asked.routed),
        )
        try:
            for said in self._validator.check(record, job):
                if isinstance(said, Change):
                    answer.changes.append(
                        validator_pb2.ProposedChange(field=said.field, after=said.after, rule=said.rule)
                    )
                else:
                    answer.findings.append(
                        record_pb2.Finding(code=said.code, field=said.field, proposals=said.proposals)
                    )
        except Exception as error:
            # The message may hold a person's data.
            _log.error("%s on a record; it goes to a person", type(error).__name__)
            return validator_pb2.ValidatedRecord(id=asked.id, error="exception")
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
