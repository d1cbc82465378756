"""The spool: the durable store of events that wait, were sent or were rejected.

One SQLite file in the user's state folder; each list, filter, count, purge and delivery is a query.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from usagectl import settings
from usagectl.errors import FileUnreadableError, SpoolUnwritableError, quote
from usagectl.events.record import Record, new_record, parse_time
from usagectl.machine import file_errors, files, owners
from usagectl.spool import database
from usagectl.spool.database import BRIEF, SpoolSetAsideError
from usagectl.values import Value

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from usagectl.machine.environment import Environment

State = Literal["pending", "sent", "rejected"]
Reason = Literal["full", "old", "unwritable"]
STATES: tuple[State, ...] = get_args(State)
UNSENT: tuple[State, ...] = ("pending", "rejected")

PATIENT = database.PATIENT
LOG_MAX_BYTES = 16 * 1024 * 1024
"""The bytes that are kept of events that were sent, and of those that were rejected."""

_SESSION = "session"
_ROW_BYTES = 150
"""The bytes of a row beside its event and answer: labels, index, SQLite's own (measured)."""

_SIZE = f"({_ROW_BYTES} + length(event) + coalesce(length(answer), 0))"
_ANSWER_CHARACTERS = 500
_NO_END = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1) // _MICROSECOND
_DAY_IN_UTC = (  # Division rounds towards zero; of the year before the first no day has a name.
    "coalesce(nullif(date((instant - (instant < 0) * 999999) / 1000000, 'unixepoch'), "
    "'0000-12-31'), 'unknown')"
)
_INSERT = "INSERT INTO events VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_COUNT = (
    "UPDATE totals SET events = events {sign} found, bytes = bytes {sign} size FROM "  # noqa: S608  (no text of others)
    f"(SELECT state AS of, count(*) AS found, sum({_SIZE}) AS size FROM events "
    "WHERE {rows} GROUP BY state) WHERE state = of"
)
_LISTED = "seq IN (SELECT value FROM json_each(?))"
_BATCHED = "SELECT seq, uid, time, tool, kind, event, consent"
_SETTLE = "UPDATE events SET state = ?, at = ?, destination = ?, status = ?, answer = ? WHERE "
_OLD = (  # Of the oldest hundred: one with an odd time keeps none behind it from going.
    "instant < (SELECT instant FROM events ORDER BY seq DESC LIMIT 1) - ? "
    "AND seq IN (SELECT seq FROM events WHERE state = 'pending' ORDER BY seq LIMIT 100)"
)


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


