"""The spool: the durable store of events that wait, were sent or were rejected.

One SQLite file in the user's state folder; each list, filter, count, purge and delivery is a query.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from usagectl import settings
from usagectl.errors import FileUnreadableError, SpoolUnwritableError
from usagectl.events.record import Record, new_record, parse_time, to_line
from usagectl.machine import files
from usagectl.spool import database
from usagectl.spool.database import SpoolSetAsideError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from usagectl.machine.environment import Environment

State = Literal["pending", "sent", "rejected"]
Reason = Literal["full", "old", "unwritable"]
STATES: tuple[State, ...] = ("pending", "sent", "rejected")
UNSENT: tuple[State, ...] = ("pending", "rejected")

UNKNOWN_DAY = "unknown"
LOG_MAX_BYTES = 16 * 1024 * 1024
"""How much is kept of events that were sent, and of those that were rejected."""

BRIEF = timedelta(seconds=2)
"""How long a command's own event waits for other processes."""

PATIENT = timedelta(seconds=15)
"""How long somebody waits who asked for it: a purge outlasts a delivery's longest request."""

_SESSION = "session"
_ROW_BYTES = 150  # As in `schema.sql`.
_PAGE_EVENTS, _PAGE_BYTES = 500, 1024 * 1024
_ANSWER_CHARACTERS = 500
_NO_END = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1) // timedelta(microseconds=1)
_INSERT = (
    "INSERT INTO events (event, uid, time, instant, tool, kind, consent) "
    "VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_SETTLE = (
    "UPDATE events SET state = ?, at = ?, destination = ?, status = ?, answer = ? "
    "WHERE seq IN (SELECT value FROM json_each(?))"
)
_ENTRY = "seq, event, kind, uid, time, tool, consent, at, destination, status, answer"
_DROP_OLDEST = (  # As many of the oldest thousand as hold so many bytes.
    "DELETE FROM events WHERE seq IN (SELECT seq FROM (SELECT seq, "
    "sum(length(event) + coalesce(length(answer), 0) + ?2) OVER (ORDER BY seq ROWS "
    "BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before "
    "FROM events WHERE state = ?1 ORDER BY seq LIMIT 1000) WHERE coalesce(before, 0) < ?3)"
)
_DROP_OLDER = (  # One with an odd time keeps back none behind it, unless they are a hundred.
    "DELETE FROM events WHERE instant < ? AND seq IN "
    "(SELECT seq FROM events WHERE state = 'pending' ORDER BY seq LIMIT 100)"
)


class Bounds(NamedTuple):
    """How much may wait: bytes of all events, days of each."""

    max_bytes: int = 32 * 1024 * 1024
    max_days: int = 90


class Losses(NamedTuple):
    """How many events were lost since the store was made, by reason."""

    full: int = 0  # Dropped, the oldest first: the spool had reached its size.
    old: int = 0  # Dropped: they had reached their age.
    unwritable: int = 0  # Never kept: they were too large, or the disk took nothing.

    @property
    def total(self) -> int:
        """Count them all."""
        return sum(self)


class SpoolState(NamedTuple):
    """The size of the spool, and what is wrong with it."""

    path: Path | None  # The file; None when there is no home.
    pending: int = 0
    sent: int = 0
    rejected: int = 0
    bytes: int = 0  # What those that wait take.
    losses: Losses = Losses()
    problem: str = ""  # Why it cannot be read, or what was set aside; else empty.
    unwritable: str = ""  # Why the next event could not be kept; else empty.


class Selection(NamedTuple):
    """Which events are meant; without a word about something, all."""

    tools: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    since: datetime | None = None  # Recorded then or later.
    until: datetime | None = None  # Recorded before.
    uids: tuple[str, ...] = ()  # Beginnings of uids.
    consent: str | None = None  # Under which consent to send; empty: under none.
    without: tuple[str, ...] = ()  # Not of these tools.


ALL = Selection()


class Handover(NamedTuple):
    """What one answer of an endpoint was: when, from where, its status and first words."""

    at: str
    to: str
    status: int
    answer: str = ""


class Entry(NamedTuple):
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
        """Return it as it was recorded."""
        return Record(self.uid, self.time, self.tool, self.event, self.body, self.consent)

    @property
    def line(self) -> bytes:
        """Write it as one line, without a line end."""
        return to_line(self.record)


