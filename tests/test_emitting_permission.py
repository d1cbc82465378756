"""Tests of the remark on a first run: once, on a terminal's stderr alone, and true."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.support import terminals

if TYPE_CHECKING:
    from tests.support.machine import Machine

SIGN = "records its own commands"


def on_terminal(machine: Machine, *words: str, **variables: str) -> tuple[str, str]:
    """Run a command whose stderr is a terminal; give stdout and what the terminal shows."""
    return terminals.on_terminal(
        [sys.executable, "-m", "usagectl", *words],
        env={**machine.process_variables(), **variables},
        cwd=machine.cwd,
    )


def test_it_is_made_once_on_a_terminal(machine: Machine) -> None:
    """The first recorded run says what is recorded, that nothing is sent, how to see and end it."""
    stdout, shown = on_terminal(machine, "status")
    text = " ".join(shown.split())
    for part in (SIGN, "never a value", "Nothing is sent", "usagectl preview usagectl"):
        assert part in text
    assert "usagectl disable usagectl" in text
    assert SIGN not in stdout
    assert SIGN not in on_terminal(machine, "status")[1]


def test_a_pipe_is_not_told_and_the_next_terminal_is(machine: Machine) -> None:
    """Without a terminal nothing is said, and nothing is noted as said."""
    assert machine.run("status").stderr == ""
    assert SIGN in on_terminal(machine, "status")[1]


SILENT: list[tuple[list[str], dict[str, str]]] = [
    (["status", "--json"], {}),
    (["status"], {"CI": "true"}),
    (["status"], {"DO_NOT_TRACK": "1"}),
    (["--version"], {}),
    (["status", "--nope"], {}),
]


def test_when_it_is_not_made(machine: Machine) -> None:
    """JSON, CI, an opt-out, and what records nothing bring no remark, and do not use it up."""
    told = [row for row in SILENT if SIGN in on_terminal(machine, *row[0], **row[1])[1]]
    assert told == []
    assert SIGN in on_terminal(machine, "status")[1]


def test_where_it_cannot_be_noted_it_is_not_made(machine: Machine) -> None:
    """A state folder that takes nothing would bring the remark each time: so it never comes."""
    machine.state_dir.write_text("a file in its place")
    assert SIGN not in on_terminal(machine, "status")[1]
