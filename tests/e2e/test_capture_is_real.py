"""What `usagectl capture` sees of real clients, and what these notice of it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from usagectl import capture
from usagectl_pytest import UsageCapture, usagectl_capture  # noqa: F401 - a fixture

from .client_venv import (
    NEWER,
    OLDER,
    ClientUnavailableError,
    Release,
    find_node,
    find_or_make_client,
    find_or_make_node_package,
)
from .support import (
    CLIENT_VERSION,
    DEAD_ENDPOINT,
    Client,
    Run,
    Sandbox,
    Usagectl,
    listening,
    run_process,
)

pytestmark = pytest.mark.e2e

CONFIG_SHOW = ("localstack", "config", "show", "--format", "plain")
PROFILE = "home/.localstack/default.env"
OPTED_OUT = b"DISABLE_EVENTS=1\n"
BAD_PROXIES = {"OUTBOUND_HTTP_PROXY": DEAD_ENDPOINT, "OUTBOUND_HTTPS_PROXY": DEAD_ENDPOINT}
LOGIN = "machine 127.0.0.1 login someone password geheim-0815\n"

NODE_TOOL = """\
const base = process.env.ANALYTICS_API;
if (!base.startsWith("http://127.0.0.1:")) throw new Error("led nowhere");
process.env.GATSBY_TELEMETRY_API = base + "/gatsby";
const tool = require(process.argv[2]);
tool.trackCli("BUILD_START");
console.log("built");
if (process.argv[3] === "at-once")
  new (require(process.argv[2] + "/lib/event-storage").EventStorage)().sendEvents();
"""

NODE_FETCH = """\
fetch(process.env.ANALYTICS_API + "/events", {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ events: [{ name: "build", payload: {} }] }),
}).then((answer) => console.log(answer.status));
"""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A run under `usagectl capture`: what it printed, what its file holds."""

    run: Run
    data: Mapping[str, Any]
    captured: list[capture.Captured]


def record(
    usagectl: Usagectl,
    sandbox: Sandbox,
    *options: str,
    command: tuple[str, ...] = CONFIG_SHOW,
    changes: Mapping[str, str | None] | None = None,
) -> Recorded:
    """Run a command under `usagectl capture` and read back what was recorded of it."""
    files = ("-o", "out.jsonl", "--summary", "sum.json", "--force")
    words = ("capture", *files, *options, "--", *command)
    run = usagectl.run(sandbox, *words, changes=changes or {})
    document = json.loads((sandbox.work_dir / "sum.json").read_text())
    captured = list(capture.load(sandbox.work_dir / "out.jsonl"))
    return Recorded(run, document["data"], captured)


@pytest.mark.parametrize(
    ("words", "status", "names"),
    [
        (("localstack", "config", "validate", "--file", "compose.yml"), 1, ["cli_cmd"]),
        (("localstack", "config", "show", "--format", "odd"), 2, []),
        (("localstack", "--version"), 0, []),
    ],
    ids=["fails", "usage-error", "sends-nothing"],
)
def test_the_client_runs_as_it_does_alone(
    words: tuple[str, ...],
    status: int,
    names: list[str],
    client: Client,
    usagectl: Usagectl,
    sandbox: Sandbox,
) -> None:
    """Exit status and stdout are those of a run without usagectl; its events are recorded.

    That the endpoint answers with an error changes nothing.
    """
    sandbox.write("work/compose.yml", b"services: []\n")
    with listening() as server:
        env = sandbox.environment(client, endpoint=server.base, changes={})
        program = str(client.bin_dir / words[0])
        alone = run_process([program, *words[1:]], env=env, cwd=sandbox.work_dir)
    recorded = record(usagectl, sandbox, "--answer", "error", command=words)
    assert (alone.status, recorded.run.status, recorded.data["status"]) == (status, status, status)
    assert recorded.run.stdout == alone.stdout
    assert [each.name for each in recorded.captured] == names
    assert len(server.received) == len(names)