class Group(NamedTuple):
    """What events are counted by; the day is that of UTC, or `unknown`."""

    day: str
    tool: str
    event: str
    state: State


class Stats(NamedTuple):
    """How many events there are of each group, and the bytes of all of them."""

    groups: dict[Group, int]
    bytes: int

    @property
    def total(self) -> int:
        """Count them all."""
        return sum(self.groups.values())


class Batch(NamedTuple):
    """What one request carries: rows of the store, and the exact bytes of their events."""

    ids: tuple[int, ...]
    events: tuple[bytes, ...]
    is_session: bool = False  # It is one session event, which has an address of its own.


class Spool:
    """An open store; only the process and the thread that opened it may use it."""

    def __init__(self, connection: sqlite3.Connection, bounds: Bounds | None = None) -> None:
        self._connection = connection
        self._bounds = bounds
        self._process = os.getpid()

    def _execute(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        if os.getpid() != self._process:
            raise RuntimeError("a store is not used across a fork")
        return self._connection.execute(statement, values)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        if not self._connection.in_transaction:
            self._execute("BEGIN IMMEDIATE")
        try:
            yield
            self._execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._execute("ROLLBACK")
            raise

    def add(self, records: Iterable[Record]) -> int:
        """Add events in one transaction, and drop the oldest beyond the bounds.

        One that is larger than all of them may be is not added, and counted as lost.

        Returns:
            How many were added.
        """
        most = self._bounds.max_bytes - _ROW_BYTES if self._bounds else _NO_END
        added, refused, now = 0, 0, None
        with self._transaction():
            for record in records:
                if len(record.event) > most:
                    refused += 1
                    continue
                now = self._insert(record)
                added += 1
            self.add_loss("unwritable", refused)
            if self._bounds is not None:
                self.add_loss("full", self._trim("pending", self._bounds.max_bytes))
                if now is not None:
                    self.add_loss("old", self._drop_older(now - self._bounds.max_days * _DAY))
        return added

    def _insert(self, record: Record) -> int | None:
        uid, time, tool, kind, event, consent = record
        instant = _instant(parse_time(time))
        labels = map(_sound, (uid, time, instant, tool, kind, consent))
        self._connection.execute(_INSERT, (event, *labels))
        return instant

    def _trim(self, state: State, max_bytes: int) -> int:
        """Drop the oldest events of a state beyond so many bytes; return how many."""
        dropped = 0
        while (excess := self.total(state)[1] - max_bytes) > 0:
            dropped += self._execute(_DROP_OLDEST, [state, _ROW_BYTES, excess]).rowcount
        return dropped

    def _drop_older(self, instant: int) -> int:
        """Drop what waits since before an instant; return how much."""
        dropped = 0
        while gone := self._execute(_DROP_OLDER, [max(instant, -_NO_END)]).rowcount:
            dropped += gone
        return dropped

    def total(self, state: State) -> tuple[int, int]:
        """Return how many events are in a state, and the bytes they take; nothing is counted."""
        row = self._execute("SELECT events, bytes FROM totals WHERE state = ?", [state])
        ((events, size),) = row
        return events, size

    def _query(
        self, deed: str, state: State, selection: Selection, rest: str = "", *values: object
    ) -> sqlite3.Cursor:
        """Select or delete events of a state."""
        condition, chosen = _condition(selection)
        statement = f"{deed} FROM events WHERE state = ? AND {condition} {rest}"
        return self._execute(statement, [state, *chosen, *values])

    def count(self, states: Sequence[State], selection: Selection = ALL) -> int:
        """Count events."""
        if selection == ALL:
            return sum(self.total(state)[0] for state in states)
        rows = (self._query("SELECT count(*)", state, selection) for state in states)
        return sum(count for ((count,),) in rows)

    def entries(
        self, states: Sequence[State], selection: Selection = ALL, *, newest: int | None = None
    ) -> Iterator[Entry]:
        """Read events, oldest first within a state; a page of them is held at a time.

        Args:
            states: of which states, one after another.
            selection: which of them.
            newest: only so many of all of them, those that were added last.
        """
        first = 0 if newest is None else self._first_of_newest(states, selection, newest)
        for state in states:
            last = first - 1
            while page := self._page(_ENTRY, state, selection, after=last):
                last = page[-1][0]
                yield from (_entry(row, state) for row in page)

    def _first_of_newest(self, states: Sequence[State], selection: Selection, newest: int) -> int:
        order = "ORDER BY seq DESC LIMIT ?"
        rows = (self._query("SELECT seq", state, selection, order, newest) for state in states)
        found = sorted(seq for of_state in rows for (seq,) in of_state)
        return found[-newest] if len(found) >= newest > 0 else 0

    def _page(  # noqa: PLR0913  (each bounds the page)
        self,
        columns: str,
        state: State,
        selection: Selection,
        *,
        after: int,
        until: int = _NO_END,
        size: int = _PAGE_EVENTS,
        max_bytes: int = _PAGE_BYTES,
        alone: str = "",
    ) -> list[tuple[Any, ...]]:
        """Read the next rows of a state; between two pages other processes can write.

        A row that has more than `max_bytes` is a page by itself, and so is one of kind `alone`.
        """
        rest = "AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
        rows = self._query(f"SELECT {columns}", state, selection, rest, after, until, size)
        page: list[tuple[Any, ...]] = []
        for row in rows:
            max_bytes -= len(row[1])
            if page and (max_bytes < 0 or alone in (row[2], page[-1][2])):
                break
            page.append(row)
        rows.close()
        return page

    def batches(
        self,
        selection: Selection = ALL,
        *,
        state: State = "pending",
        size: int,
        max_bytes: int,
        limit: int | None = None,
    ) -> Iterator[Batch]:
        """Put the events that are there now into batches, in their order.

        A batch has at most `max_bytes` bytes unless one event alone has more; a session event is
        a batch of its own. Rows can be settled meanwhile: none comes twice.
        """
        ((until,),) = self._execute("SELECT coalesce(max(seq), 0) FROM events")
        bounds = {"until": until, "max_bytes": max_bytes, "alone": _SESSION}
        last, left = 0, _NO_END if limit is None else limit
        while page := self._page(
            "seq, event, kind", state, selection, after=last, size=min(size, left), **bounds
        ):
            ids, events, kinds = zip(*page, strict=True)
            yield Batch(ids, events, is_session=kinds[0] == _SESSION)
            last, left = ids[-1], left - len(ids)

    def settle(self, batch: Batch, state: Literal["sent", "rejected"], handover: Handover) -> None:
        """Note what became of a batch, and drop the oldest of what is kept of that state."""
        at, to, status, answer = handover
        fate = [state, *map(_sound, (at, to, status, answer[:_ANSWER_CHARACTERS]))]
        with self._transaction():
            self._execute(_SETTLE, [*fate, json.dumps(batch.ids)])
            dropped = self._trim(state, LOG_MAX_BYTES) if self._bounds else 0
            self.add_loss("full", dropped if state == "rejected" else 0)

    def take_over(self, entries: Iterable[Entry]) -> None:
        """Add events that were settled in another store, and drop the oldest of such events."""
        with self._transaction():
            for entry in entries:
                self._insert(entry.record)
                fate = map(_sound, (entry.state, *(entry.handover or Handover("", "", 0))))
                ((row,),) = self._execute("SELECT last_insert_rowid()")
                self._execute(_SETTLE, [*fate, f"[{row}]"])
            if self._bounds is not None:
                self._trim("sent", LOG_MAX_BYTES)
                self.add_loss("full", self._trim("rejected", LOG_MAX_BYTES))

    def check_room(self) -> None:
        """Write what changes nothing: a full disk is known before anything is sent."""
        with self._transaction():
            for change in (1, -1):
                self.add_loss("full", change)

    def explain(self, error: sqlite3.Error) -> SpoolUnwritableError:
        """Put what SQLite raised into words, for whoever goes on with the open store."""
        ((_, _, file), *_) = self._execute("PRAGMA database_list")
        return SpoolUnwritableError(Path(file), reason=database.reason_of(error))

    def stats(self, states: Sequence[State] = STATES, selection: Selection = ALL) -> Stats:
        """Count events by day, tool, name and state."""
        day = f"(instant + {_EPOCH.toordinal() * _DAY}) / {_DAY}"
        columns = f"SELECT {day}, tool, kind, count(*), sum(length(event))"
        found: dict[Group, int] = {}
        total = 0
        for state in states:
            rows = self._query(columns, state, selection, "GROUP BY 1, 2, 3")
            for ordinal, tool, kind, count, size in rows:
                group = Group(_day(ordinal), tool, kind, state)
                found[group] = found.get(group, 0) + count
                total += size
        return Stats(dict(sorted(found.items())), total)

    def purge(self, states: Sequence[State] = UNSENT, selection: Selection = ALL) -> int:
        """Remove events for good, and give their room back; return how many went."""
        with self._transaction():
            gone = sum(self._query("DELETE", state, selection).rowcount for state in states)
        # `execute` would stop after the first page.
        self._connection.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)")
        return gone

    def losses(self) -> Losses:
        """Return how many events were lost, and why."""
        return Losses(**dict(self._execute("SELECT reason, events FROM losses").fetchall()))

    def add_loss(self, reason: Reason, count: int) -> None:
        """Count lost events."""
        if count:
            statement = "UPDATE losses SET events = events + ? WHERE reason = ?"
            self._execute(statement, [count, reason])


