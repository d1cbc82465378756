"""Tests of `usagectl capture` as people run it, with a tool that posts where it is told."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import shlex
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import first_line, run_inside, start
from tests.support.counting import wait_until
from tests.support.otlp_reading import PROTOBUF
from tests.support.spooling import entries, put
from usagectl import consent
from usagectl.capture import Arrival, Options, opened
from usagectl.cli import _capture_live
from usagectl.cli import _capture_page as page
from usagectl.tools.instrumented import Registration
from usagectl.tools.instrumented_rules import LIFTED_VARIABLE

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
if "probe" in words:
    post(b"")
    post(b'{{"events":[]}}')
    post(None)
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


OURS = f"""#!{sys.executable}
import typer
from usagectl import instrument

app = instrument(typer.Typer(), "mytool", version="1.2.0", endpoint="https://127.0.0.1:9/v1")

@app.command()
def build() -> None:
    print("built")

app()
"""


MYTOOL = Registration("mytool")


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

    Stdout and stderr stay the command's, and the JSON object goes to a file of its own.
    """
    words = ("-o", "out.jsonl", "--summary", "sum.json", "--expect", "none")
    found = capture(tool, *words, "--", "tool", "event", "say", "3")
    document = json.loads((tool.cwd / "sum.json").read_text())
    assert found.stderr.startswith("to stderr\n")
    assert (found.status, found.stdout) == (1, "to stdout\n")
    assert (document["data"]["status"], document["data"]["by_name"]) == (3, {"cli_cmd": 1})
    assert [each["code"] for each in document["errors"]] == ["unexpected-events"]
    file = tool.cwd / "out.jsonl"
    line, run = file.read_text().splitlines()
    assert line.endswith(f'"event":{EVENT}}}')
    noted = json.loads(run)
    assert (noted["observed"], noted["mode"], noted["command"]) == (
        *("run", "redirect"),
        "tool event say 3",
    )
    assert (noted["status"], noted["requests"], noted["events"]) == (3, 1, 1)
    assert file.stat().st_mode & 0o777 == 0o600
    again = capture(tool, "-o", "out.jsonl", "--", "tool", "say")
    assert (again.status, again.stdout) == (3, "")
    assert "[file-exists]" in again.stderr
    assert "--force" in again.stderr
    assert file.read_text() == f"{line}\n{run}\n"
    to = f"http://127.0.0.1:{unused_port}/v1"
    shown = tool.run("replay", "--file", "out.jsonl", "--to", to, "--dry-run", "--raw")
    assert shown.stdout == f'{{"events":[{EVENT}]}}\n'
    file.chmod(0o666)
    assert capture(tool, "-o", "out.jsonl", "--force", "--", "tool", "say").status == 0
    assert json.loads(file.read_text())["requests"] == 0
    assert file.stat().st_mode & 0o777 == 0o600
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
        ("notice", "probe", ""),
        ("notice", "unknown", "[notice-not-kept]"),
    ):
        found = capture(tool, "--expect", expect, "--", "tool", word)
        with subtests.test(f"{expect}, {word}"):
            assert (found.status, told in found.stderr) == (int(bool(told)), True)
            assert "Nothing arrived" not in found.stderr


def test_a_post_of_another_program_is_told_apart(tool: Machine) -> None:
    """What does not come by the address that the command was given may be of any local user.

    It is kept, marked, and leaves silence unproven; it is not said to be the command's.
    """
    code = """
import os, urllib.request as u
base = os.environ["ANALYTICS_API"]
u.build_opener(u.ProxyHandler({})).open("/".join(base.split("/")[:3]) + "/v1/events", b"{}")
"""
    words = ("--expect", "none", "-o", "out.jsonl", "--", sys.executable, "-c", code)
    found = capture(tool, *words)
    assert (found.status, "[silence-unproven]" in found.stderr) == (1, True)
    assert "1 request came by another address" in found.stderr
    record = json.loads((tool.cwd / "out.jsonl").read_text().splitlines()[0])
    assert (record["foreign"], record["path"]) == (True, "/v1/events")
    own = capture(tool, "-o", "own.jsonl", "--", "tool", "event")
    assert "another address" not in own.stderr
    assert "foreign" not in json.loads((tool.cwd / "own.jsonl").read_text().splitlines()[0])


