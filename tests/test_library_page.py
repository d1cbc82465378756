"""Tests that docs/library.md, the authors' page, is true: its code and its commands are run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import usagectl
from tests.support import forking, tables
from tests.support.machine import REPOSITORY, Machine, run_usagectl
from tests.support.sample_apps import recorded
from tests.support.sample_tool import run_pytest
from usagectl.cli import _commands

if TYPE_CHECKING:
    from pathlib import Path

PAGE = REPOSITORY / "docs" / "library.md"
TEXT = PAGE.read_text(encoding="utf-8")
VERIFY = (REPOSITORY / "docs" / "verify.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", TEXT, re.DOTALL))
LINES = [
    line.partition("  #")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for line in block.splitlines()
]
SEALED = ("usagectl verify ./mytool.usagectl.toml", "python -m pytest mytool.usagectl.toml")
"""What `test_cli_init` runs for real."""


def lay(machine: Machine, *changes: tuple[str, str]) -> Path:
    """Write every file of the page, with changes, each of which has to be one."""
    for name, text in FILES.items():
        (machine.cwd / name).write_text(text)
    for before, after in changes:
        (file,) = (machine.cwd / name for name in FILES if FILES[name].count(before) == 1)
        file.write_text(file.read_text().replace(before, after))
    return machine.cwd


def test_every_example_is_a_file() -> None:
    """No code of the page is left out of the tests below."""
    assert TEXT.count("```python") == len(FILES)
    assert set(FILES) >= {"mytool.py", "building.py", "test_mytool.py", "test_silence.py"}


def test_the_commands_run_one_after_the_other(machine: Machine) -> None:
    """As they stand there, but for those that seal; they record what the page says."""
    lay(machine)
    variables = machine.process_variables()
    variables["PATH"] = f"{os.path.dirname(sys.executable)}:{variables['PATH']}"  # noqa: PTH120
    host = forking.host_of(sys.executable, "click, platformdirs, sqlite3, typer")
    wrong = []
    for line in (each for each in LINES if each not in SEALED):
        program, *words = shlex.split(line)
        if program == "usagectl":
            done = run_usagectl(*words, variables=variables, cwd=machine.cwd)
        else:
            done = host.run(forking.RUN_FILE, *words, variables=variables, cwd=machine.cwd)
        wrong += [(line, done)] if done.status else []
    assert wrong == []
    assert set(SEALED) < set(LINES)
    found = recorded(machine, "mytool")
    called = [each["payload"] for each in found if each["name"] == "cli_cmd"]
    assert called == [{"cmd": "mytool build", "params": ["target"]}]  # `telemetry off` took others.
    counts = next(each["payload"] for each in found if each["name"] == "mytool_looked_up")
    said = '{"counts":[{"outcome":"hit","count":2},{"outcome":"miss","count":1}]}'
    assert said in TEXT
    assert str(counts).replace("'", '"').replace(" ", "") == said
    assert {each["name"] for each in found} == {
        *("cli_cmd", "session", "mytool_built", "mytool_looked_up", "aws_request", "run_init"),
    }


def test_code_that_is_only_imported(machine: Machine) -> None:
    """The line for boto3 attaches."""
    lay(machine)
    done = subprocess.run(
        [sys.executable, "emulating.py"],
        env=machine.process_variables(),
        cwd=machine.cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


OPT_OUTS = {
    "test_an_opt_out_is_obeyed": ('monkeypatch.setenv("MYTOOL_TELEMETRY", "off")', "pass"),
    "test_an_opt_out_is_silent": (', "DO_NOT_TRACK": "1"', ""),
}


def test_its_tests_pass(machine: Machine) -> None:
    """As an author runs them, whatever that author switched off."""
    variables = {**machine.process_variables(), "DO_NOT_TRACK": "1", "MYTOOL_TELEMETRY": "off"}
    done = run_pytest(lay(machine), **variables)
    assert "5 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("name", OPT_OUTS)
def test_a_test_fails_without_its_opt_out(machine: Machine, name: str) -> None:
    """So that it shows something when it passes."""
    done = run_pytest(lay(machine, OPT_OUTS[name]), **machine.process_variables())
    assert "1 failed, 4 passed" in done.stdout, done.stdout + done.stderr
    assert f"::{name}" in done.stdout


# A tool that asks nobody: the page's example is for one of any kind.
TOOL = f"""#!{sys.executable}
import os, urllib.request
if not os.environ.get("DO_NOT_TRACK"):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
    opener.open(os.environ["MYTOOL_TELEMETRY_URL"], b'{{"name": "build"}}', timeout=30).read()
"""


def test_the_example_of_verify_fails_without_its_opt_out(machine: Machine) -> None:
    """It passes as it stands there."""
    (example,) = re.findall(r"```python\n(def test_.*?)```", VERIFY, re.DOTALL)
    machine.install_program("mytool", TOOL)
    told = []
    for text in (example, example.replace('"DO_NOT_TRACK": "1"', "")):
        (machine.cwd / "test_it.py").write_text(text)
        told.append(run_pytest(machine.cwd, "test_it.py", **machine.process_variables()).stdout)
    assert "1 passed" in told[0], told[0]
    assert "1 failed" in told[1], told[1]
    assert "nothing was to be sent, and this arrived" in told[1]


def test_errors_are_those_that_are_exported() -> None:
    """Each with its code."""
    listed = dict(re.findall(r"^\| `(\w+Error)` \| `([a-z-]+)` \|", TEXT, re.MULTILINE))
    exported = [name for name in usagectl.__all__ if name.endswith("Error")]
    assert listed == {name: getattr(usagectl, name).code for name in exported}


def test_names_and_links_lead_somewhere() -> None:
    """Commands are commands, anchors are headings, and README leads here."""
    named = set(re.findall(r"`(?:usagectl) ([a-z][a-z-]+)", TEXT))
    assert named <= set(_commands.MODULES), named
    headings = {
        re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-")
        for each in re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= headings
    assert "(docs/library.md)" in tables.README.read_text(encoding="utf-8")
