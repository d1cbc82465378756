"""A store of events, open: what is added, counted, selected, batched, settled, removed."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from usagectl.events.record import Record, parse_time
from usagectl.spool import database
from usagectl.spool.contents import (
    ALL,
    STATES,
    UNSENT,
    Batch,
    Bounds,
    Entry,
    Group,
    Handover,
    Losses,
    Stats,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from usagectl.errors import SpoolUnwritableError
    from usagectl.spool.contents import Reason, Selection, State

LOG_MAX_BYTES = 16 * 1024 * 1024
"""The bytes that are kept of events that were sent, and of those that were rejected."""

_SESSION = "session"
ROW_BYTES = 150
"""The bytes of a row beside its event and answer: labels, index, SQLite's own (measured)."""

_SIZE = f"({ROW_BYTES} + length(event) + coalesce(length(answer), 0))"
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
