"""Hold which calls of a boto3 program are recorded, how often, and that none is disturbed."""

from __future__ import annotations

import gc
import io
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from tests.support import endpoint as loopback
from tests.support.calling import QUEUES, Desk
from tests.support.emulator import REGION
from tests.support.endpoint import always, in_turn
from usagectl.botocore import attach
from usagectl.emitting.tracker import Tracker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.machine import Machine

REFUSED = b'{"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "No such queue."}'


@pytest.fixture
def desk(machine: Machine) -> Iterator[Desk]:
    """Set up a desk."""
    made = Desk(machine)
    with made.endpoint:
        yield made
        made.close()


def test_a_call_says_what_the_notice_names(desk: Desk) -> None:
    """Service, operation, status, error, region, user agent: from the call; the account is none."""
    client = desk.client()
    attach(client, desk.tracker)
    client.list_queues()
    desk.endpoint.behave = always(400, REFUSED)
    with pytest.raises(ClientError):
        client.delete_queue(QueueUrl="http://127.0.0.1/0/mine")
    listed, deleted = desk.payloads()
    called = {"service": "sqs", "is_internal": False, "region": REGION}
    assert called.items() <= listed.items()
    assert (listed["operation"], listed["status_code"]) == ("ListQueues", 200)
    assert "err_type" not in listed
    assert (deleted["operation"], deleted["status_code"]) == ("DeleteQueue", 400)
    assert (deleted["err_type"], deleted["err_msg"]) == ("QueueDoesNotExist", "No such queue.")
    assert deleted["account_id"] == "000000000000"
    sent = desk.endpoint.received[0].headers["User-Agent"].split()
    kept = listed["user_agent"].split()
    assert any(word.startswith("Botocore/") for word in kept)
    assert set(kept) <= set(sent)


@pytest.mark.parametrize(
    ("prefix", "code", "kept"),
    [
        ("AcmeSecretProject", "AcmeSecretProject", "other"),
        ("orders", "QueueDoesNotExist", "QueueDoesNotExist"),
        ("RequestThrottled", "RequestThrottled", "RequestThrottled"),
    ],
)
def test_an_error_s_code_repeats_nothing_of_the_call(
    desk: Desk, prefix: str, code: str, kept: str
) -> None:
    """An endpoint may answer with the caller's own words as a code; AWS's own codes stay."""
    client = desk.client()
    attach(client, desk.tracker)
    desk.endpoint.behave = always(400, f'{{"__type": "com.amazonaws#{code}"}}'.encode())
    with pytest.raises(ClientError):
        client.list_queues(QueueNamePrefix=prefix)
    assert [each["err_type"] for each in desk.payloads()] == [kept]


def test_internal_calls_are_said_to_be(desk: Desk) -> None:
    """Who attaches for the emulator itself says so."""
    client = desk.client()
    attach(client, desk.tracker, is_internal=True)
    client.list_queues()
    assert [each["is_internal"] for each in desk.payloads()] == [True]


@pytest.mark.parametrize(
    ("statuses", "recorded"), [((500, 500, 200), 200), ((500, 503, 500), 500), ((503, 400), 400)]
)
def test_a_call_counts_once_with_its_last_answer(
    desk: Desk, statuses: tuple[int, ...], recorded: int
) -> None:
    """However often botocore tries again, a call is one event."""
    desk.endpoint.behave = in_turn(*(always(status, b"{}") for status in statuses))
    client = desk.client("dynamodb", retries={"mode": "legacy", "total_max_attempts": 3})
    attach(client, desk.tracker)
    with suppress(ClientError):
        client.list_tables()
    assert len(desk.endpoint.received) == len(statuses)
    assert [each["status_code"] for each in desk.payloads()] == [recorded]


