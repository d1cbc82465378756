"""Tests of LocalStack's session request: members, values and bytes by version and environment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.machine import NOW
from usagectl import preview
from usagectl.tools.base import MASK

if TYPE_CHECKING:
    from tests.support.machine import Machine
    from usagectl.preview import Request

BASE = "session_id machine_id api_key system version is_ci is_docker is_testing"
FAMILIES = [
    ("1.0.4", BASE, "Linux"),
    ("1.4.0", BASE, "Linux"),
    ("2.3.2", BASE, "linux"),
    ("3.0.2", BASE, "linux"),
    ("3.8.1", BASE, "linux"),
    ("4.12.0", f"{BASE} product edition", "linux"),
    ("4.14.0", f"{BASE} product edition", "Linux,6.1.0-test,x86_64"),
    ("2026.3.0", f"{BASE} product edition container_runtime", "Linux,6.1.0-test,x86_64"),
    ("2026.8.2", f"{BASE} product edition", "linux"),
]


def request_of(machine: Machine, version: str = "4.12.0", *, reveal: bool = False) -> Request:
    """Give the one request of LocalStack's command line."""
    (found,) = preview.preview_localstack(machine.environment(), version=version, reveal=reveal)
    (request,) = found.requests
    return request


def payload_of(
    machine: Machine, version: str = "4.12.0", *, reveal: bool = False
) -> dict[str, object]:
    """Give the payload of that request."""
    payload = json.loads(request_of(machine, version, reveal=reveal).body)["payload"]
    assert isinstance(payload, dict)
    return payload


@pytest.mark.parametrize(("version", "members", "system"), FAMILIES)
def test_each_version_family_has_its_members_in_order(
    machine: Machine, version: str, members: str, system: str
) -> None:
    """The payload's members, their order and the system string are those of that version."""
    payload = payload_of(machine, version)
    assert list(payload) == members.split()
    assert payload["system"] == system
    assert payload["version"] == version


@pytest.mark.parametrize(
    ("version", "system"),
    [
        ("1.4.0", "Linux"),
        ("3.8.1", "docker"),
        ("4.12.0", "docker"),
        ("4.14.0", "Linux(Container),6.1.0-test,x86_64"),
        ("2026.3.0", "Linux(Container),6.1.0-test,x86_64"),
    ],
)
def test_the_system_string_says_container(machine: Machine, version: str, system: str) -> None:
    """Inside a container each family has another word for it."""
    machine.variables |= {"OVERRIDE_IN_DOCKER": "1", "LOCALSTACK_TELEMETRY_EDITION": "pro"}
    payload = payload_of(machine, version)
    assert (payload["system"], payload["is_docker"]) == (system, True)


@pytest.mark.parametrize("system", ["Darwin", "Windows"])
def test_the_system_string_follows_the_machine(machine: Machine, system: str) -> None:
    """The 4.12 family sends the platform's name in lower case."""
    machine.system = system
    machine.variables |= {"USERPROFILE": str(machine.home), "LOCALAPPDATA": str(machine.home)}
    assert payload_of(machine)["system"] == system.lower()


def test_the_body_is_the_clients_json(machine: Machine) -> None:
    """Separators are ", " and ": ", text is ASCII, members stand in the client's order."""
    machine.variables |= {"LOCALSTACK_TELEMETRY_PRODUCT": "é", "LOCALSTACK_BUILD_GIT_HASH": "abc"}
    request = request_of(machine)
    event = json.loads(request.body)
    assert list(event) == ["name", "metadata", "payload"]
    assert list(event["metadata"]) == ["session_id", "client_time"]
    assert event["metadata"]["client_time"] == str(int(NOW.timestamp()))
    assert event["metadata"]["session_id"] == event["payload"]["session_id"]
    assert request.body.startswith(b'{"name": "session", "metadata": {"session_id": "')
    assert b'"product": "\\u00e9", "edition": "unknown"}}' in request.body
    assert b'"version": "4.12.0:abc", ' in request.body


def test_the_headers_are_the_clients(machine: Machine) -> None:
    """Names and order are those of the recorded client; the user agent has no git hash."""
    machine.variables["LOCALSTACK_BUILD_GIT_HASH"] = "abc"
    request = request_of(machine)
    session = json.loads(request.body)["payload"]["session_id"]
    assert (request.method, request.url) == (
        "POST",
        "https://analytics.localstack.cloud/v1/session",
    )
    assert list(request.headers.items()) == [
        ("Host", "analytics.localstack.cloud"),
        ("User-Agent", "localstack/4.12.0"),
        ("Accept-Encoding", "gzip, deflate"),
        ("Accept", "*/*"),
        ("Connection", "keep-alive"),
        ("Localstack-Session-ID", session),
        ("Content-Length", str(len(request.body))),
        ("Content-Type", "application/json"),
    ]


