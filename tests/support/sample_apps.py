"""Runs of the sample applications, and what they recorded."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.support.machine import REPOSITORY, Outcome
from tests.support.spooling import entries

if TYPE_CHECKING:
    from tests.support.machine import Machine

APPS = REPOSITORY / "tests" / "data" / "apps"


def run_app(machine: Machine, name: str, *words: str, **variables: str) -> Outcome:
    """Run one of the sample applications in a process of its own."""
    done = subprocess.run(
        [sys.executable, str(APPS / f"{name}.py"), *words],
        env={**machine.process_variables(), **variables},
        cwd=machine.cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())


def recorded(machine: Machine, tool: str) -> list[dict[str, Any]]:
    """Parse the events of a tool that wait."""
    found = entries(machine)
    return [json.loads(entry.body) for entry in found if entry.tool == tool]


def commands(machine: Machine, tool: str) -> list[tuple[str, list[str]]]:
    """List the command and the names of parameters of each event of a tool."""
    payloads = [event["payload"] for event in recorded(machine, tool)]
    return [(payload["cmd"], payload["params"]) for payload in payloads]
