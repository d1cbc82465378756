"""Tests of a running LocalStack: where it is asked, and the request that it sent by itself."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from tests.support.machine import codes
from usagectl.preview import preview
from usagectl.sensitive import MASK
from usagectl.tools.previews import Live, PreviewWish
from usagectl.tools.registry import select

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.machine import Machine
    from usagectl.preview import Preview

INFO: dict[str, object] = {
    "version": "4.14.0:abc123",
    "edition": "pro",
    "session_id": "11111111-2222-4333-8444-555555555555",
    "machine_id": "dkr_0123456789ab",
    "system": "Linux,6,x86_64",
    "is_docker": True,
}
STARTED_WITH = ("api_key", "is_ci", "is_testing", "product")
SHELL = {
    "LOCALSTACK_AUTH_TOKEN": "ls-of-the-shell",
    "CI": "1",
    "LOCALSTACK_ANALYTICS_API": "http://shell/v1",
}


def previews(machine: Machine, live: Live, **wish: Any) -> tuple[Preview, ...]:  # noqa: ANN401
    """Preview LocalStack beside a running instance."""
    environment = machine.environment()
    tool = select(environment, ["localstack"])[0]
    return preview(environment, tool, PreviewWish(**{"live": live, **wish}))[0]


def started(variables: Mapping[str, str], *, in_container: bool = False) -> Live:
    """Describe an instance whose variables somebody told."""
    told_by, at = "/proc/7/environ", time.time() + 60
    return Live({}, INFO, variables, told_by, started_at=at, is_container=in_container)


def payload_of(found: Preview) -> dict[str, object]:
    """Give the payload of the one request."""
    (request,) = found.requests
    payload = json.loads(request.body)["payload"]
    assert isinstance(payload, dict)
    return payload


def test_a_running_instance_has_its_own_request(machine: Machine) -> None:
    """What it says of itself and what it was started with fill it; the shell's own never does."""
    machine.variables |= SHELL
    variables = {"LOCALSTACK_AUTH_TOKEN": "ls-token", "ANALYTICS_API": "http://c/"}
    first, second = previews(machine, started(variables))
    assert [first.consent.part, second.consent.part] == ["cli", "container"]
    (request,) = second.requests
    payload = payload_of(second)
    assert {name: payload[name] for name in INFO} == INFO
    assert (request.url, request.headers["User-Agent"]) == ("http://c/session", "localstack/4.14.0")
    assert request.headers["Localstack-Session-ID"] == INFO["session_id"]
    assert (request.varying, request.unknown) == (("/metadata/client_time",), ())
    assert (request.masked, payload["api_key"]) == (("/payload/api_key",), MASK)
    assert (payload["is_ci"], payload["product"], second.would_send) == (False, "aws", True)
    quiet = payload_of(previews(machine, started({"CI": ""}))[1])
    assert (quiet["is_ci"], quiet["api_key"]) == (True, "")


def test_whatever_an_instance_says_the_request_stays_json(machine: Machine) -> None:
    """Odd versions and members make no difference to that."""
    odd: list[dict[str, object]] = [{"version": 5}, {"version": "x"}, {"version": None}, {"a": []}]
    for info in odd:
        (request,) = previews(machine, Live({}, info, {}))[1].requests
        assert json.loads(request.body)["name"] == "session"


def test_what_nobody_tells_is_unknown(machine: Machine) -> None:
    """Neither token nor switches of the shell are taken for the instance's; null stands there."""
    machine.variables |= SHELL
    for switch in ("0", "1"):
        machine.variables["DISABLE_EVENTS"] = switch
        found = previews(machine, Live({}, INFO))[1]
        (request,) = found.requests
        assert request.unknown == tuple(f"/payload/{name}" for name in STARTED_WITH)
        assert {payload_of(found)[name] for name in STARTED_WITH} == {None}
        assert request.headers["Content-Length"] == "unknown"
        assert request.url == "https://analytics.localstack.cloud/v1/session"
        assert (found.consent.telemetry, found.would_send) == ("unknown", None)
        assert codes(found) == ["instance-unknown"]


