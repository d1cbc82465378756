"""Tests of LocalStack's session request: members, values and bytes by version and environment."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from tests.support.machine import NOW, codes
from usagectl.preview import preview
from usagectl.sensitive import MASK
from usagectl.tools.previews import Live, PreviewWish
from usagectl.tools.registry import select

if TYPE_CHECKING:
    from tests.support.machine import Machine, Machines
    from usagectl.preview import Preview
    from usagectl.tools.previews import Request

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
INFO = {
    "version": "4.14.0:abc123",
    "edition": "pro",
    "session_id": "11111111-2222-4333-8444-555555555555",
    "machine_id": "dkr_0123456789ab",
    "system": "Linux,6,x86_64",
    "is_docker": True,
}
SYSTEM_ID = "0123456789abcdef0123456789abcdef\n"


def previews(machine: Machine, **wish: Any) -> tuple[Preview, ...]:  # noqa: ANN401
    """Preview LocalStack with 4.12's rules unless told otherwise."""
    environment = machine.environment()
    tool = select(environment, ["localstack"])[0]
    return preview(environment, tool, PreviewWish(**{"version": "4.12.0", **wish}))[0]


def request_of(machine: Machine, version: str = "4.12.0", *, reveal: bool = False) -> Request:
    """Give the one request of LocalStack's command line."""
    (found,) = previews(machine, version=version, reveal=reveal)
    (request,) = found.requests
    return request


def payload_of(
    machine: Machine, version: str = "4.12.0", *, reveal: bool = False
) -> dict[str, object]:
    """Give the payload of that request."""
    payload = json.loads(request_of(machine, version, reveal=reveal).body)["payload"]
    assert isinstance(payload, dict)
    return payload


def install_system_id(machine: Machine, text: str = SYSTEM_ID) -> None:
    """Give the machine an /etc/machine-id."""
    (machine.root / "etc").mkdir()
    (machine.root / "etc" / "machine-id").write_text(text)


def test_each_version_family_has_its_members_in_order(machine: Machine) -> None:
    """The payload's members, their order and the system string are those of that version."""
    wrong = []
    for version, members, system in FAMILIES:
        payload = payload_of(machine, version)
        found = (" ".join(payload), payload["system"], payload["version"])
        if found != (members, system, version):
            wrong.append((version, *found))
    assert wrong == []


def test_the_system_string(machine: Machine) -> None:
    """Each family has another word for a container; 4.12 sends the platform in lower case."""
    machine.variables |= {"OVERRIDE_IN_DOCKER": "1", "LOCALSTACK_TELEMETRY_EDITION": "pro"}
    for version, system in (
        ("1.4.0", "Linux"),
        ("3.8.1", "docker"),
        ("4.12.0", "docker"),
        ("4.14.0", "Linux(Container),6.1.0-test,x86_64"),
        ("2026.3.0", "Linux(Container),6.1.0-test,x86_64"),
    ):
        payload = payload_of(machine, version)
        assert (payload["system"], payload["is_docker"]) == (system, True), version
    assert payload_of(machine, "2026.3.0")["container_runtime"] == "none", "the engine's own marks"
    machine.variables = {"USERPROFILE": str(machine.home), "LOCALAPPDATA": str(machine.home)}
    for system in ("Darwin", "Windows"):
        machine.system = system
        assert payload_of(machine)["system"] == system.lower()


def test_the_request_is_the_clients(machine: Machine) -> None:
    """Separators are ", " and ": ", text is ASCII, members stand in the client's order.

    So do the headers; the user agent has no git hash.
    """
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
    session = event["payload"]["session_id"]
    url = "https://analytics.localstack.cloud/v1/session"
    assert (request.method, request.url) == ("POST", url)
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