class Spool:
    """An open store, for the thread of the process that opened it."""

    def __init__(self, connection: sqlite3.Connection, bounds: Bounds | None = None) -> None:
        self._connection = connection
        self._bounds = bounds

    def _execute(self, statement: str, values: Iterable[object] = ()) -> sqlite3.Cursor:
        return self._connection.execute(statement, [*map(_sound, values)])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        database.begin(self._connection)
        with self._connection:
            yield

    def add(self, records: Iterable[Record], *, lost: int = 0) -> int:
        """Add events in one transaction, and drop the oldest beyond the bounds.

        Events that were lost before are counted in the same transaction.

        Returns:
            How many were added.
        """
        with self._transaction():
            added = self._insert(map(_row, records))
            self.add_loss("unwritable", lost)
            if self._bounds is not None:
                self.add_loss("full", self._trim("pending", self._bounds.max_bytes))
                self.add_loss("old", self._drop_old(self._bounds.max_days))
        return added

    def take_over(self, entries: Iterable[Entry]) -> None:
        """Add events that were settled in another store, and drop the oldest of such events."""
        with self._transaction():
            self._insert(_row(each.record, each.state, each.handover) for each in entries)
            self._trim("sent", LOG_MAX_BYTES)
            self.add_loss("full", self._trim("rejected", LOG_MAX_BYTES))

    def _insert(self, rows: Iterable[tuple[object, ...]]) -> int:
        """Add rows and count them; return how many."""
        ((last,),) = self._execute("SELECT coalesce(max(seq), 0) FROM events")
        added = self._connection.executemany(_INSERT, rows).rowcount
        self._count("+", "seq > ?", [last])
        return added

    def _count(self, sign: Literal["+", "-"], rows: str, values: Sequence[object]) -> None:
        """Add rows to the totals, or take them away."""
        self._execute(_COUNT.format(sign=sign, rows=rows), values)

    def _remove(self, rows: str, values: Sequence[object]) -> int:
        """Delete rows and count them; return how many."""
        self._count("-", rows, values)
        return self._execute(f"DELETE FROM events WHERE {rows}", values).rowcount  # noqa: S608  (as above)

    def _trim(self, state: State, max_bytes: int) -> int:
        """Drop the oldest events of a state beyond so many bytes; return how many."""
        excess = self.total(state)[1] - max_bytes
        if excess <= 0:
            return 0
        rows = self._query(f"SELECT seq, {_SIZE}", [state], ALL, "ORDER BY seq")
        for seq, size in rows:
            excess -= size
            if excess <= 0:
                rows.close()
                return self._remove(f"state = {state!r} AND seq <= ?", [seq])
        return 0

    def _drop_old(self, max_days: int) -> int:
        """Drop events that wait and are so many days older than the newest; return how many."""
        dropped = 0
        while gone := self._remove(_OLD, [min(max_days * _DAY, _NO_END)]):
            dropped += gone
        return dropped

    def total(self, state: State) -> tuple[int, int]:
        """Return how many events are in a state, and the bytes they take."""
        row = self._execute("SELECT events, bytes FROM totals WHERE state = ?", [state])
        ((events, size),) = row
        return events, size

    def _query(
        self,
        deed: str,
        states: Sequence[State],
        selection: Selection,
        rest: str = "",
        *values: object,
    ) -> sqlite3.Cursor:
        condition, chosen = _condition(states, selection)
        return self._execute(f"{deed} FROM events WHERE {condition} {rest}", [*chosen, *values])

    def count(self, states: Sequence[State], selection: Selection = ALL) -> int:
        """Count events."""
        ((count,),) = self._query("SELECT count(*)", states, selection)
        return int(count)

    def entries(
        self, states: Sequence[State], selection: Selection = ALL, *, newest: int | None = None
    ) -> Iterator[Entry]:
        """Read events one by one: state after state, and the oldest first in each.

        With `newest` only that many, those that were added last.
        """
        first = 0
        if newest is not None:
            order = "ORDER BY seq DESC LIMIT ?"
            found = self._query("SELECT seq", states, selection, order, newest).fetchall()
            first = found[-1][0] if found else 0
        for state in states:
            rows = self._query("SELECT *", [state], selection, "AND seq >= ? ORDER BY seq", first)
            yield from map(_entry, rows)

    def bodies(self, states: Sequence[State]) -> Iterator[bytes]:
        """Read the exact bytes alone: whole entries make the audit of a full spool wait longer."""
        for state in states:
            for (body,) in self._query("SELECT event", [state], ALL, "ORDER BY seq"):
                yield body

    def batches(
        self,
        selection: Selection = ALL,
        *,
        state: State = "pending",
        size: int,
        max_bytes: int,
        limit: int | None = None,
        sessions_apart: bool = True,
    ) -> Iterator[Batch]:
        """Put the events that are there now into batches, in their order.

        A batch has at most `max_bytes` bytes unless one event alone has more; with
        `sessions_apart` a session event is a batch of its own. Rows may be settled meanwhile;
        each comes once.
        """
        ((until,),) = self._execute("SELECT coalesce(max(seq), 0) FROM events")
        last, left = 0, _NO_END if limit is None else limit
        rest = "AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
        while True:
            span = (last, until, min(size, left))
            rows = self._query(_BATCHED, [state], selection, rest, *span)
            batch = _batch(rows, max_bytes, sessions_apart=sessions_apart)
            rows.close()
            if not batch.ids:
                return
            yield batch
            last, left = batch.ids[-1], left - len(batch.ids)

    def settle(self, batch: Batch, state: Literal["sent", "rejected"], handover: Handover) -> None:
        """Note the answer to a batch, and drop the oldest events of its new state."""
        with self._transaction():
            rows = [json.dumps(batch.ids)]
            self._count("-", _LISTED, rows)
            self._execute(_SETTLE + _LISTED, [state, *_fate(handover), *rows])
            self._count("+", _LISTED, rows)
            dropped = self._trim(state, LOG_MAX_BYTES) if self._bounds else 0
            self.add_loss("full", dropped if state == "rejected" else 0)

    def check_room(self) -> None:
        """Write without changing anything, so that a full disk is known before a delivery."""
        self._execute("REPLACE INTO losses SELECT * FROM losses")

    def explain(self, error: sqlite3.Error) -> SpoolUnwritableError:
        """Translate an error of SQLite's for a caller that keeps the store open."""
        ((_, _, file), *_) = self._execute("PRAGMA database_list")
        return database.unwritable(Path(file), error)

    def stats(self, states: Sequence[State] = STATES, selection: Selection = ALL) -> Stats:
        """Count events by day, tool, name and state."""
        columns = f"SELECT {_DAY_IN_UTC}, tool, kind, state, count(*), sum(length(event))"
        order = "GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
        rows = self._query(columns, states, selection, order).fetchall()
        groups = {Group(*labels): count for *labels, count, _ in rows}
        return Stats(groups, sum(size for *_, size in rows))

    def purge(self, states: Sequence[State] = UNSENT, selection: Selection = ALL) -> int:
        """Remove events for good, and give their room back; return how many went."""
        with self._transaction():
            gone = self._remove(*_condition(states, selection))
        # `execute` would stop after the first page.
        self._connection.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)")
        return gone

    def losses(self) -> Losses:
        """Return the numbers of lost events."""
        return Losses(**dict(self._execute("SELECT reason, events FROM losses").fetchall()))

    def add_loss(self, reason: Reason, count: int) -> None:
        """Count lost events."""
        if count:
            statement = "UPDATE losses SET events = events + ? WHERE reason = ?"
            self._execute(statement, [count, reason])


