"""Tests of what preview shows and when: consent, addresses, what running programs say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from usagectl import preview, recorded
from usagectl.preview import Live
from usagectl.tools.base import MASK

if TYPE_CHECKING:
    from tests.support.machine import Machine
    from usagectl.preview import Preview

PRESENT = b'{"name": "cli_cmd", "metadata": {}, "payload": {"cmd": "usagectl preview"}}'
INFO = {
    "version": "4.14.0:abc123",
    "edition": "pro",
    "session_id": "11111111-2222-4333-8444-555555555555",
    "machine_id": "dkr_0123456789ab",
    "system": "Linux,6,x86_64",
    "is_docker": True,
}


def resolve(document: Any, pointer: str) -> object:  # noqa: ANN401
    """Follow a JSON pointer (RFC 6901); KeyError when it leads nowhere."""
    for name in pointer.split("/")[1:]:
        document = document[int(name) if isinstance(document, list) else name]
    return document


def localstack(machine: Machine, **options: Any) -> tuple[Preview, ...]:  # noqa: ANN401
    """Preview LocalStack with 4.12's rules unless told otherwise."""
    return preview.preview_localstack(machine.environment(), **{"version": "4.12.0", **options})


def own(machine: Machine, *, present: bytes | None = PRESENT, **options: Any) -> Preview:  # noqa: ANN401
    """Preview usagectl."""
    return recorded.preview_own(machine.environment(), present=present, **options)


@pytest.mark.parametrize("value", ["1", "true"])
def test_off_shows_nothing_unless_asked(machine: Machine, value: str) -> None:
    """An opted-out client sends nothing, so nothing is shown; --if-enabled shows what would be."""
    machine.variables["DISABLE_EVENTS"] = value
    (off,) = localstack(machine)
    assert (off.requests, off.would_send, off.consent.telemetry) == ((), False, "off")
    (shown,) = localstack(machine, if_enabled=True)
    assert (len(shown.requests), shown.would_send) == (1, False)


def test_varying_and_masked_members_are_in_the_body(machine: Machine) -> None:
    """Every pointer leads to a member; two previews differ at the varying ones alone."""
    machine.variables |= {"LOCALSTACK_AUTH_TOKEN": "ls-token"}
    first, second = (localstack(machine)[0].requests[0] for _ in range(2))
    bodies = [json.loads(request.body) for request in (first, second)]
    assert set(first.varying) == {
        "/metadata/session_id",
        "/metadata/client_time",
        "/payload/session_id",
        "/payload/machine_id",
    }
    assert [resolve(bodies[0], pointer) for pointer in first.masked] == [MASK]
    for pointer in first.varying:
        for body in bodies:
            assert resolve(body, pointer) is not None
            parent = resolve(body, pointer.rpartition("/")[0])
            assert isinstance(parent, dict)
            parent[pointer.rpartition("/")[2]] = None
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize("value", ["gen_1a55233f-ee4", "", None, 5])
def test_a_stored_id_is_sent_as_it_is(machine: Machine, value: object) -> None:
    """Whatever the file holds is the machine ID, and it does not vary."""
    machine.machine_json.parent.mkdir(parents=True)
    machine.machine_json.write_text(json.dumps({"machine_id": value}))
    (request,) = localstack(machine)[0].requests
    assert json.loads(request.body)["payload"]["machine_id"] == value
    assert "/payload/machine_id" not in request.varying


def test_preview_writes_nothing(machine: Machine) -> None:
    """Looking makes no machine ID, no folder, no event."""
    localstack(machine, if_enabled=True)
    own(machine)
    assert list(machine.home.rglob("*")) == []
    assert not machine.state_dir.exists()


@pytest.mark.parametrize("part", ["http://user:secret@host.example:8123/v1", "http://u@h/v1"])
def test_user_info_of_the_address_never_becomes_the_host(machine: Machine, part: str) -> None:
    """The Host header holds host and port alone, for both tools."""
    machine.variables["ANALYTICS_API"] = part
    for request in (*localstack(machine)[0].requests, *own(machine).requests):
        assert request.headers["Host"] in ("host.example:8123", "h")


@pytest.mark.parametrize("value", ["http://[bad", "nonsense", "ftp://h/v1", "http://h:99999999/v1"])
def test_an_address_that_is_none_sends_nothing(machine: Machine, value: str) -> None:
    """A client cannot post to what is no URL: that is said instead of a request."""
    machine.variables |= {"ANALYTICS_API": value, "LOCALSTACK_ANALYTICS_API": value}
    previews = [*localstack(machine, live=Live({}, INFO)), own(machine)]
    assert len(previews) == 3
    for found in previews:
        assert (found.requests, found.would_send) == ((), False)
        assert [caution.code for caution in found.cautions] == ["endpoint-invalid"]
    done = machine.run("preview", "--json")
    assert (done.status, done.data["requests"]) == (0, [])