def test_the_port_stays_taken_while_something_of_the_command_runs(tool: Machine) -> None:
    """What runs on goes on posting there: nobody else may listen, even one without our mark."""
    script = 'echo "$ANALYTICS_API"; env -i /bin/sleep 2 >&- 2>&- & sleep 1 >&- 2>&- &'
    found = capture(tool, "--grace", "0", "--", "sh", "-c", script)
    assert "2 processes of CMD still running" in found.stderr
    port = int(found.stdout.split(":")[2].split("/")[0])

    def can_be_bound() -> bool:
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                other.bind(("127.0.0.1", port))
            except OSError:
                return False
            return True

    assert not can_be_bound()
    assert wait_until(can_be_bound)


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


def test_a_tool_that_no_variable_leads_here_is_named(machine: Machine) -> None:
    """Silence here says nothing of it: what it sends goes out, which is said before it runs."""
    machine.install_program("turbo")
    done = machine.run("capture", "--expect", "none", "--", "turbo", "run", "build")
    assert done.stderr.startswith("turbo posts to an address of its own, which this capture does")
    assert "try: usagectl capture --sealed -- CMD\n" in done.stderr  # Before it runs.
    pasted = "usagectl capture --expect none --sealed -- turbo run build"
    assert done.stderr.endswith(f"  try: {pasted}\n")
    assert (done.status, "[silence-unproven]" in done.stderr) == (1, True)
    for name in ("other", "airflow"):  # The second is known, and sends nothing at all.
        machine.install_program(name)
        done = machine.run("capture", "--expect", "none", "--", name)
        assert (done.status, "posts to" in done.stderr) == (0, False), name


def test_a_hint_repeats_no_secret_and_no_option_of_another_way(machine: Machine) -> None:
    """The line that was typed is told again where it may be shown whole, and so can be typed.

    Files of the first run are replaced by the second.
    """
    machine.install_program("turbo", "#!/bin/sh\n")
    hints = []
    for line in (
        "--summary sum.json --expect none -- turbo --token hunter2secretvalue",
        "--expect none -- turbo deploy https://me:pass@h.example/x",
        "--expect none --bind 127.0.0.2 --port=0 -- turbo run",
        "--output=o.jsonl --expect none -- turbo run",
    ):
        done = machine.run("capture", *line.split())
        hints.append(done.stderr.splitlines()[-1].removeprefix("  try: "))
        assert "hunter2" not in done.stderr + (machine.cwd / "sum.json").read_text()
    assert hints == [
        "usagectl capture --sealed -- CMD",
        "usagectl capture --sealed -- CMD",
        "usagectl capture --expect none --sealed -- turbo run",
        "usagectl capture --output=o.jsonl --expect none --force --sealed -- turbo run",
    ]


def test_what_ran_before_the_command_is_not_of_it(tool: Machine) -> None:
    """In a program that captures, its other children are neither named nor waited for at the end.

    A process that keeps a port for what another command left is such a child.
    """
    options = Options(grace_seconds=0, has_secret=True)
    with subprocess.Popen(["/bin/sleep", "30"]) as other:
        with opened(tool.environment(), options) as first:
            first.run(["/bin/sh", "-c", "/bin/sleep 2 &"])
            first.finish()
        with opened(tool.environment(), options) as second:
            second.run(["/bin/true"])
            second.finish()
        other.kill()
    assert (len(first.left), second.left) == (1, ())


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
    capture(tool, "--grace", "0", "--summary", "sum.json", "--", "tool", "late")
    assert json.loads((tool.cwd / "sum.json").read_text())["data"]["events"] == 0


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
    assert lifted["DO_NOT_TRACK"] == "1"  # Other programs below the command would send.
    assert "whoever reaches this machine there can post to it" in reached.stderr
    assert lifted["ANALYTICS_API"].startswith("http://127.0.0.1:")
    assert "127.0.0.1" not in lifted["LOCALSTACK_ANALYTICS_API"]


