"""Tests of `usagectl capture` as people run it, with a tool that posts where it is told."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import sys
import time
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import first_line, run_inside, start
from usagectl.cli import _capture_page as page

if TYPE_CHECKING:
    from tests.support.machine import Machine, Outcome

EVENT = (
    '{"name":"cli_cmd","metadata":{"client_time":"2022-08-30 14:46:54.116457"},'
    '"payload":{"cmd":"x","params":["file"]}}'
)

TOOL = f"""#!{sys.executable}
import json, os, subprocess, sys, time, urllib.request

def post(body, **headers):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
    request = urllib.request.Request(os.environ["ANALYTICS_API"] + "/events", body, headers)
    opener.open(request, timeout=30).read()

words = sys.argv[1:]
if "say" in words:
    print("to stdout")
    print("to stderr", file=sys.stderr)
if "event" in words and os.environ.get("DISABLE_EVENTS") != "1":
    post(b'{{"events":[{EVENT}]}}')
if "secret" in words:
    token = os.environ["LOCALSTACK_AUTH_TOKEN"]
    post(json.dumps({{"name": "session", "payload": {{"api_key": token}}}}).encode())
if "unknown" in words:
    post(b'{{"name":"made_up"}}')
if "browser" in words:
    try:
        post(b"{{}}", Origin="http://x")
    except OSError:
        pass
if "late" in words:
    subprocess.Popen([sys.executable, __file__, "later"], start_new_session=True)
if "later" in words:
    time.sleep(1)
    post(b'{{"events":[{EVENT}]}}')
if "environment" in words:
    print(json.dumps(dict(os.environ)))
if "wait" in words:
    print("waiting", flush=True)
    time.sleep(30)
for word in words:
    if word.isdecimal():
        sys.exit(int(word))
"""


@pytest.fixture
def tool(machine: Machine) -> Machine:
    """Put the tool on the machine's PATH."""
    machine.install_program("tool", TOOL)
    return machine


def capture(machine: Machine, *words: str, **variables: str) -> Outcome:
    """Run a capture with a short grace."""
    return machine.run("capture", *words, variables=variables)


def test_the_command_is_left_alone(tool: Machine) -> None:
    """Its output, exit status and options are its own; the summary goes to stderr.

    Without a file, the capture goes with the command: nothing stays.
    """
    found = capture(tool, "tool", "say", "event", "--json", "--expect", "none", "7")
    assert (found.status, found.stdout) == (7, "to stdout\n")
    assert found.stderr.startswith("to stderr\n1 event in 1 request")
    assert "None left this machine." in found.stderr
    assert list((tool.folder / "tmp").glob("*capture*")) == []
    assert list(tool.cwd.iterdir()) == []


def test_a_file_keeps_what_arrived(tool: Machine, unused_port: int) -> None:
    """The exact bytes are there, for nobody else to read; a second capture does not replace it.

    With a command, stdout stays the command's, and the JSON envelope goes to stderr.
    """
    found = capture(
        tool, "-o", "out.jsonl", "--json", "--expect", "none", "--", "tool", "event", "3"
    )
    document = json.loads(found.stderr)
    assert (found.status, found.stdout) == (1, "")
    assert (document["data"]["status"], document["data"]["by_name"]) == (3, {"cli_cmd": 1})
    assert [each["code"] for each in document["errors"]] == ["unexpected-events"]
    file = tool.cwd / "out.jsonl"
    (line,) = file.read_text().splitlines()
    assert line.endswith(f'"event":{EVENT}}}')
    assert file.stat().st_mode & 0o777 == 0o600
    again = capture(tool, "-o", "out.jsonl", "--", "tool", "say")
    assert (again.status, again.stdout) == (3, "")
    assert "[file-exists]" in again.stderr
    assert "--force" in again.stderr
    assert file.read_text() == line + "\n"
    to = f"http://127.0.0.1:{unused_port}/v1"
    shown = tool.run("replay", "--file", "out.jsonl", "--to", to, "--dry-run", "--raw")
    assert shown.stdout == f'{{"events":[{EVENT}]}}\n'
    file.chmod(0o666)
    assert capture(tool, "-o", "out.jsonl", "--force", "--", "tool", "say").status == 0
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("", 0o600)
    if os.geteuid() == 0:  # Nobody else can give a file away.
        os.chown(file, 4711, -1)
        found = capture(tool, "-o", "out.jsonl", "--force", "--", "tool", "event")
        assert (found.status, "it belongs to user 4711" in found.stderr) == (3, True)


@pytest.fixture
def unused_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


def test_expectations(tool: Machine, subtests: pytest.Subtests) -> None:
    """Nothing, or the notice kept, is proven with 0; else what arrived is listed, with 1.

    A request that cannot be told from a browser's leaves it open whether there was silence.
    """
    for expect, word, told in (
        ("none", "event", "1 request arrived: POST /v1/events (cli_cmd). [unexpected-events]"),
        ("none", "browser", "[silence-unproven]"),
        ("notice", "event", ""),
        ("notice", "unknown", "[notice-not-kept]"),
    ):
        found = capture(tool, "--expect", expect, "--", "tool", word)
        with subtests.test(f"{expect}, {word}"):
            assert (found.status, told in found.stderr) == (int(bool(told)), True)
            assert "Nothing arrived" not in found.stderr