@pytest.mark.parametrize("has_socket", [True, False])
@pytest.mark.parametrize("stored", [True, False])
def test_docker_that_was_not_asked_is_mentioned(
    machine: Machine, *, has_socket: bool, stored: bool
) -> None:
    """Where Docker is likely to run, the members it would change are named; --live asks it."""
    machine.install_program("docker")
    (machine.root / "etc").mkdir()
    (machine.root / "etc" / "machine-id").write_text("0123456789abcdef\n")
    if has_socket:
        (machine.root / "run").mkdir()
        (machine.root / "run" / "docker.sock").touch()
    if stored:
        machine.machine_json.parent.mkdir(parents=True)
        machine.machine_json.write_text('{"machine_id": "x"}')
    cautions = localstack(machine)[0].cautions
    assert [caution.code for caution in cautions] == (["docker-not-asked"] if has_socket else [])
    if has_socket:
        assert ("machine_id" in cautions[0].message) == (not stored)
    assert localstack(machine, live=Live())[0].cautions == ()
    assert localstack(machine, version="1.4.0")[0].cautions == ()


def test_docker_host_counts_without_a_socket(machine: Machine) -> None:
    """DOCKER_HOST names a daemon elsewhere; without a docker program there is none to ask."""
    machine.variables["DOCKER_HOST"] = "tcp://127.0.0.1:1"
    assert localstack(machine)[0].cautions == ()
    machine.install_program("docker")
    assert [caution.code for caution in localstack(machine)[0].cautions] == ["docker-not-asked"]


@pytest.mark.parametrize(
    ("version", "system"),
    [("3.8.1", "linux"), ("4.12.0", "linux"), ("4.14.0", "Debian,6.2,x86_64"), ("1.4.0", "Linux")],
)
def test_dockers_word_goes_into_system_and_id(machine: Machine, version: str, system: str) -> None:
    """With Docker's info, its ID gives the machine ID and its kernel the system string."""
    docker = {
        "ID": "D:1",
        "OSType": "Linux",
        "OperatingSystem": "Debian",
        "KernelVersion": "6.2",
        "Architecture": "x86_64",
    }
    (request,) = localstack(machine, version=version, live=Live(docker))[0].requests
    payload = json.loads(request.body)["payload"]
    assert payload["system"] == system
    is_old = version == "1.4.0"
    assert payload["machine_id"].startswith("dkr_") is not is_old
    assert ("/payload/machine_id" in request.varying) is is_old


def test_a_running_instance_has_its_own_request(machine: Machine) -> None:
    """What the instance says of itself fills its request; the rules are those of its version."""
    machine.variables |= {
        "LOCALSTACK_AUTH_TOKEN": "ls-token",
        "LOCALSTACK_ANALYTICS_API": "http://c/",
    }
    first, second = localstack(machine, live=Live({}, INFO))
    assert [first.consent.part, second.consent.part] == ["cli", "container"]
    (request,) = second.requests
    payload = json.loads(request.body)["payload"]
    same = {name: payload[name] for name in INFO}
    assert same == INFO
    assert (request.url, request.headers["User-Agent"]) == ("http://c/session", "localstack/4.14.0")
    assert request.headers["Localstack-Session-ID"] == INFO["session_id"]
    assert request.varying == ("/metadata/client_time",)
    assert request.masked == ("/payload/api_key",)


def test_an_instance_that_is_opted_out_shows_nothing(machine: Machine) -> None:
    """The container's own verdict counts for its request."""
    machine.variables["LOCALSTACK_DISABLE_EVENTS"] = "1"
    first, second = localstack(machine, live=Live({}, INFO))
    assert (len(first.requests), len(second.requests)) == (1, 0)
    assert len(localstack(machine, live=Live({}, INFO), if_enabled=True)[1].requests) == 1


@pytest.mark.parametrize("info", [{"version": 5}, {"version": "x"}, {"version": None}, {"a": []}])
def test_an_odd_answer_of_an_instance_is_no_reason_to_fail(
    machine: Machine, info: dict[str, object]
) -> None:
    """Whatever an instance says, the request stays JSON."""
    (request,) = localstack(machine, live=Live({}, info))[1].requests
    assert json.loads(request.body)["name"] == "session"


@pytest.mark.parametrize(
    ("value", "port"),
    [
        ({}, 4566),
        ({"GATEWAY_LISTEN": "0.0.0.0:4567"}, 4567),
        ({"GATEWAY_LISTEN": ":4568,0.0.0.0:443"}, 4568),
        ({"GATEWAY_LISTEN": "4569"}, 4569),
        ({"GATEWAY_LISTEN": "127.0.0.1"}, 4566),
        ({"EDGE_PORT": "4570"}, 4570),
        ({"EDGE_PORT": "99999"}, 4566),
        ({"EDGE_PORT": "0"}, 4566),
        ({"EDGE_PORT": "x"}, 4566),
    ],
)
def test_the_instances_port_is_the_configured_one(
    machine: Machine, value: dict[str, str], port: int
) -> None:
    """GATEWAY_LISTEN, else EDGE_PORT, else 4566; nonsense is the default."""
    machine.variables |= value
    assert preview.instance_port(machine.environment()) == port
