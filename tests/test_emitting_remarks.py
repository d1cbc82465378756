"""Tests of the remarks on what is recorded: once a sort, on a terminal's stderr alone, and true."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.support import terminals
from tests.support.sample_apps import APPS, commands, run_app
from usagectl import spool

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


STREAMS = """
import sys
from usagectl import Tracker, instrument
import click
def spoil():
    {}
command = click.Command("mytool", callback=spoil)
instrument(command, "mytool").main([], standalone_mode=False)
with Tracker("mytool") as tracker:
    tracker.cli_cmd(cmd="mytool x")
"""


def test_a_stream_that_is_spoilt_costs_no_event(machine: Machine) -> None:
    """A program may have closed stdout, taken it away, or put what only writes in its place."""
    ways = ("pass", "sys.stdout.close()", "sys.stdout = None", "sys.stdout = sys.stderr = object()")
    for way in ways:
        command = [sys.executable, "-c", STREAMS.format(way)]
        variables = machine.process_variables()
        subprocess.run(command, env=variables, check=False, capture_output=True)
        found = [name for name, _ in commands(machine, "mytool")]
        assert found == ["mytool", "mytool x"], way
        spool.purge(machine.environment())


def test_where_it_cannot_be_noted_it_is_not_made(machine: Machine) -> None:
    """A state folder that takes nothing would bring the remark each time: so it never comes."""
    machine.state_dir.write_text("a file in its place")
    assert SIGN not in on_terminal(machine, *PROGRAMS["usagectl"])[1]


# What a program declares and what it records, which its arguments say.
TRACKER = """
import sys
from usagectl import Field, Kind, Tracker, instrument
fields = (Field("seconds", "number", "How long it took."),)
built, cleaned = (Kind(f"mytool_{name}", description="It ended.", fields=fields)
    for name in ("built", "cleaned"))
kinds = [built] if "old" in sys.argv else [built, cleaned]
token = "ls-canary0" if "token" in sys.argv else None
with Tracker("mytool", token=token, kinds=kinds, endpoint="https://example.org/v1") as tracker:
    tracker.record(built, seconds="none")
    if "cli" in sys.argv:
        tracker.cli_cmd(cmd="mytool x")
    if "built" in sys.argv:
        tracker.record(built, seconds=1)
    if "init" in sys.argv:
        tracker.run_init(stage="READY", scripts=1, duration=1.0)
"""
SESSION, COMMANDS = "sessions (a random ID, a machine ID", "the command's name and the names"
TOLD: list[tuple[str, str, list[str]]] = [
    ("old", "local", []),
    ("old built", "local", [SESSION, "mytool_built (seconds)", "Nothing is sent"]),
    ("old built", "local", []),
    ("built", "local", ["records on this machine: mytool_cleaned (seconds). Nothing is sent"]),
    ("built token", "off", []),
    (
        "built token",
        "on",
        ["this machine: your token, readable. It is sent to https://example.org"],
    ),
    ("init", "local", ["records on this machine: init scripts (how many"]),
    ("cli", "local", [COMMANDS]),
    ("cli built init token", "local", []),
]


def test_a_tracker_names_what_it_declares_before_the_first_of_its_sort(machine: Machine) -> None:
    """Session, machine ID, token and kinds are said with the first of them, and none twice."""
    for words, mode, parts in TOLD:
        command = ("-c", TRACKER, *words.split())
        _, shown = on_terminal(machine, *command, MYTOOL_TELEMETRY=mode)
        assert shown.count("mytool records") == bool(parts), (words, shown)
        assert [part for part in parts if part not in shown] == [], shown
        assert "canary" not in shown


MEMBERS = """
import sys
import click
from usagectl import Tracker, instrument
chosen, outcome = sys.argv[1].split(","), sys.argv[2:]
command = click.Command("mytool")
members = [] if chosen == [""] else chosen
instrument(command, "mytool", version="1.2.0", members=members).main([], standalone_mode=False)
with Tracker("mytool") as tracker:
    tracker.cli_cmd(cmd="mytool x")
    tracker.cli_cmd(cmd="mytool x", **dict(zip(("outcome", "duration_ms"), (*outcome, 1))))
"""
VERSION, OUTCOME = "with each command the tool's version", "with each command how it ended (ok, "
DURATION = "with each command how many milliseconds it took"


def test_what_is_added_to_commands_is_said_before_it_is_recorded(machine: Machine) -> None:
    """With the first one, or later in a remark of its own; and none twice."""
    told = [
        (["outcome,version"], f"{COMMANDS} of its parameters, never a value; {VERSION}; {OUTCOME}"),
        (["outcome"], ""),
        (["", "ok"], f"mytool records on this machine: {DURATION}. Nothing is sent"),
        (["version,duration_ms", "error"], ""),
    ]
    for words, text in told:
        _, shown = on_terminal(machine, "-c", MEMBERS, *words)
        assert shown.count("mytool records") == bool(text), (words, shown)
        assert text in shown


def test_an_earlier_version_said_commands_alone(machine: Machine) -> None:
    """Its empty file says that commands were named, and nothing else."""
    machine.state_dir.mkdir()
    (machine.state_dir / "first-run-mytool").touch()
    shown = on_terminal(machine, "-c", TRACKER, "cli", "old")[1]
    assert shown.startswith("mytool records on this machine: mytool_built (seconds). Nothing")
    shown = on_terminal(machine, "-c", TRACKER, "cli", "built")[1]
    assert f"mytool records on this machine: {SESSION}" in shown
    assert COMMANDS not in shown
