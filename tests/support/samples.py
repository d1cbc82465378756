"""Runs of the sample projects: tools of somebody else, with telemetry commands of their own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.support import forking, terminals
from tests.support.machine import REPOSITORY, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.support.machine import Machine

SAMPLES = REPOSITORY / "tests" / "samples"
ENTRIES = {"brickwork": "app", "plumbline": "cli"}
"""The samples, one of Typer and one of Click, and the name of each one's application."""

_CODE = """
import sys
sys.path.insert(0, {folder!r})
sys.argv[0] = {name!r}
from {name}.main import {entry} as entry
entry()
"""


def code_of(name: str, folder: Path | None = None) -> str:
    """Return what a console script of a sample does; it lies in its project, or in a folder."""
    return _CODE.format(name=name, entry=ENTRIES[name], folder=str(folder or SAMPLES / name))


def run_sample(
    machine: Machine,
    name: str,
    *words: str,
    folder: Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> Outcome:
    """Run a sample in a process of its own."""
    host = forking.host_of(sys.executable, "click, platformdirs, sqlite3, typer")
    given = {**machine.process_variables(), **(variables or {})}
    status, *streams = host.run(code_of(name, folder), *words, variables=given, cwd=machine.cwd)
    return Outcome(status, *(stream.decode() for stream in streams))


def ask_sample(
    machine: Machine, name: str, *words: str, typed: bytes, **variables: str
) -> tuple[int, str]:
    """Run a sample on a terminal and type an answer if it asks; give status and screen."""
    given = {**machine.process_variables(), **variables}
    program = [sys.executable, "-c", code_of(name), *words]
    status, screen = terminals.answer_program(program, env=given, cwd=machine.cwd, typed=typed)
    return status, " ".join(screen.decode().split())
