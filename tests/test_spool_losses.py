"""Tests of the count of lost events: on a full disk, a read-only one, and with many at once."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support.confined import full_disk, powerless, read_only, run_behind
from tests.support.spooling import put, spool_dir, start
from usagectl import spool
from usagectl.errors import SpoolUnwritableError
from usagectl.machine import paths
from usagectl.spool import losses
from usagectl.spool.losses import Losses

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="these walls are POSIX")


def with_fallback(machine: Machine) -> Machine:
    """Give a machine its folder for temporary files, outside of its own folder."""
    outside = machine.folder.with_name("outside")
    outside.mkdir(exist_ok=True)
    machine.variables["TMPDIR"] = str(outside)
    return machine


def test_reasons_are_counted_apart(machine: Machine) -> None:
    """Each reason has its number; the file keeps its size, so that a full disk can be counted."""
    put(machine)
    file = spool_dir(machine) / "losses.json"
    assert file.stat().st_size == 128
    for count in (1, 10**9):
        losses.add(machine.environment(), "full", count)
        losses.add(machine.environment(), "old", count * 2)
        losses.add(machine.environment(), "unwritable", count * 3)
    assert losses.read(machine.environment()) == (10**9 + 1, 2 * 10**9 + 2, 3 * 10**9 + 3)
    assert losses.read(machine.environment()).total == 6 * 10**9 + 6
    assert file.stat().st_size == 128
    losses.reset(machine.environment())
    assert losses.read(machine.environment()) == Losses()


def test_without_a_spool_nothing_is_lost(machine: Machine) -> None:
    """Reading makes no folder and no file."""
    assert losses.read(with_fallback(machine).environment()) == Losses()
    losses.reset(machine.environment())
    assert not machine.state_dir.exists()
    assert list(machine.folder.with_name("outside").iterdir()) == []


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b"[1]",
        b"\0" * 128,
        b"\xff" * 5000,
        b'{"full":1}',
        b'{"full":-1,"old":0,"unwritable":0}',
        b'{"full":true,"old":0,"unwritable":0}',
        b'{"full":1.5,"old":0,"unwritable":0}',
        b'{"full":"1","old":0,"unwritable":0}',
        b'{"full":' + b"9" * 5000 + b',"old":0,"unwritable":0}',
        b"[" * 100_000,
    ],
    ids=range(13),
)
def test_a_corrupt_count_begins_anew(machine: Machine, data: bytes) -> None:
    """It counts nothing, stops nothing, and the next loss is counted."""
    put(machine)
    (spool_dir(machine) / "losses.json").write_bytes(data)
    assert losses.read(machine.environment()) == Losses()
    losses.add(machine.environment(), "old", 2)
    assert losses.read(machine.environment()) == Losses(old=2)


@pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
def test_what_is_no_file_counts_in_the_other_place(machine: Machine, kind: str) -> None:
    """Something else in the count's place neither hangs nor leads away; the loss is counted."""
    file = spool_dir(machine) / "losses.json"
    target = machine.folder / "mine"
    target.write_bytes(b"mine")
    if kind == "folder":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)
    else:
        file.symlink_to(target)
    put(machine)
    environment = with_fallback(machine).environment()
    losses.add(environment, "unwritable", 3)
    assert losses.read(environment) == Losses(unwritable=3)
    assert target.read_bytes() == b"mine"


CROWD = """
from usagectl.spool import losses
for _ in range(50):
    losses.add(machine.environment(), sys.argv[2], 1)
"""


def test_many_count_at_once(machine: Machine) -> None:
    """16 processes that lose 50 events each lose 800."""
    spool_dir(machine)
    crowd = [start(machine, CROWD, ("full", "old")[n % 2]) for n in range(16)]
    for process in crowd:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert losses.read(machine.environment()) == Losses(full=400, old=400)


def counted(folder: Path) -> dict[str, int]:
    """Read a count's file."""
    (file,) = folder.glob("losses*.json")
    found = json.loads(file.read_bytes())
    assert isinstance(found, dict)
    return found


def record_yesterday(machine: Machine) -> None:
    """Record an event that leaves the next one to a segment that a full disk has no room for."""
    put(machine, now=datetime.now(UTC) - timedelta(days=1))


def test_a_full_disk_is_counted_in_place(machine: Machine) -> None:
    """The event is lost and counted; output and exit status are as ever."""
    record_yesterday(machine)
    expected = machine.run("machine-id", "--json", variables={"DO_NOT_TRACK": "1"})
    done = run_behind(full_disk(machine), machine, "machine-id", "--json")
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout == expected.stdout
    after = machine.folder.with_name(f"{machine.folder.name}.after")
    assert counted(after / "state" / "spool") == {"full": 0, "old": 0, "unwritable": 1}
    files = sorted((after / "state" / "spool").glob("*.jsonl"))
    assert [file.stat().st_size > 0 for file in files] == [True, False]


def test_a_read_only_disk_is_counted_elsewhere(machine: Machine) -> None:
    """The loss stands in the user's own folder for temporary files, and status finds it there."""
    put(with_fallback(machine))
    expected = machine.run("machine-id", "--json", variables={"DO_NOT_TRACK": "1"})
    done = run_behind(read_only(machine), machine, "machine-id", "--json")
    assert (done.status, done.stdout, done.stderr) == (0, expected.stdout, "")
    place = paths.fallback_dir(machine.environment())
    assert place is not None
    assert counted(place)["unwritable"] == 1
    assert place.stat().st_mode & 0o777 == 0o700
    assert spool.state(machine.environment()).losses == Losses(unwritable=1)


@pytest.mark.parametrize("mode", [0o500, 0o000])
def test_a_locked_state_folder_is_counted_elsewhere(machine: Machine, mode: int) -> None:
    """Without the right to write, or even to look, nothing changes but the count."""
    wall = powerless()
    machine.state_dir.mkdir()
    machine.state_dir.chmod(mode)
    try:
        done = run_behind(wall, with_fallback(machine), "machine-id", "--json")
    finally:
        machine.state_dir.chmod(0o700)
    assert (done.status, done.stderr) == (0, "")
    assert losses.read(machine.environment()) == Losses(unwritable=1)


@pytest.mark.parametrize("kind", ["open to all", "link"])
def test_a_folder_that_is_not_ours_counts_nothing(machine: Machine, kind: str) -> None:
    """A fallback that others can write to, or that is a link, is left alone."""
    environment = with_fallback(machine).environment()
    folder = machine.folder.with_name("outside") / f"usagectl-{os.getuid()}"
    target = machine.folder.with_name("target")
    target.mkdir(mode=0o700)
    if kind == "link":
        folder.symlink_to(target)
    else:
        folder.mkdir()
        folder.chmod(0o777)
    machine.state_dir.write_bytes(b"in the way")
    with pytest.raises(SpoolUnwritableError):
        spool.append(environment, b"{}", tool="t", kind="k")
    assert losses.read(environment) == Losses()
    assert (list(folder.iterdir()), list(target.iterdir())) == ([], [])


def test_both_places_are_summed_and_reset(machine: Machine) -> None:
    """What was lost before the disk became writable again is not forgotten."""
    environment = with_fallback(machine).environment()
    (machine.folder / "state").write_bytes(b"in the way")
    losses.add(environment, "unwritable", 2)
    (machine.folder / "state").unlink()
    put(machine)
    losses.add(environment, "unwritable", 3)
    assert losses.read(environment) == Losses(unwritable=5)
    losses.reset(environment)
    assert losses.read(environment) == Losses()
