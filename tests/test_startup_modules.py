"""Tests of what a fresh process loads: nothing that draws, sends or is another command's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import ANSWERING, example, furnish
from tests.support.spooling import entries
from usagectl.cli._commands import MODULES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.machine import Machine

pytestmark = pytest.mark.skipif(os.name == "nt", reason="processes fork on POSIX alone")

# Forks before the command is run, so that many commands cost one start of Python. What the
# command line itself imports, every command has loaded.
DRIVER = """
import json, os, sys
from usagectl.cli import main
for words in json.loads(sys.argv[1]):
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = main(words)
        os.write(theirs, json.dumps([status, sorted(sys.modules)]).encode())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        print(pipe.read().decode())
    os.waitpid(child, 0)
"""
HEAVY = {
    *("rich", "httpx", "httpcore", "uvicorn", "pydantic", "tomlkit", "msgspec", "requests"),
    "ruamel.yaml",
    *("asyncio", "anyio", "ssl", "socket", "http.client", "urllib.request", "socketserver"),
}
TYPER_ALONE = """
import json, sys, typer
app = typer.Typer(rich_markup_mode=None)
@app.command()
def command(name: str) -> None:
    print(json.dumps(sorted(sys.modules)))
app(["x"])
"""
RECORDING = """
import sys, click
before = set(sys.modules)
from usagectl import Tracker, instrument
cli = instrument(click.Command("x", callback=lambda: None), "mytool")
cli(standalone_mode=False, args=[])
with Tracker("mytool") as tracker:
    tracker.run_init(stage="READY", scripts=2, duration=1.5)
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""
SHARED = {
    "switch": {"status"},
    "completion": set(MODULES.values()),
}
"""Command modules whose answers are made of another's; `completion` is about all of them."""


def modules_of(machine: Machine, lines: Iterable[tuple[str, ...]]) -> list[set[str]]:
    """Return the names of all modules that a process loads, for each command line."""
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, json.dumps(list(lines))],
        env=machine.process_variables(),
        cwd=machine.cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=True,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [status for status, _ in answers] == [0] * len(answers), done.stderr
    return [set(modules) for _, modules in answers]


@pytest.fixture(scope="module")
def heavy() -> set[str]:
    """Return the heavy libraries, without those that this Typer brings to any application."""
    done = subprocess.run([sys.executable, "-c", TYPER_ALONE], capture_output=True, check=True)
    return HEAVY - set(json.loads(done.stdout))


def command_modules(loaded: set[str]) -> set[str]:
    """Name the command modules among all that are loaded."""
    return {name for name in MODULES.values() if f"usagectl.cli.{name}" in loaded}


def test_a_bare_machine_needs_nothing_heavy(
    machine: Machine, heavy: set[str], subtests: pytest.Subtests
) -> None:
    """What neither draws nor sends loads no library that does, on a machine with no file at all.

    `--version` reads one constant: it builds no command and looks at no tool.
    """
    lines = [("--version",), ("--help",), (), ("status", "--help"), ("status", "--json")]
    for words, modules in zip(lines, modules_of(machine, lines), strict=True):
        with subtests.test(" ".join(words)):
            assert modules & heavy == set()
        if words == ("--version",):
            assert command_modules(modules) == set()
            ours = {"usagectl.tools", "usagectl.consent", "usagectl.spool"}
            assert modules & {*ours, "platformdirs"} == set()


def test_recording_loads_the_standard_library_alone(machine: Machine) -> None:
    """A program that records loads no library of ours, although all of them are installed here.

    But platformdirs, where the folders of the system are not those of Linux.
    """
    done = subprocess.run(
        [sys.executable, "-c", RECORDING],
        env=machine.process_variables(),
        cwd=machine.cwd,
        capture_output=True,
        text=True,
        check=True,
    )
    events = [entry.event for entry in entries(machine)]
    assert sorted(events) == ["cli_cmd", "run_init", "session"]
    loaded = set(done.stdout.split())
    assert loaded - set(sys.stdlib_module_names) - {"platformdirs"} == {"usagectl"}


def test_a_command_loads_itself_alone(
    machine: Machine, heavy: set[str], subtests: pytest.Subtests
) -> None:
    """A command loads no other command's module, and for --json nothing that draws or sends.

    Only what writes settings loads the library that keeps a TOML file's comments, and only
    `replay` what can open a socket.
    """
    furnish(machine)
    # Last what empties the spool.
    paths = sorted(ANSWERING, key=lambda path: path in ("disable", "spool purge"))
    found = modules_of(machine, [example(path, "--json") for path in paths])
    for path, modules in zip(paths, found, strict=True):
        own = MODULES[path.split(maxsplit=1)[0]]
        with subtests.test(path):
            others = command_modules(modules) - {own}
            assert others <= SHARED.get(own, set())
            assert modules & heavy <= allowed(path, own)


def allowed(path: str, own: str) -> set[str]:
    """Name the heavy libraries that a command needs for its work."""
    found = set()
    if own == "replay":
        found.add("socket")
    saves = path.startswith(("cache-dir ", "settings ")) and path.endswith((" set", " unset"))
    if own == "switch" or saves:
        found.add("tomlkit")
    return found


def test_the_search_sees_a_heavy_library(machine: Machine, heavy: set[str]) -> None:
    """The search above is able to fail: an answer that is drawn loads rich, and is seen."""
    (modules,) = modules_of(machine, [("status",)])
    assert "rich" in modules & heavy