def _condition(states: Sequence[State], selection: Selection) -> tuple[str, list[object]]:
    """Build SQL's condition for states and a selection, with its values."""
    tools, events, since, until, uids, consent, without = selection
    parts: list[tuple[str, Sequence[object]]] = [
        (f"tool IN ({_marks(tools)})", tools),
        (f"kind IN ({_marks(events)})", events),
        (f"tool NOT IN ({_marks(without)})", without),
        (" OR ".join(["instr(uid, ?) = 1"] * len(uids)), uids),
        ("consent = ?", [] if consent is None else [consent]),
        ("instant >= ?", [] if since is None else [_instant(since)]),
        ("instant < ?", [] if until is None else [_instant(until)]),
    ]
    told = [(part, values) for part, values in parts if values]
    # States stand in the text: SQLite asks the index of those that wait for no other.
    condition = f"state IN ({', '.join(map(repr, states))})"
    for part, _ in told:
        condition += f" AND ({part})"
    return condition, [value for _, values in told for value in values]


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _instant(time: datetime) -> int:
    """Return microseconds since 1970, which have an order whatever the zone of the text."""
    return (time - _EPOCH) // _MICROSECOND


def _sound(value: object) -> object:
    """Replace half a surrogate pair, which has no bytes, so that SQLite takes the value."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "replace").decode()
    return value


def _row(
    record: Record, state: State = "pending", handover: Handover | None = None
) -> tuple[object, ...]:
    labels: tuple[Any, ...] = (*record[:4], record.consent)
    if not all(map(str.isascii, labels)):  # Asked of all: a tracker writes 50,000 rows a second.
        labels = tuple(map(_sound, labels))
    uid, time, tool, kind, consent = labels
    found = parse_time(record.time)
    instant = None if found is None else _instant(found)
    return (uid, time, instant, tool, kind, consent, record.event, state, *_fate(handover))


def _fate(handover: Handover | None) -> tuple[object, ...]:
    if handover is None:
        return (None, None, None, None)
    return (*handover[:3], handover.answer[:_ANSWER_CHARACTERS])


def _entry(row: tuple[Any, ...]) -> Entry:
    _, uid, time, _, tool, kind, consent, event, state, at, *answered = row
    handover = None if at is None else Handover(at, *answered)
    return Entry(uid, time, tool, kind, state, len(event), event, consent, handover)


def _batch(rows: Iterable[tuple[Any, ...]], max_bytes: int, *, sessions_apart: bool) -> Batch:
    """Put rows into a batch while they fit."""
    ids: list[int] = []
    records: list[Record] = []
    is_session = False
    for seq, *labels in rows:
        record = Record(*labels)
        max_bytes -= len(record.event)
        is_next_session = sessions_apart and record.kind == _SESSION
        if ids and (max_bytes < 0 or is_session or is_next_session):
            break
        ids.append(seq)
        records.append(record)
        is_session = is_next_session
    return Batch(tuple(ids), tuple(records), is_session=is_session)


_lock = threading.RLock()
"""Delays a fork while an event is added: the child would hang in what SQLite locks."""


def _let_go() -> None:
    with suppress(RuntimeError):  # A fork waits no longer than a command for a disk that hangs.
        _lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _lock.acquire(timeout=BRIEF),
        after_in_parent=_let_go,
        after_in_child=_let_go,
    )


def append(
    environment: Environment, event: bytes, *, tool: str, kind: str, consent: str = ""
) -> None:
    """Add one event to the user's spool; `consent` is the one to send it, empty without one.

    Raises:
        FolderUnknownError: this account has no home.
        SpoolUnwritableError: the event was not kept.
    """
    now, entropy = environment.now(), environment.entropy
    labels = {"tool": tool, "kind": kind, "consent": consent}
    append_all(environment, [new_record(event, now=now, entropy=entropy, **labels)])


def append_all(
    environment: Environment, records: Sequence[Record], *, patience: float = BRIEF
) -> None:
    """Add events to the user's spool in one transaction.

    Raises:
        FolderUnknownError: this account has no home.
        SpoolUnwritableError: not all of them were kept.
    """
    file, bounds = _own_file(environment), load_bounds(environment)
    fitting = [each for each in records if len(each.event) + _ROW_BYTES <= bounds.max_bytes]
    lost = len(records) - len(fitting)
    if not _lock.acquire(timeout=patience):
        raise SpoolUnwritableError(file, reason="another thread keeps it locked")
    try:
        with opened(file, bounds=bounds, patience=patience) as store:
            store.add(fitting, lost=lost)
    except SpoolSetAsideError:
        with opened(file, bounds=bounds, patience=patience) as store:
            store.add(fitting, lost=lost)
    finally:
        _lock.release()
    if lost:
        reason = f"an event is larger than it may be ({bounds.max_bytes} bytes)"
        raise SpoolUnwritableError(file, reason=reason)


def _own_file(environment: Environment) -> Path:
    """Name the user's spool; refuse one that another user could have written."""
    file = files.require_spool_file(environment)
    if doubt := owners.doubt_of(environment, file):
        raise SpoolUnwritableError(file, reason=doubt.reason, hint=doubt.hint)
    return file


