"""Tests of `usagectl init`: what it writes, what it refuses, and that verify proves it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support import sealing
from tests.support.commands import run_inside
from usagectl import consent, verify
from usagectl.catalogue import authored
from usagectl.machine import environment
from usagectl.terms import Terms
from usagectl.tools import instrumented
from usagectl.tools.base import Installation
from usagectl.tools.catalogued import Catalogued
from usagectl.verify.rows import ODD

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine
    from usagectl.catalogue.entry import Entry

IS_WHOLE = bool(os.environ.get("USAGECTL_VERIFY"))  # Before the walls clear it.
ENDPOINT = "https://events.mytool.example/v1"
TOOL = f"""#!{sys.executable}
import os, typer
DEFECTS
from usagectl import instrument
app = instrument(typer.Typer(), "mytool", version="1.2.0", endpoint="{ENDPOINT}")
@app.callback()
def main(): ...
@app.command()
def build(output: str = ""): print("built")
app()
"""


def lay(folder: Path, defects: str = "") -> Path:
    """Write the program of a tool that records through usagectl."""
    program = folder / "mytool"
    program.write_text(TOOL.replace("DEFECTS", defects))
    program.chmod(0o755)
    return program


def register(machine: Machine, program: str = "") -> None:
    """Note what the tool said about itself when it last recorded."""
    found = instrumented.Registration("mytool", "1.2.0", ENDPOINT, program)
    instrumented.register(machine.environment(), found)


def test_it_writes_a_file_and_never_over_one(machine: Machine) -> None:
    """In the catalogue's form; another name, and another file of that name, are respected."""
    register(machine)
    done = run_inside(machine.environment(), "init", "mytool")
    file = machine.cwd / "mytool.usagectl.toml"
    assert done.stdout.splitlines() == [
        f"{file} written.",
        "",
        "Next: usagectl verify ./mytool.usagectl.toml",
    ]
    entry = authored.read(file)
    assert (entry.name, entry.combine, entry.verify.commands) == ("mytool", "any-off", ("mytool",))
    assert [each.url for each in entry.endpoints] == [ENDPOINT]
    assert dict(entry.verify.variables) == {"MYTOOL_TELEMETRY": "on"}
    before = file.read_bytes()
    again = run_inside(machine.environment(), "init", "mytool", "--json")
    (error,) = again.envelope["errors"]
    assert (again.status, error["code"]) == (3, "file-exists")
    assert error["hint"] == "usagectl init mytool --output mytool-2.usagectl.toml"
    assert file.read_bytes() == before
    other = run_inside(machine.environment(), *error["hint"].split()[1:], "--json")
    assert other.data["file"] == str(machine.cwd / "mytool-2.usagectl.toml")
    assert (machine.cwd / "mytool-2.usagectl.toml").read_text() == f"{other.data['text']}\n"
    for odd in ("mytool.txt", "-", ""):
        refused = run_inside(machine.environment(), "init", "mytool", "--output", odd, "--json")
        assert refused.envelope["errors"][0]["code"] == "invalid-value"
    for name in ("usagectl", "localstack", "My Tool"):
        refused = run_inside(machine.environment(), "init", name, "--json")
        assert refused.envelope["errors"][0]["code"] == "invalid-value"


@pytest.mark.parametrize(("default", "says"), [("off", "off"), ("ask", "asks"), ("local", "local")])
def test_what_its_author_settles_is_written(machine: Machine, default: str, says: str) -> None:
    """How it begins, and its own command for switching off, a row of the verification."""
    settled = Terms(default, commands="mytool telemetry")
    found = instrumented.Registration("mytool", "1.2.0", ENDPOINT, terms=settled)
    instrumented.register(machine.environment(), found)
    run_inside(machine.environment(), "init", "mytool")
    entry = authored.read(machine.cwd / "mytool.usagectl.toml")
    assert entry.default == says
    assert [each.run for each in entry.commands] == ["mytool telemetry off"]


