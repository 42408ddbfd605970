"""python -m unittest discover tests"""

import tempfile
import unittest
from collections.abc import Sequence
from pathlib import Path

import grpc
from emend.v1 import validator_pb2, validator_pb2_grpc
from emend_validator import Change, Finding, Job, Record, Validator
from emend_validator._server import start
from emend_validator.register import Register, build

JOB = Job(as_of="2021-09-20")


class RegisterTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = Path(folder.name) / "register.db"
        self.assertEqual(build(path, [("079", "Nguyễn Văn An"), ("079", "Ai Khác"), ("080", "Lê Bình")]), 2)
        self.register = Register(path)

    def said(self, number: str, name: str, **more: frozenset[str]) -> list[Change | Finding]:
        record = Record("k", {"national_id": number, "full_name": name}, **more)
        return list(self.register.check(record, JOB))

    def test_form_is_rewritten_and_another_name_needs_a_person(self) -> None:
        self.assertEqual(self.said("079", "NGUYỄN  VĂN AN"), [Change("full_name", "Nguyễn Văn An", "form")])
        self.assertEqual(self.said("080", "Lê Bính"), [Finding("full_name.register", "full_name", ("Lê Bình",))])
        for number, name in [("079", "Nguyễn Văn An"), ("081", "x"), ("", "x")]:
            self.assertEqual(self.said(number, name), [])

    def test_what_waits_for_a_person_is_left_alone(self) -> None:
        self.assertEqual(self.said("080", "Lê Bính", routed=frozenset(["full_name"])), [])


class Moody(Validator):
    name = "moody"
    version = "1"

    def check(self, record: Record, job: Job) -> list[Change | Finding]:
        if record.key == "bad":
            raise ValueError("a value of the record")
        return [Finding("a.odd", "a", ("x",))]


class ServerTest(unittest.TestCase):
    def test_an_exception_costs_its_record_alone(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            address = f"unix:{folder}/validator.sock"
            server = start(Moody(), address)
            try:
                with grpc.insecure_channel(address) as line:
                    stub = validator_pb2_grpc.ValidatorServiceStub(line)
                    described = stub.Describe(validator_pb2.DescribeRequest())
                    asked = [validator_pb2.RecordToValidate(id=at, key=key) for at, key in enumerate(["bad", "good"])]
                    answer = stub.Validate(validator_pb2.ValidateRequest(records=asked))
            finally:
                server.stop(None)
        self.assertEqual((described.name, described.batch_size), ("moody", 100))
        bad, good = answer.records
        self.assertEqual((bad.error, len(bad.findings)), ("exception", 0))
        self.assertEqual((good.error, good.findings[0].code), ("", "a.odd"))


class Twins(Validator):
    name = "twins"
    version = "1"
    groups = True

    def check(self, record: Record, job: Job) -> list[Change | Finding]:
        return []

    def check_group(self, records: Sequence[Record], job: Job) -> Sequence[list[Change | Finding]]:
        if any(record.key == "bad" for record in records):
            raise ValueError("a value of a record")
        return [[Finding("a.shared", job.group_by[0])] for _ in records]


class GroupTest(unittest.TestCase):
    def test_records_of_a_group_are_checked_together(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            address = f"unix:{folder}/validator.sock"
            server = start(Twins(), address)
            try:
                with grpc.insecure_channel(address) as line:
                    stub = validator_pb2_grpc.ValidatorServiceStub(line)
                    described = stub.Describe(validator_pb2.DescribeRequest())
                    groups = [("one", 0), ("two", 0), ("a", 3), ("b", 3), ("bad", 5), ("c", 5)]
                    asked = [
                        validator_pb2.RecordToValidate(id=at, key=key, group=group)
                        for at, (key, group) in enumerate(groups)
                    ]
                    answer = stub.Validate(validator_pb2.ValidateRequest(records=asked, group_by=["a"]))
            finally:
                server.stop(None)
        self.assertTrue(described.groups)
        self.assertEqual([record.id for record in answer.records], list(range(6)))
        self.assertEqual([len(record.findings) for record in answer.records], [0, 0, 1, 1, 0, 0])
        self.assertEqual([record.error for record in answer.records[3:]], ["", "exception", "exception"])


if __name__ == "__main__":
    unittest.main()
