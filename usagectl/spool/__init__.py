"""Own the spool: a local queue of events that a person can read, and the logs of what left it.

`envelope` has the form of a line, `segments` the files, `writer` how events get
in, `queue` how they are delivered, `logs` where they go then, `reading` what can
be read off, `bounds` and `losses` what is dropped and how that is counted.
"""

from __future__ import annotations

from usagectl.spool.envelope import Record
from usagectl.spool.losses import read as state_of_losses
from usagectl.spool.reading import SpoolState, last_event, records, state
from usagectl.spool.writer import Writer, append

__all__ = [
    "Record",
    "SpoolState",
    "Writer",
    "append",
    "last_event",
    "records",
    "state",
    "state_of_losses",
]
