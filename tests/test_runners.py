"""Tests of what test runners run: nothing of it is recorded, unless its author asks for that."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import click
import pytest
import typer
import typer.testing
from typer.core import TyperGroup

from tests.support.commands import run_inside
from tests.support.sample_apps import APPS, commands, run_app
from usagectl import Environment, Tracker, current_environment, instrument
from usagectl.events.schemas import EventShapeError
from usagectl.machine import runners

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine

# Each way to call an application in its own process, and a tracker; with a word, in a test.
CALLS = """
import sys, threading, unittest, unittest.mock
sys.path.insert(0, sys.argv.pop(1))
import click.testing, typer.testing
from usagectl import Tracker
import click_app, typer_app

def main():
    click_app.cli.main(["build"], standalone_mode=False)

def in_thread():
    thread = threading.Thread(target=main)
    thread.start()
    thread.join()

def in_app():
    typer_app.app(["build"], standalone_mode=False)

def in_tracker():
    with Tracker("sample-click") as tracker:
        tracker.cli_cmd(cmd="sample-click x")

def in_runners():
    assert click.testing.CliRunner().invoke(click_app.cli, ["build"]).exit_code == 0
    assert typer.testing.CliRunner().invoke(typer_app.app, ["build"]).exit_code == 0

class Test(unittest.TestCase):
    def test(self):
        main(), in_thread(), in_app(), in_tracker(), in_runners()

class AsyncTest(unittest.IsolatedAsyncioTestCase):
    async def test(self):
        main()

in_runners()
if sys.argv[1:]:
    unittest.main(argv=["x"], exit=False)
else:
    unittest.mock.patch("sys.argv", ["x"])(main)()
    in_thread(), in_app(), in_tracker()
"""


class Group(TyperGroup):
    """A class that an author gives."""


def call(machine: Machine, *words: str) -> int:
    """Run the calls above, and count what they recorded."""
    command = [sys.executable, "-c", CALLS, str(APPS), *words]
    variables = machine.process_variables()
    done = subprocess.run(command, env=variables, cwd=machine.cwd, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"FAILED" not in done.stderr
    return sum(len(commands(machine, tool)) for tool in ("sample-click", "sample-typer"))


def test_what_a_test_calls_in_its_own_process_is_not_recorded(machine: Machine) -> None:
    """No call within unittest, and none through a `CliRunner`; the same calls outside are."""
    assert call(machine, "test") == 0
    assert not machine.state_dir.exists()
    assert call(machine) == 4


DOCTEST = """'''
>>> from usagectl import Tracker
>>> tracker = Tracker("mytool")
>>> tracker.cli_cmd(cmd="mytool build")
'''
import atexit
from usagectl import Tracker
atexit.register(lambda: Tracker("mytool").cli_cmd(cmd="mytool end"))
"""


def test_what_python_m_starts_is_a_test_to_its_end(machine: Machine, tmp_path: Path) -> None:
    """Doctest runs as the main module then, and at exit no runner is among the callers."""
    (tmp_path / "test_it.py").write_text(DOCTEST)
    for words in (["doctest", "test_it.py"], ["unittest", "-q", "test_it"]):
        subprocess.run(
            [sys.executable, "-m", *words],
            env=machine.process_variables(),
            cwd=tmp_path,
            capture_output=True,
            check=words[0] == "doctest",
        )
        assert commands(machine, "mytool") == [], words
    variables = machine.process_variables()
    subprocess.run([sys.executable, "test_it.py"], env=variables, cwd=tmp_path, check=True)
    assert commands(machine, "mytool") == [("mytool end", [])]


def test_what_a_test_starts_is_not_recorded_and_status_says_why(machine: Machine) -> None:
    """Each variable of a test runner is a No, an empty one is none; without it the same is kept."""
    kept = []
    for name in runners.VARIABLES:
        run_app(machine, "click_app", "build", **{name: "1"})
        kept += [name] if commands(machine, "sample-click") else []
    assert kept == []
    run_app(machine, "click_app", "build", PYTEST_VERSION="")
    assert commands(machine, "sample-click") == [("sample-click build", [])]
    done = machine.run("status", variables={"TOX_ENV_NAME": "py"})
    assert "sample-click off 3.0 TOX_ENV_NAME=py (environment)" in " ".join(done.stdout.split())
    inside = machine.environment(test_runner="unittest")
    shown = run_inside(inside, "status").stdout
    assert "sample-click off 3.0 test runner=unittest (this process)" in " ".join(shown.split())
    refused = run_inside(inside, "enable", "sample-click").stderr
    assert "stays off: test runner in this process decides" in refused


def test_this_very_test_is_found() -> None:
    """The process of a test knows what runs it, by the stack where no variable tells."""
    assert current_environment().test_runner.startswith("PYTEST_")
    assert runners.find({}) in ("pytest", "_pytest")


def test_an_author_can_ask_for_it(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """`is_testing` records in tests as well; `strict` raises there whatever is recorded."""
    for name, value in machine.process_variables().items():
        monkeypatch.setenv(name, value)
    with Tracker("mytool", strict=True) as silent:
        silent.cli_cmd(cmd="mytool build")
        with pytest.raises(EventShapeError):
            silent.run_init(stage="nope", scripts=1, duration=1.0)
    assert (commands(machine, "mytool"), silent.dropped) == ([], 1)
    with Tracker("mytool", is_testing=True) as tracker:
        tracker.cli_cmd(cmd="mytool build")
    command = instrument(click.Command("x"), "mytool", is_testing=True)
    command.main([], standalone_mode=False)
    assert commands(machine, "mytool") == [("mytool build", []), ("mytool", [])]


def test_a_runner_of_typer_is_recorded_where_its_author_asks(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It builds the commands itself: one that was added before or after, a group, a class."""
    for name, value in machine.process_variables().items():
        monkeypatch.setenv(name, value)
    run = typer.testing.CliRunner().invoke
    app = typer.Typer()
    app.command()(lambda: None)
    instrument(app, "mytool", is_testing=True)
    assert run(app, []).exit_code == 0
    app([], standalone_mode=False)
    app.command("build")(lambda: None)
    assert run(app, ["build"]).exit_code == 0
    app.callback(cls=Group)(lambda: None)
    assert run(app, ["build"]).exit_code == 0
    below = typer.Typer()
    below.command("do")(lambda: None)
    app.add_typer(below, name="below")
    assert run(app, ["below", "do"]).exit_code == 0
    names = ["mytool", "mytool", "mytool build", "mytool build", "mytool below do"]
    assert [name for name, _ in commands(machine, "mytool")] == names


def test_an_environment_says_so_itself(machine: Machine) -> None:
    """Who gives an environment of their own decides by it."""
    given: list[Environment] = [machine.environment(test_runner="x"), machine.environment()]
    for environment in given:
        with Tracker("mytool", environment=environment) as tracker:
            tracker.cli_cmd(cmd="mytool build")
    assert commands(machine, "mytool") == [("mytool build", [])]


def test_a_program_is_no_test_runner_for_its_name() -> None:
    """The calls of a runner's own modules count, and no module that is merely named alike."""
    found = {}
    for module in ("robot", "robot.arm", "robot.running.model", "unittest2", "unittest.case", "my"):
        names: dict[str, Any] = {"__name__": module, "runners": runners, "variables": {}}
        exec("found = runners.find(variables)", names)  # noqa: S102
        found[module] = names["found"]
    assert {name for name, runner in found.items() if runner == name.rpartition(".")[0]} == {
        *("robot.running.model", "unittest.case")
    }