def _condition(selection: Selection) -> tuple[str, list[object]]:
    """Write a selection as a condition of SQL, with its values."""
    tools, events, since, until, uids, consent, without = selection
    parts: list[tuple[str, Sequence[object]]] = [
        (f"tool IN ({_marks(tools)})", tools),
        (f"kind IN ({_marks(events)})", events),
        (f"tool NOT IN ({_marks(without)})", without),
        (" OR ".join(["instr(uid, ?) = 1"] * len(uids)), uids),
        ("consent = ?", [] if consent is None else [consent]),
        # The sign keeps SQLite from an index that gives another order.
        ("+instant >= ?", [] if since is None else [_instant(since)]),
        ("+instant < ?", [] if until is None else [_instant(until)]),
    ]
    told = [(part, values) for part, values in parts if values]
    condition = " AND ".join(["1", *(f"({part})" for part, _ in told)])
    return condition, [_sound(value) for _, values in told for value in values]


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _instant(time: datetime | None) -> int | None:
    """Return microseconds since 1970: unlike texts, they have an order whatever the zone."""
    return None if time is None else (time - _EPOCH) // timedelta(microseconds=1)


def _day(ordinal: int | None) -> str:
    try:
        return date.fromordinal(ordinal or 0).isoformat()
    except ValueError:
        return UNKNOWN_DAY


