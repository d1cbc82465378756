"""Tests of attaching to boto3: which calls are recorded, how often, and that none is disturbed."""

from __future__ import annotations

import gc
import io
import re
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from tests.support import endpoint as loopback
from tests.support.calling import QUEUES, Desk, stub, stub_from_nowhere
from tests.support.emulator import KEYS, REGION, config, session
from tests.support.endpoint import always, in_turn
from tests.support.spooling import entries
from usagectl.botocore import (
    MOST_CHARACTERS,
    NotAttachableError,
    attach,
    repeats_parameters,
    without_parameters,
)
from usagectl.emitting.tracker import Tracker
from usagectl.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.awsrequest import AWSResponse

    from tests.support.machine import Machine

REFUSED = b'{"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "No such queue."}'


@pytest.fixture
def desk(machine: Machine) -> Iterator[Desk]:
    """A tracker, an endpoint and clients of it."""
    made = Desk(machine)
    with made.endpoint:
        yield made
        made.close()


def test_a_call_says_what_the_notice_names(desk: Desk) -> None:
    """Service, operation, status, error, region, user agent come from the call; no account does."""
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


CODES = {
    ("AcmeSecretProject", "AcmeSecretProject"): "other",
    ("orders", "QueueDoesNotExist"): "QueueDoesNotExist",
    ("RequestThrottled", "RequestThrottled"): "RequestThrottled",
}


def test_an_error_s_code_repeats_nothing_of_the_call(desk: Desk) -> None:
    """An endpoint may answer with the caller's own words as a code; AWS's own codes stay."""
    client = desk.client()
    attach(client, desk.tracker)
    for prefix, code in CODES:
        desk.endpoint.behave = always(400, f'{{"__type": "com.amazonaws#{code}"}}'.encode())
        with pytest.raises(ClientError):
            client.list_queues(QueueNamePrefix=prefix)
    assert [each["err_type"] for each in desk.payloads()] == list(CODES.values())


def test_an_error_s_type_is_its_code_on_the_wire(desk: Desk) -> None:
    """A HEAD has no body to name an exception in: `404` there is `NoSuchKey` of a GET."""
    client = desk.client("s3")
    attach(client, desk.tracker)
    desk.endpoint.behave = always(404, b"<Error><Code>NoSuchKey</Code></Error>")
    with pytest.raises(ClientError):
        client.get_object(Bucket="b", Key="k")
    desk.endpoint.behave = always(404, b"")
    with pytest.raises(ClientError):
        client.head_object(Bucket="b", Key="k")
    assert [each["err_type"] for each in desk.payloads()] == ["NoSuchKey", "404"]


def test_a_call_counts_once_with_its_last_answer(desk: Desk) -> None:
    """However often botocore tries again, a call is one event."""
    rows = [((500, 500, 200), 200), ((500, 503, 500), 500), ((503, 400), 400)]
    client = desk.client("dynamodb", retries={"mode": "legacy", "total_max_attempts": 3})
    attach(client, desk.tracker)
    for statuses, _ in rows:
        desk.endpoint.behave = in_turn(*(always(status, b"{}") for status in statuses))
        with suppress(ClientError):
            client.list_tables()
    assert len(desk.endpoint.received) == sum(len(statuses) for statuses, _ in rows)
    assert [each["status_code"] for each in desk.payloads()] == [last for _, last in rows]


def test_a_call_without_an_answer_is_not_recorded(desk: Desk) -> None:
    """What nobody answered has no status, so the notice has no event for it.

    The last attempt decides, also when an earlier one was answered.
    """
    client = desk.client(read_timeout=0.2)
    attach(client, desk.tracker)
    for behave in (loopback.reset, loopback.hang, loopback.garbage):
        desk.endpoint.behave = behave
        with pytest.raises(BotoCoreError):
            client.list_queues()
    desk.endpoint.behave = in_turn(always(500, b"{}"), loopback.reset)
    twice = desk.client("dynamodb", retries={"mode": "legacy", "total_max_attempts": 2})
    attach(twice, desk.tracker)
    with pytest.raises(BotoCoreError):
        twice.list_tables()
    assert len(desk.endpoint.received) == 5
    refused = desk.client(url="http://127.0.0.1:9")
    attach(refused, desk.tracker)
    with pytest.raises(BotoCoreError):
        refused.list_queues()
    with pytest.raises(BotoCoreError):
        refused.send_message(QueueUrl=7)  # It does not leave the process.
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


