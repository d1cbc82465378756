"""Tests of instrumented applications: recorded by name, listed, previewed, switched off."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import click
import pytest
import typer

from tests.support.commands import run_inside
from tests.support.endpoint import Endpoint
from tests.support.machine import Outcome
from tests.support.sample_apps import APPS, commands, recorded, run_app, run_each
from usagectl import Kind, instrument, spool
from usagectl.errors import InvalidValueError
from usagectl.events.kinds import InvalidKindError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine

Events = list[tuple[str, list[str]]]

ROWS: dict[tuple[str, str], list[tuple[str, int, Events]]] = {
    ("typer_app", "sample-typer"): [
        ("build", 0, [(" build", [])]),
        ("--verbose build canary -o canary", 0, [(" build", ["verbose", "target", "output"])]),
        ("build --fail", 7, [(" build", ["fail"])]),
        ("crash", 1, [(" crash", [])]),
        ("remote add canary", 0, [(" remote add", ["name"])]),
        ("refuse", 2, []),
        ("", 2, []),
        ("--help", 0, []),
        ("build --help", 0, []),
        ("remote --help", 0, []),
        ("nope", 2, []),
        ("build --nope", 2, []),
        ("remote add", 2, []),
    ],
    ("single_app", "sample_single"): [
        ("canary", 0, [("", ["name"])]),
        ("canary --loud", 0, [("", ["name", "loud"])]),
        ("--help", 0, []),
        ("", 2, []),
        ("build --nope", 2, []),
    ],
    ("click_app", "sample-click"): [
        ("build", 0, [(" build", [])]),
        (
            "--profile canary build -j 3 --no-dry-run canary canary2",
            *(0, [(" build", ["profile", "files", "dry_run", "jobs"])]),
        ),
        ("build --secret canary", 0, [(" build", ["secret"])]),
        ("bu", 0, [(" build", [])]),
        ("steps one --size canary two", 0, [(" steps one", ["size"]), (" steps two", [])]),
        ("--version", 0, []),
        ("build --help", 0, []),
        ("build -j many", 2, []),
        ("nope", 2, []),
        ("build --nope", 2, []),
    ],
}
"""Of each application what is typed, the exit status, and the events, without the tool's name."""


def test_what_is_recorded_and_that_nothing_else_changes(machine: Machine, tmp_path: Path) -> None:
    """A command that runs is recorded by declared names; help, version and bad usage are not.

    Output and exit status are those of the application without the line, byte for byte, but
    for the lines of its own traceback. No value, typed or of the environment, is in a file of ours.
    """
    for (app, tool), rows in ROWS.items():
        bare = tmp_path / f"{app}.py"
        source = (APPS / bare.name).read_text()
        bare.write_text(source.replace("from usagectl import instrument", NO_INSTRUMENT))
        words = [typed.split() for typed, *_ in rows]
        done = run_each(machine, APPS / bare.name, words, SAMPLE_KEY="canary")
        assert [each.status for each in done] == [status for _, status, _ in rows]
        assert commands(machine, tool) == [
            (f"{tool}{path}", names) for *_, events in rows for path, names in events
        ]
        plain = run_each(machine, bare, words, SAMPLE_KEY="canary")
        if ["crash"] in words:
            crashed, _ = (runs.pop(words.index(["crash"])) for runs in (done, plain))
            assert "RuntimeError" in crashed.stderr
        assert done == plain
    kept = [file.read_bytes() for file in machine.state_dir.rglob("*") if file.is_file()]
    assert len(kept) > len(ROWS)
    assert [data for data in kept if b"canary" in data] == []


NO_INSTRUMENT = "instrument = lambda app, *_, **__: app"


ODD_ROWS: list[tuple[str, Events]] = [
    ("/home/canary/secret.txt", [("sample-odd other", [])]),
    ("canary", [("sample-odd other", [])]),
    ("lazy", [("sample-odd lazy", [])]),
    ("\udcff", [("sample-odd other", [])]),
    ("two words", [("sample-odd other", [])]),
    ("db:migrate --größe canary --plain canary", [("sample-odd db:migrate", ["plain"])]),
    ("db:migrate /debug", [("sample-odd db:migrate", ["debug"])]),
    ("nameless", [("sample-odd nameless", [])]),
    ("numbered --z canary", [("sample-odd numbered", ["z"])]),
    ("slotted", []),
    ("unseen canary", []),
]