def test_containers_are_spoken_of_where_a_command_starts_some(machine: Machine) -> None:
    """An engine on PATH says nothing: the command has to name it, or a tool that uses it."""
    environment = machine.environment()
    machine.install_program("docker")
    for line, expected in (
        ("mytool build", False),
        ("docker run x", True),
        ("sh -c localstack\tstart", True),
        ("/usr/bin/podman ps", True),
        ("lstk start", True),
    ):
        assert page.has_containers(environment, line.split(" ")) == expected, line
    (machine.bin / "docker").unlink()
    assert not page.has_containers(environment, ["docker"])


def test_late_events_are_waited_for(tool: Machine) -> None:
    """A detached child that posts a second later is seen, even without any of our variables.

    Without grace it is not.
    """
    post = "sleep 1; exec " + sys.executable + " -c 'import sys, urllib.request as u; "
    post += 'u.build_opener(u.ProxyHandler({})).open(sys.argv[1], b"{}")\' "$0"'
    words = ("sh", "-c", 'env -i setsid sh -c "$1" "$ANALYTICS_API/events" & exit 0', "sh", post)
    found = capture(tool, "--expect", "none", "--", *words)
    assert found.status == 1, found.stderr
    assert "[unexpected-events]" in found.stderr
    started = capture(tool, "--grace", "0", "--json", "--", "tool", "late")
    first = started.stderr.splitlines()[0]  # What follows is the child, that finds nobody.
    assert json.loads(first)["data"]["events"] == 0


def test_signals(tool: Machine, subtests: pytest.Subtests) -> None:
    """A signal reaches the command while it runs, and its status says so.

    Afterwards it ends the wait for what the command left behind: the summary comes at once, and
    the temporary file goes. What only informs a program neither ends the wait nor is the status.
    """
    for words, number, statuses in (
        (("tool", "wait"), signal.SIGTERM, {143}),
        (("tool", "wait"), signal.SIGINT, {130, 1}),  # Python turns it into its own status.
        (("sh", "-c", "sleep 1.5 & echo waiting; exit 4"), signal.SIGWINCH, {4}),
        (("sh", "-c", "sleep 8 & echo waiting"), signal.SIGTERM, {143}),
    ):
        process = start(tool, "capture", "--", *words)
        assert first_line(process) == "waiting\n"
        time.sleep(0.5)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=30)
        with subtests.test(f"{words} {number}"):
            assert process.returncode in statuses
            assert b"Nothing arrived here" in stderr
            assert list((tool.folder / "tmp").glob("usagectl-capture*")) == []


def test_the_environment_leads_events_to_the_endpoint(tool: Machine) -> None:
    """Opt-outs stay unless they are lifted; proxies leave loopback alone.

    NO_PROXY keeps what it had; LocalStack's own proxies know no exception, so they are empty.
    Containers are led to another address than loopback, on request and with a warning.
    """
    opted_out = {
        "DISABLE_EVENTS": "1",
        "LOCALSTACK_DISABLE_EVENTS": "1",
        "DO_NOT_TRACK": "1",
        "USAGECTL_TELEMETRY": "off",
    }
    variables = {**opted_out, "NO_PROXY": "corp", "OUTBOUND_HTTP_PROXY": "http://p"}
    silent = capture(tool, "--expect", "none", "--", "tool", "environment", "event", **variables)
    assert silent.status == 0
    assert "Nothing arrived" in silent.stderr
    found = json.loads(silent.stdout)
    assert {name: found[name] for name in opted_out} == opted_out
    assert found["NO_PROXY"] == found["no_proxy"] == "corp,localhost,127.0.0.1,::1"
    assert found["LOCALSTACK_OUTBOUND_HTTPS_PROXY"] == ""
    assert found["OUTBOUND_HTTP_PROXY"] == ""
    assert found["LSTK_ANALYTICS_ENDPOINT"] == found["ANALYTICS_API"] + "/events"
    assert found["LOCALSTACK_ANALYTICS_API"] == found["ANALYTICS_API"]
    words = ("--as-if-enabled", "--bind", "0.0.0.0", "--", "tool", "environment")  # noqa: S104
    reached = capture(tool, *words, **variables)
    lifted = json.loads(reached.stdout)
    assert (lifted["DISABLE_EVENTS"], lifted["LOCALSTACK_DISABLE_EVENTS"]) == ("0", "0")
    assert "DO_NOT_TRACK" not in lifted
    assert "whoever reaches this machine there can post to it" in reached.stderr
    assert lifted["ANALYTICS_API"].startswith("http://127.0.0.1:")
    assert "127.0.0.1" not in lifted["LOCALSTACK_ANALYTICS_API"]


