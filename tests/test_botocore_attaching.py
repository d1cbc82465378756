"""Hold what a tracker can be attached to, which calls it then hears, and until when."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.stub import Stubber

from tests.support.calling import Desk, stub, stub_from_nowhere
from tests.support.emulator import KEYS, REGION, config, session
from usagectl import spool
from usagectl.botocore import NotAttachableError, attach
from usagectl.emitting.tracker import Tracker
from usagectl.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.awsrequest import AWSResponse

    from tests.support.machine import Machine


@pytest.fixture
def desk(machine: Machine) -> Iterator[Desk]:
    """Set up a desk."""
    made = Desk(machine)
    with made.endpoint:
        yield made
        made.close()


@pytest.mark.parametrize(
    ("url", "is_emulator"),
    [
        ("http://127.0.0.1:4566", True),
        ("http://127.9.9.9:4566", True),
        ("http://[::1]:4566", True),
        ("http://localhost:4566", True),
        ("https://LOCALHOST:4566/", True),
        ("https://localhost.localstack.cloud:4566", True),
        ("https://s3.localhost.localstack.cloud:4566", True),
        ("http://emulator:4566", True),
        ("http://s3.emulator:4566", True),
        ("http://[fd00::7]:4566", True),
        ("", False),
        ("https://s3.eu-west-1.amazonaws.com", False),
        ("https://s3.cn-north-1.amazonaws.com.cn", False),
        ("https://localhost.s3.amazonaws.com", False),
        ("https://s3.dualstack.us-east-1.api.aws", False),
        ("https://notlocalhost.example", False),
        ("https://localhost.localstack.cloud.example", False),
        ("https://fakelocalhost.localstack.cloud", False),
        ("https://127.0.0.1.example", False),
        ("http://localhost@minio.example", False),
        ("http://minio.example/localhost", False),
        ("http://10.0.0.7:4566", False),
        ("http://myemulator:4566", False),
    ],
)
def test_only_calls_to_an_emulator_count(desk: Desk, url: str, *, is_emulator: bool) -> None:
    """Loopback, LocalStack's name and the hosts that the caller names; never AWS."""
    client = desk.session.client("s3", endpoint_url=url or None, config=config())
    asked: list[str] = []

    def answer(request: Any, **_: object) -> AWSResponse:  # noqa: ANN401
        asked.append(request.url)
        return stub(request)

    client.meta.events.register("before-send", answer)
    attach(client, desk.tracker, hosts=["emulator", "FD00::7", "com"])
    client.delete_object(Bucket="bucket", Key="key")
    client.close()
    assert len(asked) == 1
    assert len(desk.payloads()) == is_emulator


def test_calls_to_aws_are_not_counted_either(machine: Machine) -> None:
    """In the aggregated form too, a call to AWS leaves nothing: not even a session."""
    environment = machine.environment()
    made = session()
    with Tracker("sample", environment=environment, aggregate=True) as tracker:
        attach(made, tracker)
        client = made.client("sqs", config=config())
        client.meta.events.register("before-send", stub)
        client.delete_queue(QueueUrl="https://sqs.us-east-1.amazonaws.com/0/q")
        client.close()
    assert list(spool.records(environment)) == []


@pytest.mark.parametrize(
    "host", ["", "http://emulator", "emulator:4566", "a b", "s3.amazonaws.com", "api.AWS", "*"]
)
def test_what_no_host_of_an_emulator_can_be(desk: Desk, host: str) -> None:
    """A host is a name alone, and AWS cannot be declared an emulator."""
    with pytest.raises(InvalidValueError):
        attach(desk.session, desk.tracker, hosts=[host])


def test_one_host_need_not_be_listed(desk: Desk) -> None:
    """A text is one host, not many of a letter each."""
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
    attach(resource, desk.tracker)
    queue = session().resource("sqs", endpoint_url=url, config=config()).Queue(f"{url}/0/q")
    attach(queue, desk.tracker)
    first.list_queues()
    list(resource.queues.all())
    queue.purge()
    for client in (first, resource.meta.client, queue.meta.client):
        client.close()
    assert [each["operation"] for each in desk.payloads()] == [
        "ListQueues",
        "ListQueues",
        "PurgeQueue",
    ]


@pytest.mark.parametrize("wrong", [None, 7, "sqs", object(), type(session()), sys])
def test_other_things_are_refused(desk: Desk, wrong: object) -> None:
    """What makes no calls is refused with a sentence, and as Python's own TypeError."""
    with pytest.raises(NotAttachableError, match="cannot be attached to") as raised:
        attach(wrong, desk.tracker)
    assert isinstance(raised.value, TypeError)


def test_existing_clients_are_attached_by_themselves(desk: Desk) -> None:
    """A session hands an attachment on to the clients that it makes from then on."""
    before = desk.client()
    attach(desk.session, desk.tracker)
    after = desk.client()
    before.list_queues()
    assert desk.payloads() == []
    after.list_queues()
    assert len(desk.payloads()) == 1


def test_attached_twice_is_recorded_once(desk: Desk, machine: Machine) -> None:
    """The same tracker records a call once; another tracker records it too."""
    other = Tracker("other", version="1.0.0", environment=machine.environment())
    attach(desk.session, desk.tracker)
    attach(desk.session, desk.tracker)
    client = desk.client()
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
    attach(client, desk.tracker)
    client.list_queues()
    assert len(desk.payloads()) == 2


def test_detached_while_a_call_is_under_way(desk: Desk) -> None:
    """A call that ends after the attachment is not recorded."""
    attachment = attach(desk.session, desk.tracker)
    client = desk.client()
    client.meta.events.register("before-send", lambda **_: attachment.detach())
    client.list_queues()
    assert len(desk.endpoint.received) == 1
    assert desk.payloads() == []


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