@pytest.mark.parametrize(
    ("variables", "key"),
    [
        ({}, ""),
        ({"LOCALSTACK_AUTH_TOKEN": "ls-secret"}, "ls-secret"),
        ({"LOCALSTACK_AUTH_TOKEN": " 'ls-secret\" "}, "ls-secret"),
        ({"LOCALSTACK_API_KEY": "old"}, "old"),
        ({"LOCALSTACK_AUTH_TOKEN": "new", "LOCALSTACK_API_KEY": "old"}, "new"),
        ({"LOCALSTACK_AUTH_TOKEN": "", "LOCALSTACK_API_KEY": "old"}, "old"),
        ({"LOCALSTACK_AUTH_TOKEN": "''", "LOCALSTACK_API_KEY": "old"}, "old"),
    ],
)
def test_the_key_is_the_token_else_the_api_key(
    machine: Machine, variables: dict[str, str], key: str
) -> None:
    """The token comes before the API key, both without quotes and blanks; none is empty text."""
    machine.variables |= variables
    assert payload_of(machine, reveal=True)["api_key"] == key
    shown = request_of(machine)
    assert (b"ls-secret" in shown.body, b'"old"' in shown.body) == (False, False)
    assert shown.masked == (("/payload/api_key",) if key else ())
    assert json.loads(shown.body)["payload"]["api_key"] == (MASK if key else "")


def test_the_length_is_that_of_the_bytes_that_would_go_out(machine: Machine) -> None:
    """Content-Length counts the real body, also where a masked one is shown."""
    machine.variables |= {"LOCALSTACK_AUTH_TOKEN": "a-token-é-that-is-longer-than-its-mask"}
    hidden, whole = request_of(machine), request_of(machine, reveal=True)
    assert whole.headers["Content-Length"] == str(len(whole.body))
    assert hidden.headers["Content-Length"] == str(len(whole.body))
    assert len(hidden.body) != len(whole.body)
    assert whole.masked == ()


@pytest.mark.parametrize(
    ("variables", "is_ci"),
    [
        ({}, False),
        ({"CI": "1"}, True),
        ({"CI": ""}, True),
        ({"CI": "false"}, True),
        ({"GITHUB_ACTIONS": "true"}, False),
    ],
)
def test_ci_is_whether_the_variable_is_there(
    machine: Machine, variables: dict[str, str], *, is_ci: bool
) -> None:
    """The client looks for CI alone, and takes an empty one and `false` for yes."""
    machine.variables |= variables
    assert payload_of(machine)["is_ci"] is is_ci


@pytest.mark.parametrize(
    ("value", "is_testing"), [("1", True), (" TRUE ", True), ("yes", False), ("", False)]
)
def test_testing_follows_the_clients_truth(
    machine: Machine, value: str, *, is_testing: bool
) -> None:
    """LOCALSTACK_INTERNAL_TEST_RUN counts when it is 1 or true."""
    machine.variables["LOCALSTACK_INTERNAL_TEST_RUN"] = value
    assert payload_of(machine)["is_testing"] is is_testing


@pytest.mark.parametrize("name", [".python-version", ".acme-secret-project-version"])
def test_a_stray_version_file_becomes_the_edition(machine: Machine, name: str) -> None:
    """In a command-line process the client lists the working folder by mistake."""
    (machine.cwd / name).touch()
    (machine.cwd / "plain-version").touch()
    (machine.cwd / ".version").touch()
    edition = name.removeprefix(".").removesuffix("-version")
    assert payload_of(machine)["edition"] == edition
    machine.variables["LOCALSTACK_TELEMETRY_EDITION"] = "pro"
    assert payload_of(machine)["edition"] == "pro"


def test_a_container_has_its_edition_in_the_image(machine: Machine) -> None:
    """Inside a container the marker in the static libraries names the edition."""
    machine.variables["OVERRIDE_IN_DOCKER"] = "1"
    (machine.cwd / ".python-version").touch()
    folder = machine.root / "usr" / "lib" / "localstack"
    folder.mkdir(parents=True)
    (folder / ".pro-version").touch()
    assert payload_of(machine)["edition"] == "pro"


