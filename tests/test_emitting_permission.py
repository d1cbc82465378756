"""Tests of the remark on a first run: once, on a terminal's stderr alone, and true."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.support import terminals
from tests.support.sample_apps import APPS, run_app

if TYPE_CHECKING:
    from tests.support.machine import Machine

SIGN = "records its own commands"


PROGRAMS = {
    "usagectl": ("-m", "usagectl", "status"),
    "sample-typer": (str(APPS / "typer_app.py"), "build"),
}


def on_terminal(machine: Machine, *words: str, **variables: str) -> tuple[str, str]:
    """Run a Python program on a terminal; give stdout and what the terminal shows.

    The stdout of usagectl is a pipe: it makes its remark all the same.
    """
    stdout, shown = terminals.on_terminal(
        [sys.executable, *words],
        env={**machine.process_variables(), **variables},
        cwd=machine.cwd,
        is_whole=words[0] != "-m",
    )
    return stdout, " ".join(shown.split())


def test_it_is_made_once_on_a_terminal(machine: Machine) -> None:
    """The first recorded run says what is recorded, that nothing is sent, how to see and end it.

    Without a terminal nothing is said, and nothing is noted as said.
    """
    assert machine.run("status").stderr == ""
    assert run_app(machine, "typer_app", "build").stderr == ""
    for tool, words in PROGRAMS.items():
        stdout, shown = on_terminal(machine, *words)
        for part in (f"{tool} {SIGN}", "never a value", "Nothing is sent"):
            assert part in shown
        assert f"usagectl preview {tool}. To turn it off: usagectl disable {tool}." in shown
        assert SIGN not in stdout
        assert SIGN not in on_terminal(machine, *words)[1]


SILENT: list[tuple[list[str], dict[str, str]]] = [
    (["status", "--json"], {}),
    (["status"], {"CI": "true"}),
    (["status"], {"DO_NOT_TRACK": "1"}),
    (["--version"], {}),
    (["status", "--nope"], {}),
]


def test_when_it_is_not_made(machine: Machine) -> None:
    """JSON, CI, an opt-out, and what records nothing bring no remark, and do not use it up."""
    told = [
        row
        for row in SILENT
        if SIGN in on_terminal(machine, "-m", "usagectl", *row[0], **row[1])[1]
    ]
    assert told == []
    assert SIGN in on_terminal(machine, *PROGRAMS["usagectl"])[1]


def test_where_it_cannot_be_noted_it_is_not_made(machine: Machine) -> None:
    """A state folder that takes nothing would bring the remark each time: so it never comes."""
    machine.state_dir.write_text("a file in its place")
    assert SIGN not in on_terminal(machine, *PROGRAMS["usagectl"])[1]