def test_the_key_is_the_token_else_the_api_key(machine: Machine) -> None:
    """The token comes before the API key, both without quotes and blanks; none is empty text.

    The length is that of the bytes that would go out, also where masked ones are shown.
    """
    token, key = "LOCALSTACK_AUTH_TOKEN", "LOCALSTACK_API_KEY"
    for variables, expected in (
        ({}, ""),
        ({token: "ls-secret"}, "ls-secret"),
        ({token: " 'ls-secret\" "}, "ls-secret"),
        ({token: "ls-secret\udcff"}, "ls-secret\udcff"),
        ({key: "old"}, "old"),
        ({token: "new", key: "old"}, "new"),
        ({token: "", key: "old"}, "old"),
        ({token: "''", key: "old"}, "old"),
    ):
        machine.variables = variables
        assert payload_of(machine, reveal=True)["api_key"] == expected, variables
        shown, whole = request_of(machine), request_of(machine, reveal=True)
        assert (b"ls-secret" in shown.body, b'"old"' in shown.body) == (False, False)
        lengths = {request.headers["Content-Length"] for request in (shown, whole)}
        assert (lengths, whole.masked) == ({str(len(whole.body))}, ())
        assert shown.masked == (("/payload/api_key",) if expected else ())
        assert json.loads(shown.body)["payload"]["api_key"] == (MASK if expected else "")


def test_flags_follow_the_clients_own_truth(machine: Machine) -> None:
    """The client looks for CI alone and takes an empty one for yes; testing must be 1 or true."""
    test_run = "LOCALSTACK_INTERNAL_TEST_RUN"
    for variables, is_ci, is_testing in (
        ({}, False, False),
        ({"CI": "1"}, True, False),
        ({"CI": ""}, True, False),
        ({"CI": "false"}, True, False),
        ({"GITHUB_ACTIONS": "true"}, False, False),
        ({test_run: "1"}, False, True),
        ({test_run: " TRUE "}, False, True),
        ({test_run: "yes"}, False, False),
        ({test_run: ""}, False, False),
    ):
        machine.variables = variables
        payload = payload_of(machine)
        assert (payload["is_ci"], payload["is_testing"]) == (is_ci, is_testing), variables


def test_a_stray_version_file_becomes_the_edition(machine: Machine) -> None:
    """In a command-line process the client lists the working folder by mistake.

    Inside a container the marker in the static libraries names the edition.
    """
    for name in ("plain-version", ".version"):
        (machine.cwd / name).touch()
    for edition in ("python", "acme-secret-project"):
        file = machine.cwd / f".{edition}-version"
        file.touch()
        assert payload_of(machine)["edition"] == edition
        file.unlink()
    (machine.cwd / ".python-version").touch()
    machine.variables["LOCALSTACK_TELEMETRY_EDITION"] = "enterprise"
    assert payload_of(machine)["edition"] == "enterprise"
    machine.variables = {"OVERRIDE_IN_DOCKER": "1"}
    folder = machine.root / "usr" / "lib" / "localstack"
    folder.mkdir(parents=True)
    (folder / ".pro-version").touch()
    assert payload_of(machine)["edition"] == "pro"


def test_where_no_edition_can_be_named_start_alone_sends_a_session(machine: Machine) -> None:
    """In a container without the image's folder `start` says that it is on a host.

    Older versions look for no edition. The request is that of a host, with the ID of its file;
    where the working folder cannot be listed there is none, and `cli_cmd` events leave all the
    same.
    """
    install_system_id(machine)
    machine.machine_json.parent.mkdir(parents=True)
    machine.machine_json.write_text('{"machine_id": "gen_host"}')
    on_host = payload_of(machine)
    machine.variables["OVERRIDE_IN_DOCKER"] = "1"
    (old,) = previews(machine, version="3.8.1")
    assert (len(old.requests), codes(old), old.would_send) == (1, [], True)
    (new,) = previews(machine)
    assert (codes(new), new.would_send) == (["no-session"], True)
    payload = json.loads(new.requests[0].body)["payload"]
    assert {**on_host, "session_id": ""} == {**payload, "session_id": ""}
    assert (payload["is_docker"], payload["machine_id"]) == (False, "gen_host")
    machine.variables = {}
    machine.cwd.rmdir()
    (gone,) = previews(machine)
    assert (gone.requests, codes(gone)) == ((), ["no-session"])
    assert "container" not in gone.cautions[0].message