def test_the_event_is_kept_as_the_client_wrote_it(
    client: Client, usagectl: Usagectl, sandbox: Sandbox
) -> None:
    """Order of keys, separators and every other byte are the client's own.

    It ties its event to a session, in body and header: UC201 says so, both ways. Its HTTP
    library posts the login of `~/.netrc`, which no file and no screen shows.
    """
    sandbox.write("home/.netrc", LOGIN.encode()).chmod(0o600)
    (request,) = client.config_show(sandbox).requests
    (sent,) = json.loads(request.body)["events"]
    recorded = record(usagectl, sandbox)
    (event,) = recorded.captured
    text = event.body.decode()
    assert _key_order(event.document) == _key_order(sent)
    assert json.dumps(json.loads(text)) == text  # so its separators are ", " and ": "
    assert json.dumps({"events": [sent]}).encode() == request.body  # as the plain server saw
    assert event.document["payload"] == sent["payload"]
    raw = (sandbox.work_dir / "out.jsonl").read_text()
    first, run = raw.splitlines()
    assert first.endswith(f'"event":{text}}}')
    assert json.loads(first)["withheld"] == ["authorization"]
    assert json.loads(run)["command"].startswith("localstack config show")
    assert "Basic" not in raw + recorded.run.stdout + recorded.run.stderr
    assert {(each["rule"], each["field"]) for each in recorded.data["findings"]} == {
        ("UC201", "/headers/localstack-session-id"),
        ("UC201", "/metadata/session_id"),
    }
    # The client ignores this value of the opt-out, and the person sees that it sends.
    words = ("capture", "--expect", "none", "--", *CONFIG_SHOW)
    shown = usagectl.run(sandbox, *words, changes={"DISABLE_EVENTS": "yes"})
    assert shown.status == 1
    assert "1 event in 1 request" in shown.stderr
    assert "UC201" in shown.stderr
    assert "UC201" not in shown.stdout


def _key_order(document: Mapping[str, object]) -> list[object]:
    return [
        (key, _key_order(value) if isinstance(value, dict) else None)
        for key, value in document.items()
    ]


def test_as_if_enabled_lifts_the_opt_out(usagectl: Usagectl, sandbox: Sandbox) -> None:
    """An opt-out in the environment or a file is proven, and lifted on request; no file changes."""
    changes = {"DISABLE_EVENTS": "1"}
    silent = record(usagectl, sandbox, "--expect", "none", changes=changes)
    assert (silent.run.status, silent.captured) == (0, [])
    sandbox.write(PROFILE, OPTED_OUT)
    silent = record(usagectl, sandbox, "--expect", "none")
    assert (silent.run.status, silent.captured) == (0, [])
    lifted = record(usagectl, sandbox, "--as-if-enabled", "--answer", "off", changes=changes)
    assert [each.name for each in lifted.captured] == ["cli_cmd"]
    assert (sandbox.root / PROFILE).read_bytes() == OPTED_OUT


@pytest.mark.parametrize(("place", "ignored"), [("environment", "0"), ("profile", "")])
def test_the_clients_own_proxy_keeps_nothing_away(
    place: str, ignored: str, client: Client, usagectl: Usagectl, sandbox: Sandbox
) -> None:
    """A proxy that the client uses even for loopback, dead here, does not hide the event.

    `--expect none` fails, also where a value of the opt-out stands that the client ignores.
    """
    changes = {**(BAD_PROXIES if place == "environment" else {}), "DISABLE_EVENTS": ignored}
    if place == "profile":
        lines = [f"{name}={value}\n" for name, value in BAD_PROXIES.items()]
        sandbox.write(PROFILE, "".join(lines).encode())
    assert client.config_show(sandbox, changes).requests == ()  # so it does without usagectl
    recorded = record(usagectl, sandbox, "--expect", "none", changes=changes)
    assert (recorded.run.status, recorded.data["status"], recorded.data["requests"]) == (1, 0, 1)
    assert [each.name for each in recorded.captured] == ["cli_cmd"]


@pytest.mark.parametrize(("answer", "requests"), [("hang", 1), ("slow", 1), ("refuse", 0)])
def test_no_answer_harms_the_command(
    answer: str, requests: int, usagectl: Usagectl, sandbox: Sandbox
) -> None:
    """Whatever the endpoint does, the command succeeds, and what reached it is recorded."""
    recorded = record(usagectl, sandbox, "--answer", answer)
    assert recorded.run.status == 0
    assert (recorded.data["requests"], recorded.data["events"]) == (requests, requests)
    assert "DISABLE_EVENTS=" in recorded.run.stdout.replace(" ", "")