def test_its_own_switches_decide(machine: Machine) -> None:
    """A container's entrypoint lets the prefixed name win; elsewhere nothing reads that name."""
    plain, prefixed = "DISABLE_EVENTS", "LOCALSTACK_DISABLE_EVENTS"
    table: list[tuple[dict[str, str], bool, str]] = [
        ({plain: "1"}, False, "off"),
        ({plain: "yes"}, False, "on"),
        ({prefixed: "1"}, False, "on"),
        ({prefixed: "1"}, True, "off"),
        ({prefixed: "0", plain: "1"}, True, "on"),
    ]
    wrong = []
    for variables, in_container, expected in table:
        live = started(variables, in_container=in_container)
        found = previews(machine, live)[1]
        shown = previews(machine, live, if_enabled=True)[1]
        if (found.consent.telemetry, len(shown.requests)) != (expected, 1):
            wrong.append((variables, in_container, found.consent.telemetry))
        assert len(found.requests) == (expected == "on")
    assert wrong == []
    seen = payload_of(previews(machine, started({"LOCALSTACK_CI": "1"}, in_container=True))[1])
    assert seen["is_ci"] is True


def test_an_instance_started_on_the_host_has_read_its_profile(machine: Machine) -> None:
    """Whatever command started it: LocalStack's configuration reads them wherever it is loaded."""
    machine.default_profile.parent.mkdir()
    machine.default_profile.write_text("DISABLE_EVENTS=1\n")
    variables = {"HOME": str(machine.home)}
    consent = previews(machine, started(variables))[1].consent
    assert (consent.telemetry, consent.decided_by.origin) == ("off", "a profile that it read")
    machine.default_profile.write_text("LOCALSTACK_AUTH_TOKEN=ls-x\n")
    assert payload_of(previews(machine, started(variables))[1])["api_key"] == MASK
    machine.default_profile.write_text("DISABLE_EVENTS=1\n")
    found = previews(machine, started(variables)._replace(started_at=time.time() - 60))[1]
    assert (found.consent.telemetry, codes(found)) == ("on", ["profile-newer"])
    machine.default_profile.write_text("LOCALSTACK_AUTH_TOKEN=ls-x\n")
    in_container = started({**variables, "DISABLE_EVENTS": "0"}, in_container=True)
    assert payload_of(previews(machine, in_container)[1])["api_key"] == ""


def test_what_runs_counts_as_found(machine: Machine) -> None:
    """Without its command on PATH the instance's version gives the rules; nothing says absent."""
    environment = machine.environment()
    tool = select(environment, ["localstack"])[0]
    found, remarks = preview(environment, tool, PreviewWish(live=started({})))
    assert [each.consent.installation.installed for each in found] == [True, True]
    assert [each.consent.installation.version for each in found] == ["4.14.0", "4.14.0"]
    assert "not found" not in " ".join(remarks)
    machine.install_localstack("4.12.0")
    found, _ = preview(machine.environment(), tool, PreviewWish(live=started({})))
    assert [each.consent.installation.version for each in found] == ["4.12.0", "4.14.0"]


def test_where_an_instance_is_looked_for(machine: Machine) -> None:
    """GATEWAY_LISTEN, LOCALSTACK_HOST and EDGE_PORT, of a profile too; 4566 comes last."""
    tool = select(machine.environment(), ["localstack"])[0]
    table: list[tuple[dict[str, str], str]] = [
        ({}, ""),
        ({"GATEWAY_LISTEN": "0.0.0.0:4567"}, "127.0.0.1:4567"),
        ({"GATEWAY_LISTEN": ":4568,127.0.0.2:443"}, "127.0.0.1:4568 127.0.0.2:443"),
        ({"GATEWAY_LISTEN": "[::1]:4569"}, "[::1]:4569"),
        ({"GATEWAY_LISTEN": "[::1]"}, "[::1]:4566"),
        ({"GATEWAY_LISTEN": "127.0.0.1"}, ""),
        ({"LOCALSTACK_HOST": "localhost.localstack.cloud:4510"}, "127.0.0.1:4510"),
        ({"LOCALSTACK_HOST": "x:1", "GATEWAY_LISTEN": ":2"}, "127.0.0.1:2 127.0.0.1:1"),
        ({"EDGE_PORT": "4570"}, "127.0.0.1:4570"),
        ({"EDGE_PORT": "99999"}, ""),
        ({"EDGE_PORT": "0"}, ""),
        ({"EDGE_PORT": "x"}, ""),
    ]
    wrong = []
    machine.default_profile.parent.mkdir()
    for variables, expected in table:
        places = [*expected.split(), "127.0.0.1:4566"]
        urls = tuple(f"http://{place}/_localstack/info" for place in places)
        machine.default_profile.write_text("")
        by_variable = tool.instance_urls(machine.environment(variables=variables))
        machine.default_profile.write_text("".join(f"{n}={v}\n" for n, v in variables.items()))
        by_profile = tool.instance_urls(machine.environment())
        if {by_variable, by_profile} != {urls}:
            wrong.append((variables, by_variable, by_profile))
    assert wrong == []
