"""Tests of what an author may have recorded of each command: version, outcome, duration."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
import pytest

from tests.support.sample_apps import APPS, recorded, run_app, run_each
from usagectl import Tracker, instrument, notice
from usagectl.errors import InvalidValueError
from usagectl.events.record import CLI_MEMBERS
from usagectl.tools import instrumented

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine

Seen = list[tuple[str, list[str], str]]

ENDS: dict[str, tuple[int, str]] = {
    "well": (0, "ok"),
    "exit": (0, "ok"),
    "exit3": (3, "error"),
    "exit130": (130, "interrupted"),
    "abort": (1, "interrupted"),
    "eof": (1, "interrupted"),
    "system0": (0, "ok"),
    "system": (0, "ok"),
    "system1": (1, "error"),
    "system130": (130, "interrupted"),
    "error": (1, "error"),
}
"""Of each way to end the exit status and the outcome, in Typer and in Click."""

ROWS: list[tuple[str, Seen]] = [
    ("click end click-error", [(" end", ["how"], "error")]),
    ("click end misfit", [(" end", ["how"], "usage")]),
    ("typer end misfit", [(" end", ["how"], "usage")]),
    ("click end interrupt", [(" end", ["how"], "interrupted")]),
    ("typer end interrupt", [(" end", ["how"], "interrupted")]),
    ("typer --verbose end --canary", [(" end", ["verbose"], "usage")]),
    ("click --verbose end --canary", [(" end", ["verbose"], "usage")]),
    ("typer --verbose end", [(" end", ["verbose"], "usage")]),
    ("click end well --jobs canary", [(" end", ["jobs"], "usage")]),
    ("single canary", [("", ["number"], "usage")]),
    ("single --canary", [("", [], "usage")]),
    ("single 1 --loud", [("", ["number", "loud"], "ok")]),
    ("typer canary", []),
    ("click canary", []),
    ("typer --canary end", []),
    ("click --canary", []),
    ("typer", []),
    ("click", []),
    ("typer help", []),
    ("click help", []),
    ("typer end --help", []),
    ("click steps slow quick", [(" steps slow", [], "ok"), (" steps quick", [], "ok")]),
    (
        "click shell",
        [
            *((" shell", [], "ok"), (" end", ["how"], "error"), (" end", [], "usage")),
            (" steps slow", [], "ok"),
        ],
    ),
]
"""Which application, what is typed, and of each event the command, the names, the outcome."""


def seen(machine: Machine, tool: str) -> Seen:
    """List command, names and outcome of each event of a tool."""
    payloads = [event["payload"] for event in recorded(machine, tool)]
    assert {tuple(each) for each in payloads} <= {("cmd", "params", *CLI_MEMBERS)}
    assert {each["version"] for each in payloads} <= {"1.2.0"}
    return [(each["cmd"], each["params"], each["outcome"]) for each in payloads]


def test_each_end_has_its_outcome(machine: Machine) -> None:
    """The exit status is the application's own, and Typer and Click agree on the outcome."""
    for app in ("typer", "click"):
        words = [[app, "end", how] for how in ENDS]
        done = run_each(machine, APPS / "members_app.py", words)
        assert [each.status for each in done] == [status for status, _ in ENDS.values()], app
        found = [outcome for *_, outcome in seen(machine, f"my-{app}")]
        assert found == [outcome for _, outcome in ENDS.values()], app


def test_what_each_command_line_leaves(machine: Machine) -> None:
    """Bad usage counts once its command is known, without a word of what was typed; help never."""
    for app in ("typer", "click", "single"):
        rows = [row for row in ROWS if row[0].split()[0] == app]
        run_each(machine, APPS / "members_app.py", [typed.split() for typed, _ in rows])
        wanted = [(f"my-{app}{path}", *rest) for _, events in rows for path, *rest in events]
        assert seen(machine, f"my-{app}") == wanted
    kept = [file.read_bytes() for file in machine.state_dir.rglob("*") if file.is_file()]
    assert [data for data in kept if b"canary" in data] == []