def test_a_profile_sets_values_of_the_payload(machine: Machine) -> None:
    """The client reads its profiles before it computes the payload, but after its address."""
    machine.default_profile.parent.mkdir()
    machine.default_profile.write_text(
        "CI=\nLOCALSTACK_API_KEY=k\nLOCALSTACK_TELEMETRY_PRODUCT=p\nLOCALSTACK_BUILD_GIT_HASH=h\n"
        "LOCALSTACK_INTERNAL_TEST_RUN=1\nANALYTICS_API=http://127.0.0.1:1/v1\n"
    )
    payload = payload_of(machine, reveal=True)
    members = ("is_ci", "api_key", "product", "version", "is_testing")
    assert [payload[name] for name in members] == [True, "k", "p", "4.12.0:h", True]
    assert request_of(machine).headers["Host"] == "analytics.localstack.cloud"


def test_the_address_is_the_environments(machine: Machine) -> None:
    """ANALYTICS_API counts without trailing slashes; empty is the default; no user in Host."""
    cases = {
        "http://127.0.0.1:1/v1": "http://127.0.0.1:1/v1/session",
        "http://127.0.0.1:1/v1///": "http://127.0.0.1:1/v1/session",
        "http://127.0.0.1:1": "http://127.0.0.1:1/session",
        "": "https://analytics.localstack.cloud/v1/session",
        "http://user:secret@host.example:8123/v1": f"http://{MASK}@host.example:8123/v1/session",
    }
    found = {}
    for value in cases:
        machine.variables["ANALYTICS_API"] = value
        found[value] = request_of(machine).url
        assert "@" not in request_of(machine).headers["Host"]
    assert found == cases


def test_varying_and_masked_members_are_in_the_body(machine: Machine) -> None:
    """Every pointer leads to a member; two previews differ at the varying ones alone."""
    machine.variables |= {"LOCALSTACK_AUTH_TOKEN": "ls-token"}
    first, second = request_of(machine), request_of(machine)
    bodies = [json.loads(request.body) for request in (first, second)]
    assert set(first.varying) == {
        "/metadata/session_id",
        "/metadata/client_time",
        "/payload/session_id",
        "/payload/machine_id",
    }
    assert (first.masked, bodies[0]["payload"]["api_key"]) == (("/payload/api_key",), MASK)
    for pointer in first.varying:
        _, group, name = pointer.split("/")
        assert all(body[group].pop(name) for body in bodies)
    assert bodies[0] == bodies[1]


def test_a_stored_id_is_sent_as_it_is(machine: Machine) -> None:
    """Whatever the file holds is the machine ID, and it does not vary; 1.x has another file."""
    machine.machine_json.parent.mkdir(parents=True)
    for value in ("gen_1a55233f-ee4", "", None, 5):
        machine.machine_json.write_text(json.dumps({"machine_id": value}))
        request = request_of(machine)
        assert json.loads(request.body)["payload"]["machine_id"] == value
        assert "/payload/machine_id" not in request.varying
    assert payload_of(machine, "1.4.0")["machine_id"] != 5
    machine.machine_json.write_text("broken")
    assert "/payload/machine_id" in request_of(machine).varying