def test_what_waits_in_the_users_spool_stays_there(tool: Machine) -> None:
    """A command that may send delivers its own event alone; the spool is as it was before.

    It is the same tool as without a capture, and a No of its user stays one.
    """
    tool.install_program("mytool", OURS)
    put(tool, tool="mytool", consent="environment")
    for name in ("tools", "machine-ids"):
        (tool.state_dir / name).mkdir()
    registered = tool.state_dir / "tools" / "mytool.json"
    registered.write_text('{"name": "mytool", "version": "0.9"}')
    for mode, told in (("on", "1 event in 1 request"), ("off", "Nothing arrived here")):
        found = capture(tool, "--", "mytool", MYTOOL_TELEMETRY=mode)
        assert (found.status, found.stdout) == (0, "built\n")
        assert told in found.stderr
    (kept,) = (each for each in entries(tool) if each.tool == "mytool")
    assert (kept.event, kept.state) == ("cli_cmd", "pending")
    assert "0.9" in registered.read_text()


def test_what_goes_as_opentelemetry_logs_is_held_against_the_notice(tool: Machine) -> None:
    """Whoever has events delivered to a collector sees them in a capture, event by event."""
    tool.install_program("mytool", OURS)
    tool.config_dir.mkdir()
    (tool.config_dir / "settings.toml").write_text('[delivery]\nformat = "otlp"\n')
    words = ("--expect", "notice", "-o", "out.jsonl", "--", "mytool")
    found = capture(tool, *words, MYTOOL_TELEMETRY="on", OTEL_EXPORTER_OTLP_LOGS_PROTOCOL=PROTOBUF)
    assert found.status == 0, found.stderr
    assert "1 event in 1 request" in found.stderr
    line, _run = map(json.loads, (tool.cwd / "out.jsonl").read_text().splitlines())
    assert (line["path"], line["tool"], line["kind"]) == ("/v1/logs", "mytool", "cli_cmd")
    assert line["event"]["payload"] == {"cmd": "mytool", "params": []}
    assert line["headers"]["content-type"].rpartition("/")[2].removeprefix("x-") in PROTOBUF
    assert tool.run("audit", "out.jsonl").status == 0


def test_as_if_enabled_lifts_what_is_caught_alone(tool: Machine) -> None:
    """A tool of ours sends to the capture whatever its user's variables and files say.

    Without the capture's address, or against a policy, the same variable lifts nothing.
    """
    tool.install_program("mytool", OURS)
    tool.config_dir.mkdir()
    (tool.config_dir / "settings.toml").write_text('[tools.mytool]\nmode = "off"\n')
    opted_out = dict.fromkeys(("DO_NOT_TRACK", "DISABLE_EVENTS"), "1") | {"MYTOOL_TELEMETRY": "off"}
    hidden = capture(tool, "--", "mytool", **opted_out)
    assert "Nothing arrived here" in hidden.stderr
    shown = capture(tool, "--as-if-enabled", "--", "mytool", **opted_out)
    assert "1 event in 1 request" in shown.stderr

    def verdict(base: str) -> str:
        variables = {**opted_out, LIFTED_VARIABLE: "1", "ANALYTICS_API": base}
        return consent.of_emitter(tool.environment(variables=variables), MYTOOL).telemetry

    assert verdict("http://127.0.0.1:9/v1") == "on"
    assert verdict("https://h.example/v1") == verdict("") == "off"
    policy = tool.root / "etc" / "usagectl" / "policy.toml"
    policy.parent.mkdir(parents=True)
    policy.write_text('[telemetry]\nmode = "off"\n')
    assert verdict("http://127.0.0.1:9/v1") == "off"


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
    for more in (["--live", "--expect", "none"], ["--summary", "s.json", "--expect", "notice"]):
        command = [sys.executable, "-c", program]
        found = capture(tool, "-o", "out.jsonl", "--force", *more, "--", *command, **variables)
        assert found.status == 1
        assert "canaryuser" not in found.stdout + found.stderr
        texts += [found.stdout, found.stderr, (tool.cwd / "out.jsonl").read_text()]
        assert len(texts[-1].splitlines()) == 9  # The last says how it was made.
    tool.variables.update(variables)
    revealed = capture(tool, "--reveal", "-o", "revealed.jsonl", "--", "tool", "secret")
    assert revealed.status == 0
    assert token in (tool.cwd / "revealed.jsonl").read_text()
    texts.append((tool.cwd / "s.json").read_text())
    assert "canaryuser" not in texts[-1]
    for form in ("table", "json", "sarif"):
        audited = run_inside(tool.environment(), "audit", "out.jsonl", "--format", form)
        texts += [audited.stdout, audited.stderr]
    assert [each for each in texts if token in each or "kurz77" in each] == []


