"""The proof: a real emulator, real boto3, canaries everywhere, and what is recorded of it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import emulated
from tests.support.commands import run_inside
from tests.support.counting import events, every_byte, sum_of
from tests.support.emulated import CANARY, Call, Program
from tests.support.emulator import Emulator, config, session
from tests.support.endpoint import Endpoint
from usagectl import audit, botocore
from usagectl.emitting.tracker import Tracker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.machine import Machine


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """Run one emulator for the tests of this module."""
    with Emulator() as running:
        yield running


REMAINING = {
    "The specified bucket does not exist",
    "The specified queue does not exist.",
    "The conditional request failed",
    "Role <name> not found",
    "Query condition missed key schema element: <name>",
}
"""What is left of error texts: what went wrong, without the names it was about."""


def run(emulator: Emulator, tracker: Tracker) -> Program:
    """Run the whole script, attached."""
    made = session()
    botocore.attach(made, tracker)
    options = config(
        user_agent_extra=emulated.USER_AGENT_EXTRA, user_agent_appid=emulated.USER_AGENT_APP_ID
    )
    program = Program(lambda name: made.client(name, endpoint_url=emulator.url, config=options))
    emulator.answered()
    program.run()
    # Three know of the calls: the program, the emulator, and the tracker in each test.
    assert [call.status_code for call in program.calls] == emulator.answered()
    return program


def called(payload: dict[str, Any]) -> Call:
    """Read off an event which call it is of."""
    return Call(
        payload["service"], payload["operation"], payload["status_code"], payload.get("err_type")
    )


def expected(call: Call) -> Call:
    """Return the call as its event has it: an error's type goes with 400 to 499 alone."""
    return call if call.status_code // 100 == 4 else call._replace(err_type=None)


def test_events_equal_calls_and_hold_no_parameter(emulator: Emulator, machine: Machine) -> None:
    """Each call, errors included, is one event in order; no canary is in a file or sent.

    No event departs from the notice, and an error's text still says what went wrong.
    """
    environment = machine.environment()
    with Tracker("sample", version="1.0.0", environment=environment) as tracker:
        program = run(emulator, tracker)
    assert len(program.calls) >= 60
    assert sum(call.status_code >= 400 for call in program.calls) >= 15
    assert {"s3", "sqs", "dynamodb", "lambda", "sts"} <= {call.service for call in program.calls}
    assert sum(CANARY in text.lower().encode() for text in program.messages) >= 10

    recorded = [event["payload"] for event in events(machine, "aws_request")]
    assert [called(payload) for payload in recorded] == [expected(call) for call in program.calls]
    assert {payload["region"] for payload in recorded} == {"us-east-1"}
    assert {payload["account_id"] for payload in recorded} == {"000000000000"}
    assert all("otocore/" in payload["user_agent"] for payload in recorded)
    assert {payload.get("err_msg") for payload in recorded} >= REMAINING

    context = audit.Context.from_environment(environment)
    result = audit.Auditor(context).add_spool(environment)
    assert result.by_name["aws_request"] == len(program.calls)
    assert [finding for finding in result.findings if finding.level == "error"] == []

    bytes_kept = every_byte(machine)
    assert b'"operation":"DeleteQueue"' in bytes_kept
    assert CANARY not in bytes_kept.lower()
    with Endpoint() as endpoint:
        done = run_inside(environment, "replay", "--to", endpoint.base, "--json")
        assert done.status == 0, done.stdout
    sent = [event for request in endpoint.received for event in request.events]
    assert [event["payload"] for event in sent if event["name"] == "aws_request"] == recorded
    on_the_wire = b"".join(
        repr(request.headers).encode() + request.path.encode() + request.body
        for request in endpoint.received
    )
    assert CANARY not in on_the_wire.lower()


def test_counts_equal_calls(emulator: Emulator, machine: Machine) -> None:
    """The aggregated form counts the same calls, and holds nothing else of them."""
    environment = machine.environment()
    with Tracker("sample", version="1.0.0", environment=environment, aggregate=True) as tracker:
        program = run(emulator, tracker)
    found = events(machine, "aws_request_agg")
    members = {tuple(each) for event in found for each in event["payload"]["api_calls"]}
    assert members == {("service", "operation", "status_code", "count")}
    assert sum_of(found) == Counter(tuple(call[:3]) for call in program.calls)
    assert events(machine, "aws_request") == []
    assert CANARY not in every_byte(machine).lower()


def test_pages_waiters_and_transfers_count_each_call(emulator: Emulator, machine: Machine) -> None:
    """What boto3 does by itself, in threads too, is as many calls as the emulator answered."""
    import io

    from boto3.s3.transfer import TransferConfig

    made = session()
    with Tracker("sample", version="1.0.0", environment=machine.environment()) as tracker:
        botocore.attach(made, tracker)
        emulator.answered()
        resource = made.resource("s3", endpoint_url=emulator.url, config=config())
        bucket = resource.create_bucket(Bucket="pages")
        bucket.wait_until_exists()
        parts = TransferConfig(multipart_threshold=1 << 20, multipart_chunksize=5 << 20)
        bucket.upload_fileobj(io.BytesIO(bytes(12 << 20)), "large", Config=parts)
        for number in range(4):
            bucket.put_object(Key=f"n{number}", Body=b"")
        pages = resource.meta.client.get_paginator("list_objects_v2")
        shown = [page["KeyCount"] for page in pages.paginate(Bucket="pages", MaxKeys=2)]
        bucket.objects.delete()
        bucket.delete()
        resource.meta.client.close()
    operations = Counter(each["payload"]["operation"] for each in events(machine, "aws_request"))
    assert operations == {
        "CreateBucket": 1,
        "HeadBucket": 1,
        "CreateMultipartUpload": 1,
        "UploadPart": 3,
        "CompleteMultipartUpload": 1,
        "PutObject": 4,
        "ListObjectsV2": len(shown),
        "ListObjects": 1,
        "DeleteObjects": 1,
        "DeleteBucket": 1,
    }
    assert operations.total() == len(emulator.answered())