def test_the_fixture_sees_the_real_client(
    client: Client,
    usagectl_capture: UsageCapture,  # noqa: F811 - so pytest hands it over
    sandbox: Sandbox,
) -> None:
    """`usagectl_capture` tells an opt-out that works from a client that sends."""
    env = sandbox.environment(client, changes={})
    command = [str(client.bin_dir / "localstack"), "config", "show"]
    usagectl_capture.run(command, variables=env, cwd=sandbox.work_dir)
    usagectl_capture.assert_only("cli_cmd")
    assert usagectl_capture.events[0].headers["user-agent"] == f"localstack/{CLIENT_VERSION}"
    usagectl_capture.clear()
    silent = env | {"DISABLE_EVENTS": "1"}
    usagectl_capture.run(command, variables=silent, cwd=sandbox.work_dir)
    usagectl_capture.assert_silent()


@contextmanager
def skipping() -> Iterator[None]:
    """Skip a test whose client cannot be installed."""
    try:
        yield
    except ClientUnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session", params=[OLDER, NEWER], ids=lambda release: release.version)
def other(request: pytest.FixtureRequest) -> tuple[Release, Client]:
    """Return a client of another version; skip where pip cannot install it."""
    release: Release = request.param
    with skipping():
        return release, find_or_make_client(release)


def test_other_versions_are_captured(other: tuple[Release, Client], sandbox: Sandbox) -> None:
    """An old and a new client send one event each, and nothing once opted out."""
    release, client = other
    usagectl = Usagectl(client)
    # Its proxies are dead, and only capture says that loopback needs none.
    recorded = record(usagectl, sandbox, changes={"NO_PROXY": None, **BAD_PROXIES})
    assert recorded.run.status == 0
    (event,) = recorded.captured
    assert (event.name, event.tool) == ("cli_cmd", "localstack")
    assert event.headers["user-agent"] == f"localstack/{release.version}"
    assert event.document["payload"]["cmd"] == "localstack config show"
    silent = record(usagectl, sandbox, "--expect", "none", changes={"DISABLE_EVENTS": "1"})
    assert silent.run.status == 0


@pytest.fixture(scope="session")
def node() -> Path:
    """Find Node; skip without it."""
    with skipping():
        return find_node()


@pytest.fixture(scope="session")
def node_package(node: Path) -> Path:
    """Return the package of a Node tool; skip where npm cannot install it."""
    del node
    with skipping():
        return find_or_make_node_package()


def record_node(
    node: Path,
    sandbox: Sandbox,
    script: str,
    *words: str,
    changes: Mapping[str, str | None] | None = None,
) -> Recorded:
    """Run a script with Node under `usagectl capture`; `PATH` holds no other program."""
    sandbox.write("work/tool.js", script.encode())
    nobody = Usagectl(Client(sandbox.root))  # PATH is a folder that is not there
    command = (str(node), "tool.js", *words)
    return record(nobody, sandbox, command=command, changes=changes)


@pytest.mark.parametrize("when", ["at-once", "detached"])
def test_a_node_tool_is_captured(
    when: str, node: Path, node_package: Path, sandbox: Sandbox
) -> None:
    """A client of another tool, in Node, is recorded, also from its detached sender."""
    recorded = record_node(node, sandbox, NODE_TOOL, str(node_package), when)
    assert (recorded.run.status, recorded.data["status"]) == (0, 0)
    assert recorded.run.stdout.endswith("built\n")
    sent = [str(each.document["eventType"]) for each in recorded.captured]
    assert sent.count("CLI_COMMAND_BUILD_START") == 1
    assert {each.path for each in recorded.captured} == {"/v1/gatsby"}
    agents = {each.headers["user-agent"].partition(":")[0] for each in recorded.captured}
    assert agents == {"gatsby-telemetry"}


def test_a_node_tool_opted_out_is_silent(node: Path, node_package: Path, sandbox: Sandbox) -> None:
    """The same tool with its own opt-out sends nothing."""
    changes = {"GATSBY_TELEMETRY_DISABLED": "1"}
    words = (str(node_package), "detached")
    recorded = record_node(node, sandbox, NODE_TOOL, *words, changes=changes)
    assert (recorded.run.status, recorded.run.stdout) == (0, "built\n")
    assert (recorded.data["requests"], recorded.data["refused"]) == (0, 0)


def test_what_node_itself_fetches_is_captured(node: Path, sandbox: Sandbox) -> None:
    """Node's built-in `fetch` calls itself a fetch, as a browser does, and is a program."""
    recorded = record_node(node, sandbox, NODE_FETCH)
    assert (recorded.data["refused"], recorded.run.stdout) == (0, "200\n")
    assert [each.name for each in recorded.captured] == ["build"]
