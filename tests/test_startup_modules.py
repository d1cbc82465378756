"""Tests of what a fresh process loads: nothing that draws, sends or is another command's."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import ANSWERING, EXAMPLES, example, furnish
from usagectl.cli._commands import MODULES

if TYPE_CHECKING:
    from tests.support.machine import Machine

DRIVER = (
    "import sys; from usagectl.cli import main; status = main(sys.argv[1:]);"
    "sys.stderr.write(' '.join(sys.modules)); sys.exit(status)"
)
HEAVY = {
    *("rich", "httpx", "httpcore", "uvicorn", "pydantic", "tomlkit", "msgspec", "requests"),
    *("asyncio", "anyio", "ssl", "socket", "http.client", "urllib.request", "socketserver"),
}
SHARED = {
    "switch": {"status"},
    "machine_id": {"status"},
    "cache_dir": {"machine_id", "status"},
    "completion": set(MODULES.values()),
}
"""Command modules whose answers are made of another's; `completion` is about all of them."""


def modules_of(machine: Machine, *words: str) -> set[str]:
    """Give the names of all modules that a fresh process loads for a command line."""
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, *words],
        env=machine.process_variables(),
        cwd=machine.cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.decode().splitlines()[-1].split())


@pytest.fixture
def furnished(machine: Machine) -> Machine:
    """Make a machine with a profile, settings, IDs and a spool."""
    furnish(machine)
    machine.variables["CACHE_DIR"] = str(machine.folder / "old")
    return machine


@pytest.mark.parametrize("words", ["--version", "--help", "", "status --help", "status --json"])
def test_a_bare_machine_needs_nothing_heavy(words: str, machine: Machine) -> None:
    """What neither draws nor sends loads no library that does, on a machine with no file at all."""
    modules = modules_of(machine, *words.split())
    assert modules & HEAVY == set()
    assert "usagectl.cli" in modules


def test_version_loads_no_command(machine: Machine) -> None:
    """`--version` reads one constant: it builds no command and looks at no tool."""
    modules = modules_of(machine, "--version")
    assert {f"usagectl.cli.{name}" for name in MODULES.values()} & modules == set()
    assert {
        "usagectl.tools",
        "usagectl.consent",
        "usagectl.spool",
        "platformdirs",
    } & modules == set()


SETTING = ("cache-dir set", "cache-dir unset", "settings set", "settings unset")


@pytest.mark.parametrize("path", [path for path in EXAMPLES if path in ANSWERING])
def test_a_command_loads_itself_alone(path: str, furnished: Machine) -> None:
    """A command loads no other command's module, and for --json nothing that draws or sends.

    Only what writes settings loads the library that keeps a TOML file's comments, only what
    reads many events the one that slices them, and only `replay` what can open a socket.
    """
    modules = modules_of(furnished, *example(path, "--json"))
    own = MODULES[path.split(maxsplit=1)[0]]
    commands = {name for name in MODULES.values() if f"usagectl.cli.{name}" in modules}
    assert own in commands
    assert commands - {own} <= SHARED.get(own, set())
    # The scripts of `completion` name the rules of the audit.
    bulk = {"msgspec"} if own in ("spool", "audit", "completion") or path == "disable" else set()
    sends = {"msgspec", "socket"} if own == "replay" else set()
    writes_settings = own == "switch" or path in SETTING
    assert modules & HEAVY <= ({"tomlkit"} if writes_settings else set()) | bulk | sends


def test_the_search_sees_a_heavy_library(machine: Machine) -> None:
    """The search above is able to fail: an answer that is drawn loads rich, and is seen."""
    assert "rich" in modules_of(machine, "status") & HEAVY