def test_a_failure_of_telemetry_stays_there(desk: Desk) -> None:
    """Whatever breaks in a tracker, the program gets the same answers and the same errors."""
    plain, attached = desk.client(), desk.client()
    broken: Any = object()  # It has no method that could be called.
    attach(attached, broken)
    desk.endpoint.behave = in_turn(*[always(200, QUEUES)] * 2, *[always(400, REFUSED)] * 2)
    assert attached.list_queues() == plain.list_queues()
    errors = []
    for client in (plain, attached):
        with pytest.raises(ClientError) as refused:
            client.list_queues()
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


def test_parameters_are_let_go(desk: Desk) -> None:
    """When a call has ended, refused or not, nothing of ours holds what it was made with."""
    desk.endpoint.behave = in_turn(always(200, b""), always(404, b""))
    client = desk.client("lambda")
    attach(client, desk.tracker)
    bodies = []
    for _ in range(2):
        body = io.BytesIO(b"x" * 10)
        bodies.append(weakref.ref(body))
        with suppress(ClientError):
            client.invoke(FunctionName="function", Payload=body)["Payload"].read()
        del body
    gc.collect()
    assert len(desk.payloads()) == 2
    assert [body() for body in bodies] == [None, None]


EMULATORS = """http://127.0.0.1:4566 http://127.9.9.9:4566 http://[::1]:4566 http://localhost:4566
https://LOCALHOST:4566/ https://localhost.localstack.cloud:4566
https://s3.localhost.localstack.cloud:4566 http://emulator:4566 http://s3.emulator:4566
http://[fd00::7]:4566"""
OTHERS = """https://s3.eu-west-1.amazonaws.com https://s3.cn-north-1.amazonaws.com.cn
https://localhost.s3.amazonaws.com https://s3.dualstack.us-east-1.api.aws
https://notlocalhost.example https://localhost.localstack.cloud.example
https://fakelocalhost.localstack.cloud https://127.0.0.1.example http://localhost@minio.example
http://minio.example/localhost http://10.0.0.7:4566 http://myemulator:4566"""
HOSTS = {**dict.fromkeys(EMULATORS.split(), True), **dict.fromkeys(["", *OTHERS.split()], False)}
"""Whether calls count that go there; without an address they go to AWS."""


def test_only_calls_to_an_emulator_count(desk: Desk) -> None:
    """Loopback, LocalStack's name and the hosts that the caller names; never AWS."""
    asked: list[str] = []

    def answer(request: Any, **_: object) -> AWSResponse:  # noqa: ANN401
        asked.append(request.url)
        return stub(request)

    found, before = {}, 0
    for url in HOSTS:
        client = desk.session.client("s3", endpoint_url=url or None, config=config())
        client.meta.events.register("before-send", answer)
        attach(client, desk.tracker, hosts=["emulator", "FD00::7", "com"])
        client.delete_object(Bucket="bucket", Key="key")
        client.close()
        count = len(desk.payloads())
        found[url], before = count > before, count
    assert found == HOSTS
    assert len(asked) == len(HOSTS)


def test_calls_to_aws_are_not_counted_either(machine: Machine) -> None:
    """In the aggregated form too, a call to AWS leaves nothing: not even a session."""
    made = session()
    with Tracker("sample", environment=machine.environment(), aggregate=True) as tracker:
        attach(made, tracker)
        client = made.client("sqs", config=config())
        client.meta.events.register("before-send", stub)
        client.delete_queue(QueueUrl="https://sqs.us-east-1.amazonaws.com/0/q")
        client.close()
    assert entries(machine) == []


NO_HOSTS = ["", "http://emulator", "emulator:4566", "a b", "s3.amazonaws.com", "api.AWS", "*"]


def test_hosts_are_names(desk: Desk) -> None:
    """A host is a name alone, and AWS cannot be declared an emulator.

    A text is one host, not many of a letter each.
    """
    for host in NO_HOSTS:
        with pytest.raises(InvalidValueError):
            attach(desk.session, desk.tracker, hosts=[host])
    client = desk.client(url="http://e:4566")
    client.meta.events.register("before-send", stub)
    attach(client, desk.tracker, hosts="emulator")
    client.delete_queue(QueueUrl="http://e:4566/0/q")
    assert desk.payloads() == []


