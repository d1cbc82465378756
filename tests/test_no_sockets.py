"""Tests that no command opens a socket, but `preview --live` to this machine."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import ANSWERING, EXAMPLES, WRITING, example, furnish, tree

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.machine import Machine

# Runs command lines in one process; writes for each its status and the audit events of sockets.
DRIVER = textwrap.dedent(
    """
    import json, sys
    seen = []
    sys.addaudithook(lambda event, _: seen.append(event) if event.startswith("socket.") else None)
    from usagectl.cli import main
    report = []
    for words in json.loads(sys.argv[1]):
        seen.clear()
        status = main(words)
        report.append([words, status, list(seen)])
    with open(sys.argv[2], "w") as stream:
        json.dump(report, stream)
    """
)
SPOKEN = [
    [],
    ["--version"],
    ["--nope"],
    *(list(example(path)) for path in EXAMPLES if path not in ("capture", "verify")),
    *(list(example(path, "--json")) for path in ANSWERING),
    *(list(example(path, *WRITING[path], "--dry-run")) for path in WRITING),
    *([*path.split(), "--help"] for path in EXAMPLES),
    ["status", "--reveal"],
    ["preview", "--if-enabled", "--reveal", "--localstack-version", "2026.3.0"],
    ["preview", "--raw"],
    ["explain", "session"],
    ["disable", "localstack", "usagectl"],
    ["enable"],
    ["enable", "localstack", "usagectl"],
    ["settings", "set", "telemetry.endpoint", "http://no-such-host.invalid/v1"],
    ["preview", "usagectl"],
    ["status"],
]

FIRST_INIT = list(example("init"))
"""It writes a file that the runs after it refuse to overwrite."""


def drive(
    machine: Machine, lines: Sequence[Sequence[str]], *before: str
) -> list[tuple[list[str], int, list[str]]]:
    """Run command lines in one process, below a program such as strace if one is named."""
    file = machine.folder / "report.json"
    words = (*before, sys.executable, "-c", DRIVER, json.dumps(lines), str(file))
    _run(machine, words, machine.process_variables())
    return [(words, status, seen) for words, status, seen in json.loads(file.read_text())]


@pytest.fixture
def furnished(machine: Machine) -> Machine:
    """Make a machine whose endpoints could be named and reached if anything tried."""
    furnish(machine)
    machine.variables |= {
        "CACHE_DIR": str(machine.folder / "old"),
        "DOCKER_CMD": "no-such-docker",
        "PATH": str(machine.bin),
        # With sending switched on, a child would be started for an endpoint that may be used.
        "ANALYTICS_API": "http://telemetry.invalid/v1",
    }
    return machine


def test_every_command_is_driven() -> None:
    """A new command is watched from its first day."""
    assert {" ".join(words[:2]) for words in SPOKEN} | {
        words[0] for words in SPOKEN if words
    } >= set(tree())


def test_no_command_touches_a_socket(furnished: Machine) -> None:
    """No command makes a socket or resolves a name, with a sending mode set neither."""
    for words, status, seen in drive(furnished, SPOKEN):
        assert seen == [], words
        is_there = words[:1] == ["init"] and words not in (FIRST_INIT, ["init", "--help"])
        assert status == (2 if words == ["--nope"] else 3 if is_there else 0), words


def test_the_watch_sees_a_socket(furnished: Machine) -> None:
    """The watch above is able to fail: `preview --live` asks this machine, and is seen."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # Bound and not listening: whoever asks is refused.
        furnished.variables["GATEWAY_LISTEN"] = f"127.0.0.1:{taken.getsockname()[1]}"
        ((_, status, seen),) = drive(furnished, [["preview", "--live"]])
    assert status == 0
    assert "socket.connect" in seen


def test_the_kernel_sees_no_network_socket(furnished: Machine, tmp_path: Path) -> None:
    """No library opens one below Python's eyes either, in the process or in a child of it.

    The C library may ask its name service cache over a local socket; that is no network.
    """
    strace = shutil.which("strace")
    probe = [strace or "", "-o", str(tmp_path / "probe"), "true"]
    if strace is None or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("strace is not here, or may not trace")
    trace = tmp_path / "trace"
    options = (strace, "-f", "-qq", "-e", "trace=socket", "-o", str(trace))
    drive(furnished, SPOKEN, *options)
    assert _network_sockets(trace) == []
    furnished.variables["GATEWAY_LISTEN"] = "127.0.0.1:1"
    drive(furnished, [["preview", "--live"]], *options)
    assert _network_sockets(trace) != []


# Writes how often the account database was asked; with what the C library opens for that.
ACCOUNT = textwrap.dedent(
    """
    import sys
    asked = []
    def watch(frame, event, function):
        if event == "c_call" and function.__name__.startswith("getpw"):
            asked.append(function.__name__)
    sys.setprofile(watch)
    from usagectl import Tracker
    tracker = Tracker("mytool")
    tracker.aws_request(service="s3", operation="PutObject", status_code=200)
    tracker.close()
    sys.setprofile(None)
    print(len(asked))
    """
)


def test_a_tracker_does_not_ask_the_account_database(machine: Machine) -> None:
    """Its library may open a local socket to a cache of names; HOME is enough.

    Without HOME it is asked, which shows that the watch is able to fail.
    """
    assert _asked(machine) == 0
    assert _asked(machine, "HOME") > 0
    machine.variables["DO_NOT_TRACK"] = "1"
    assert _asked(machine) == 0


def _asked(machine: Machine, *without: str) -> int:
    variables = machine.process_variables()
    kept = {name: text for name, text in variables.items() if name not in without}
    return int(_run(machine, (sys.executable, "-c", ACCOUNT), kept))


def _run(machine: Machine, words: Sequence[str], variables: dict[str, str]) -> bytes:
    done = subprocess.run(
        words,
        env=variables,
        cwd=machine.cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def _network_sockets(trace: Path) -> list[str]:
    lines = trace.read_text().splitlines()
    return [line for line in lines if "socket(" in line and "socket(AF_UNIX" not in line]
