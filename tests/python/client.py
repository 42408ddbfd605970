"""A client of Emend made from its protos alone: makes a job, fills it, watches it to its end, takes the result.

usage: client.py HOST:PORT   (with the generated modules in PYTHONPATH)
"""

import json
import sys

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

from emend.v1 import job_pb2, job_pb2_grpc, record_pb2, work_pb2

JOB = "from-python"
RECORDS = 250
# Another record of a key that is there, no key, and no JSON.
BAD_ROWS = 3
TIMEOUT = 60
COLUMNS = [
    "record_id", "full_name", "date_of_birth", "gender", "phone", "national_id", "insurance_id", "district",
    "ward", "vaccine", "dose_number", "injected_on", "lot_number", "site", "reported_fault",
]


def record(number, key=None, name="NGUYEN VAN A"):
    fields = dict.fromkeys(COLUMNS, "")
    # A phone in spaces, and one of the prefixes that changed in 2018: something for the rules to do.
    fields.update(record_id=f"PY-{number:06}" if key is None else key, full_name=name, phone=f"0169 {number:07}")
    payload = json.dumps(fields, ensure_ascii=False).encode()
    return record_pb2.Record(key=fields["record_id"], payload=payload, row=number)


def check_health(channel):
    health = health_pb2_grpc.HealthStub(channel)
    for service in ("emend.v1.JobService", "emend.v1.WorkService"):
        answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=TIMEOUT)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING, (service, answer)


def check_reflection(channel):
    database = ProtoReflectionDescriptorDatabase(channel)
    services = set(database.get_services())
    assert {"emend.v1.JobService", "emend.v1.WorkService"} <= services, services
    described = DescriptorPool(database).FindServiceByName("emend.v1.JobService")
    assert "ImportRecords" in {method.name for method in described.methods}


def create(jobs):
    request = job_pb2.CreateJobRequest(
        name=JOB,
        pack=work_pb2.PackRef(name="vaccination", version="1.0.0"),
        manifest=job_pb2.Manifest(key_field="record_id", fields=[job_pb2.Field(name=name) for name in COLUMNS]),
        as_of="2021-09-20",
        policy=job_pb2.JobPolicy(unit_records=20),
    )
    answer = jobs.CreateJob(request, timeout=TIMEOUT)
    assert answer.created and answer.job.state == job_pb2.JOB_STATE_IMPORTING, answer
    again = jobs.CreateJob(request, timeout=TIMEOUT)
    assert not again.created and again.job.id == answer.job.id, again
    return answer.job.id


def fill(jobs, job):
    rows = [record(number) for number in range(1, RECORDS + 1)]
    rows.append(record(RECORDS + 1, key="PY-000001", name="TRAN THI B"))
    rows.append(record(RECORDS + 2, key=""))
    rows.append(record_pb2.Record(key="PY-broken", payload=b"not JSON", row=RECORDS + 3))

    def parts():
        yield job_pb2.ImportRecordsRequest(header=job_pb2.ImportHeader(job=job, import_id="python-1"))
        for offset in range(0, len(rows), 100):
            some = rows[offset:offset + 100]
            chunk = job_pb2.ImportChunk(
                offset=offset,
                records=job_pb2.RecordList(records=some),
                columns=COLUMNS if offset == 0 else [],
                last=offset + len(some) == len(rows),
            )
            yield job_pb2.ImportRecordsRequest(chunk=chunk)

    totals = jobs.ImportRecords(parts(), timeout=TIMEOUT)
    found = getattr(totals, "import")
    counts = (found.finished, found.next_offset, found.accepted, found.already_there, found.rejected)
    assert counts == (True, RECORDS + BAD_ROWS, RECORDS, 0, BAD_ROWS), found
    rejects = jobs.ListRejects(job_pb2.ListRejectsRequest(job=job, import_id="python-1"), timeout=TIMEOUT)
    codes = sorted(reject.code for reject in rejects.rejects)
    assert codes == ["duplicate_key", "missing_key", "syntax"], codes
    jobs.SealJob(job_pb2.SealJobRequest(job=job), timeout=TIMEOUT)


def watch_to_the_end(jobs, job):
    ends = (job_pb2.JOB_STATE_REVIEWING, job_pb2.JOB_STATE_COMPLETED)
    token = ""
    for answer in jobs.WatchJob(job_pb2.WatchJobRequest(job=job), timeout=TIMEOUT):
        token = answer.resume_token
        if answer.job.state in ends:
            break
    progress = answer.job.progress
    assert answer.job.state in ends and token, answer
    settled = progress.valid + progress.corrected + progress.routed + progress.failed
    assert (progress.records, settled, progress.pending) == (RECORDS, RECORDS, 0), progress


def read_provenance(jobs, job):
    answer = jobs.GetRecord(job_pb2.GetRecordRequest(job=job, key="PY-000007"), timeout=TIMEOUT)
    before, after = json.loads(answer.payload), json.loads(answer.record.fields)
    assert before["phone"] == "0169 0000007", before
    changes = [change for change in answer.record.changes if change.field == "phone"]
    assert changes and changes[0].before == before["phone"] and changes[-1].after == after["phone"], changes
    assert all(change.rule for change in changes), changes
    assert answer.record.verdict != record_pb2.VERDICT_UNSPECIFIED
    assert answer.receipt.commit_id and len(answer.receipt.digest) == 32, answer.receipt
    assert answer.unit.worker_id, answer.unit


def export(jobs, job):
    records = []
    for answer in jobs.ExportRecords(job_pb2.ExportRecordsRequest(job=job), timeout=TIMEOUT):
        records.extend(answer.records)
    assert [view.key for view in records] == [f"PY-{number:06}" for number in range(1, RECORDS + 1)]
    assert [view.seq for view in records] == list(range(1, RECORDS + 1))
    assert all(set(COLUMNS) <= set(json.loads(view.fields)) for view in records)


def check_errors(jobs):
    try:
        jobs.GetJob(job_pb2.GetJobRequest(job="no-such-job"), timeout=TIMEOUT)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND, error
        info = error_details_pb2.ErrorInfo()
        details = rpc_status.from_call(error).details
        assert any(detail.Unpack(info) for detail in details), details
        assert (info.reason, info.domain) == ("JOB_NOT_FOUND", "emend"), info
        return
    raise AssertionError("a job that is not there was found")


def main(address):
    with grpc.insecure_channel(address) as channel:
        check_health(channel)
        check_reflection(channel)
        jobs = job_pb2_grpc.JobServiceStub(channel)
        job = str(create(jobs))
        fill(jobs, job)
        watch_to_the_end(jobs, job)
        read_provenance(jobs, job)
        export(jobs, job)
        check_errors(jobs)
    print(f"{RECORDS} records through a Python client")


if __name__ == "__main__":
    main(sys.argv[1])
