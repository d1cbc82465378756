"""Own what the tests of ledgers and trackers share: memory to count in, and what was counted."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from usagectl import spool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.support.machine import Machine

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  (a folder of its own is made in it)


@contextmanager
def memory_of(machine: Machine) -> Iterator[Path]:
    """Give a machine a memory file system for itself, and the kernel's lists; remove it after."""
    if not SHARED_MEMORY.is_dir():
        pytest.skip("this system has no memory file system")
    folder = Path(tempfile.mkdtemp(prefix="usagectl-test-", dir=SHARED_MEMORY))
    (machine.root / "dev").mkdir()
    (machine.root / "dev" / "shm").symlink_to(folder)
    (machine.root / "proc").symlink_to("/proc")
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def ledgers(folder: Path) -> list[Path]:
    """List the files below a folder."""
    return sorted(each for each in folder.rglob("*") if not each.is_dir())


def left_in(folder: Path) -> list[Path]:
    """List what is left of ledgers: anything but the user's own folder, which is made once."""
    return [each for each in folder.rglob("*") if each.parent != folder]


def events(machine: Machine, *names: str) -> list[dict[str, Any]]:
    """Read the waiting events, or those of some names."""
    found = [json.loads(record.event) for record in spool.records(machine.environment())]
    return [each for each in found if not names or each["name"] in names]


def sum_of(found: Iterable[dict[str, Any]], name: str = "api_calls") -> Counter[tuple[object, ...]]:
    """Sum up the counts of events, by labels."""
    total: Counter[tuple[object, ...]] = Counter()
    for event in found:
        for each in event["payload"][name]:
            *labels, count = each.values()
            total[tuple(labels)] += count
    return total