@pytest.mark.parametrize("behaviour", ["reset", "hang", "garbage"])
def test_a_call_without_an_answer_is_none(desk: Desk, behaviour: str) -> None:
    """What nobody answered has no status, so the notice has no event for it."""
    desk.endpoint.behave = getattr(loopback, behaviour)
    client = desk.client(read_timeout=0.2)
    attach(client, desk.tracker)
    with pytest.raises(BotoCoreError):
        client.list_queues()
    assert len(desk.endpoint.received) == 1
    assert desk.payloads() == []


def test_a_refused_connection_and_wrong_parameters_are_no_calls(desk: Desk) -> None:
    """What did not leave the process, or reached nobody, is not recorded."""
    client = desk.client(url="http://127.0.0.1:9")
    attach(client, desk.tracker)
    with pytest.raises(BotoCoreError):
        client.list_queues()
    with pytest.raises(BotoCoreError):
        client.send_message(QueueUrl=7)
    assert desk.payloads() == []


def test_an_answer_before_a_lost_connection_does_not_count(desk: Desk) -> None:
    """The last attempt decides, also when it is the one that nobody answered."""
    desk.endpoint.behave = in_turn(always(500, b"{}"), loopback.reset)
    client = desk.client("dynamodb", retries={"mode": "legacy", "total_max_attempts": 2})
    attach(client, desk.tracker)
    with pytest.raises(BotoCoreError):
        client.list_tables()
    assert len(desk.endpoint.received) == 2
    assert desk.payloads() == []


def test_an_answer_that_cannot_be_read_counts_with_its_status(desk: Desk) -> None:
    """An emulator that answers nonsense has answered; nothing of the nonsense is kept."""
    desk.endpoint.behave = in_turn(always(200, b"<Get<"), always(404, b"<Get<"))
    client = desk.client("sts")
    attach(client, desk.tracker)
    for _ in range(2):
        with pytest.raises(ResponseParserError):
            client.get_caller_identity()
    assert [(each["status_code"], "err_msg" in each) for each in desk.payloads()] == [
        (200, False),
        (404, False),
    ]


class BrokenTracker(Tracker):
    """Fail at every call."""

    def aws_request(self, **fields: object) -> None:
        """Fail."""
        raise RuntimeError(fields)


def test_a_failure_of_telemetry_stays_there(desk: Desk) -> None:
    """Whatever breaks in a tracker, the program gets the same answers and the same errors."""
    plain, attached = desk.client(), desk.client()
    attach(attached, BrokenTracker("broken", environment=desk.environment))
    desk.endpoint.behave = in_turn(
        *[always(200, QUEUES)] * 2, *[always(400, REFUSED)] * 2, *[loopback.reset] * 2
    )
    assert attached.list_queues() == plain.list_queues()
    errors = []
    for client in (plain, attached):
        with pytest.raises(ClientError) as refused:
            client.list_queues()
        with suppress(BotoCoreError):
            client.meta.events.emit("after-call-error.sqs.ListQueues", exception=None, context=None)
        errors.append(refused.value.response)
    assert errors[0] == errors[1]


def test_threads_share_a_client(desk: Desk) -> None:
    """Each call of each thread is recorded once, with its own outcome."""
    client = desk.client(max_pool_connections=8)
    attach(client, desk.tracker)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.list_queues(), range(200)))
    assert len(desk.payloads()) == len(desk.endpoint.received) == 200


class Canary(io.BytesIO):
    """Be a body that can be watched."""


def test_parameters_are_let_go(desk: Desk) -> None:
    """When a call has ended, refused or not, nothing of ours holds what it was made with."""
    desk.endpoint.behave = in_turn(always(200, b""), always(404, b""))
    client = desk.client("lambda")
    attach(client, desk.tracker)
    bodies = []
    for _ in range(2):
        body = Canary(b"x" * 10)
        bodies.append(weakref.ref(body))
        with suppress(ClientError):
            client.invoke(FunctionName="function", Payload=body)["Payload"].read()
        del body
    gc.collect()
    assert len(desk.payloads()) == 2
    assert [body() for body in bodies] == [None, None]