def test_the_summary_is_short_and_says_the_worst_first(tool: Machine) -> None:
    """However much departs from the notice, a dozen lines say it, in the width of COLUMNS.

    A path into a home is an error and stands first, hidden in the file; --reveal shows it.
    """
    program = """
import json, os, socket, urllib.request as u
base = os.environ["ANALYTICS_API"]
def post(body, **headers):
    u.build_opener(u.ProxyHandler({})).open(u.Request(base + "/events", body, headers)).read()
for number in range(20):
    post(json.dumps({"name": f"made_up_{number}"}).encode())
places = {f"place{number}": os.path.expanduser("~/acme") for number in range(9)}
post(json.dumps({"name": "cli_cmd", "metadata": {}, "payload": {"x": 1, **places}}).encode())
known = {"result": {"error_msg": "no " + os.path.expanduser("~/acme")}}
post(json.dumps({"name": "lstk_command", "metadata": {}, "payload": known}).encode())
post(b"noise", User_Agent="x " + os.path.expanduser("~/acme"))
for host in "abc":
    try:
        post(b"", Host=f"{host}.example")
    except OSError:
        pass
"""
    command = ("--", sys.executable, "-c", program)
    for width in (80, 60):
        words = ("-o", "out.jsonl", "--force", "--expect", "notice")
        found = capture(tool, *words, *command, COLUMNS=str(width))
        assert [line for line in found.stderr.splitlines() if len(line) > width] == []
        lines = found.stderr.partition("error: ")[0].splitlines()
        departures = next(at for at, line in enumerate(lines) if "departures" in line)
        assert lines[departures + 1].split()[:4] == ["error", "UC405", "home-path", "10"]
        assert len(lines) <= 12 or width < 80, lines
        kept = (tool.cwd / "out.jsonl").read_text()
        assert "acme" not in kept
        assert str(tool.home) not in kept
    capture(tool, "-o", "out.jsonl", "--force", "--reveal", *command)
    assert str(tool.home / "acme") in (tool.cwd / "out.jsonl").read_text()