def test_a_dry_run_shows_the_file(machine: Machine) -> None:
    """And makes none."""
    done = run_inside(machine.environment(), "init", "mytool", "--dry-run")
    assert 'name = "mytool"\n' in done.stdout
    assert list(machine.cwd.iterdir()) == []


def test_what_runs_and_where_it_sends(machine: Machine, tmp_path: Path) -> None:
    """The program on PATH, beside the file or as registered; words and endpoint as given.

    An address that the tool does not declare by itself is given to it.
    """

    def made(*more: str) -> Entry:
        words = ("init", "mytool", "--output", "x.toml", "--json", *more)
        outcome = run_inside(machine.environment(), *words)
        assert outcome.status == 0, outcome.stdout
        (machine.cwd / "x.toml").unlink()
        (machine.cwd / "y.toml").write_text(outcome.data["text"])
        return authored.read(machine.cwd / "y.toml")

    other = "https://other.example/v1"
    plain = made("--endpoint", f"{other}/")
    assert plain.verify.variables == {"MYTOOL_TELEMETRY": "on", "ANALYTICS_API": other}
    assert made().endpoints == ()
    (tmp_path / "elsewhere").mkdir()
    register(machine, program=str(lay(tmp_path / "elsewhere")))
    assert made().detect.executables == (str(tmp_path / "elsewhere" / "mytool"),)
    assert "ANALYTICS_API" not in made("--endpoint", ENDPOINT).verify.variables
    lay(machine.cwd)
    entry = made("--command", "mytool build -o {value}", "--command", "./mytool 'a b' --x={value}")
    assert entry.detect.executables == ("{here}/mytool",)
    assert entry.verify.commands == (
        "{here}/mytool build -o {value}",
        "{here}/mytool 'a b' --x={value}",
    )
    assert entry.verify.silent == ("{here}/mytool --help",)
    machine.install_program("mytool")
    assert made().detect.executables == ("mytool",)


def test_each_value_does_what_the_file_says(machine: Machine) -> None:
    """The verdict by the file's forms is that of `status`, for each variable with each value."""
    run_inside(machine.environment(), "init", "mytool", "--endpoint", ENDPOINT)
    entry = authored.read(machine.cwd / "mytool.usagectl.toml")
    registration = instrumented.Registration("mytool", endpoint=ENDPOINT)
    wrong = []
    names = [name for rule in entry.switches for name in rule.variables]
    for name in names:
        for value in (*ODD, "on", "ON", "local", " Off "):
            for more in ({}, {"MYTOOL_TELEMETRY": "on"}):
                given = machine.environment(variables={"HOME": "/nowhere", **more, name: value})
                tool = Catalogued(entry, Installation(installed=True))
                (by_file,) = consent.evaluate_tool(given, tool)
                by_rules = consent.of_emitter(given, registration)
                if by_file.telemetry != by_rules.telemetry:
                    wrong.append((name, value, more, by_file.telemetry, by_rules.telemetry))
    assert wrong == []
    assert names[-1] == "MYTOOL_TELEMETRY"


@pytest.mark.parametrize("defect", ["", 'os.environ.pop("DO_NOT_TRACK", None)'])
def test_verify_proves_it(machine: Machine, defect: str) -> None:
    """Sealed: the tool sends with telemetry on and obeys each switch; one that does not is caught.

    Every value and file is tried with USAGECTL_VERIFY.
    """
    sealing.require()
    lay(machine.cwd, defect)
    register(machine)
    words = ("init", "mytool", "--command", "mytool build --output {value}")
    assert run_inside(machine.environment(), *words).status == 0
    given = environment.from_process()
    found = verify.find(str(machine.cwd / "mytool.usagectl.toml"), given)
    is_quick = bool(defect) or not IS_WHOLE
    report = verify.Trials(found, given).run(verify.plan(found, given, quick=is_quick))
    bad = {each.row.name for each in report.results if each.verdict != "keeps"}
    assert bad == ({"DO_NOT_TRACK '1'"} if defect else set())
    assert len(report.results) >= (9 if is_quick else 60)
