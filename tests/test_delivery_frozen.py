"""Tests of the delivery of a frozen program, by an executable that begins as PyInstaller's do."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import usagectl
from tests.support.counting import wait_until
from tests.support.endpoint import Endpoint
from tests.support.machine import codes
from tests.support.sample_apps import commands
from usagectl import consent
from usagectl.delivery import frozen

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a script is no executable there")

# Whatever it is started with, it is this program; each of its runs leaves a line.
PROGRAM = """#!{python}
import os, sys
sys.frozen, sys.executable = True, __file__
{begin}
with open("runs", "a") as file:
    file.write("run\\n")
import click
from usagectl import instrument
cli = instrument(click.Command("x"), "mytool", endpoint="{base}")
{then}
cli()
"""
BEGIN = "from usagectl.delivery import frozen; frozen.begin()"


def run(machine: Machine, base: str, *, begin: str = BEGIN, then: str = "") -> None:
    """Run the program once, with sending on."""
    machine.variables["MYTOOL_TELEMETRY"] = "on"
    text = PROGRAM.format(python=sys.executable, begin=begin, base=base, then=then)
    file = machine.install_program("mytool", text)
    subprocess.run([file], env=machine.process_variables(), cwd=machine.cwd, check=True)


def runs(machine: Machine) -> int:
    """Count the runs of the program itself."""
    return (machine.cwd / "runs").read_text().count("run")


def test_it_is_entered_again_to_send_and_runs_nothing_else(machine: Machine) -> None:
    """Two runs deliver two events, and the program's own code ran twice."""
    with Endpoint() as there:
        for _ in range(2):
            run(machine, there.base)
        assert wait_until(lambda: not commands(machine, "mytool"), 20)
        assert sum(len(request.events) for request in there.received) == 2
    assert runs(machine) == 2


def test_one_that_cannot_be_entered_stays_alone_and_status_says_so(machine: Machine) -> None:
    """Without the hook, and after it replaced itself, it is not started again."""
    replace = "import pathlib; file = pathlib.Path(__file__); text = file.read_text()\n"
    replace += "file.unlink(); file.write_text(text); file.chmod(0o755)"
    for begin, then in (("", ""), (BEGIN, replace)):
        run(machine, "http://127.0.0.1:9/v1", begin=begin, then=then)
        assert not (machine.state_dir / "delivery").exists()
    assert (runs(machine), len(commands(machine, "mytool"))) == (2, 2)
    run(machine, "http://127.0.0.1:9/v1", begin="")
    (verdict,) = consent.evaluate(machine.environment(), ["mytool"])
    assert codes(verdict) == ["delivery-by-hand"]
    assert verdict.cautions[0].hint == "usagectl replay --tool mytool"


def test_what_embeds_python_is_not_started_as_an_interpreter(tmp_path: Path) -> None:
    """A web server that has Python in it takes no `-m`, nor does a frozen tool, however named."""
    code = "import sys; sys.executable = sys.argv[1]; sys.frozen = 'lings' in sys.executable\n"
    code += "from usagectl.delivery import frozen; print(frozen.can_start_child())"
    found = {}
    for name in ("uwsgi", "mytool.exe", "", "pythonlings", "python3.13", "Python", "pypy3"):
        command = [sys.executable, "-c", code, str(tmp_path / name) if name else ""]
        found[name] = subprocess.run(command, capture_output=True, check=True).stdout == b"True\n"
    assert [name for name, can in found.items() if can] == ["python3.13", "Python", "pypy3"]


def test_the_hook_names_what_is_imported_by_name() -> None:
    """Every home of a public name is listed, itself or by its package."""
    (folder,) = frozen.hook_dirs()
    with open(f"{folder}/hook-usagectl.py", encoding="utf-8") as file:  # noqa: PTH123
        text = file.read()
    homes = {module for module, _ in usagectl._HOMES.values()}  # noqa: SLF001
    assert [each for each in homes if f'"{each}"' not in text and "emitting" not in each] == []