def load_bounds(environment: Environment) -> Bounds:
    """Take the bounds from the user's settings, else the defaults."""
    user, default = settings.load(environment), Bounds()
    return Bounds(
        user.spool_max_bytes or default.max_bytes, user.spool_max_days or default.max_days
    )


@contextmanager
def opened(
    file: Path, *, bounds: Bounds | None = None, patience: float = PATIENT
) -> Iterator[Spool]:
    """Open a store for reading and writing, and make it if it is missing.

    Raises:
        SpoolUnwritableError: it cannot be opened, or cannot be written.
        SpoolSetAsideError: it was not a store; the next attempt makes a new one.
    """
    with database.connected(file, seconds=patience) as connection:
        yield Spool(connection, bounds)


@contextmanager
def opened_for_reading(file: Path | None) -> Iterator[Spool]:
    """Open a store for reading alone; a missing one reads as empty, and is not made.

    Raises:
        FileUnreadableError: it cannot be read, or is not a store of ours.
    """
    with database.connected_for_reading(file) as connection:
        yield Spool(connection)


@contextmanager
def open_spool(environment: Environment, *, read_only: bool = False) -> Iterator[Spool]:
    """Open the user's spool; one that is not there is as an empty one, and is not made.

    Raises:
        FileUnreadableError: it cannot be read.
        SpoolUnwritableError: it cannot be written.
        SpoolSetAsideError: it was not a spool of ours.
    """
    file = files.spool_file(environment)
    if file is not None and (doubt := owners.doubt_of(environment, file)):
        raise FileUnreadableError(file, reason=doubt.reason, hint=doubt.hint)
    if file is not None and not read_only and os.path.lexists(file):
        with opened(file, bounds=load_bounds(environment)) as store:
            yield store
    else:
        with opened_for_reading(file) as store:
            yield store


