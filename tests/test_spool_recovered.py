"""Tests that what killed programs left in memory waits in the spool for every command alike."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.counting import SHARED_MEMORY, ledgers
from usagectl import spool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.machine import Machine

KILLED = """
import os, signal
from usagectl import Tracker
tracker = Tracker("mytool", aggregate=True)
for _ in range(3):
    tracker.aws_request(service="s3", operation="PutObject", status_code=200)
os.kill(os.getpid(), signal.SIGKILL)
"""
COUNTED = "aws_request_agg"


@pytest.fixture
def memory(machine: Machine) -> Iterator[Path]:
    """Give the machine a memory file system on which a killed program left its counts."""
    if not SHARED_MEMORY.is_dir():
        pytest.skip("this system has no memory file system")
    folder = Path(tempfile.mkdtemp(prefix="usagectl-test-", dir=SHARED_MEMORY))
    machine.variables["XDG_RUNTIME_DIR"] = str(folder)
    try:
        done = subprocess.run(
            [sys.executable, "-c", KILLED],
            env=machine.process_variables(),
            cwd=machine.cwd,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL
        assert ledgers(folder) != []
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    "words", ["spool list --json", "spool show --json", "spool stats --json", "spool export"]
)
def test_what_reads_the_spool_sees_it(words: str, machine: Machine, memory: Path) -> None:
    """What was counted before a kill is listed, shown, counted and exported like all else."""
    done = machine.run(*words.split())
    assert done.status == 0, done.stderr
    assert COUNTED in done.stdout
    assert ledgers(memory) == []


def test_the_size_of_the_spool_holds_it(machine: Machine, memory: Path) -> None:
    """The bare command counts it too: the session and the counts."""
    assert machine.run("spool", "--json").data["pending"] >= 2
    assert ledgers(memory) == []


@pytest.mark.parametrize("variables", [{}, {"DO_NOT_TRACK": "1"}], ids=["local", "off"])
def test_a_purge_removes_it_for_good(
    variables: dict[str, str], machine: Machine, memory: Path
) -> None:
    """Nothing comes back with the next program that records."""
    machine.variables |= variables
    assert machine.run("spool", "purge", "--yes", "--json").data["purged"] >= 2
    assert ledgers(memory) == []
    left = [record.tool for record in spool.records(machine.environment())]
    assert "mytool" not in left
