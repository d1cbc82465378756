"""Tests that docs/ci.md is true: its files are YAML, and its commands run as they stand there."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from ruamel.yaml import YAML

from tests.support import sealing
from tests.support.machine import REPOSITORY
from usagectl.cli import _commands

if TYPE_CHECKING:
    from tests.support.machine import Machine

PAGE = REPOSITORY / "docs" / "ci.md"
TEXT = PAGE.read_text(encoding="utf-8")
GITHUB, GITLAB = (
    YAML(typ="safe").load(io.StringIO(block))
    for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
)
STEPS: list[dict[str, Any]] = GITHUB["jobs"]["telemetry"]["steps"]
LINES = [
    line
    for step in STEPS
    for line in step.get("run", "").splitlines()
    if line.startswith("usagectl ")
]
SENDS = """#!{}
import os, urllib.request
if not os.environ.get("DO_NOT_TRACK"):
    try:
        urllib.request.urlopen("https://t.example/v1", b"{{}}", timeout=30).read()
    except OSError:
        pass
"""


def run(machine: Machine, line: str, **variables: str) -> int:
    """Run a line as a runner's shell does: it ends in a file at most."""
    words, given = shlex.split(line), dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), "")
    at = next((place for place, word in enumerate(words) if word in (">", ">>")), len(words))
    done = machine.run(*words[1:at], variables=given | variables)
    assert "Traceback" not in done.stderr, done.stderr
    for name in words[at + 1 :]:
        with (machine.cwd / name.replace("$GITHUB_STEP_SUMMARY", "summary.md")).open("a") as file:
            file.write(done.stdout)
    return done.status


def test_the_lines_run_and_the_artefacts_are_there(machine: Machine) -> None:
    """With a command that heeds an opt-out all pass; without it the capture fails, and no other.

    Whatever fails, the report is written, and stands.
    """
    sealing.require()
    machine.install_program("mytool", SENDS.format(sys.executable))
    assert [run(machine, line, DO_NOT_TRACK="1") for line in LINES] == [0, 0, 0, 0]
    assert "No request came" in (machine.cwd / "report.html").read_text()
    upload = STEPS[-1]["with"]["path"].split()
    for name in upload:
        (machine.cwd / name).unlink()
    capture, made = LINES[1], LINES[3]
    assert [run(machine, line) for line in (capture, made)] == [1, 0]
    assert [name for name in upload if not (machine.cwd / name).stat().st_size] == []
    assert "t.example" in (machine.cwd / "summary.md").read_text()
    sarif = json.loads((machine.cwd / STEPS[-2]["with"]["sarif_file"]).read_text())
    assert sarif["version"] == "2.1.0"
    assert ET.parse(machine.cwd / "report.xml").getroot().tag == "testsuites"  # noqa: S314
    assert run(machine, "usagectl report --verify report.json") == 0


def test_a_script_of_gitlab_runs_to_its_end(machine: Machine) -> None:
    """What it says with its status comes last: a tool that is on keeps no artefact away."""
    sealing.require()
    machine.install_program("mytool", SENDS.format(sys.executable))
    machine.install_program("next", "#!/bin/sh\n")
    lines = GITLAB["telemetry"]["script"]
    script = "\n".join(lines[lines.index("failed=0") :])
    variables = machine.process_variables()
    programs = [str(Path(sys.executable).parent), variables["PATH"]]
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        env={**variables, "PATH": os.pathsep.join(programs)},
        cwd=machine.cwd,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    artifacts = GITLAB["telemetry"]["artifacts"]
    for name in (*artifacts["paths"], *artifacts["reports"].values()):
        assert (machine.cwd / name).stat().st_size, name


def test_both_services_run_the_same_lines() -> None:
    """But for the summary, which GitHub alone shows; the report is made when a line has failed."""
    kept = GITLAB["telemetry"]["artifacts"]
    assert {*kept["paths"], *kept["reports"].values()} == {
        *(*STEPS[-1]["with"]["path"].split(), STEPS[-2]["with"]["sarif_file"]),
    }
    theirs = [line.removesuffix(" || failed=1") for line in GITLAB["telemetry"]["script"]]
    ours = [re.sub(r" --markdown| >> .*", "", line) for line in LINES]
    assert [line for line in theirs if line.startswith("usagectl ")] == ours
    assert [step.get("if") for step in STEPS if "report" in step.get("run", "")] == ["always()"]
    named = set(re.findall(r"`?usagectl ([a-z][a-z-]+)", TEXT))
    assert named <= set(_commands.MODULES), named