def purge(
    environment: Environment, *, states: Sequence[State] = UNSENT, selection: Selection = ALL
) -> int:
    """Remove events of the user's spool for good, once no delivery is under way.

    Raises:
        FileUnreadableError: the spool cannot be read.
        SpoolUnwritableError: they are still there.
        LockTimeoutError: a delivery went on and on.
    """
    file = files.spool_file(environment)
    if file is None:
        return 0
    laid_out = files.require_files_dir(environment)
    if not (database.is_there(file) or os.path.lexists(laid_out)):
        return 0
    with files.lock(files.require_delivery_dir(environment), seconds=PATIENT):
        if selection == ALL and "pending" in states:  # What `replay --file` has not sent yet.
            import shutil  # it loads three compressions

            shutil.rmtree(laid_out, ignore_errors=True)
        with open_spool(environment) as store:
            return store.purge(states, selection)


def state(environment: Environment) -> SpoolState:
    """Count what is in the spool; a problem is part of the answer."""
    file = files.spool_file(environment)
    if file is None:
        return SpoolState(None, problem="this account has no home to keep a spool in")
    aside = ", ".join(database.list_set_aside(file))
    told = f"What lay in the place of {file} was not a spool, and was set aside as {aside}."
    unwritable, hint = _why_unwritable(file)
    hint = (unwritable and file_errors.hint_of_home(environment, file)) or hint
    hint = hint or (f"ls -la {quote(str(file.parent))}" if aside else "")
    found = SpoolState(file, problem=told if aside else "", unwritable=unwritable, hint=hint)
    try:
        with open_spool(environment, read_only=True) as store:
            (pending, size), (sent, _), (rejected, _) = map(store.total, STATES)
            losses = store.losses()
    except FileUnreadableError as error:
        unknown = found._replace(pending=None, sent=None, rejected=None, bytes=None)
        return unknown._replace(problem=error.message, hint=error.hint)
    return found._replace(pending=pending, sent=sent, rejected=rejected, bytes=size, losses=losses)


def _why_unwritable(file: Path) -> tuple[str, str]:
    """Say why the next event could not be kept, as far as this shows without writing; a hint."""
    folder = next((path for path in file.parents if os.path.exists(path)), file.parent)  # noqa: PTH110  (as below)
    for path, mode in ((folder, os.W_OK | os.X_OK), (file, os.W_OK)):
        # os.path answers where pathlib raises: a folder that may not be searched.
        if os.path.exists(path) and not os.access(path, mode):  # noqa: PTH110
            hint = file_errors.explain_owner(file)[1] or f"ls -la {quote(str(folder))}"
            return f"{path} cannot be written, so that no event is kept in the spool.", hint
    return "", ""