def test_sessions_clients_and_resources(desk: Desk) -> None:
    """Each kind of thing that makes calls can be given; a session's clients made later count."""
    url = desk.endpoint.base.removesuffix("/v1")
    core = botocore.session.Session()
    attach(core, desk.tracker)
    keys = dict(zip(("aws_access_key_id", "aws_secret_access_key"), KEYS.values(), strict=True))
    options = {"endpoint_url": url, "config": config(), "region_name": REGION}
    first = core.create_client("sqs", **options, **keys)
    resource = desk.session.resource("sqs", endpoint_url=url, config=config())
    attach(resource, desk.tracker, is_internal=True)  # The emulator itself makes its calls.
    queue = session().resource("sqs", endpoint_url=url, config=config()).Queue(f"{url}/0/q")
    attach(queue, desk.tracker)
    first.list_queues()
    list(resource.queues.all())
    queue.purge()
    for client in (first, resource.meta.client, queue.meta.client):
        client.close()
    assert [(each["operation"], each["is_internal"]) for each in desk.payloads()] == [
        ("ListQueues", False),
        ("ListQueues", True),
        ("PurgeQueue", False),
    ]


def test_other_things_are_refused(desk: Desk) -> None:
    """What makes no calls is refused with a sentence, and as Python's own TypeError."""
    for wrong in (None, 7, "sqs", object(), type(session()), sys):
        with pytest.raises(NotAttachableError, match="cannot be attached to") as raised:
            attach(wrong, desk.tracker)
        assert isinstance(raised.value, TypeError)


def test_attached_twice_is_recorded_once(desk: Desk, machine: Machine) -> None:
    """The same tracker records a call once; another tracker records it too."""
    other = Tracker("other", version="1.0.0", environment=machine.environment())
    before = desk.client()
    attach(desk.session, desk.tracker)
    attach(desk.session, desk.tracker)
    client = desk.client()
    before.list_queues()  # A session hands an attachment on to the clients that it makes later.
    attach(client, desk.tracker)
    client.list_queues()
    assert len(desk.payloads()) == 1
    attach(client, other)
    client.list_queues()
    other.close()
    assert len(desk.payloads()) == 3


def test_detached_is_detached(desk: Desk) -> None:
    """Nothing is recorded any more, by no client made meanwhile; attaching again works."""
    attachment = attach(desk.session, desk.tracker)
    client = desk.client()
    client.list_queues()
    attachment.detach()
    attachment.detach()
    client.list_queues()
    desk.client().list_queues()
    assert len(desk.payloads()) == 1
    again = attach(desk.session, desk.tracker)
    client = desk.client()
    client.list_queues()
    client.meta.events.register("before-send", lambda **_: again.detach())
    client.list_queues()  # It ends after the attachment.
    assert len(desk.payloads()) == 2


def test_a_stub_is_no_emulator(desk: Desk) -> None:
    """Answers with no address that they came from are not recorded, nor are presigned URLs."""
    client = desk.client()
    attach(client, desk.tracker)
    with Stubber(client) as stubber:
        stubber.add_response("list_queues", {"QueueUrls": []})
        client.list_queues()
    client.meta.events.register("before-send", stub_from_nowhere)
    client.delete_queue(QueueUrl="http://127.0.0.1/0/q")
    client.generate_presigned_url("list_queues")
    assert desk.payloads() == []