def md5(text: str) -> str:
    """Compute what the client computes, written out once more."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


GEN, OLD = r"gen_[0-9a-f]{8}-[0-9a-f]{3}", r"[0-9a-f]{8}"
IDS: list[tuple[str, bool, str, str | None, str]] = [
    ("4.12.0", False, "", SYSTEM_ID, "sys_" + md5("ls" + SYSTEM_ID.strip())[:12]),
    ("2.3.2", False, "D:1", SYSTEM_ID, "dkr_" + md5("lsD:1")[:12]),
    ("4.12.0", True, "D:1", SYSTEM_ID, "dkr_" + md5("lsD:1")[:12]),
    ("1.4.0", False, "D:1", SYSTEM_ID, md5(SYSTEM_ID)[:8]),
    ("1.0.4", False, "", SYSTEM_ID, md5(SYSTEM_ID)[:8]),
    ("4.12.0", True, "", SYSTEM_ID, GEN),
    ("4.12.0", False, "", None, GEN),
    ("4.12.0", False, "", " \n", GEN),
    ("1.4.0", True, "", SYSTEM_ID, OLD),
    ("1.4.0", False, "", None, OLD),
]


def test_an_id_that_no_file_holds(machines: Machines) -> None:
    """Docker's ID comes before /etc/machine-id, salted with "ls"; 1.x hashes that whole file.

    In a container, or without a system ID, the client draws; 1.x draws 8 digits.
    """
    wrong: list[object] = []
    for version, in_container, docker_id, system_id, shape in IDS:
        machine = machines()
        if in_container:
            machine.variables = {"OVERRIDE_IN_DOCKER": "1", "LOCALSTACK_TELEMETRY_EDITION": "pro"}
        if system_id is not None:
            install_system_id(machine, system_id)
        live = Live({"ID": docker_id} if docker_id else {})
        (request,) = previews(machine, version=version, live=live)[0].requests
        found = json.loads(request.body)["payload"]["machine_id"]
        is_random = "/payload/machine_id" in request.varying
        if not re.fullmatch(shape, found) or is_random != (shape in (GEN, OLD)):
            wrong.append((version, in_container, docker_id, system_id, found, is_random))
    assert wrong == []


def test_docker_that_was_not_asked_is_mentioned(machines: Machines) -> None:
    """Where Docker is likely to run, the members it would change are named; --live asks it."""
    for has_socket in (True, False):
        for is_stored in (True, False):
            machine = machines()
            machine.install_program("docker")
            install_system_id(machine)
            if has_socket:
                (machine.root / "run").mkdir()
                (machine.root / "run" / "docker.sock").touch()
            if is_stored:
                machine.machine_json.parent.mkdir(parents=True)
                machine.machine_json.write_text('{"machine_id": "x"}')
            (found,) = previews(machine)
            assert codes(found) == (["docker-not-asked"] if has_socket else [])
            if has_socket:
                assert ("machine_id" in found.cautions[0].message) == (not is_stored)
            assert previews(machine, live=Live())[0].cautions == ()
            assert previews(machine, version="1.4.0")[0].cautions == ()
            machine.variables["DOCKER_HOST"] = "tcp://127.0.0.1:1"  # A daemon elsewhere.
            assert codes(previews(machine)[0]) == ["docker-not-asked"]
            (machine.bin / "docker").unlink()  # There is no program to ask it.
            assert previews(machine)[0].cautions == ()


def test_dockers_word_goes_into_system_and_id(machine: Machine) -> None:
    """With Docker's info, its ID gives the machine ID and its kernel the system string."""
    docker = {
        "ID": "D:1",
        "OSType": "Linux",
        "OperatingSystem": "Debian",
        "KernelVersion": "6.2",
        "Architecture": "x86_64",
    }
    for version, system in (
        ("3.8.1", "linux"),
        ("4.12.0", "linux"),
        ("4.14.0", "Debian,6.2,x86_64"),
        ("1.4.0", "Linux"),
    ):
        (request,) = previews(machine, version=version, live=Live(docker))[0].requests
        payload = json.loads(request.body)["payload"]
        is_old = version == "1.4.0"
        assert payload["system"] == system, version
        assert payload["machine_id"].startswith("dkr_") is not is_old
        assert ("/payload/machine_id" in request.varying) is is_old
