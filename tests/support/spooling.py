"""Spools for tests: events in and out, rows of any kind, processes beside the test."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

from tests.support.machine import NOW, REPOSITORY
from usagectl import spool
from usagectl.events.record import Record, build_uid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from tests.support.machine import Machine

EVENT = b'{"name":"cli_cmd","metadata":{"client_time":"t"},"payload":{"cmd":"x","params":[]}}'

HANDOVER = spool.Handover("2026-11-23T07:00:00+00:00", "https://h.example", 200)

_PREAMBLE = """
import os, signal, sys, threading, time
from pathlib import Path
from tests.support.machine import Machine
from tests.support.spooling import *
from usagectl import spool
machine = Machine(Path(sys.argv[1]))
environment = machine.environment()
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
    """Append one event, as a command does."""
    environment = machine.environment(now=lambda: now)
    spool.append(environment, event, tool=tool, kind=kind, consent=consent)


def number(count: int) -> bytes:
    """Build an event that is told from its like by a number."""
    return b'{"n":%d}' % count


def make_record(
    event: bytes = EVENT,
    *,
    uid: str = "",
    time: datetime | str = NOW,
    tool: str = "usagectl",
    kind: str = "cli_cmd",
    consent: str = "",
) -> Record:
    """Build a record with labels of the test's choosing."""
    text = time if isinstance(time, str) else time.isoformat()
    return Record(uid or build_uid(NOW, os.urandom), text, tool, kind, event, consent)


def lay(
    machine: Machine,
    *records: Record,
    state: spool.State = "pending",
    handover: spool.Handover | None = None,
) -> None:
    """Put records into the user's spool, and settle those that do not wait."""
    with spool.opened(spool_file(machine)) as store:
        store.add(records)
        if state != "pending":
            these = spool.Selection(uids=tuple(each.uid for each in records))
            for batch in store.batches(these, size=len(records), max_bytes=1 << 40):
                store.settle(batch, state, handover or HANDOVER)


def read(machine: Machine, state: spool.State = "pending") -> list[bytes]:
    """Read the bytes of the events of a state."""
    return [entry.body for entry in entries(machine, state)]


def entries(machine: Machine, *states: spool.State) -> list[spool.Entry]:
    """Read the events of some states; what waits without one."""
    with spool.open_spool(machine.environment(), read_only=True) as store:
        return list(store.entries(states or ("pending",)))


def spool_file(machine: Machine) -> Path:
    """Name the spool's file, its folder made."""
    machine.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return machine.state_dir / "spool.db"


def set_aside(machine: Machine) -> list[Path]:
    """List what was set aside, and the log that went with it."""
    return sorted(machine.state_dir.glob("spool.db.corrupt-*"))


def check_integrity(file: Path) -> str:
    """Ask SQLite whether a file is sound, and its totals right: `ok`."""
    with closing(sqlite3.connect(file)) as connection:
        ((answer,),) = connection.execute("PRAGMA integrity_check").fetchall()
        size = "150 + length(event) + coalesce(length(answer), 0)"
        columns = f"SELECT state, count(*), sum({size})"
        counted = connection.execute(f"{columns} FROM events GROUP BY 1").fetchall()
        told = connection.execute("SELECT * FROM totals WHERE events").fetchall()
    return str(answer) if sorted(counted) == sorted(told) else f"{counted} are not {told}"


def start(
    machine: Machine, script: str, *arguments: object, wall: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    """Start a Python process with `machine` and this module's names; arguments from argv[2] on."""
    return subprocess.Popen(
        [
            *wall,
            sys.executable,
            "-c",
            _PREAMBLE + script,
            str(machine.folder),
            *map(str, arguments),
        ],
        env={**machine.process_variables(), "PYTHONPATH": str(REPOSITORY)},
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def run(machine: Machine, script: str, *arguments: object, wall: Sequence[str] = ()) -> str:
    """Run such a process to its end, and return what it printed; its failure fails the test."""
    process = start(machine, script, *arguments, wall=wall)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return out.decode()


def wait_for_word(process: subprocess.Popen[bytes]) -> None:
    """Wait until a process has printed a line."""
    assert process.stdout is not None
    assert process.stdout.readline()