def test_a_token_and_a_user_show_nowhere(tool: Machine) -> None:
    """Wherever a client puts a token of this machine, no file and no screen of ours has it.

    An event that is named after the user is not named on a screen. With --reveal, whoever asks
    for it finds the token in the file.
    """
    token = "ls-geheim-0123456789"  # noqa: S105  (of no account anywhere)
    program = """
import json, os, urllib.request as u
opener = u.build_opener(u.ProxyHandler({}))
token, base = os.environ["LOCALSTACK_AUTH_TOKEN"], os.environ["ANALYTICS_API"]
def post(path="/events", body=b"{}", **headers):
    opener.open(u.Request(base + path, body, headers)).read()
post("/canaryuser", json.dumps({"name": "canaryuser"}).encode())
post(f"/{token}/events")
post(f"/events?token={token}")
post(body=json.dumps({"name": token, token: {"deep": [f"x{token}y"]}}).encode())
post(body=json.dumps({"name": "a", "payload": {"auth_token_id": "kurz77"}}).encode())
post(body=json.dumps([{"name": "\\u00e4 " + token, "my_passphrase": "kurz77"}]).encode())
post(body=b"noise kurz77 " + token.encode())
post(Authorization=f"Bearer {token}", Cookie=token, X_Other=token, User_Agent=token)
"""
    variables = {"LOCALSTACK_AUTH_TOKEN": token, "USER": "canaryuser"}
    texts = []
    for more in (["--live", "--expect", "none"], ["--json", "--expect", "notice"]):
        command = [sys.executable, "-c", program]
        found = capture(tool, "-o", "out.jsonl", "--force", *more, "--", *command, **variables)
        assert found.status == 1
        assert "canaryuser" not in found.stdout + found.stderr
        texts += [found.stdout, found.stderr, (tool.cwd / "out.jsonl").read_text()]
        assert len(texts[-1].splitlines()) == 8
    tool.variables.update(variables)
    revealed = capture(tool, "--reveal", "-o", "revealed.jsonl", "--", "tool", "secret")
    assert revealed.status == 0
    assert token in (tool.cwd / "revealed.jsonl").read_text()
    for form in ("table", "json", "sarif"):
        audited = run_inside(tool.environment(), "audit", "out.jsonl", "--format", form)
        texts += [audited.stdout, audited.stderr]
    assert [each for each in texts if token in each or "kurz77" in each] == []


def test_wrong_options_are_explained(tool: Machine) -> None:
    """Each error has its code, its exit status and a next step, and the command did not run.

    A missing folder is to be made; a link and a pipe are not written to.
    """
    (tool.cwd / "link").symlink_to("elsewhere")
    os.mkfifo(tool.cwd / "pipe")
    for line, status, *told in (
        ("-- nothere", 127, "[command-not-found]"),
        ("--force -- tool", 2, "[usage]"),
        ("--answer refuse --expect none -- tool", 2, "[usage]"),
        ("--answer maybe -- tool", 2, "[usage]"),
        (
            "-o no/such/x -- tool",
            3,
            "[file-unwritable]",
            f"folder {tool.cwd / 'no/such'}",
            "mkdir -p",
        ),
        ("-o link --force -- tool", 3, "[file-unwritable]", "it is a link"),
        ("-o pipe --force -- tool", 3, "[file-unwritable]", "it is a pipe"),
        ("--bind no-address -- tool", 2, "[invalid-value]"),
        ("--bind 300.1.1.1 -- tool", 2, "[invalid-value]"),
        ("--bind 192.0.2.1 -- tool", 3, "[address-unavailable]"),
        ("-o - -- tool", 2, "[usage]"),
        ("--output= -- tool", 2, "[usage]"),
    ):
        found = run_inside(tool.environment(), "capture", *line.split())
        assert (found.status, found.stdout) == (status, ""), line
        assert [each for each in (*told, "try:") if each not in found.stderr] == [], line
        assert "listens on" not in found.stderr


def post_event(port: int) -> None:
    """Post one event to a capture, past every proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(f"http://127.0.0.1:{port}/v1/events", EVENT.encode(), timeout=10).read()


def test_serving_without_a_command(tool: Machine, unused_port: int) -> None:
    """It prints the variables to set, serves until it is told to stop, and sums up.

    With --live, a table on the terminal shows each request.
    """
    ours, theirs = pty.openpty()
    words = ("capture", "--live", "--port", str(unused_port), "-o", "out.jsonl")
    process = start(tool, *words, stderr=theirs)
    lines = [first_line(process) for _ in range(9)]
    assert lines[0] == f"export ANALYTICS_API=http://127.0.0.1:{unused_port}/v1\n"
    assert "export OUTBOUND_HTTP_PROXY=''\n" in lines
    post_event(unused_port)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    shown = os.read(ours, 65536)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 0, shown
    assert b"1 event in 1 request" in out
    assert b"cli_cmd" in shown
    assert b"1 request so far" in shown
    assert (tool.cwd / "out.jsonl").read_text().endswith(f'"event":{EVENT}}}\n')