def test_odd_declarations(machine: Machine) -> None:
    """A name that is invalid, or made of what was typed, is not recorded; the command runs.

    With telemetry off it runs all the same.
    """
    words = [[row[0]] if row[0] == "two words" else row[0].split() for row in ODD_ROWS]
    for variables in ({"DO_NOT_TRACK": "1"}, {}):
        done = run_each(machine, APPS / "odd_app.py", words, **variables)
        assert [(each.status, each.stderr) for each in done] == [(0, "")] * len(ODD_ROWS)
        wanted = [] if variables else [each for row in ODD_ROWS for each in row[1]]
        assert commands(machine, "sample-odd") == wanted


MIXED = """
import click
from usagectl import instrument

group = click.Group("x", chain=True)
for name in "ab":
    group.add_command(click.Command(name, callback=lambda: click.echo("ran")))
group.commands["a"].name = 5
instrument(group, "mytool")(["a", "b"])
"""


def test_what_cannot_be_named_costs_only_its_own_event(machine: Machine, tmp_path: Path) -> None:
    """A command whose name is no text runs, and so does the one after it, which is recorded."""
    (tmp_path / "mixed.py").write_text(MIXED)
    assert run_app(machine, str(tmp_path / "mixed")) == Outcome(0, "ran\nran\n", "")
    assert commands(machine, "mytool") == [("mytool b", [])]


def test_each_line_of_a_shell_is_a_command(machine: Machine) -> None:
    """What a command runs line by line is recorded, and bad usage drops its own line alone."""
    lines = [(" build", ["fast"]), (" clean", []), (" build", [])]
    shells = [("same", ""), ("below", ""), ("alone", ""), ("whole", "")]
    for shell, group in [*shells, ("same", " sub"), ("alone", " sub")]:
        run_app(machine, "shell_app", *group.split(), shell)
        own = [] if shell == "whole" else lines  # A whole line is written when it has ended.
        wanted = [(f"{group} {shell}", []), *((f"{group}{name}", names) for name, names in own)]
        wanted = (lines if shell == "whole" else []) + wanted
        found = commands(machine, "sample-shell")
        assert found == [(f"sample-shell{name}", names) for name, names in wanted], shell
        spool.purge(machine.environment())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_fork_within_a_command_does_not_record_it_again(machine: Machine) -> None:
    """The command is one, however many processes return from it."""
    assert run_app(machine, "odd_app", "fork").stdout == "parent\n"
    assert commands(machine, "sample-odd") == [("sample-odd fork", [])]


@pytest.mark.parametrize(
    ("app", "tool"), [("typer_app", "sample-typer"), ("click_app", "sample-click")]
)
def test_listed_previewed_switched_off_silent(app: str, tool: str, machine: Machine) -> None:
    """One line makes a tool of it: status lists it, preview shows it, disable ends it for good."""
    run_app(machine, app, "build")
    environment = machine.environment(
        variables={**machine.process_variables(), "ANALYTICS_API": "http://127.0.0.1:1"}
    )
    status = run_inside(environment, "status", "--json")
    found = {part["name"]: part for part in status.data["tools"]}[tool]
    assert (found["telemetry"], found["installed"]) == ("local", True)
    assert found["version"] in ("1.2.0", "3.0")
    assert tool in run_inside(environment, "status").stdout
    shown = run_inside(environment, "preview", tool, "--raw")
    assert f'"cmd":"{tool} build"' in shown.stdout
    assert run_inside(environment, "disable", tool).status == 0
    assert recorded(machine, tool) == []
    run_app(machine, app, "build")
    assert recorded(machine, tool) == []
    # Those of usagectl itself stay.
    assert run_inside(environment, "status", "--json").data["spool"]["pending"] > 0
    assert run_inside(environment, "enable", tool).status == 0
    run_app(machine, app, "build")
    assert commands(machine, tool) == [(f"{tool} build", [])]


NOES = [
    {"DO_NOT_TRACK": "1"},
    {"DISABLE_EVENTS": "yes"},
    {"LOCALSTACK_DISABLE_EVENTS": "1"},
    {"USAGECTL_TELEMETRY": "off"},
    {"SAMPLE_TYPER_TELEMETRY": "off"},
    {"SAMPLE_TYPER_TELEMETRY": "nonsense"},
]


def test_any_no_leaves_nothing(machine: Machine) -> None:
    """Off means no event, no registration, no file at all."""
    for variables in NOES:
        assert run_app(machine, "typer_app", "build", **variables).status == 0
        assert not machine.state_dir.exists(), variables


