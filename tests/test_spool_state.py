"""Tests of what is said about the spool: how many wait, what was lost, why nothing can be kept."""

from __future__ import annotations

import os
import shutil
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support.confined import powerless, read_only
from tests.support.machine import NOW
from tests.support.spooling import (
    EVENT,
    claimed,
    make_line,
    number,
    put,
    run_behind_wall,
    segment,
    spool_dir,
    take,
)
from usagectl import spool
from usagectl.errors import FileUnreadableError, SpoolUnwritableError
from usagectl.spool import logs, losses
from usagectl.spool.losses import Losses

if TYPE_CHECKING:
    from tests.support.machine import Machine

posix = pytest.mark.skipif(sys.platform == "win32", reason="these walls are POSIX")

STATE = "print(repr(spool.state(machine.environment())[1:]))"


def test_an_empty_spool(machine: Machine) -> None:
    """Nothing waits, nothing was lost, nothing is wrong; looking makes no folder."""
    assert spool.state(machine.environment()) == (
        machine.state_dir / "spool",
        0,
        0,
        0,
        0,
        (0, 0, 0),
        "",
        "",
    )
    assert not machine.state_dir.exists()


def test_without_a_home(machine: Machine) -> None:
    """There is no folder, and a sentence says why."""
    found = spool.state(machine.environment(state_dir=None))
    assert found == spool.SpoolState(None, problem="this account has no home to keep a spool in")


def test_counts(machine: Machine) -> None:
    """Waiting events of all segments, however they wait, without what is done; and both logs."""
    for day in range(3):
        for count in range(4):
            put(machine, number(count), now=NOW + timedelta(days=day))
    take(machine, batch_size=3, most=2)
    segment(machine, 8, ".own").write_bytes(make_line() + b'{"uid":"torn')
    for name, amount in (("sent", 5), ("rejected", 6)):
        log = logs.Log(machine.environment(), spool_dir(machine) / name)
        log.append(logs.Handover("t", "x", 200), make_line() * amount)
        log.close()
    losses.add(machine.environment(), "old", 7)
    found = spool.state(machine.environment())
    assert (found.pending, found.sent, found.rejected) == (12 - 6 + 1, 5, 6)
    assert found.losses == Losses(old=7)
    assert found.bytes == sum(file.stat().st_size for file in spool_dir(machine).glob("*.jsonl"))
    assert (found.problem, found.unwritable) == ("", "")


def test_while_it_is_delivered(machine: Machine) -> None:
    """Counting waits for no lock, and sees what is done at once."""
    for count in range(4):
        put(machine, number(count))
    with claimed(machine) as claims:
        (source,) = claims
        ((start, block),) = source.blocks()
        assert spool.state(machine.environment()).pending == 4
        source.set_aside(start, block[: block.index(b"\n") + 1])
        assert spool.state(machine.environment()).pending == 3


@posix
@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_what_is_no_segment_is_a_problem(machine: Machine, kind: str) -> None:
    """It is said, it does not hang, and reading raises an error of ours."""
    put(machine)
    if kind == "pipe":
        os.mkfifo(segment(machine, 2))
    elif kind == "link":
        segment(machine, 2).symlink_to(segment(machine, 1))
    else:
        segment(machine, 2).mkdir()
    problem = spool.state(machine.environment()).problem
    assert "00000002.jsonl" in problem
    with pytest.raises(FileUnreadableError):
        list(spool.records(machine.environment()))
    with pytest.raises(FileUnreadableError):
        spool.last_event(machine.environment(), tool="usagectl")


@posix
def test_a_segment_that_may_not_be_read(machine: Machine) -> None:
    """It is a problem, not a crash."""
    put(machine)
    segment(machine).chmod(0)
    assert "ermission denied" in run_behind_wall(powerless(), machine, STATE)


@posix
def test_a_folder_that_may_not_be_listed(machine: Machine) -> None:
    """It is a problem too."""
    put(machine)
    spool_dir(machine).chmod(0)
    try:
        assert "ermission denied" in run_behind_wall(powerless(), machine, STATE)
    finally:
        (machine.state_dir / "spool").chmod(0o700)


@posix
def test_a_folder_that_cannot_be_written(machine: Machine) -> None:
    """What waits is counted, and a sentence says that no event can be kept."""
    put(machine)
    found = run_behind_wall(read_only(machine), machine, STATE)
    assert found.startswith("(1, ")
    assert f"{spool_dir(machine)} cannot be written, so that no event is kept" in found


@posix
def test_a_parent_that_cannot_be_written(machine: Machine) -> None:
    """Before the first event it is the folder above that counts."""
    found = run_behind_wall(read_only(machine), machine, STATE)
    assert f"{machine.folder} cannot be written" in found


def test_a_file_in_the_folder_s_place(machine: Machine) -> None:
    """Nothing waits there, and no event can be kept."""
    machine.state_dir.write_bytes(b"mine")
    found = spool.state(machine.environment())
    assert (found.pending, found.problem) == (0, "")
    assert f"{machine.state_dir} cannot be written" in found.unwritable
    with pytest.raises(SpoolUnwritableError):
        put(machine)


def test_a_folder_that_is_removed_meanwhile(machine: Machine) -> None:
    """The next event makes it anew."""
    put(machine)
    shutil.rmtree(machine.state_dir)
    assert spool.state(machine.environment()).pending == 0
    put(machine)
    assert [record.event for record in spool.records(machine.environment())] == [EVENT]
