"""Tests of `usagectl-core` installed without the program: it records, and says what is missing."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support import wheels
from tests.support.counting import wait_until
from tests.support.endpoint import Endpoint
from tests.support.sample_apps import commands

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine

HINT = "try: python -m pip install usagectl"

CLICK = """
import click
from usagectl import instrument

@click.group()
def cli(): ...

@cli.command()
@click.option("--output")
def build(output): ...

instrument(cli, "mytool", endpoint={base!r})()
"""
TYPER = """
import typer
from usagectl import instrument

app = instrument(typer.Typer(), "mytool", endpoint={base!r})

@app.callback()
def root(): ...

@app.command()
def build(output: str = ""): ...

app()
"""
LIBRARY = """
import json, usagectl
from usagectl import preview, tools
from usagectl.tools.previews import PreviewWish

machine = usagectl.current_environment()
with usagectl.Tracker("mytool", version="1.0", endpoint={base!r}) as tracker:
    tracker.run_init(stage="READY", scripts=2, duration=1.5)

def verdict(result):
    return result.consents[0].telemetry

told = [part.telemetry for part in usagectl.evaluate(machine, ["mytool"])]
told += [verdict(usagectl.disable(machine, ["mytool"], keep_spool=True))]
told += [verdict(usagectl.enable(machine, ["mytool"]))]
(tool,) = tools.select(machine, ["mytool"])
(found,), _ = preview.preview(machine, tool, PreviewWish(), waiting=True)
print(json.dumps([told, [request.body.decode() for request in found.requests]]))
"""
AUTHORS_FILE = """
name = "mytool"
title = "mytool"
[detect]
executables = ["true"]
[[switch]]
variables = ["MYTOOL_TELEMETRY"]
off = { form = "equals", values = ["off"] }
write = "off"
[verify]
commands = ["true"]
"""


@pytest.fixture(scope="session")
def core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the core's wheel."""
    return wheels.build(wheels.CORE, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def python(core: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an environment of the core and Click."""
    return wheels.make_environment(tmp_path_factory.mktemp("core") / "venv", core, "click")


@pytest.fixture(scope="session")
def typer_python(core: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an environment of the core, Typer, pytest, and what they bring."""
    folder = tmp_path_factory.mktemp("typer") / "venv"
    return wheels.make_environment(folder, core, "typer", "pytest")


def run(
    machine: Machine, python: Path, *words: str, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run an environment's Python, which finds nothing of the repository."""
    variables = {**machine.process_variables(), **more}
    del variables["PYTHONPATH"]
    return subprocess.run(
        [python, *words],
        env=variables,
        cwd=machine.cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def run_app(machine: Machine, python: Path, text: str, *words: str, base: str) -> str:
    """Run an application, which has to end well, with sending on; return what it prints."""
    file = machine.cwd / "app.py"
    file.write_text(text.format(base=base))
    done = run(machine, python, str(file), *words, MYTOOL_TELEMETRY="on")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_click_application_records_and_delivers(machine: Machine, python: Path) -> None:
    """Its command is one event, which the detached child sends with httpx."""
    with Endpoint() as there:
        run_app(machine, python, CLICK, "build", "--output", "x", base=there.base)
        assert commands(machine, "mytool") in ([("mytool build", ["output"])], [])
        assert wait_until(lambda: there.received, 20)
    (event,) = there.received[0].events
    assert event["payload"] == {"cmd": "mytool build", "params": ["output"]}


def test_a_typer_application_records_and_delivers(machine: Machine, typer_python: Path) -> None:
    """So is that of an application that brings Typer itself."""
    with Endpoint() as there:
        run_app(machine, typer_python, TYPER, "build", "--output", "x", base=there.base)
        assert wait_until(lambda: there.received, 20)
    (event,) = there.received[0].events
    assert event["payload"] == {"cmd": "mytool build", "params": ["output"]}


def test_the_library_judges_switches_and_previews(machine: Machine, python: Path) -> None:
    """A tracker, the verdict, both switches and the preview need no more than the core."""
    with Endpoint() as there:
        file = machine.cwd / "library.py"
        file.write_text(LIBRARY.format(base=there.base))
        done = run(machine, python, str(file))
    assert (done.returncode, done.stderr) == (0, "")
    told, bodies = json.loads(done.stdout)
    assert told == ["local", "off", "on"]
    assert ["run_init" in body for body in bodies] == [False, True]  # The session comes first.


def test_opentelemetry_logs_go_as_json(machine: Machine, python: Path) -> None:
    """Without the extra they are JSON; where protobuf is asked for, what brings it is said."""
    code = (
        "import usagectl as u; from usagectl.delivery import replay; "
        "print(replay.wire_of(u.current_environment(), 'otlp').encoding)"
    )
    assert run(machine, python, "-c", code).stdout == "http/json\n"
    asked = run(machine, python, "-c", code, OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf")
    assert "opentelemetry-proto is not installed" in asked.stderr


def test_the_program_says_what_is_missing(machine: Machine, python: Path) -> None:
    """`python -m usagectl` ends with a sentence, what helps, and exit status 3."""
    done = run(machine, python, "-m", "usagectl", "status")
    assert (done.returncode, done.stdout) == (3, "")
    first, second = done.stderr.splitlines()
    assert first.startswith("error: typer is not installed")
    assert first.endswith("[library-missing]")
    assert second.strip() == HINT


def test_commands_say_what_is_missing(machine: Machine, typer_python: Path) -> None:
    """Where an application brought Typer a command runs, or names the library that it lacks."""
    assert run(machine, typer_python, "-m", "usagectl", "status").returncode == 0
    lines = {("capture", "--", "true"): "uvicorn", ("capture", "--sealed", "--", "true"): "trustme"}
    lines[("report", "-o", "report.html")] = "Jinja2"
    for words, library in lines.items():
        done = run(machine, typer_python, "-m", "usagectl", *words)
        assert done.returncode == 3, done.stderr
        assert f"{library} is not installed" in done.stderr
        assert HINT in done.stderr
        assert "Traceback" not in done.stderr


def test_a_file_in_yaml_is_named(machine: Machine, python: Path) -> None:
    """A verdict that rests on a file in YAML is given, and says why it could not be read.

    A switch that it would hold is not written, and that is said too.
    """
    disable = "import usagectl as u; print(u.disable(u.current_environment(), ['gh']).problems)"
    evaluate = "import usagectl as u; print(u.evaluate(u.current_environment(), ['gh']))"
    config = machine.home / ".config" / "gh" / "config.yml"
    told = [run(machine, python, "-c", disable)]  # It would be made.
    config.parent.mkdir(parents=True)
    config.write_text("telemetry: enabled\n")
    told += [run(machine, python, "-c", code) for code in (disable, evaluate)]
    assert [done.stderr for done in told] == [""] * 3
    assert ["ruamel.yaml is not installed" in done.stdout for done in told] == [True] * 3
    assert config.read_text() == "telemetry: enabled\n"


def test_the_fixture_says_what_is_missing(machine: Machine, typer_python: Path) -> None:
    """A test with `usagectl_capture`, or an author's file, fails with what helps; others pass."""
    (machine.cwd / "test_x.py").write_text(
        "def test_with(usagectl_capture): ...\ndef test_without(): ...\n"
    )
    (machine.cwd / "x.usagectl.toml").write_text(AUTHORS_FILE)
    outcomes = {"test_x.py": "1 passed, 1 error", "x.usagectl.toml": " failed"}
    for name, outcome in outcomes.items():
        done = run(machine, typer_python, "-m", "pytest", "-q", "-W", "error", name)
        assert outcome in done.stdout
        assert "python -m pip install usagectl" in done.stdout
        assert "Traceback" not in done.stdout
