"""Own what was recorded and is not in the spool yet, so that it outlives the process.

To record must cost next to nothing and wait for no disk. So a process writes into
memory that it shares with a file of a memory file system: what it recorded is there
the moment it is recorded, and stays there when it is killed. Later it becomes lines
of the spool, by the process itself or by whoever finds the file. Where no memory file
system is at hand (macOS, Windows, a full /dev/shm), counts are memory of the process,
of which a kill loses at most one period, and events go to the spool at once.

`places` has the folders, `files` the form of a file, `counting` counters and their
events, `backlog` events in full, `timed` and `writer` how they get to the spool,
`recovery` what becomes of the files of a process that was killed.
"""

from __future__ import annotations

from usagectl.emitting.ledger.backlog import EVENTS, Backlog
from usagectl.emitting.ledger.backlog import make as make_backlog
from usagectl.emitting.ledger.counting import CELLS, Form, Ledger, LedgerFullError
from usagectl.emitting.ledger.recovery import discard, recover
from usagectl.emitting.ledger.timed import Series, TimedLines, draw
from usagectl.emitting.ledger.writer import EventWriter

__all__ = [
    "CELLS",
    "EVENTS",
    "Backlog",
    "EventWriter",
    "Form",
    "Ledger",
    "LedgerFullError",
    "Series",
    "TimedLines",
    "discard",
    "draw",
    "make_backlog",
    "recover",
]