def test_wrong_options_are_explained(tool: Machine) -> None:
    """Each error has its code, its exit status and a next step, and the command did not run.

    A missing folder is to be made; a link and a pipe are not written to.
    """
    (tool.cwd / "link").symlink_to("elsewhere")
    os.mkfifo(tool.cwd / "pipe")
    tool.install_program("closed").chmod(0o600)
    tool.install_program("broken", "#!/no/such/interpreter\n")
    for line, status, *told in (
        ("-o left.jsonl --summary left.json -- nothere", 127, "[command-not-found]"),
        ("-o left.jsonl -- closed", 126, "[command-not-executable]"),
        ("-o left.jsonl -- /usr", 126, "[command-not-executable]"),
        ("-o left.jsonl -- broken", 126, "[command-not-executable]", "interpreter"),
        ("--summary no/such/x -- tool", 3, "[file-unwritable]", "mkdir -p"),
        ("--summary pipe --force -- tool", 3, "[file-unwritable]"),
        ("--summary link -- tool", 3, "[file-exists]", "capture --force --summary link -- tool"),
        ("--summary - -- tool", 2, "[usage]"),
        ("-o x --summary x -- tool", 2, "[usage]"),
        ("-o x --summary ./x -- tool", 2, "[usage]"),
        ("--summary . -- tool", 3, "[file-unwritable]"),
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
    assert [each.name for each in tool.cwd.iterdir() if "left" in each.name] == []
    found = run_inside(tool.environment(), "capture", "--json", "--", "tool")
    (error,) = found.envelope["errors"]
    assert (found.status, error["code"], "--summary" in error["hint"]) == (2, "usage", True)


def test_a_file_that_is_there_leads_to_the_same_command(tool: Machine) -> None:
    """The hint is what was typed, with --force, and runs as it stands; no secret is repeated."""
    token = "ls-geheim-0123456789"  # noqa: S105  (of no account anywhere)
    (tool.cwd / "o ut").touch()
    words = ("--proxy", "--offline", "-o", "o ut", "--", "tool", "say", "it's")
    found = run_inside(tool.environment(), "capture", *words)
    hint = """usagectl capture --force --proxy --offline -o 'o ut' -- tool say 'it'"'"'s'"""
    assert (found.status, found.stderr.splitlines()[1]) == (3, f"  try: {hint}")
    assert capture(tool, *shlex.split(hint)[2:]).status == 0
    tool.variables["LOCALSTACK_AUTH_TOKEN"] = token
    found = run_inside(tool.environment(), "capture", "-o", "o ut", "--", "tool", token)
    assert "  try: usagectl capture --force --output FILE -- CMD\n" in found.stderr
    assert token not in found.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has such a folder")
def test_a_folder_that_takes_no_file_is_said_to_be_one(tool: Machine) -> None:
    """Its hint leads to one that does; the command does not run before that is known."""
    for option in ("-o", "--summary"):
        found = capture(tool, option, "/proc/x", "--", "tool", "say")
        assert (found.status, found.stdout) == (3, "")
        assert "no file can be made in /proc." in found.stderr
        assert "try: mktemp -d" in found.stderr


def post_event(port: int) -> None:
    """Post one event to a capture, past every proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(f"http://127.0.0.1:{port}/v1/events", EVENT.encode(), timeout=10).read()


def test_a_live_table_compares_who_sends() -> None:
    """A bar for each tool and host, once there are two; nothing before the first request."""
    from rich.console import Console

    table = _capture_live.ArrivalTable()
    screens = []
    for tool_name in ("", "next", "next", "dvc"):
        if tool_name:
            table.add(Arrival("POST", "/v1", tool_name, ["unnamed"], 9, ""))
        screen = io.StringIO()
        Console(width=80, file=screen).print(table)
        screens.append(screen.getvalue())
    assert screens[0].strip() == ""
    assert "▇" not in screens[2]
    bars = re.findall(r"^  (\w+) +(\d)  (▇+) *$", screens[3], re.MULTILINE)
    assert [bar[:2] for bar in bars] == [("next", "2"), ("dvc", "1")]
    assert len(bars[0][2]) == pytest.approx(2 * len(bars[1][2]), abs=1)


def test_a_long_wait_is_explained_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """What CMD left running is waited for in silence for two seconds, then with a line a second."""
    with _capture_live.Wait(10.0) as wait:
        for seconds in (0.0, 1.9):
            wait.tell(seconds)
        assert capsys.readouterr().err == ""
        for seconds in (2.0, 2.5, 2.9, 3.0, 3.1, 9.8):
            wait.tell(seconds)
    assert capsys.readouterr().err.splitlines() == [
        "Waiting for what still runs behind it, 10 s at most; --grace sets that.",
        "Still waiting: 3 of 10 s.",
        "Still waiting: 9 of 10 s.",
    ]


def test_serving_without_a_command(tool: Machine, unused_port: int) -> None:
    """It prints the variables to set, serves until it is told to stop, and sums up.

    With --live, a table on the terminal shows each request.
    """
    ours, theirs = pty.openpty()
    words = ("capture", "--live", "--port", str(unused_port), "-o", "out.jsonl")
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    process = start(tool, *words, stderr=theirs)
    lines = [first_line(process) for _ in range(10)]
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
    assert b"unknown  /v1/events  cli_cmd" in shown  # Narrow, a row is a line.
    assert b"1 request so far" in shown
    assert (tool.cwd / "out.jsonl").read_text().endswith(f'"event":{EVENT}}}\n')


def test_an_interrupt_ends_a_capture_in_the_background(tool: Machine) -> None:
    """A script's background job ignores SIGINT from its start; `kill -INT` ends it all the same."""
    script = f"""
{sys.executable} -m usagectl capture > out & number=$!
until grep -q STATE_DIR out; do sleep 0.1; done
kill -INT $number; wait $number; echo "status $?"
"""
    done = subprocess.run(
        ["sh", "-c", script],
        env=tool.process_variables(),
        cwd=tool.cwd,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == b"status 0\n", done.stderr
    assert "Nothing arrived here" in (tool.cwd / "out").read_text()
