"""Runs of the sample applications, and what they recorded."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.support import forking
from tests.support.machine import REPOSITORY, Outcome
from tests.support.spooling import entries

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.machine import Machine

APPS = REPOSITORY / "tests" / "data" / "apps"


def run_app(machine: Machine, name: str, *words: str, **variables: str) -> Outcome:
    """Run one of the sample applications in a process of its own."""
    host = forking.host_of(sys.executable, "click, platformdirs, sqlite3, typer")
    given = {**machine.process_variables(), **variables}
    file = str(APPS / f"{name}.py")
    status, *streams = host.run(forking.RUN_FILE, file, *words, variables=given, cwd=machine.cwd)
    return Outcome(status, *(stream.decode() for stream in streams))


_EACH = """
import json, os, runpy, sys
import click, typer.rich_utils, usagectl.emitting.instrumentation
from usagectl import consent, spool
file, rows = sys.argv[1:]
for number, words in enumerate(json.loads(rows)):
    if not os.fork():
        for stream in (1, 2):
            os.dup2(os.open(f"{number}.{stream}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
        sys.argv = [file, *words]
        runpy.run_path(file, run_name="__main__")
        sys.exit()
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""


def run_each(
    machine: Machine, file: Path, rows: Sequence[Sequence[str]], **variables: str
) -> list[Outcome]:
    """Run an application with each of some command lines, in forks of one process."""
    done = _run_python(machine, "-c", _EACH, str(file), json.dumps(rows), **variables)
    assert done.returncode == 0, done.stderr
    statuses = [int(line) for line in done.stdout.split()]
    assert len(statuses) == len(rows)
    return [
        Outcome(status, *((machine.cwd / f"{number}.{stream}").read_text() for stream in (1, 2)))
        for number, status in enumerate(statuses)
    ]


def _run_python(
    machine: Machine, *words: str, **variables: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, *words],
        env={**machine.process_variables(), **variables},
        cwd=machine.cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )


def recorded(machine: Machine, tool: str) -> list[dict[str, Any]]:
    """Parse the events of a tool that wait."""
    found = entries(machine)
    return [json.loads(entry.body) for entry in found if entry.tool == tool]


def commands(machine: Machine, tool: str) -> list[tuple[str, list[str]]]:
    """List the command and the names of parameters of each event of a tool."""
    payloads = [event["payload"] for event in recorded(machine, tool)]
    return [(payload["cmd"], payload["params"]) for payload in payloads]