def test_each_command_has_its_own_duration(machine: Machine) -> None:
    """Of a chain each command, of a shell the whole; in whole milliseconds."""
    run_app(machine, "members_app", "click", "steps", "slow", "quick")
    run_app(machine, "members_app", "click", "shell")
    took: list[Any] = [each["payload"]["duration_ms"] for each in recorded(machine, "my-click")]
    assert {type(each) for each in took} == {int}
    slow, quick, shell, *lines = took
    assert 0 <= quick < 300 <= slow  # It sleeps so long.
    assert shell >= sum(lines) >= 300


def test_only_what_is_asked_for_is_added(machine: Machine, tmp_path: Path) -> None:
    """In the notice's order, whatever order it was asked for in; an unfit version is unknown."""
    rows: list[tuple[str, str, dict[str, object]]] = [
        ("1.2.0", "()", {}),
        ("1.2.0", "['version']", {"version": "1.2.0"}),
        ("my canary", "['outcome', 'version']", {"version": "unknown", "outcome": "ok"}),
    ]
    for version, members, _ in rows:
        app = tmp_path / "app.py"
        app.write_text(ONE.format(version=version, members=members))
        assert run_app(machine, str(app.with_suffix(""))).status == 0
    found = [json.dumps(event["payload"]) for event in recorded(machine, "mytool")]
    assert found == [json.dumps({"cmd": "mytool", "params": [], **each}) for *_, each in rows]


ONE = """
import click
from usagectl import instrument
instrument(click.Command("x"), "mytool", version="{version}", members={members})()
"""


def test_a_member_that_there_is_not_is_refused_at_once() -> None:
    """The sentence names those that there are; one text alone is no sequence of them."""
    assert [each.name for each in notice.find_event("cli_cmd").added_fields] == [*CLI_MEMBERS]
    for members in (["outcome", "exit_status"], "outcome", ("Version",)):
        with pytest.raises(InvalidValueError, match="sequence of version, outcome, duration_ms"):
            instrument(click.Command("x"), "mytool", members=members)


def test_a_tracker_takes_outcome_and_duration(machine: Machine) -> None:
    """What is not given is absent, and what is open is dropped."""
    with Tracker("mytool", environment=machine.environment()) as tracker:
        tracker.cli_cmd(cmd="mytool a")
        tracker.cli_cmd(cmd="mytool b", outcome="error", duration_ms=12)
        tracker.cli_cmd(cmd="mytool c", outcome="canary")
        tracker.cli_cmd(cmd="mytool d", duration_ms=-1)
    payloads = [event["payload"] for event in recorded(machine, "mytool")]
    assert payloads == [
        {"cmd": "mytool a", "params": []},
        {"cmd": "mytool b", "params": [], "outcome": "error", "duration_ms": 12},
    ]
    assert tracker.dropped == 2


def test_they_are_shown_wherever_the_tool_is(machine: Machine) -> None:
    """In its registration, `explain` and `preview`, and `audit` finds nothing wrong with them."""
    run_app(machine, "members_app", "click", "end", "exit3")
    registered = json.loads((machine.state_dir / "tools" / "my-click.json").read_text())
    assert registered["members"] == [*CLI_MEMBERS]
    told = machine.run("explain", "my-click")
    assert "cli_cmd has version, outcome, duration_ms too" in " ".join(told.stdout.split())
    assert machine.run("explain", "my-click", "--json").data["tool"]["members"] == [*CLI_MEMBERS]
    machine.variables["ANALYTICS_API"] = "http://127.0.0.1:1"
    shown = " ".join(machine.run("preview", "my-click").stdout.split())
    assert '"outcome": "error"' in shown
    assert "payload.outcome How the command ended, where its author has usagectl" in shown
    audited = machine.run("audit", "--json").data
    assert (audited["by_name"], audited["findings"]) == ({"cli_cmd": 4}, [])


def test_an_earlier_registration_s_members_stay(machine: Machine) -> None:
    """A tracker of the same tool adds none and takes none away, since their events may wait."""
    environment = machine.environment()
    for members in (("outcome",), (), ("version",)):
        instrumented.register(environment, instrumented.Registration("mytool", members=members))
    found = instrumented.read(environment, "mytool")
    assert found is not None
    assert found.members == ("version", "outcome")
