"""Tests of the sample project that type checkers see: it runs, and it uses every public name.

`.ci/run` has mypy and pyright check it, strictly and beside the wheel.
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import usagectl
import usagectl_pytest
from tests.support.machine import REPOSITORY
from tests.support.sample_tool import run_pytest

if TYPE_CHECKING:
    from tests.support.machine import Machine

SAMPLE = REPOSITORY / "tests" / "samples" / "typed"


def test_it_uses_every_public_name() -> None:
    """Of the library and of the plugin, or a checker would not look at their types."""
    text = "".join(file.read_text(encoding="utf-8") for file in SAMPLE.glob("*.py"))
    words = set(re.findall(r"\w+", text))
    assert {*usagectl.__all__, *usagectl_pytest.__all__} - words == set()


def test_it_runs(machine: Machine) -> None:
    """Its own tests pass, on a machine that is left as it was."""
    folder = machine.cwd / "typed"
    shutil.copytree(SAMPLE, folder)
    done = run_pytest(folder, "test_mytool.py", **machine.process_variables())
    assert "3 passed" in done.stdout, done.stdout + done.stderr
    assert not machine.state_dir.exists()
    assert not machine.config_dir.exists()