def _sound(value: object) -> object:
    """Return a value that SQLite takes: half of a surrogate pair has no bytes."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "replace").decode()
    return value


def _entry(row: tuple[Any, ...], state: State) -> Entry:
    _, event, kind, uid, time, tool, consent, at, *answered = row
    handover = None if at is None else Handover(at, *answered)
    return Entry(uid, time, tool, kind, state, len(event), event, consent, handover)


_lock = threading.RLock()
"""Keeps a fork waiting while an event is added: its child would hang in what SQLite locks."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
    )


def append(
    environment: Environment, event: bytes, *, tool: str, kind: str, consent: str = ""
) -> None:
    """Add one event to the user's spool, without waiting long for other processes.

    Args:
        environment: whose.
        event: the exact bytes.
        tool: whose event it is.
        kind: the event's name.
        consent: under which consent to send it is recorded; empty: it stays here.

    Raises:
        FolderUnknownError: this account has no home.
        SpoolUnwritableError: the event was not kept.
    """
    now, entropy = environment.now(), environment.entropy
    labels = {"tool": tool, "kind": kind, "consent": consent}
    append_all(environment, [new_record(event, now=now, entropy=entropy, **labels)])


def append_all(
    environment: Environment, records: Sequence[Record], *, patience: timedelta = BRIEF
) -> None:
    """Add events to the user's spool in one transaction; as `append`.

    Raises:
        FolderUnknownError: this account has no home.
        SpoolUnwritableError: not all of them were kept.
    """
    file, bounds = files.require_spool_file(environment), load_bounds(environment)
    with _lock:
        try:
            added = _add(file, bounds, records, patience)
        except SpoolSetAsideError:
            added = _add(file, bounds, records, patience)
    if added < len(records):
        reason = f"an event is larger than it may be ({bounds.max_bytes} bytes)"
        raise SpoolUnwritableError(file, reason=reason)


