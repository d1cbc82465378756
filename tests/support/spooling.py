"""Own what the tests of the spool share: events in, events out, lines of any form, processes."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support.machine import NOW, REPOSITORY
from usagectl import spool
from usagectl.spool import envelope, lines, queue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from tests.support.machine import Machine
    from usagectl.spool.lines import Selection
    from usagectl.spool.queue import Batch, Claims

EVENT = b'{"name":"cli_cmd","metadata":{"client_time":"t"},"payload":{"cmd":"x","params":[]}}'

_PREAMBLE = """
import os, signal, sys, threading, time
from pathlib import Path
from tests.support.machine import Machine
from usagectl import spool
machine = Machine(Path(sys.argv[1]))
"""


def put(
    machine: Machine,
    event: bytes = EVENT,
    *,
    tool: str = "usagectl",
    kind: str = "cli_cmd",
    consent: str = "",
    now: datetime = NOW,
) -> None:
    """Append one event."""
    environment = machine.environment(now=lambda: now)
    spool.append(environment, event, tool=tool, kind=kind, consent=consent)


def number(count: int) -> bytes:
    """Build an event that is told from its like by a number."""
    return b'{"n":%d}' % count


def read(machine: Machine) -> list[bytes]:
    """Read the waiting events' bytes."""
    return [record.event for record in spool.records(machine.environment())]


def spool_dir(machine: Machine) -> Path:
    """Name the spool's folder, made."""
    folder = machine.state_dir / "spool"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def segment(machine: Machine, count: int = 1, role: str = "") -> Path:
    """Name a segment, its folder made."""
    return spool_dir(machine) / f"{count:08d}{role}.jsonl"


def names(machine: Machine) -> list[str]:
    """Name what lies in the spool's folder, but for the count of losses."""
    return sorted({each.name for each in spool_dir(machine).iterdir()} - {"losses.json"})


def make_line(event: bytes = EVENT, *, uid: str = "u", kind: str = "k") -> bytes:
    """Build a line with a uid of the test's choosing, its line end included."""
    labels = envelope.build_labels("usagectl", kind)
    return b'{"uid":"%b","time":"2026-11-23T06:30:00+00:00"%b%b}\n' % (uid.encode(), labels, event)


def aside(machine: Machine) -> bytes:
    """Read what deliveries set aside, the older file first."""
    files = [spool_dir(machine) / "aside" / name for name in ("lines.before.txt", "lines.txt")]
    return b"".join(file.read_bytes() for file in files if file.exists())


@contextmanager
def claimed(machine: Machine, folder: Path | None = None) -> Iterator[Claims]:
    """Hold the spool and its claims, as a delivery does."""
    with (
        queue.held(machine.environment(), seconds=10.0) as top,
        queue.Claims(folder or top, top) as claims,
    ):
        yield claims


def take(
    machine: Machine,
    *,
    selection: Selection = lines.ALL,
    batch_size: int = 100,
    batch_bytes: int = 1 << 20,
    most: int | None = None,
    folder: Path | None = None,
) -> list[Batch]:
    """Take batches out of the queue, no more than `most`, and note each as done."""
    found: list[Batch] = []
    with claimed(machine, folder) as claims:
        waiting = queue.batches(claims, selection, batch_size=batch_size, batch_bytes=batch_bytes)
        for batch in waiting if most is None or most > 0 else ():
            batch.mark_done()
            found.append(batch)
            if len(found) == most:
                break
    return found


def events_of(batches: list[Batch]) -> list[bytes]:
    """Join the exact event bytes of batches."""
    return [bytes(event) for batch in batches for event in batch.events]


def deliver(machine: Machine, *, selection: Selection = lines.ALL) -> list[bytes]:
    """Take everything out of the queue; give the events."""
    return events_of(take(machine, selection=selection))


def start(machine: Machine, script: str, *arguments: object) -> subprocess.Popen[bytes]:
    """Start a Python process that has `machine`, `spool` and its own arguments from argv[2] on."""
    return subprocess.Popen(
        [sys.executable, "-c", _PREAMBLE + script, str(machine.folder), *map(str, arguments)],
        env={**machine.process_variables(), "PYTHONPATH": str(REPOSITORY)},
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def run(machine: Machine, script: str, *arguments: object) -> str:
    """Run such a process to its end, and give what it printed; its failure fails the test."""
    process = start(machine, script, *arguments)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return out.decode()


def wait_for_word(process: subprocess.Popen[bytes]) -> None:
    """Wait until a process has printed a line."""
    assert process.stdout is not None
    assert process.stdout.readline()


def run_behind_wall(wall: Sequence[str], machine: Machine, script: str) -> str:
    """Run such a process behind a wall, and give what it printed."""
    done = subprocess.run(
        [*wall, sys.executable, "-c", _PREAMBLE + script, str(machine.folder)],
        env={**machine.process_variables(), "PYTHONPATH": str(REPOSITORY)},
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        timeout=60,
        check=True,
    )
    return done.stdout.decode()