@pytest.mark.parametrize("version", ["3.8.1", "4.12.0"])
def test_without_static_libraries_no_session_is_sent(machine: Machine, version: str) -> None:
    """Versions that compute an edition fail there; older ones do not look.

    The `cli_cmd` events of its commands need no session, and leave all the same.
    """
    machine.variables["OVERRIDE_IN_DOCKER"] = "1"
    (found,) = preview.preview_localstack(machine.environment(), version=version)
    codes = [caution.code for caution in found.cautions]
    if version == "3.8.1":
        assert (len(found.requests), codes, found.would_send) == (1, [], True)
    else:
        assert (found.requests, codes, found.would_send) == ((), ["no-session"], True)


@pytest.mark.parametrize(
    ("switch", "verdict"),
    [
        ("0", "localstack cli would send events if it were on this machine."),
        ("1", "localstack cli is off. If it were on, it would send events."),
    ],
)
def test_without_a_session_the_commands_events_are_not_denied(
    machine: Machine, switch: str, verdict: str
) -> None:
    """Where no session event is sent, nobody reads that nothing is; how to see the rest is said."""
    machine.variables |= {"OVERRIDE_IN_DOCKER": "1", "DISABLE_EVENTS": switch}
    shown = machine.run("preview", "localstack", "--if-enabled").stdout
    assert f"{verdict} Its commands post a cli_cmd event each, but no session event: " in shown
    assert "usagectl capture -- localstack config show" in shown
    assert "nothing would be sent" not in shown


@pytest.mark.parametrize(
    ("version", "is_read"),
    [("1.0.4", True), ("4.14.0", True), ("9.9", False), ("2026.8.2", True), ("2027.1", False)],
)
def test_rules_that_were_never_read_are_admitted(
    machine: Machine, version: str, *, is_read: bool
) -> None:
    """A version between or beyond those that were read is shown with a word of caution."""
    done = machine.run("preview", "localstack", "--localstack-version", version, "--json")
    assert any("never read" in text for text in done.data["notices"]) is not is_read


def test_a_removed_working_folder_stops_the_session_too(machine: Machine) -> None:
    """Outside a container the same look into the working folder fails when it is gone."""
    environment = machine.environment(cwd=machine.folder / "gone")
    (found,) = preview.preview_localstack(environment, version="4.12.0")
    assert found.requests == ()
    assert "container" not in found.cautions[0].message


@pytest.mark.parametrize(
    ("mark", "runtime"),
    [
        ("run/.containerenv", "podman"),
        (".dockerenv", "docker"),
        ("usr/lib/localstack/.pro-version", "generic"),
        ("", "none"),
    ],
)
def test_container_runtime_is_the_engines_name(machine: Machine, mark: str, runtime: str) -> None:
    """2026.3 names the engine by its marks, whatever OVERRIDE_IN_DOCKER says."""
    machine.variables |= {"OVERRIDE_IN_DOCKER": "0", "LOCALSTACK_TELEMETRY_EDITION": "pro"}
    if mark:
        (machine.root / mark).parent.mkdir(parents=True, exist_ok=True)
        (machine.root / mark).touch()
    assert payload_of(machine, "2026.3.0")["container_runtime"] == runtime


def test_a_profile_sets_values_of_the_payload(machine: Machine) -> None:
    """The client puts its profiles into its environment before it computes the payload."""
    machine.default_profile.parent.mkdir()
    machine.default_profile.write_text(
        "CI=\nLOCALSTACK_API_KEY=k\nLOCALSTACK_TELEMETRY_PRODUCT=p\nLOCALSTACK_BUILD_GIT_HASH=h\n"
        "LOCALSTACK_INTERNAL_TEST_RUN=1\n"
    )
    payload = payload_of(machine, reveal=True)
    members = ("is_ci", "api_key", "product", "version", "is_testing")
    assert [payload[name] for name in members] == [True, "k", "p", "4.12.0:h", True]


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("http://127.0.0.1:1/v1", "http://127.0.0.1:1/v1/session"),
        ("http://127.0.0.1:1/v1///", "http://127.0.0.1:1/v1/session"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1/session"),
        ("", "https://analytics.localstack.cloud/v1/session"),
    ],
)
def test_the_address_is_the_environments(machine: Machine, value: str, url: str) -> None:
    """ANALYTICS_API counts without trailing slashes; empty is the default."""
    machine.variables["ANALYTICS_API"] = value
    assert request_of(machine).url == url


def test_a_profile_does_not_move_the_address(machine: Machine) -> None:
    """The client reads ANALYTICS_API before its profiles (facts, part 1)."""
    machine.default_profile.parent.mkdir()
    machine.default_profile.write_text("ANALYTICS_API=http://127.0.0.1:1/v1\n")
    assert request_of(machine).headers["Host"] == "analytics.localstack.cloud"