def test_disabling_everything_holds_for_a_tool_that_comes_later(machine: Machine) -> None:
    """What was switched off without a name is off for a program that was never run before."""
    run_inside(machine.environment(), "disable")
    run_app(machine, "typer_app", "build")
    assert recorded(machine, "sample-typer") == []


def test_its_own_yes_sends_to_its_own_endpoint(machine: Machine) -> None:
    """Consent to send is a tool's own; usagectl's events stay where they are."""
    with Endpoint() as endpoint:
        machine.variables["ANALYTICS_API"] = endpoint.base
        run_app(machine, "click_app", "build")
        machine.run("enable", "sample-click")
        run_app(machine, "click_app", "build", "x")
        assert endpoint.wait_for(1)
        names = [event["payload"]["params"] for post in endpoint.received for event in post.events]
        assert names == [["files"]]  # What was recorded before consent stays here.


def test_a_home_that_takes_nothing_changes_nothing(machine: Machine) -> None:
    """Where nothing can be recorded the application runs as ever."""
    machine.state_dir.write_text("a file in its place")
    done = run_app(machine, "typer_app", "build")
    assert (done.status, done.stdout, done.stderr) == (0, "built 3 1 0\n", "")


def test_the_author_is_told_at_once() -> None:
    """An invalid name is refused, and whatever else would silently mean nothing."""
    for name in ("localstack", "lstk", "usagectl", "My Tool", "", "a" * 65, "a--b", "../x"):
        with pytest.raises(InvalidValueError):
            instrument(click.Command("x"), name)
    odd: list[dict[str, Any]] = [
        {"endpoint": "http://events.example.org/v1"},
        {"endpoint": "https://me:canary@events.example.org/v1"},
        {"endpoint": "events.example.org"},
        {"version": 1.2},
        {"version": None},
    ]
    for options in odd:
        with pytest.raises(InvalidValueError) as caught:
            instrument(click.Command("x"), "mytool", **options)
        assert "canary" not in str(caught.value)
    kind = Kind("mytool_built", "A build ended.")
    refused: list[Any] = [kind, [kind, kind], [kind._replace(name="other_built")], ["mytool_x"]]
    for kinds in refused:
        with pytest.raises(InvalidKindError):
            instrument(click.Command("x"), "mytool", kinds=kinds)
    instrument(click.Command("x"), "mytool", kinds=[kind])


class AsyncGroup:
    """What asyncclick's group looks like."""

    commands: ClassVar[dict[str, object]] = {}

    async def main(self) -> None:
        """Run it."""

    async def make_context(self) -> None:
        """Read a command line."""

    async def invoke(self) -> None:
        """Run a command."""


class Fixed(click.Command):
    """A command whose class cannot be changed."""

    def __setattr__(self, name: str, value: object) -> None:
        """Take no other class."""
        if name == "__class__":
            raise AttributeError(name)
        super().__setattr__(name, value)


class Standing:
    """What stands for a command, as one that is loaded on demand may."""

    def __init__(self, command: click.Command) -> None:
        self.command = command

    def __getattr__(self, name: str) -> object:
        """Ask the command."""
        return getattr(self.command, name)


def test_an_application_that_would_not_be_recorded_is_refused() -> None:
    """The sentence says why."""
    for app, reason in [
        (object(), "neither a Typer application nor a Click command"),
        (SimpleNamespace(make_context=1, invoke=1), "neither a Typer application nor"),
        (AsyncGroup(), "AsyncGroup has commands that are coroutines; record them by a Tracker"),
        (click.Command, "Command is a class; instrument takes the application made of it"),
        (Fixed("x"), "Fixed does not let anybody see when it runs; record them by a Tracker"),
        (Standing(click.Command("x")), "Standing does not let anybody see when it runs"),
        (typer.Typer, "Typer is a class"),
    ]:
        with pytest.raises(TypeError, match=reason):
            instrument(app, "mytool")


def test_a_tests_runner_records_each_run_once(machine: Machine) -> None:
    """A command that is run twice in one process is recorded twice, each with its own names."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import click_app\n"
        "for words in (['build'], ['build', '-j', '2']):\n"
        "    click_app.cli.main(words, standalone_mode=False)\n"
    )
    subprocess.run(
        [sys.executable, "-c", script, str(APPS)],
        env=machine.process_variables(),
        cwd=machine.cwd,
        check=True,
        capture_output=True,
    )
    assert commands(machine, "sample-click") == [
        ("sample-click build", []),
        ("sample-click build", ["jobs"]),
    ]