def _add(file: Path, bounds: Bounds, records: Sequence[Record], patience: timedelta) -> int:
    with database.connected(file, patience=patience, is_brief=True) as connection:
        return Spool(connection, bounds).add(records)


def load_bounds(environment: Environment) -> Bounds:
    """Take the bounds from the user's settings, else the defaults."""
    user, default = settings.load(environment), Bounds()
    max_days = user.spool_max_days or default.max_days
    return Bounds(user.spool_max_bytes or default.max_bytes, max_days)


@contextmanager
def opened(
    file: Path, *, bounds: Bounds | None = None, patience: timedelta = PATIENT
) -> Iterator[Spool]:
    """Open a store for reading and writing, and make it if it is missing.

    Raises:
        SpoolUnwritableError: it cannot be opened, or cannot be written.
        SpoolSetAsideError: it was not a store; the next attempt makes a new one.
    """
    with database.connected(file, patience=patience) as connection:
        yield Spool(connection, bounds)


@contextmanager
def open_spool(
    environment: Environment, *, patience: timedelta = PATIENT, read_only: bool = False
) -> Iterator[Spool]:
    """Open the user's spool; one that is not there is as an empty one, and is not made.

    Raises:
        FileUnreadableError: it cannot be read.
        SpoolUnwritableError: it cannot be written.
        SpoolSetAsideError: it was not a spool of ours.
    """
    file = files.spool_file(environment)
    if file is not None and not read_only and os.path.lexists(file):
        with opened(file, bounds=load_bounds(environment), patience=patience) as store:
            yield store
    else:
        with database.connected_for_reading(file, patience=patience) as connection:
            yield Spool(connection)


def purge(
    environment: Environment, *, states: Sequence[State] = UNSENT, selection: Selection = ALL
) -> int:
    """Remove events of the user's spool for good, once no delivery is under way.

    Raises:
        SpoolUnwritableError: they are still there.
        LockTimeoutError: a delivery went on and on.
    """
    file = files.spool_file(environment)
    if file is None:
        return 0
    laid_out = files.require_files_dir(environment)
    if not (os.path.lexists(file) or os.path.lexists(laid_out)):
        return 0
    with files.lock(files.require_delivery_dir(environment), seconds=PATIENT.total_seconds()):
        if selection == ALL and "pending" in states:  # What `replay --file` has not sent yet.
            import shutil  # it loads three compressions

            shutil.rmtree(laid_out, ignore_errors=True)
        with open_spool(environment) as store:
            return store.purge(states, selection)


def last_event(environment: Environment, *, tool: str) -> bytes | None:
    """Return the exact bytes of the tool's newest event that waits, None without one.

    Raises:
        FileUnreadableError: the spool cannot be read.
    """
    with open_spool(environment, patience=BRIEF, read_only=True) as store:
        found = list(store.entries(["pending"], Selection(tools=(tool,)), newest=1))
    return found[-1].body if found else None


def state(environment: Environment) -> SpoolState:
    """Measure the spool; a problem is part of the answer."""
    file = files.spool_file(environment)
    if file is None:
        return SpoolState(None, problem="this account has no home to keep a spool in")
    aside = ", ".join(database.list_set_aside(file))
    told = f"What lay in the place of {file} was not a spool, and was set aside as {aside}."
    found = SpoolState(file, problem=told if aside else "", unwritable=_why_unwritable(file))
    try:
        with database.connected_for_reading(file, patience=BRIEF, is_glance=True) as connection:
            store = Spool(connection)
            (pending, size), (sent, _), (rejected, _) = (store.total(each) for each in STATES)
            losses = store.losses()
    except FileUnreadableError as error:
        return found._replace(problem=error.message)
    return found._replace(pending=pending, sent=sent, rejected=rejected, bytes=size, losses=losses)


def _why_unwritable(file: Path) -> str:
    """Say why the next event could not be kept, as far as that can be told without writing."""
    folder = next((path for path in file.parents if os.path.exists(path)), file.parent)  # noqa: PTH110  (as below)
    for path, mode in ((folder, os.W_OK | os.X_OK), (file, os.W_OK)):
        # os.path answers where pathlib raises: a folder that may not be searched.
        if os.path.exists(path) and not os.access(path, mode):  # noqa: PTH110
            return f"{path} cannot be written, so that no event is kept in the spool."
    return ""