def test_nothing_of_boto_is_imported(machine: Machine) -> None:
    """Neither the library nor the hook loads boto: a program that does not use it pays nothing."""
    script = (
        "import sys, usagectl, usagectl.botocore\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('botocore', 'boto3')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=machine.process_variables(),
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == b"[]"


CALL = SimpleNamespace(
    members={
        "Table": SimpleNamespace(),
        "Tags": SimpleNamespace(key=SimpleNamespace(), value=SimpleNamespace()),
        "Items": SimpleNamespace(member=SimpleNamespace(members={"Key": SimpleNamespace()})),
        "Mode": SimpleNamespace(enum=["request"]),
        "Limit": SimpleNamespace(),
        "Body": SimpleNamespace(),
    }
)


TEXTS: list[tuple[dict[str, Any], str, str]] = [
    ({"Table": "orders"}, "Role orders not found", "Role <name> not found"),
    ({"Table": "Orders"}, "Keys: [ORDERS], none", "Keys: <name> none"),
    ({"Table": "my-orders"}, "no 'orders/7'.", "no <name>"),
    ({"Table": "my_orders"}, "no my_orders here", "no <name> here"),
    ({"Table": "orders"}, "The table has no key", "The table has no key"),
    ({"Table": "x"}, "reorders", "reorders"),
    ({"Tags": {"team": "red"}}, "Tag team is not red", "Tag <name> is not <name>"),
    ({"Items": [{"Key": "a1"}]}, "The Key a1 of Items", "The Key <name> of Items"),
    ({"Unknown": "a1"}, "a1 unknown", "<name> <name>"),
    ({"Mode": "request"}, "The request failed", "The request failed"),
    ({"Limit": 11, "Table": "t"}, "11 is too many, 12 not", "<name> is too many, 12 not"),
    ({"Limit": True}, "It is True", "It is True"),
    ({"Body": b"\xff gr\xc3\xbcn"}, "near grün", "near <name>"),
    ({"Table": None, "Body": object()}, "None here", "None here"),
    ({}, "  two  spaces\n", "  two  spaces\n"),
]


def test_an_error_s_text_loses_the_call_s_own_words() -> None:
    """A part of the text that repeats a word of a value goes; the names of members may stay."""
    found = [(params, text, without_parameters(text, params, CALL)) for params, text, _ in TEXTS]
    assert found == TEXTS


REPEATED: list[tuple[dict[str, Any], str, bool]] = [
    ({"Table": "AcmeSecretProject"}, "AcmeSecretProject", True),
    ({"Table": "acme-secret-project"}, "AcmeSecretProject", True),
    ({"Table": "acmesecret"}, "NoSuchAcmeSecretTable", True),
    ({"Table": "acme"}, "Client.Acme", True),
    ({"Tags": {"payroll": "x"}}, "payroll", True),
    ({"Body": b"x" * (MOST_CHARACTERS + 1)}, "NoSuchTable", True),
    ({"Table": "table"}, "NoSuchTable", False),
    ({"Table": "orders", "Mode": "request"}, "request", False),
    ({}, "NoSuchTable", False),
]


def test_which_code_repeats_the_call() -> None:
    """A code that is a value of the call, or contains a long one, repeats it."""
    found = [(params, code, repeats_parameters(code, params, CALL)) for params, code, _ in REPEATED]
    assert found == REPEATED


def test_the_limits_of_reading_parameters() -> None:
    """Without a description all keys are the caller's; too long parameters or texts leave less."""
    assert without_parameters("The Table", {"Table": {"a": 1}}, None) == "The <name>"
    for body in ("x" * (MOST_CHARACTERS + 1), b"x" * (MOST_CHARACTERS + 1)):
        assert without_parameters("Not found", {"Body": body}, CALL) is None
    cut = "so " * 1364 + "orders"  # Half of the name would not be found.
    assert without_parameters(cut, {"Table": "orders"}, CALL) == "so " * 1364


texts = st.text("abBÄß_-7 .'\u0130\ufb01", max_size=6)
values = st.recursive(
    texts | st.binary(max_size=4) | st.integers(-99, 99),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


def _texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for pair in value.items() for each in pair for text in _texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)]


@given(
    st.dictionaries(st.sampled_from(["Table", "Tags", "Body", "x"]), values, max_size=3),
    st.lists(st.integers(0, 40) | st.sampled_from([" ", "'", ": ", "No ", "\n", "-", "_"])),
)
def test_no_word_of_a_parameter_is_left(params: dict[str, Any], parts: list[int | str]) -> None:
    """Whatever the parameters hold, and however the text repeats it, none of its words is left."""
    said = [text for value in params.values() for text in _texts(value)] or [""]
    text = "".join(part if isinstance(part, str) else said[part % len(said)] for part in parts)
    left = without_parameters(text, params, CALL)
    assert left is not None
    words = {word for each in said for word in re.findall(r"[^\W_]+", each.casefold())}
    assert words.isdisjoint(re.findall(r"[^\W_]+", left.replace("<name>", "").casefold()))
