"""Contents of a spool as values: events and their fate, batches, counts; and choices of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from usagectl.events.record import Record
from usagectl.values import Value

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

State = Literal["pending", "sent", "rejected"]
Reason = Literal["full", "old", "unwritable"]
STATES: tuple[State, ...] = get_args(State)
UNSENT: tuple[State, ...] = ("pending", "rejected")


class Bounds(Value):
    """The limits of what may wait: bytes of all events, days of each."""

    max_bytes: int = 32 * 1024 * 1024
    max_days: int = 90


class Losses(Value):
    """Numbers of events that were lost since the store was made, by reason."""

    full: int = 0  # Dropped, the oldest first: the spool had reached its size.
    old: int = 0  # Dropped: they had reached their age.
    unwritable: int = 0  # Never kept: they were too large, or the disk took nothing.

    @property
    def total(self) -> int:
        """Count them all."""
        return sum(self)


class SpoolState(Value):
    """The events of the spool in numbers, and what is wrong with it."""

    path: Path | None  # The file; None when there is no home.
    # None where it cannot be read.
    pending: int | None = 0
    sent: int | None = 0
    rejected: int | None = 0
    bytes: int | None = 0  # Of those that wait.
    losses: Losses = Losses()
    problem: str = ""  # Why it cannot be read, or what was set aside; else empty.
    unwritable: str = ""  # Why the next event could not be kept; else empty.
    hint: str = ""  # A command that helps with either.


class Selection(Value):
    """A choice of events; a field that is empty or None leaves none out."""

    tools: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    since: datetime | None = None  # Recorded then or later.
    until: datetime | None = None  # Recorded before.
    uids: tuple[str, ...] = ()  # Beginnings of uids.
    consent: str | None = None  # The consent to send that they have; empty: none.
    without: tuple[str, ...] = ()  # Not of these tools.


ALL = Selection()


class Handover(Value):
    """One answer of an endpoint: when, from where, its status and first words."""

    at: str
    to: str
    status: int
    answer: str = ""


class Entry(Value):
    """One event of the store and what became of it."""

    uid: str
    time: str
    tool: str
    event: str  # Its name.
    state: State
    size: int  # Bytes of the event alone.
    body: bytes  # Its exact bytes.
    consent: str = ""
    handover: Handover | None = None  # None while it waits.

    @property
    def record(self) -> Record:
        """Return the event as it was recorded."""
        return Record(self.uid, self.time, self.tool, self.event, self.body, self.consent)


class Group(Value):
    """Labels that events are counted by; the day is that of UTC, or `unknown`."""

    day: str
    tool: str
    event: str
    state: State


class Stats(Value):
    """The number of events of each group, and the bytes of all of them."""

    groups: dict[Group, int]
    bytes: int

    @property
    def total(self) -> int:
        """Count them all."""
        return sum(self.groups.values())


class Batch(Value):
    """Events of one request: rows of the store, and the records in them."""

    ids: tuple[int, ...]
    records: tuple[Record, ...]
    is_session: bool = False  # One session event, which has an address of its own.

    @property
    def events(self) -> tuple[bytes, ...]:
        """Return the exact bytes of the events."""
        return tuple(record.event for record in self.records)
